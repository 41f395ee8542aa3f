"""Where the model was unsure, as a volume beside the CT."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Shared"))
from fake_workers import worker
from made_dicom_results import made_scan


@pytest.fixture
def unsure(tmp_path: Path) -> Path:
    """Percent that rise along the columns of the made scan, as the worker writes them."""
    scan, _ = made_scan("oblique")
    columns, rows, slices = scan.GetSize()
    ramp = np.broadcast_to(np.linspace(0, 100, columns).round().astype(np.uint8), (slices, rows, columns))
    image = sitk.GetImageFromArray(np.ascontiguousarray(ramp))
    image.CopyInformation(scan)
    path = tmp_path / "parotids.uncertainty.nrrd"
    sitk.WriteImage(image, str(path))
    return path


def test_the_uncertainty_lies_on_the_voxels_of_the_ct_and_is_replaced_by_the_next_run(
    logic, slicer_app, ct, made_worker, unsure
):
    from ParotidSegLib.in_slicer.scene.uncertainty import ROLE
    from ParotidSegLib.in_slicer.scene.voxels import index_to_ras

    made_worker(f"say('result', 1.0, files=[LABELS, {str(unsure)!r}], report=REPORT)\n")
    node = logic.segment(ct, uncertainty=True)
    volume = node.GetNodeReference(ROLE)
    assert volume.GetImageData().GetDimensions() == ct.GetImageData().GetDimensions()
    np.testing.assert_allclose(index_to_ras(volume, world=True), index_to_ras(ct, world=True), atol=1e-6)
    shown = slicer_app.util.arrayFromVolume(volume)
    np.testing.assert_array_equal(shown, sitk.GetArrayFromImage(sitk.ReadImage(str(unsure))))
    display = volume.GetDisplayNode()
    assert (display.GetLowerThreshold(), bool(display.GetApplyThreshold())) == (1, True)
    assert logic.segment(ct, node, uncertainty=True) is node
    assert node.GetNodeReference(ROLE) is volume
    assert slicer_app.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 2


def test_the_worker_is_asked_for_the_uncertainty_only_if_it_is_wanted(logic, ct, monkeypatch):
    given: list[Any] = []

    def command(*_: Any, extra: Any, **__: Any) -> list[str]:
        given.append(extra)
        return worker("")

    monkeypatch.setattr("ParotidSegLib.in_slicer.running.run.segment_command", command)
    for wanted in (False, True):
        run = logic.start(ct, uncertainty=wanted)
        run.job.wait(20)
        run.close()
    assert ["--uncertainty" in extra for extra in given] == [False, True]
