"""Scripted modules: `slicer.i18n` and the parts of `slicer.ScriptedLoadableModule` that need no Qt."""

from __future__ import annotations

import importlib.util
import sys
import types
import unittest
from pathlib import Path
from typing import Any

from .modules import Module


class ModuleParent:
    """The object that a scripted module describes itself on; only the attributes of the real one can be set."""

    __slots__ = (
        "acknowledgementText",
        "categories",
        "contributors",
        "dependencies",
        "helpText",
        "hidden",
        "icon",
        "path",
        "title",
    )

    def __init__(self, path: str) -> None:
        self.path = path
        self.hidden = False


class ScriptedLoadableModule:
    """Base of a module's description."""

    def __init__(self, parent: ModuleParent) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.contributors, parent.helpText, parent.acknowledgementText = [], "", ""

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        """A link to the module's page."""
        return f'<p>See the <a href="https://example.org/{docPage or self.moduleName}">documentation</a>.</p>'


class ScriptedLoadableModuleLogic:
    """Base of a module's logic."""

    def __init__(self, parent: object = None) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self) -> Any:
        """The module's own node of the scene, made if there is none."""
        import slicer

        scene = slicer.mrmlScene
        node = scene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node = scene.AddNode(node)
        node.SetAttribute("ModuleName", self.moduleName)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Base of a module's self-test; `delayDisplay` writes nothing here."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:
        """Show a message for a moment."""

    def runTest(self) -> None:
        """To be overridden."""
        raise NotImplementedError


def install(slicer: Any) -> None:
    """Put the modules where `import slicer.i18n` and the like find them."""
    i18n = types.ModuleType("slicer.i18n")
    i18n.tr = lambda text: text  # type: ignore[attr-defined]
    i18n.translate = lambda context, text: text  # type: ignore[attr-defined]
    base = types.ModuleType("slicer.ScriptedLoadableModule")
    for cls in (ScriptedLoadableModule, ScriptedLoadableModuleLogic, ScriptedLoadableModuleTest):
        setattr(base, cls.__name__, cls)
    for module in (i18n, base):
        sys.modules[module.__name__] = module
        setattr(slicer, module.__name__.rpartition(".")[2], module)


def load_scripted_module(slicer: Any, path: Path) -> types.ModuleType:
    """Import a module file as the application does, describe it and register it in `slicer.modules`.

    Returns:
        The Python module; the description is `slicer.modules.<name>Instance`, as in the application.
    """
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    description = getattr(module, name)(ModuleParent(str(path)))
    slicer.modules.add(Module(name, str(path)))
    setattr(slicer.modules, f"{name}Instance", description)
    return module
