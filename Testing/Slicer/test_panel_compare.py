"""Comparing in the panel: what follows which change, and that no stroke waits for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qt
import slicer
import slicer.util
from made_compare import cells, segmentations, settle
from made_corrections import made_scan
from made_panel import run_event_loop_until
from made_reference import add_dose, add_named, add_reference, mirrored
from made_strokes import LEFT, RIGHT, correct, voxels

from ParotidSegLib.in_slicer.comparing.overlay import COLOURS, ONLY_OWN, ONLY_REFERENCE
from ParotidSegLib.in_slicer.logic import volume_of
from ParotidSegLib.writing.export import write_segmentation

# --- choosing ----------------------------------------------------------------------------------------------------


def test_nothing_is_compared_until_a_reference_is_chosen(opened: Any) -> None:
    assert opened.ui.compareLabel.text == "Choose the segmentation to compare with."
    assert cells(opened) == {}
    assert opened.ui.compareSegments.isHidden()
    assert opened.ui.overlayRow.isHidden()
    assert opened.compare.overlay.node is None


def test_a_reference_fills_rows_table_and_views(compared: Any, reference: Any) -> None:
    assert [box.currentText for box in compared.compare.rows.selectors.values()] == [
        "Right parotid gland",
        "Left parotid gland",
    ]
    found = cells(compared)
    assert len(found) == 12
    assert not [text for values in found.values() for text in values if "…" in text]
    assert found["Dice"] == ["0.843", "0.839"]
    assert compared.compare.overlay.is_shown
    assert compared.ui.compareLabel.isHidden()


def test_a_person_may_choose_the_segments(opened: Any, node: Any) -> None:
    opened.parameters.referenceSegmentation = add_named(volume_of(node), made_scan().wanted, {"A": 1, "B": 2, "C": 1})
    settle(opened)
    assert "choose its segments" in opened.ui.compareLabel.text
    assert [box.currentText for box in opened.compare.rows.selectors.values()] == ["none", "none"]
    for key, index in ((RIGHT, 1), (LEFT, 2)):
        opened.compare.rows.selectors[key].currentIndex = index
        opened.compare.rows.selectors[key].activated.emit(index)
    settle(opened)
    assert cells(opened)["Dice"] == ["0.843", "0.839"]
    opened.compare.rows.selectors[LEFT].activated.emit(0)
    settle(opened)
    assert len(cells(opened)["Dice"]) == 1
    assert "no segment for: Left parotid gland" in opened.ui.compareLabel.text


def test_another_reference_ends_what_was_chosen_for_the_former_one(opened: Any, node: Any, reference: Any) -> None:
    opened.parameters.referenceSegmentation = add_named(volume_of(node), made_scan().wanted, {"A": 1, "B": 2, "C": 1})
    settle(opened)
    opened.compare.rows.selectors[RIGHT].activated.emit(3)
    assert "Segment_3" in opened.parameters.referenceSegments
    opened.parameters.referenceSegmentation = reference
    settle(opened)
    assert opened.parameters.referenceSegments == ""
    assert len(cells(opened)["Dice"]) == 2


def test_the_segmentation_itself_is_no_reference(opened: Any, node: Any) -> None:
    opened.parameters.referenceSegmentation = node
    settle(opened)
    assert "choose another one" in opened.ui.compareLabel.text
    assert "background" in opened.ui.compareLabel.styleSheet


# --- following -----------------------------------------------------------------------------------------------------


def test_a_correction_updates_table_and_overlay(compared: Any, node: Any) -> None:
    before, shown = cells(compared), compared.compare.overlay.node
    correct(node, RIGHT, range(40))
    settle(compared)
    after = cells(compared)
    assert float(after["Dice"][0]) > float(before["Dice"][0])
    assert after["Dice"][1] == before["Dice"][1]
    assert compared.compare.overlay.node is shown
    only_there = slicer.util.arrayFromSegmentBinaryLabelmap(shown, ONLY_REFERENCE, volume_of(node)) != 0
    assert only_there.any()
    assert not (only_there & voxels(node, RIGHT)).any()


def test_a_stroke_waits_for_nothing_and_what_is_being_measured_stops(compared: Any, node: Any) -> None:
    correct(node, RIGHT, (20,))
    assert not compared.compare.is_busy  # only the panel's own timer runs
    run_event_loop_until(lambda: not compared._later.active)
    run_event_loop_until(lambda: compared.compare._soon.active)  # measuring has begun
    correct(node, RIGHT, (20, 21))
    assert not compared.compare.is_busy
    settle(compared)
    assert not [text for values in cells(compared).values() for text in values if "…" in text]


def test_a_change_of_the_reference_is_followed(compared: Any, node: Any, reference: Any) -> None:
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        voxels(node, LEFT).astype(np.uint8), reference, LEFT, volume_of(node)
    )
    settle(compared)
    assert cells(compared)["Dice"][1] == "1.000"


def test_carrying_on_is_followed_too(compared: Any, node: Any) -> None:
    before = cells(compared)
    correct(node, RIGHT, (20,))
    compared.logic.carryOn(node)
    settle(compared)
    assert cells(compared)["Dice"][0] > before["Dice"][0]


# --- taking over ---------------------------------------------------------------------------------------------------


def test_a_gland_is_taken_over_and_the_editors_undo_brings_it_back(compared: Any, node: Any, reference: Any) -> None:
    compared.ui.correctSection.collapsed = False
    compared.ui.afterStrokeCheckBox.checked = True
    settle(compared)
    before, left = voxels(node, RIGHT), voxels(node, LEFT)
    compared.compare.rows.buttons[RIGHT].click()
    settle(compared)
    np.testing.assert_array_equal(voxels(node, RIGHT), voxels(reference, RIGHT))
    np.testing.assert_array_equal(voxels(node, LEFT), left)
    assert cells(compared)["Dice"] == ["1.000", "0.839"]
    compared.ui.segmentEditor.undo()
    settle(compared)
    np.testing.assert_array_equal(voxels(node, RIGHT), before)
    assert cells(compared)["Dice"] == ["0.843", "0.839"]
    assert compared.ui.correctedTable.rowCount == 0


def test_without_the_editor_undo_of_the_review_brings_it_back(compared: Any, node: Any) -> None:
    before = voxels(node, RIGHT)
    compared.compare.rows.buttons[RIGHT].click()
    settle(compared)
    compared.ui.undoButton.click()
    np.testing.assert_array_equal(voxels(node, RIGHT), before)


def test_a_gland_of_the_other_side_is_not_taken_over(opened: Any, node: Any) -> None:
    opened.parameters.referenceSegmentation = add_reference(node, mirrored(made_scan().wanted))
    settle(opened)
    assert "other side" in opened.ui.compareLabel.text
    before = voxels(node, RIGHT)
    opened.compare.rows.buttons[RIGHT].click()
    assert "choose the other segment" in opened.ui.compareLabel.text
    np.testing.assert_array_equal(voxels(node, RIGHT), before)


# --- places, table, overlay ------------------------------------------------------------------------------------------


def test_the_next_place_is_shown_and_said_one_after_the_other(compared: Any, slice_views: list[Any]) -> None:
    texts, places = [], []
    for _ in range(40):
        compared.ui.nextDifferenceButton.click()
        texts.append(compared.ui.differencePlaceLabel.text)
        matrix = slice_views[0].GetSliceNode().GetSliceToRAS()
        places.append(tuple(slicer.util.arrayFromVTKMatrix(matrix)[:3, 3]))
        if "begins anew" in texts[-1]:
            break
    assert "begins anew" in texts[-1]
    assert len(set(texts)) == len(texts)
    assert "mL are in the reference alone" in texts[0]
    height = float(re.search(r"S (-?[\d.]+) mm", texts[0])[1])
    assert places[0][2] == pytest.approx(height, abs=0.06)
    compared.ui.nextDifferenceButton.click()
    assert compared.ui.differencePlaceLabel.text == texts[0]


def test_a_place_that_a_stroke_has_mended_is_not_shown_again(compared: Any, node: Any) -> None:
    compared.compare.rows.buttons[RIGHT].click()
    compared.compare.rows.buttons[LEFT].click()
    compared.ui.nextDifferenceButton.click()  # right after it: nothing was measured meanwhile
    assert compared.ui.differencePlaceLabel.text == "No place differs by more than 2 mm."


def test_the_table_is_copied_and_saved(compared: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared.ui.copyTableButton.click()
    assert "Dice\t0.843\t0.839" in qt.QApplication.clipboard().text()
    file = tmp_path / "comparison.csv"
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *_: str(file))
    compared.ui.saveTableButton.click()
    assert file.read_text(encoding="utf-8").startswith("structure,")
    assert str(file) in compared.ui.compareTableLabel.text
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *_: str(file / "no_folder.csv"))
    compared.ui.saveTableButton.click()
    assert compared.ui.compareTableLabel.text.endswith(".")
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *_: "")
    compared.ui.saveTableButton.click()


def test_the_overlay_goes_and_comes_with_its_box(compared: Any) -> None:
    compared.ui.showDifferencesCheckBox.click()
    assert compared.compare.overlay.node is None
    assert not compared.ui.keepDifferencesButton.enabled
    compared.ui.showDifferencesCheckBox.click()
    assert compared.compare.overlay.is_shown
    compared.ui.keepDifferencesButton.click()
    assert "Differences" in segmentations()
    assert compared.compare.overlay.node is None
    assert "Kept" in compared.ui.differencePlaceLabel.text


def test_the_colours_of_the_legend_are_those_of_the_overlay(opened: Any) -> None:
    for label, segment in (
        (opened.ui.onlyOwnLabel, ONLY_OWN),
        (opened.ui.onlyReferenceLabel, ONLY_REFERENCE),
    ):
        assert "background: #{:02x}{:02x}{:02x}".format(*COLOURS[segment]) in label.styleSheet


# --- files ---------------------------------------------------------------------------------------------------------


def test_contours_of_a_file_become_the_reference(opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_segmentation(made_scan().wanted, tmp_path / "second.seg.nrrd")
    monkeypatch.setattr(qt.QFileDialog, "getOpenFileName", lambda *_: str(file))
    opened.ui.loadReferenceButton.click()
    settle(opened)
    assert cells(opened)["Dice"] == ["0.843", "0.839"]
    assert opened.ui.referenceSelector.currentNode() is opened.parameters.referenceSegmentation
    right, left = (opened.parameters.referenceSegmentation.GetSegmentCenterRAS(key) for key in (RIGHT, LEFT))
    assert right[0] > 40 > -40 > left[0]


def test_a_file_without_contours_is_one_sentence(opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "no.dcm").write_bytes(b"nothing")
    before = segmentations()
    for path in (str(tmp_path / "no.dcm"), ""):
        monkeypatch.setattr(qt.QFileDialog, "getOpenFileName", lambda *_, path=path: path)
        opened.ui.loadReferenceButton.click()
    assert opened.ui.compareLabel.text.endswith(".")
    assert "background" in opened.ui.compareLabel.styleSheet
    assert segmentations() == before


# --- the dose ------------------------------------------------------------------------------------------------------


def test_a_dose_adds_its_rows_and_its_plot(compared: Any, add_volume: Any, node: Any) -> None:
    assert not compared.ui.dosePlotButton.enabled
    compared.ui.doseSelector.setCurrentNode(add_dose(add_volume))
    settle(compared)
    assert cells(compared)["Side of 26 Gy"] == ["above (above)", "below (below)"]
    compared.ui.dosePlotButton.click()
    assert compared.compare.plot.is_shown
    table = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLTableNode")
    before = slicer.util.arrayFromTableColumn(table, "Left parotid gland").copy()
    correct(node, LEFT, range(40))
    settle(compared)
    after = slicer.util.arrayFromTableColumn(table, "Left parotid gland")
    assert len(before) != len(after) or not np.array_equal(before, after)
    compared.parameters.doseVolume = None
    settle(compared)
    assert "Side of 26 Gy" not in cells(compared)
    assert not compared.compare.plot.is_shown


def test_a_dose_that_cannot_be_used_is_said_below_the_figures(compared: Any, add_volume: Any) -> None:
    compared.parameters.doseVolume = add_dose(add_volume, unit="RELATIVE")
    settle(compared)
    assert "in percent" in compared.ui.compareLabel.text
    assert cells(compared)["Dice"] == ["0.843", "0.839"]
    assert not compared.ui.dosePlotButton.enabled
