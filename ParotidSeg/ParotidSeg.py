"""The ParotidSeg module of 3D Slicer: contours both parotid glands in a head-and-neck CT.

Nothing of the library is imported before it is needed: Slicer loads this file at every start.
"""

import importlib
import json
import sys
from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

HOMEPAGE = "https://github.com/ParotidSeg/SlicerParotidSeg"
DOCUMENTATION = f"{HOMEPAGE}/blob/main/Documentation/Slicer.md"
RESOURCES = Path(__file__).parent / "Resources"
TERMINOLOGY_FILE = RESOURCES / "Terminology" / "SegmentationCategoryTypeModifier-ParotidSeg.term.json"

#: The files behind the panel, those first that others import: *Reload* reads them anew.
RELOADED = (
    "worker.endings",
    "worker.events",
    "worker.log_text",
    "worker.process_tree",
    "worker.start",
    "worker.time_left",
    "worker.job",
    "installing.engine_packages",
    "installing.install_checks",
    "installing.install_failures",
    "installing.trial",
    "installing.installer",
    "scene.results",
    "scene.voxels",
    "scene.automatic",
    "scene.hierarchy",
    "scene.undo",
    "scene.scene",
    "registration",
    "scene.uncertainty",
    "scene.reviewed",
    "showing.views",
    "showing.appearance",
    "correction.kept",
    "correction.cutout",
    "correction.masking",
    "correction.writing",
    "correction.carrying",
    "comparing.choosing",
    "comparing.dose.volumes",
    "comparing.dose.dosing",
    "comparing.comparison",
    "comparing.regions",
    "comparing.overlay",
    "comparing.dose_plot",
    "comparing.table",
    "comparing.taking_over",
    "comparing.loading",
    "running.run",
    "running.several",
    "running.dicom_job",
    "exports",
    "installing.preparation",
    "parameters",
    "logic",
    "panel.styles",
    "panel.own_widgets",
    "panel.model_choice",
    "panel.run_section",
    "panel.review.appearance_row",
    "panel.review.reviewed_marks",
    "panel.review.review_section",
    "panel.several_section",
    "panel.correct.carry_on_rows",
    "panel.correct.correct_section",
    "panel.compare.segment_rows",
    "panel.compare.figures_table",
    "panel.compare.compare_section",
    "panel.export_section",
    "panel.panel",
)


class ParotidSeg(ScriptedLoadableModule):
    """What the application shows of the module; registers terminology and sample data once it has started."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = "ParotidSeg"
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["The ParotidSeg contributors"]
        self.parent.helpText = _(
            "Contours the right and the left parotid gland in a head-and-neck CT, to review, correct and send on. "
            "It is for research: a person must review every contour before it is used. "
            'See the <a href="{url}">documentation</a> with a tutorial.'
        ).format(url=DOCUMENTATION)
        self.parent.acknowledgementText = _(
            "The shipped models were trained on the OpenKBP data set (Babier et al., Medical Physics 48, 2021)."
        )
        slicer.app.connect("startupCompleted()", register)


def register():
    """Offer the terminology and the sample CT; called when the application has started."""
    from ParotidSegLib.in_slicer.registration import register_sample_data, register_terminology

    register_terminology()
    register_sample_data()


class ParotidSegWidget(ScriptedLoadableModuleWidget):
    """The shell that Slicer calls; the behaviour is in `ParotidSegLib.in_slicer.panel.panel`."""

    def __init__(self, parent=None):
        self.logic = None
        self.panel = None
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self):
        """Load the panel from its .ui file."""
        ScriptedLoadableModuleWidget.setup(self)
        from ParotidSegLib.in_slicer.logic import ParotidSegLogic
        from ParotidSegLib.in_slicer.panel.panel import ParotidSegPanel

        root = slicer.util.loadUI(self.resourcePath("UI/ParotidSeg.ui"))
        self.layout.addWidget(root)
        self.logic = ParotidSegLogic()
        self.panel = ParotidSegPanel(root, self.logic)

    # There is no panel if setup() failed, which Slicer has told, and none after cleanup(), which may come twice.

    def enter(self):
        """The user opens the module."""
        if self.panel is not None:
            self.panel.enter()

    def exit(self):
        """The user leaves the module."""
        if self.panel is not None:
            self.panel.exit()

    def cleanup(self):
        """The module is unloaded, or the application ends."""
        panel, self.panel = self.panel, None
        if panel is not None:
            panel.cleanup()

    def onReload(self):
        """Developers: read the files behind the panel anew as well."""
        for name in RELOADED:
            module = sys.modules.get(f"ParotidSegLib.in_slicer.{name}")
            if module is not None:
                importlib.reload(module)
        ScriptedLoadableModuleWidget.onReload(self)


def __getattr__(name):
    """`ParotidSegLogic`, which imports the library, at first use (PEP 562)."""
    if name == "ParotidSegLogic":
        from ParotidSegLib.in_slicer.logic import ParotidSegLogic

        return ParotidSegLogic
    raise AttributeError(name)


class ParotidSegTest(ScriptedLoadableModuleTest):
    """Checks that need neither the network nor an engine."""

    def setUp(self):
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run all checks."""
        for check in (
            self.test_the_library_came_with_the_module,
            self.test_the_terminology_tells_right_from_left,
            self.test_the_panel_says_what_is_missing,
            self.test_contours_are_compared_and_taken_over,
        ):
            self.setUp()
            check()

    def test_the_library_came_with_the_module(self):
        """The library lies beside the module and labels the right gland 1."""
        from ParotidSegLib.structures import by_label

        self.assertEqual(by_label(1).side, "right")

    def test_the_terminology_tells_right_from_left(self):
        """The application reads the terminology, and it has a code for either side."""
        context = json.loads(TERMINOLOGY_FILE.read_text(encoding="utf-8"))
        loaded = slicer.modules.terminologies.logic().LoadTerminologyFromFile(str(TERMINOLOGY_FILE))
        self.assertEqual(loaded, context["SegmentationCategoryTypeContextName"])
        gland = context["SegmentationCodes"]["Category"][0]["Type"][0]
        self.assertEqual([side["CodeMeaning"] for side in gland["Modifier"]], ["Right", "Left"])

    def test_the_panel_says_what_is_missing(self):
        """The panel opens; its button waits for a CT and then for nothing."""
        widget = ParotidSegWidget()
        try:
            button = widget.panel.ui.segmentButton
            self.assertFalse(button.enabled)
            self.assertTrue(button.toolTip)
            slicer.util.loadVolume(str(RESOURCES / "SampleData" / "average_anatomy_ct.nii.gz"), {"show": False})
            self.assertTrue(button.enabled)
        finally:
            # As the module manager would at the end of the application, when this widget is long gone.
            widget._onModuleAboutToBeUnloaded(widget.moduleName)
            widget.parent.deleteLater()

    def test_contours_are_compared_and_taken_over(self):
        """A gland that is missing differs, is shown where it is, and is the reference's once it was taken over."""
        from ParotidSegLib.in_slicer.comparing.overlay import ONLY_REFERENCE, DifferenceOverlay
        from ParotidSegLib.in_slicer.logic import ParotidSegLogic

        logic, overlay = ParotidSegLogic(), DifferenceOverlay()
        samples = RESOURCES / "SampleData"
        volume = slicer.util.loadVolume(str(samples / "average_anatomy_ct.nii.gz"), {"show": False})
        drawn, reference = (logic.loadReference(samples / "average_anatomy_parotids.seg.nrrd", volume)[0] for _ in "ab")
        drawn.GetSegmentation().ClearSegment("Parotid_L")
        self.assertEqual([one.scores.dice for one in logic.compare(drawn, reference).measure()], [1.0, 0.0])
        overlay.show(logic.compare(drawn, reference))
        self.assertLess(overlay.node.GetSegmentCenterRAS(ONLY_REFERENCE)[0], -30.0)  # at the patient's left
        overlay.remove()
        logic.takeOver(logic.compare(drawn, reference), "Parotid_L")
        self.assertEqual([one.scores.dice for one in logic.compare(drawn, reference).measure()], [1.0, 1.0])
        self.assertTrue(logic.undo(drawn))
