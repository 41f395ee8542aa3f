"""The panel follows what happens to its nodes elsewhere, and asks before a file goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util
from made_panel import REPORT, add_ct, made_segmentation, make_panel, run_event_loop_until

from ParotidSegLib.in_slicer.parameters import ExportFormat
from ParotidSegLib.in_slicer.scene import scene, undo
from ParotidSegLib.in_slicer.scene.results import keep_report
from ParotidSegLib.structures import PAROTIDS


@pytest.fixture
def panel(slicer_app: Any) -> Iterator[Any]:
    """The panel with the module's own logic, and a CT with two glands drawn by hand."""
    from ParotidSegLib.in_slicer.logic import ParotidSegLogic

    ct, node = add_ct(), made_segmentation()
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    for z, structure in enumerate(PAROTIDS):
        mask = np.zeros((4, 5, 6), np.uint8)
        mask[z, 1:3, 1:4] = 1
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, structure.key, ct)
    panel = make_panel(ParotidSegLogic())
    panel.parameters.outputSegmentation = node
    panel.measure()
    yield panel
    panel.cleanup()


def test_a_click_goes_where_a_moved_gland_lies_now(panel: Any, add_transform: Callable[..., Any]) -> None:
    before = np.array(panel.review._rows[0].centre)
    matrix = np.eye(4)
    matrix[:3, 3] = 10.0, -20.0, 30.0
    moved = add_transform(matrix)
    for node in panel._nodes():
        node.SetAndObserveTransformNodeID(moved.GetID())
    run_event_loop_until(lambda: panel.review._rows[0].centre != tuple(before), seconds=2)
    np.testing.assert_allclose(panel.review._rows[0].centre, before + matrix[:3, 3])


def test_a_ct_with_other_values_is_measured_again(panel: Any) -> None:
    volume = panel.parameters.inputVolume
    slicer.util.arrayFromVolume(volume)[:] = 40
    slicer.util.arrayFromVolumeModified(volume)
    run_event_loop_until(lambda: panel.review._rows[0].mean_hu == 40, seconds=2)


def test_a_closed_scene_leaves_no_state_to_undo(panel: Any, slicer_app: Any) -> None:
    undo.save_state(panel.parameters.outputSegmentation)
    assert undo._histories
    slicer_app.mrmlScene.Clear(True)
    assert not undo._histories


def shows_a_review(panel: Any) -> bool:
    """Whether the review shows anything of glands; the parts of it go together."""
    shown = {panel.ui.reviewTable.isVisibleTo(panel.root), panel.ui.provenanceLabel.isVisibleTo(panel.root)}
    (all_alike,) = shown
    assert panel.ui.emptyLabel.isVisibleTo(panel.root) is not all_alike
    assert (panel.ui.reviewTable.rowCount > 0) is all_alike
    return all_alike


def test_the_review_of_glands_that_were_removed_elsewhere_goes(panel: Any) -> None:
    segmentation = panel.parameters.outputSegmentation.GetSegmentation()
    assert shows_a_review(panel)
    segmentation.RemoveSegment("Parotid_R")
    run_event_loop_until(lambda: not panel.review._rows[0].found, seconds=2)
    segmentation.RemoveSegment("Parotid_L")  # of the last one nothing else is told
    run_event_loop_until(lambda: not shows_a_review(panel), seconds=2)


def test_the_review_of_glands_that_come_from_elsewhere_comes(panel: Any) -> None:
    segmentation = panel.parameters.outputSegmentation.GetSegmentation()
    kept = slicer.vtkSegmentation()
    kept.DeepCopy(segmentation)
    segmentation.RemoveAllSegments()
    run_event_loop_until(lambda: not shows_a_review(panel), seconds=2)
    segmentation.CopySegmentFromSegmentation(kept, "Parotid_L")
    run_event_loop_until(lambda: shows_a_review(panel), seconds=2)


def test_undo_of_a_first_run_takes_the_review_with_it(panel: Any) -> None:
    ct = panel.parameters.inputVolume
    node = scene.new_segmentation(ct, "First run")
    labels = sitk.GetImageFromArray(np.ones((4, 5, 6), np.uint8))
    labels.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    scene.put_segments(node, labels, ct)
    keep_report(node, REPORT)
    panel.parameters.outputSegmentation = node
    panel.measure()
    assert shows_a_review(panel)
    panel.ui.undoButton.click()
    assert node.GetSegmentation().GetNumberOfSegments() == 0
    run_event_loop_until(lambda: not shows_a_review(panel), seconds=2)
    assert not panel.ui.undoButton.enabled


@pytest.mark.parametrize("agree", [True, False])
def test_a_file_is_replaced_only_if_the_user_agrees(
    panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agree: bool
) -> None:
    questions: list[str] = []
    monkeypatch.setattr("slicer.util.confirmOkCancelDisplay", lambda text, *_: questions.append(text) or agree)
    panel.parameters.exportFormat, panel.parameters.exportFolder = ExportFormat.STL, str(tmp_path)
    (tmp_path / "parotids_Parotid_L.stl").write_text("of another patient")
    panel.ui.exportButton.click()
    assert len(questions) == 1
    assert "parotids_Parotid_L.stl" in questions[0]
    assert "Parotid_R" not in questions[0]
    assert ((tmp_path / "parotids_Parotid_L.stl").read_bytes() == b"of another patient") is not agree
    assert (tmp_path / "parotids_Parotid_R.stl").exists() is agree


def test_where_nothing_is_in_the_way_nothing_is_asked(
    panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slicer.util.confirmOkCancelDisplay", lambda *_: pytest.fail("it asked"))
    panel.parameters.exportFormat, panel.parameters.exportFolder = ExportFormat.CSV, str(tmp_path)
    panel.ui.exportButton.click()
    assert (tmp_path / "parotids.csv").is_file()
