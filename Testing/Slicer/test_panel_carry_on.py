"""Carrying corrections on in the panel: the button and the box, the next slice, the list, the editor's undo."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import qt
import slicer
import slicer.util
from made_panel import make_panel, run_event_loop_until
from made_strokes import LEFT, RIGHT, add_case, correct, voxels

from ParotidSegLib.in_slicer.logic import ParotidSegLogic, volume_of
from ParotidSegLib.in_slicer.scene import scene

FIRST, SECOND = 20, 26


@pytest.fixture
def panel(slicer_app: Any, node: Any) -> Iterator[Any]:
    """The panel with Correct open."""
    made = make_panel(ParotidSegLogic())
    made.parameters.outputSegmentation = node
    made.ui.correctSection.collapsed = False
    made.measure()
    yield made
    made.cleanup()
    made.root.deleteLater()


@pytest.fixture
def editor(panel: Any) -> Any:
    return panel.ui.segmentEditor


def stroke(panel: Any, node: Any, key: str, number: int) -> np.ndarray:
    """A person corrects a slice with a tool of the editor, which saves the state before; then the panel follows."""
    panel.ui.segmentEditor.saveStateForUndo()
    drawn = correct(node, key, (number,))
    run_event_loop_until(lambda: not panel._later.active, seconds=5)
    return drawn


def listed(panel: Any) -> list[tuple[str, str]]:
    table = panel.ui.correctedTable
    return [(table.item(row, 0).text(), table.item(row, 1).text()) for row in range(table.rowCount)]


def views_at() -> np.ndarray:
    matrix = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceNode").GetSliceToRAS()
    return slicer.util.arrayFromVTKMatrix(matrix)[:3, 3]


# --- the button --------------------------------------------------------------------------------------------------


def test_correct_carry_on_undo_redo_and_go_on(panel: Any, editor: Any, node: Any) -> None:
    automatic = voxels(node, RIGHT)
    drawn = stroke(panel, node, RIGHT, FIRST)
    assert [state for _, state in listed(panel)] == ["drawn"]
    panel.ui.carryOnButton.click()
    carried = voxels(node, RIGHT)
    np.testing.assert_array_equal(carried[FIRST], drawn[FIRST])
    assert not np.array_equal(carried, drawn)
    assert [state for _, state in listed(panel)] == ["carried on"]
    panel.measure()
    assert "voxels" in panel.ui.differenceLabel.text
    editor.undo()
    panel.measure()
    np.testing.assert_array_equal(voxels(node, RIGHT), drawn)
    assert [state for _, state in listed(panel)] == ["drawn"]
    editor.undo()
    panel.measure()
    np.testing.assert_array_equal(voxels(node, RIGHT), automatic)
    assert listed(panel) == []
    assert panel.ui.correctedTable.isHidden()
    editor.redo()
    editor.redo()
    panel.measure()
    np.testing.assert_array_equal(voxels(node, RIGHT), carried)
    assert [state for _, state in listed(panel)] == ["carried on"]
    second = stroke(panel, node, RIGHT, SECOND)
    panel.ui.carryOnButton.click()
    np.testing.assert_array_equal(voxels(node, RIGHT)[FIRST], drawn[FIRST])
    np.testing.assert_array_equal(voxels(node, RIGHT)[SECOND], second[SECOND])


def test_a_click_right_after_the_editors_undo_knows_what_is_there_now(panel: Any, editor: Any, node: Any) -> None:
    drawn = stroke(panel, node, RIGHT, FIRST)
    panel.ui.carryOnButton.click()
    carried = voxels(node, RIGHT)
    editor.undo()
    np.testing.assert_array_equal(voxels(node, RIGHT), drawn)
    panel.ui.carryOnButton.click()  # the panel has not measured yet
    np.testing.assert_array_equal(voxels(node, RIGHT), carried)
    assert panel.ui.carryOnLabel.isHidden()


def test_undoing_the_last_run_means_the_run_and_not_a_step_of_correcting(panel: Any, node: Any) -> None:
    stroke(panel, node, RIGHT, FIRST)
    panel.ui.carryOnButton.click()
    panel.measure()
    panel.ui.undoButton.click()
    assert node.GetSegmentation().GetSegment(RIGHT) is None


def test_what_cannot_be_carried_on_is_said_until_something_can(panel: Any, node: Any) -> None:
    before = voxels(node, RIGHT)
    panel.ui.carryOnButton.click()
    assert "correct a slice first" in panel.ui.carryOnLabel.text
    assert "background" in panel.ui.carryOnLabel.styleSheet
    np.testing.assert_array_equal(voxels(node, RIGHT), before)
    stroke(panel, node, RIGHT, FIRST)
    panel.ui.carryOnButton.click()
    assert panel.ui.carryOnLabel.isHidden()


def test_a_segmentation_that_no_model_drew_gets_a_sentence(panel: Any, node: Any) -> None:
    panel.parameters.outputSegmentation = scene.new_segmentation(volume_of(node), "Mine")
    panel.measure()
    for button in (panel.ui.carryOnButton, panel.ui.nextSliceButton):
        button.click()
        assert "segment it first" in panel.ui.carryOnLabel.text


def test_masking_that_is_set_in_the_editor_counts(panel: Any, editor: Any, node: Any) -> None:
    drawn = stroke(panel, node, RIGHT, FIRST)
    settings = editor.mrmlSegmentEditorNode()
    settings.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment)
    settings.SetMaskSegmentID(LEFT)
    panel.ui.carryOnButton.click()
    np.testing.assert_array_equal(voxels(node, RIGHT), drawn)


# --- after every stroke ----------------------------------------------------------------------------------------------


def test_with_the_box_a_stroke_is_carried_on_by_itself_and_its_undo_is_not(panel: Any, editor: Any, node: Any) -> None:
    panel.ui.afterStrokeCheckBox.checked = True
    drawn = stroke(panel, node, RIGHT, FIRST)
    carried = voxels(node, RIGHT)
    np.testing.assert_array_equal(carried[FIRST], drawn[FIRST])
    assert not np.array_equal(carried, drawn)
    panel.measure()
    np.testing.assert_array_equal(voxels(node, RIGHT), carried)
    for expected, action in ((drawn, editor.undo), (None, editor.undo), (drawn, editor.redo), (carried, editor.redo)):
        action()
        panel.measure()
        if expected is not None:
            np.testing.assert_array_equal(voxels(node, RIGHT), expected)
    second = stroke(panel, node, RIGHT, SECOND)
    assert not np.array_equal(voxels(node, RIGHT), second)
    assert [state for _, state in listed(panel)] == ["carried on", "carried on"]


def test_what_was_drawn_before_waits_for_the_button(panel: Any, node: Any, add_volume: Any) -> None:
    other = add_case(add_volume, "Other")
    drawn = correct(other, RIGHT, (FIRST,))
    panel.ui.afterStrokeCheckBox.checked = True
    panel.parameters.outputSegmentation = other
    panel.measure()
    panel.measure()
    np.testing.assert_array_equal(voxels(other, RIGHT), drawn)
    assert [state for _, state in listed(panel)] == ["drawn"]


def test_a_stroke_that_cannot_be_carried_on_is_told_once_and_stays(panel: Any, node: Any) -> None:
    panel.ui.afterStrokeCheckBox.checked = True
    node.GetSegmentation().ClearSegment(RIGHT)
    panel.measure()
    assert "lack the whole right" in panel.ui.carryOnLabel.text
    assert not voxels(node, RIGHT).any()


# --- the next slice and the list -----------------------------------------------------------------------------------


def test_the_next_slice_is_shown_and_why(panel: Any, node: Any, slice_views: list[Any]) -> None:
    panel.ui.nextSliceButton.click()
    first, text = views_at(), panel.ui.carryOnLabel.text
    assert "parotid gland, S " in text
    assert "expected to be wrong" in text
    assert panel.ui.carryOnLabel.styleSheet == ""
    panel.ui.nextSliceButton.click()
    assert not np.array_equal(views_at(), first)
    assert panel.ui.carryOnLabel.text != text


def test_a_row_of_the_list_shows_the_slice_and_takes_it_back(panel: Any, node: Any, slice_views: list[Any]) -> None:
    stroke(panel, node, RIGHT, FIRST)
    panel.ui.carryOnButton.click()
    alone = voxels(node, RIGHT)
    stroke(panel, node, RIGHT, SECOND)
    panel.ui.carryOnButton.click()
    panel.ui.correctedTable.cellClicked.emit(1, 0)
    (place, _), _ = listed(panel)[1], None
    assert f"S {views_at()[2]:.1f} mm" in place
    panel.ui.correctedTable.cellClicked.emit(1, 2)
    np.testing.assert_array_equal(voxels(node, RIGHT), alone)
    assert len(listed(panel)) == 1
    panel.ui.segmentEditor.undo()
    panel.measure()
    assert len(listed(panel)) == 2


def test_texts_and_list_fit_into_slicers_column(panel: Any, node: Any) -> None:
    for key in (RIGHT, LEFT):
        for number in (FIRST, SECOND):
            stroke(panel, node, key, number)
    panel.ui.carryOnButton.click()
    panel.root.show()
    for button in (panel.ui.nextSliceButton, panel.ui.carryOnButton):  # a reason, then a problem
        button.click()
        assert not panel.ui.carryOnLabel.isHidden()
        for _ in range(3):  # what was shown finds its place step by step
            qt.QApplication.processEvents()
        layout = panel.root.layout()
        assert layout.totalMinimumSize().width() <= 400


# --- scenes and segmentations ----------------------------------------------------------------------------------------


def test_saved_loaded_and_gone_on_with_in_the_panel(panel: Any, node: Any, tmp_path: Any) -> None:
    panel.ui.afterStrokeCheckBox.checked = True
    drawn = stroke(panel, node, RIGHT, FIRST)
    carried = voxels(node, RIGHT)
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    assert listed(panel) == []
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    panel.measure()
    loaded = panel.parameters.outputSegmentation
    assert panel.ui.afterStrokeCheckBox.checked
    assert [state for _, state in listed(panel)] == ["carried on"]
    np.testing.assert_array_equal(voxels(loaded, RIGHT), carried)
    second = stroke(panel, loaded, RIGHT, SECOND)
    np.testing.assert_array_equal(voxels(loaded, RIGHT)[[FIRST, SECOND]], [drawn[FIRST], second[SECOND]])
    assert [state for _, state in listed(panel)] == ["carried on", "carried on"]


def test_a_scene_that_is_closed_meanwhile_leaves_nothing_to_carry_on(panel: Any, node: Any) -> None:
    panel.ui.afterStrokeCheckBox.checked = True
    correct(node, RIGHT, (FIRST,))
    slicer.mrmlScene.Clear(False)  # before the panel has followed the stroke
    run_event_loop_until(lambda: not panel._later.active, seconds=5)
    panel.ui.carryOnButton.click()
    panel.ui.nextSliceButton.click()
    assert listed(panel) == []
    assert panel.ui.carryOnLabel.isHidden()


def test_two_segmentations_in_turn_in_the_panel(panel: Any, node: Any, add_volume: Any) -> None:
    other = add_case(add_volume, "Other")
    stroke(panel, node, RIGHT, FIRST)
    panel.ui.carryOnButton.click()
    carried = voxels(node, RIGHT)
    panel.parameters.inputVolume, panel.parameters.outputSegmentation = volume_of(other), other
    panel.measure()
    assert listed(panel) == []
    stroke(panel, other, LEFT, SECOND)
    panel.ui.carryOnButton.click()
    assert [text[:4] for text, _ in listed(panel)] == ["Left"]
    panel.parameters.inputVolume, panel.parameters.outputSegmentation = volume_of(node), node
    panel.measure()
    assert [text[:5] for text, _ in listed(panel)] == ["Right"]
    np.testing.assert_array_equal(voxels(node, RIGHT), carried)
