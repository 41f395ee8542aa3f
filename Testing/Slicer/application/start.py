"""Start: the scene, the application logic and the module logics, in the order in which Slicer makes them."""

from __future__ import annotations

import sys
from typing import Any

from . import scripted
from .app import Application
from .modules import Modules, make_logics
from .sample_data import sample_data_module


def start() -> Any:
    """Make `slicer` what it is inside the application; returns the module. A second call changes nothing."""
    import slicer
    import vtk

    if getattr(slicer, "app", None) is not None:
        return slicer
    scene = slicer.vtkMRMLScene()
    slicer.mrmlScene = scene
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetMRMLScene(scene)
    logic.GetColorLogic().SetMRMLScene(scene)
    logic.GetColorLogic().AddDefaultColorNodes()
    logic.SetSliceLogics(vtk.vtkCollection())
    logic.SetViewLogics(vtk.vtkCollection())
    slicer.modules = Modules("slicer.modules")
    sys.modules["slicer.modules"] = slicer.modules
    make_logics(slicer, scene, logic, slicer.modules)
    slicer.app = Application(slicer, logic, slicer.modules)
    _make_scene_reader(slicer, scene, logic)
    scripted.install(slicer)
    sys.modules["SampleData"] = sample_data_module(slicer)
    return slicer


def _make_scene_reader(slicer: Any, scene: Any, application_logic: Any) -> None:
    """What reads the data files that a scene file names."""
    remote = slicer.vtkMRMLRemoteIOLogic()
    remote.SetMRMLScene(scene)
    remote.SetMRMLApplicationLogic(application_logic)
    remote.GetCacheManager().SetRemoteCacheDirectory(slicer.app.temporaryPath)
    reader = slicer.vtkDataIOManagerLogic()
    reader.SetMRMLScene(scene)
    reader.SetMRMLApplicationLogic(application_logic)
    reader.SetAndObserveDataIOManager(remote.GetDataIOManager())
    remote.AddDataIOToScene()
    slicer.app.scene_reader = (remote, reader)  # kept alive with the application


class VtkErrors:
    """Collects what VTK and MRML report as errors, which they print and otherwise ignore."""

    def __init__(self) -> None:
        import vtk

        self.texts: list[str] = []
        self._window = vtk.vtkOutputWindow()
        self._window.SetDisplayModeToNever()

        def take(caller: Any, event: str, text: str) -> None:
            self.texts.append(text)

        take.CallDataType = vtk.VTK_STRING  # type: ignore[attr-defined]
        self._window.AddObserver(vtk.vtkCommand.ErrorEvent, take)
        self._former = vtk.vtkOutputWindow.GetInstance()
        vtk.vtkOutputWindow.SetInstance(self._window)

    def stop(self) -> None:
        """Give the output back."""
        import vtk

        vtk.vtkOutputWindow.SetInstance(self._former)
