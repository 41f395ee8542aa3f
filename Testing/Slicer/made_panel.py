"""A panel from its real .ui file, with a logic and a worker that do what a test tells them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import qt
import slicer
import slicer.util
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from ParotidSegLib.errors import ImageError
from ParotidSegLib.in_slicer.panel.panel import ParotidSegPanel
from ParotidSegLib.in_slicer.parameters import ParotidSegParameters
from ParotidSegLib.in_slicer.scene.results import keep_report
from ParotidSegLib.in_slicer.worker.events import Event, Result
from ParotidSegLib.in_slicer.worker.job import WorkerJob
from ParotidSegLib.structures import PAROTIDS

# The workers that misbehave are those of the tests of the job itself.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Shared"))
from fake_workers import worker

UI = Path(__file__).resolve().parents[2] / "ParotidSeg" / "Resources" / "UI" / "ParotidSeg.ui"
FINDINGS = (
    {
        "severity": "error",
        "message": "The left parotid gland was not found.",
        "structure": "Parotid_L",
        "point": None,
    },
    {
        "severity": "warning",
        "message": "The right parotid gland reaches the end of the scan: part is missing.",
        "structure": "Parotid_R",
        "point": [-61.0, 12.0, -30.0],
    },
)
REPORT = {
    "findings": [],
    "timings_s": {"load": 1.5, "locate": 0.7, "segment": 2.2},
    "provenance": {"bundle": {"name": "parotid-ct", "version": "0.1.0"}, "engine": "openvino"},
}


class MadeRun:
    """A run of a worker that is a script; its result puts made glands into the scene."""

    def __init__(self, script: str, make_result: Any) -> None:
        self.job = WorkerJob(worker(script))
        self.segmentation: Any = None
        self._make_result = make_result
        self.job.start()

    def poll(self) -> list[Event]:
        events = self.job.poll()
        if any(isinstance(event, Result) for event in events):
            self.segmentation = self._make_result()
        return events

    def cancel(self) -> None:
        self.job.cancel()

    def close(self) -> None:
        self.job.close()

    @property
    def log(self) -> str:
        return self.job.log


class MadeLogic(ScriptedLoadableModuleLogic):
    """Remembers what it was asked for."""

    def __init__(self, script: str = "say('result', 1.0, files=[], report={})\n") -> None:
        super().__init__()
        self.moduleName = "ParotidSeg"
        self.script = script
        self.installation = "say('result', 1.0)\n"
        self.plan: Any = None
        self.runs: list[MadeRun] = []
        self.asked: list[dict[str, Any]] = []

    def getParameterNode(self) -> ParotidSegParameters:  # the name that Slicer gives it
        return ParotidSegParameters(super().getParameterNode())

    def lackingPlan(self, engine: str, bundle: str, wheels: str) -> Any:
        return self.plan

    def prepare(self, plan: Any) -> MadeRun:
        self.runs.append(MadeRun(self.installation, lambda: None))
        return self.runs[-1]

    def canUndo(self, node: Any) -> bool:
        return False

    def structures(self, node: Any) -> Any:
        return PAROTIDS

    def differences(self, node: Any) -> dict[str, Any]:
        return {}

    def correcting(self, node: Any, editor: Any = None) -> Any:
        raise ImageError("No model has drawn here.")

    def dicomFolder(self, volume: Any) -> None:
        return None

    def start(self, volume: Any, segmentation: Any, **options: Any) -> MadeRun:
        self.asked.append({"volume": volume, "segmentation": segmentation, **options})
        self.runs.append(MadeRun(self.script, made_segmentation))
        return self.runs[-1]


def made_segmentation(findings: Iterable[dict[str, Any]] = ()) -> Any:
    """A segmentation node with two boxes for glands and a report."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Made")
    node.CreateDefaultDisplayNodes()
    for structure in PAROTIDS:
        node.GetSegmentation().AddEmptySegment(structure.key, structure.name, [c / 255 for c in structure.colour])
    keep_report(node, {**REPORT, "findings": list(findings)})
    return node


def add_ct(name: str = "CT") -> Any:
    """A small volume node."""
    return slicer.util.addVolumeFromArray(np.zeros((4, 5, 6), np.int16), name=name)


def make_panel(logic: Any) -> ParotidSegPanel:
    """A panel on the present scene, which the user has opened."""
    panel = ParotidSegPanel(slicer.util.loadUI(str(UI)), logic)
    panel.enter()
    return panel


def run_event_loop_until(condition: Any, seconds: float = 20.0) -> None:
    """Let timers and signals work until something is true; AssertionError if that takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        qt.QApplication.processEvents()
        time.sleep(0.005)
