"""The ParotidSeg module of 3D Slicer: contours both parotid glands in a head-and-neck CT."""

import json
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

HOMEPAGE = "https://github.com/ParotidSeg/SlicerParotidSeg"
RESOURCES = Path(__file__).parent / "Resources"
TERMINOLOGY_FILE = RESOURCES / "Terminology" / "SegmentationCategoryTypeModifier-ParotidSeg.term.json"


class ParotidSeg(ScriptedLoadableModule):
    """What the application shows of the module; loads the terminology once the application has started."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = "ParotidSeg"
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["The ParotidSeg contributors"]
        self.parent.helpText = _(
            "Contours the right and the left parotid gland in a head-and-neck CT. A person must review every contour "
            'before it is used. See the <a href="{url}">documentation</a>.'
        ).format(url=HOMEPAGE)
        self.parent.acknowledgementText = _(
            "The shipped models were trained on the OpenKBP data set (Babier et al., Medical Physics 48, 2021)."
        )
        slicer.app.connect("startupCompleted()", ParotidSegLogic.loadTerminology)


class ParotidSegWidget(ScriptedLoadableModuleWidget):
    """Says what the module does and how to run it."""

    def setup(self):
        """Build the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        label = qt.QLabel(
            _(
                "<p>ParotidSeg contours both parotid glands in a head-and-neck CT.</p>"
                "<p>From a terminal:<br><code>parotidseg segment CT --output FOLDER</code></p>"
                "<p>From Python: <code>ParotidSegLib.segmentation.segment(image)</code></p>"
                '<p>See the <a href="{url}">documentation</a>.</p>'
            ).format(url=HOMEPAGE)
        )
        label.wordWrap = True
        label.openExternalLinks = True
        self.layout.addWidget(label)
        self.layout.addStretch(1)


class ParotidSegLogic(ScriptedLoadableModuleLogic):
    """What the module can do without its panel."""

    @staticmethod
    def loadTerminology():
        """Offer the right and left parotid gland, coded and coloured, in the application's terminology selector.

        Returns the name of the terminology context.
        """
        return slicer.modules.terminologies.logic().LoadTerminologyFromFile(str(TERMINOLOGY_FILE))


class ParotidSegTest(ScriptedLoadableModuleTest):
    """Checks that need neither the network nor an engine."""

    def setUp(self):
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run all checks."""
        self.setUp()
        self.test_the_library_came_with_the_module()
        self.setUp()
        self.test_the_terminology_tells_right_from_left()

    def test_the_library_came_with_the_module(self):
        """The library lies beside the module and labels the right gland 1."""
        from ParotidSegLib.structures import by_label

        self.assertEqual(by_label(1).side, "right")

    def test_the_terminology_tells_right_from_left(self):
        """The application reads the terminology, and it has a code for either side."""
        context = json.loads(TERMINOLOGY_FILE.read_text(encoding="utf-8"))
        self.assertEqual(ParotidSegLogic.loadTerminology(), context["SegmentationCategoryTypeContextName"])
        gland = context["SegmentationCodes"]["Category"][0]["Type"][0]
        self.assertEqual([side["CodeMeaning"] for side in gland["Modifier"]], ["Right", "Left"])
