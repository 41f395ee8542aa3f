"""The base of a scripted module's widget: the part of `slicer.ScriptedLoadableModule` that needs Qt."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from PySide6.QtWidgets import QVBoxLayout, QWidget

from .scene_widgets import qMRMLWidget


class ScriptedLoadableModuleWidget:
    """Base of a module's panel. Without a parent it makes one, sets itself up and shows it, as in Slicer."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        self.parent: Any = parent
        if parent is None:
            self.parent = qMRMLWidget()
            self.parent.setLayout(QVBoxLayout())
            self.parent.setMRMLScene(slicer.mrmlScene)
        self.layout = self.parent.layout()
        if parent is None:
            self.setup()
            self.parent.show()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, name: str) -> str:
        """A file in the module's Resources."""
        module = Path(sys.modules[type(self).__module__].__file__ or "")
        return str(module.parent / "Resources" / name)

    def setup(self) -> None:
        """To be extended."""

    def cleanup(self) -> None:
        """To be overridden."""

    def _onModuleAboutToBeUnloaded(self, moduleName: str) -> None:
        """As in Slicer: a widget that is not let go hears of the end of its module too, whoever has made it."""
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def onReload(self) -> None:
        """The real one loads the module's file anew and makes a new panel."""


def install() -> None:
    """Add the widget's base to the module that holds the other bases."""
    base = sys.modules["slicer.ScriptedLoadableModule"]
    base.ScriptedLoadableModuleWidget = ScriptedLoadableModuleWidget  # type: ignore[attr-defined]
