"""The headless companion of ParotidSeg: prepares data, trains, evaluates and compares models, from Python.

Nothing of the library is imported before it is needed: Slicer loads this file at every start.
"""

import tempfile
from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest

HOMEPAGE = "https://github.com/ParotidSeg/SlicerParotidSeg"
DOCUMENTATION = f"{HOMEPAGE}/blob/main/Documentation/Slicer.md#training-in-slicer"


class ParotidSegTraining(ScriptedLoadableModule):
    """What the application knows of the companion; it has no panel."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = "ParotidSeg Training"
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["ParotidSeg"]
        self.parent.hidden = True
        self.parent.contributors = ["The ParotidSeg contributors"]
        self.parent.helpText = _(
            "Prepares data for models of ParotidSeg, trains, evaluates and compares them, and shows how volumes agree "
            "(Bland-Altman) as tables and plots. It has no panel: use it from Python, "
            "ParotidSegTrainingLib.in_slicer.logic.ParotidSegTrainingLogic. "
            'See the <a href="{url}">documentation</a> with a script to paste.'
        ).format(url=DOCUMENTATION)
        self.parent.acknowledgementText = _(
            "The shipped models were trained on the OpenKBP data set (Babier et al., Medical Physics 48, 2021)."
        )


class ParotidSegTrainingTest(ScriptedLoadableModuleTest):
    """Checks that need neither the network nor an engine."""

    def setUp(self):
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run all checks."""
        for check in (
            self.test_the_shipped_recipes_came_with_the_module,
            self.test_the_agreement_of_volumes_becomes_tables_and_charts,
            self.test_a_failure_of_a_command_is_one_sentence,
        ):
            self.setUp()
            check()

    def test_the_shipped_recipes_came_with_the_module(self):
        """The library lies beside the module, with its recipes."""
        from ParotidSegTrainingLib import recipe

        self.assertIn("parotid-ct", recipe.names())

    def test_the_agreement_of_volumes_becomes_tables_and_charts(self):
        """A known bias of one millilitre stands in the table of statistics."""
        from ParotidSegLib.measuring.metrics import NSD_TOLERANCES, StructureScores
        from ParotidSegLib.structures import PAROTIDS
        from ParotidSegTrainingLib.in_slicer.agreement_nodes import show_agreement
        from ParotidSegTrainingLib.judging.results import CaseScores, Results

        def scores(volume):
            return StructureScores(0.9, 0.8, 3.0, 1.0, dict.fromkeys(NSD_TOLERANCES, 0.9), volume, volume + 1.0, False)

        rows = [
            CaseScores(f"case {n}", {s.key: scores(20.0 + n) for s in PAROTIDS}, False, (), 1.0, 1.0) for n in range(4)
        ]
        nodes = show_agreement(Results(tuple(rows)), show=False)
        self.assertEqual(len(nodes), 2)
        for of_gland in nodes:
            self.assertEqual(of_gland.cases.GetNumberOfRows(), 4)
            self.assertEqual(of_gland.chart.GetNumberOfPlotSeriesNodes(), 4)
            self.assertAlmostEqual(of_gland.statistics.GetTable().GetValueByName(0, "value").ToDouble(), 1.0)

    def test_a_failure_of_a_command_is_one_sentence(self):
        """A child process starts, fails, and says why."""
        from ParotidSegLib.errors import WorkerError
        from ParotidSegTrainingLib.in_slicer.logic import ParotidSegTrainingLogic

        with tempfile.TemporaryDirectory() as folder:
            try:
                ParotidSegTrainingLogic(report=lambda line: None).evaluateContours(
                    Path(folder) / "missing", Path(folder) / "missing", Path(folder) / "results"
                )
            except WorkerError as error:
                self.assertIn("missing", str(error))
            else:
                self.fail("the missing folder was not noticed")
