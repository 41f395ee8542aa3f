"""The headless companion of ParotidSeg: brings ParotidSegTrainingLib onto the application's Python path."""

from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest

HOMEPAGE = "https://github.com/ParotidSeg/SlicerParotidSeg"


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
            "Trains and judges models for ParotidSeg, from Python or a terminal. "
            'See the <a href="{url}">documentation</a>.'
        ).format(url=HOMEPAGE)
        self.parent.acknowledgementText = ""


class ParotidSegTrainingTest(ScriptedLoadableModuleTest):
    """Checks that need neither the network nor an engine."""

    def runTest(self):
        """Run all checks."""
        self.test_the_shipped_recipes_came_with_the_module()

    def test_the_shipped_recipes_came_with_the_module(self):
        """The library lies beside the module, with its recipes."""
        from pathlib import Path

        import ParotidSegTrainingLib

        recipes = Path(ParotidSegTrainingLib.__file__).parent / "recipes"
        self.assertTrue(any(recipes.glob("*.json")))
