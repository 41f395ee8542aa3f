"""`slicer.modules` and `slicer.app.moduleManager()`: modules by name, with their real logics."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Modules of the application that have a logic in the wheel, in the order in which they must be made: the
#: segmentations come first, because their logic registers the converters between representations.
LOGICS = {
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Colors": "vtkMRMLColorLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Models": "vtkSlicerModelsLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
}


@dataclass
class Module:
    """What `slicer.modules.<name>` is."""

    name: str
    path: str = ""
    module_logic: Any = None

    def logic(self) -> Any:
        """The module's logic; None for a scripted module, as in the application unless it sets one."""
        return self.module_logic


class Modules(types.ModuleType):
    """`slicer.modules`: an attribute in lower case for each module; AttributeError for any other."""

    def add(self, module: Module) -> Module:
        """Register a module."""
        setattr(self, module.name.lower(), module)
        return module


class ModuleManager:
    """`slicer.app.moduleManager()`."""

    _SIGNAL = "moduleAboutToBeUnloaded(QString)"

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self.connected: list[Callable[[str], object]] = []

    def connect(self, signal: str, slot: Callable[[str], object]) -> bool:
        """Remember who is to be told that a module ends; any other signal raises."""
        if signal != self._SIGNAL:
            raise ValueError(f"the module manager has no signal {signal!r} here")
        self.connected.append(slot)
        return True

    def disconnect(self, signal: str, slot: Callable[[str], object]) -> bool:
        """End what `connect` began; False if there was nothing to end."""
        if signal != self._SIGNAL or slot not in self.connected:
            return False
        self.connected.remove(slot)
        return True

    def unload(self, name: str) -> None:
        """For tests: what the application does with a module at its end."""
        for slot in list(self.connected):
            slot(name)

    def module(self, name: str) -> Module | None:
        """The module, or None, as in the application."""
        return getattr(self._modules, name.lower(), None)


def make_logics(slicer: Any, scene: Any, application_logic: Any, modules: Modules) -> None:
    """Make the module logics, tie them to the scene and register their modules."""
    for name, class_name in LOGICS.items():
        logic = getattr(slicer, class_name)()
        if name != "Terminologies":  # it would look for the application's own terminology files
            logic.SetMRMLApplicationLogic(application_logic)
            logic.SetMRMLScene(scene)
            application_logic.SetModuleLogic(name, logic)
        modules.add(Module(name, module_logic=logic))
