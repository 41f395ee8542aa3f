"""The module's logic, and a worker that draws made glands for it."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Shared"))
from fake_workers import worker
from made_dicom_results import made_scan

from ParotidSegLib.writing.export import write_segmentation

REPORT = {
    "structures": {"Parotid_R": {"volume_ml": 6.5, "mean_hu": 40.0, "centroid": [0, 0, 0]}},
    "findings": [
        {"code": "a", "severity": "warning", "message": "Look, here.", "structure": "Parotid_L", "point": None},
        {"code": "b", "severity": "error", "message": "Both are odd.", "structure": None, "point": None},
    ],
    "timings_s": {"load": 1.0},
    "provenance": {"bundle": {"name": "parotid-ct", "version": "0.1.0"}, "engine": "openvino"},
}


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """The folder for temporary files, empty again after the test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def logic(slicer_app: Any, temporary: Path) -> Iterator[Any]:
    """The logic of the module; nothing that it ran may leave a file."""
    from ParotidSegLib.in_slicer.logic import ParotidSegLogic

    yield ParotidSegLogic()
    assert [path.name for path in temporary.iterdir()] == []


@pytest.fixture
def ct(add_volume: Callable[..., Any]) -> Any:
    """A small CT in the scene."""
    return add_volume(made_scan("oblique")[0])


@pytest.fixture
def made_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """made_worker(script): what takes the place of the worker; {labels} in the script is a file with both glands."""
    labels = write_segmentation(made_scan("oblique")[1], tmp_path / "made.seg.nrrd")

    def place(script: str, file: Path = labels) -> None:
        text = f"LABELS = {str(file)!r}\nREPORT = json.loads({json.dumps(REPORT)!r})\n{script}"
        monkeypatch.setattr("ParotidSegLib.in_slicer.running.run.segment_command", lambda *_, **__: worker(text))

    return place


GOOD = "say('segment', 0.5)\nsay('result', 1.0, files=[LABELS], report=REPORT)\n"


@pytest.fixture
def drawn(logic: Any, ct: Any, made_worker: Callable[..., None]) -> Any:
    """A segmentation node in which the made worker has drawn."""
    made_worker(GOOD)
    return logic.segment(ct)


def run_timers_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    import qt

    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        qt.QApplication.processEvents()
        time.sleep(0.005)


def volume_of(node: Any) -> Any:
    """The CT of a segmentation."""
    from ParotidSegLib.in_slicer.logic import volume_of

    return volume_of(node)


def erase_half(slicer: Any, node: Any, key: str) -> None:
    """A person takes away the lower half of a gland."""
    array = slicer.util.arrayFromSegmentInternalBinaryLabelmap(node, key)
    segment = node.GetSegmentation().GetSegment(key)
    lower = array[: array.shape[0] // 2]
    lower[lower == segment.GetLabelValue()] = 0
    segment.Modified()


@pytest.fixture
def turned(ct: Any, drawn: Any, add_transform: Callable[..., Any]) -> None:
    """The CT and its contours are turned and moved in the scene."""
    matrix = np.array([[0, -1, 0, 100], [1, 0, 0, 20], [0, 0, 1, -30], [0, 0, 0, 1]], float)
    transform = add_transform(matrix)
    for node in (ct, drawn):
        node.SetAndObserveTransformNodeID(transform.GetID())
