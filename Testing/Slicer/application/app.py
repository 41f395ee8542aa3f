"""`slicer.app`: the part of the application object that modules ask for."""

from __future__ import annotations

import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Shared"))
from stand_in_launcher import write_launcher

from .io_manager import CoreIOManager
from .modules import ModuleManager, Modules


class Application:
    """`slicer.app`. What is missing here raises AttributeError."""

    applicationName = "Slicer"
    majorVersion, minorVersion = 5, 12

    def __init__(self, slicer: Any, application_logic: Any, modules: Modules) -> None:
        self._slicer = slicer
        self._application_logic = application_logic
        self._io_manager = CoreIOManager(slicer)
        self._module_manager = ModuleManager(modules)
        self._options = types.SimpleNamespace(runPythonAndExit=False)
        self.exit_code: int | None = None
        self._at_startup: list[Callable[[], object]] = []
        self._folder = tempfile.TemporaryDirectory(prefix="standin-slicer-")
        self.slicerHome = self._folder.name
        self.temporaryPath = str(Path(self._folder.name) / "tmp")
        Path(self.temporaryPath).mkdir()
        write_launcher(Path(self.slicerHome) / "bin" / "PythonSlicer")

    def applicationLogic(self) -> Any:
        """The real vtkSlicerApplicationLogic."""
        return self._application_logic

    def mrmlScene(self) -> Any:
        """The scene."""
        return self._slicer.mrmlScene

    def coreIOManager(self) -> CoreIOManager:
        """Loads and saves."""
        return self._io_manager

    ioManager = coreIOManager

    def moduleManager(self) -> ModuleManager:
        """Modules by name."""
        return self._module_manager

    def layoutManager(self) -> None:
        """None: there is no main window."""
        return

    def testingEnabled(self) -> bool:
        """True: `slicer.util` logs instead of opening message boxes."""
        return True

    def commandOptions(self) -> types.SimpleNamespace:
        """What `slicer.util.exit` sets."""
        return self._options

    def exit(self, status: int) -> None:
        """Note with which code the application was told to end."""
        self.exit_code = status

    def processEvents(self) -> None:
        """Nothing waits here."""

    def pauseRender(self) -> None:
        """Nothing is rendered."""

    def resumeRender(self) -> None:
        """Nothing is rendered."""

    def connect(self, signal: str, slot: Callable[[], object]) -> bool:
        """Remember what is to be called when the application has started; any other signal raises."""
        if signal != "startupCompleted()":
            raise ValueError(f"the application has no signal {signal!r} here")
        self._at_startup.append(slot)
        return True

    def complete_startup(self) -> None:
        """For tests: emit startupCompleted() to what was connected since the last time."""
        waiting, self._at_startup = self._at_startup, []
        for slot in waiting:
            slot()
