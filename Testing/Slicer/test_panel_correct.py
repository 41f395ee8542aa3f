"""Correcting by hand: the editor is at work only while its section is seen, and changes nothing but the glands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util
from made_images import made_head, values
from made_panel import make_panel, run_event_loop_until
from made_scene import add_ball, made_glands
from widgets.effects import EFFECTS
from widgets.segment_editor import press_key

from ParotidSegLib.in_slicer.scene import scene, undo
from ParotidSegLib.in_slicer.scene.results import keep_report, report_of


@pytest.fixture
def ct(add_volume: Any) -> Any:
    return add_volume(made_head())


@pytest.fixture
def node(ct: Any) -> Any:
    """Contours that a model drew, and a segment of the user's."""
    made = scene.new_segmentation(ct, "Glands")
    add_ball(slicer, made, "Mandible", centre=(20, 8, 10), radius=9.0, grid=made_head())
    scene.put_segments(made, made_glands(made_head()), ct)
    return made


@pytest.fixture
def panel(slicer_app: Any, node: Any) -> Iterator[Any]:
    """The panel as a user has opened it, with the contours chosen; Correct is folded."""
    from ParotidSegLib.in_slicer.logic import ParotidSegLogic

    made = make_panel(ParotidSegLogic())
    made.parameters.outputSegmentation = node
    made.measure()
    yield made
    made.cleanup()
    made.root.deleteLater()


@pytest.fixture
def editor(panel: Any) -> Any:
    """The editor, with Correct open."""
    panel.ui.correctSection.collapsed = False
    return panel.ui.segmentEditor


def erase_half(slicer: Any, node: Any, key: str) -> None:
    """A person takes away the first half of a gland, by the way that the effects of the editor go."""
    volume = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(node, key, volume)
    voxels[: int(np.nonzero(voxels)[0].mean())] = 0
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, node, key, volume)


def editor_node() -> Any:
    return slicer.mrmlScene.GetSingletonNode("ParotidSeg", "vtkMRMLSegmentEditorNode")


# --- keys and tools ----------------------------------------------------------------------------------------------


def test_no_key_starts_a_tool_while_correct_is_folded(panel: Any) -> None:
    assert not press_key("1")
    assert not press_key("Space")
    assert panel.ui.segmentEditor.activeEffect() is None


def test_a_key_chooses_a_tool_while_correct_is_open(editor: Any) -> None:
    assert press_key("1")
    assert editor.activeEffect().name == "Paint"


@pytest.mark.parametrize("ending", ["fold", "leave", "other node", "no node"])
def test_what_ends_correcting_ends_the_tool_and_the_keys(ending: str, panel: Any, editor: Any, ct: Any) -> None:
    press_key("1")
    if ending == "fold":
        panel.ui.correctSection.collapsed = True
    elif ending == "leave":
        panel.exit()
    else:
        other = scene.new_segmentation(ct, "Other") if ending == "other node" else None
        panel.parameters.outputSegmentation = other
        panel.measure()
        press_key("Escape")  # while another one is edited the keys are there, and no tool is
    assert editor.activeEffect() is None
    assert not editor._observes_views
    assert press_key("Space") is (ending == "other node")


def test_the_tools_come_back_with_the_section(panel: Any, editor: Any) -> None:
    panel.ui.correctSection.collapsed = True
    panel.exit()
    panel.enter()
    assert not press_key("1")
    panel.ui.correctSection.collapsed = False
    assert press_key("1")
    assert editor.activeEffect().name == "Paint"


def test_a_node_that_has_left_the_scene_is_not_edited(panel: Any, editor: Any, node: Any) -> None:
    slicer.mrmlScene.RemoveNode(node)
    panel.ui.correctSection.collapsed = True
    panel.ui.correctSection.collapsed = False
    assert not press_key("1")
    assert editor_node().GetSegmentationNode() is None


# --- what the editor may change ------------------------------------------------------------------------------------


def test_painting_never_overwrites_other_segments_in_a_later_scene_either(panel: Any, editor: Any, ct: Any) -> None:
    overlap = slicer.vtkMRMLSegmentEditorNode.OverwriteNone
    assert editor_node().GetOverwriteMode() == overlap
    slicer.mrmlScene.Clear(False)
    assert editor_node().GetOverwriteMode() != overlap  # Slicer has reset the node, which lives on
    volume = slicer.util.addVolumeFromArray(np.zeros((4, 5, 6), np.int16))
    panel.parameters.inputVolume = volume
    panel.parameters.outputSegmentation = scene.new_segmentation(volume, "Next patient")
    panel.measure()
    assert editor_node().GetSegmentationNode() is panel.parameters.outputSegmentation
    assert editor_node().GetOverwriteMode() == overlap
    assert editor_node().GetAttribute("BrushAbsoluteDiameter") == "6"
    assert editor_node().GetAttribute("BrushDiameterIsRelative") == "0"


def test_what_the_user_chose_in_the_editor_stays_while_correcting(panel: Any, editor: Any, node: Any) -> None:
    editor.effectByName("Paint").setCommonParameter("BrushAbsoluteDiameter", 9)
    editor_node().SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteAllSegments)
    erase_half(slicer, node, "Parotid_R")
    panel.measure()
    panel.exit()
    panel.enter()
    assert editor_node().GetAttribute("BrushAbsoluteDiameter") == "9"
    assert editor_node().GetOverwriteMode() == slicer.vtkMRMLSegmentEditorNode.OverwriteAllSegments


def test_a_scene_saved_while_somebody_painted_does_not_go_on_painting(panel: Any, editor: Any, tmp_path: Any) -> None:
    press_key("1")
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    panel.measure()
    assert editor_node().GetSegmentationNode() is panel.parameters.outputSegmentation is not None
    assert editor.activeEffect() is None
    assert editor_node().GetOverwriteMode() == slicer.vtkMRMLSegmentEditorNode.OverwriteNone


@pytest.mark.parametrize("is_open", [False, True])
def test_the_label_layer_of_the_views_stays(is_open: bool, panel: Any, ct: Any, *, slice_views: list[Any]) -> None:
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "The user's")
    for logic in slice_views:
        logic.GetSliceCompositeNode().SetLabelVolumeID(labels.GetID())
    panel.ui.correctSection.collapsed = not is_open
    panel.parameters.outputSegmentation = scene.new_segmentation(ct, "Other")
    panel.measure()
    shown = {logic.GetSliceCompositeNode().GetLabelVolumeID() for logic in slice_views}
    assert shown == {labels.GetID()}


def test_a_ct_without_contours_is_an_error_in_no_log(panel: Any, editor: Any, add_volume: Any) -> None:
    # The fixture of the application fails a test in which MRML reports an error.
    panel.parameters.outputSegmentation = None
    panel.measure()
    panel.parameters.inputVolume = add_volume(made_head(), "Another CT")
    panel.measure()
    panel.exit()
    panel.enter()


# --- the end of a scene --------------------------------------------------------------------------------------------


def test_a_scene_that_closes_lets_the_segmentation_go_before_the_editors_node(panel: Any, editor: Any) -> None:
    press_key("1")
    seen: list[tuple[bool, bool]] = []
    let_go, drop = editor.setSegmentationNode, editor.setMRMLSegmentEditorNode
    editor.__dict__["setSegmentationNode"] = lambda given: (
        seen.append((given is None, editor.mrmlSegmentEditorNode() is not None)),
        let_go(given),
    )
    editor.__dict__["setMRMLSegmentEditorNode"] = drop
    slicer.mrmlScene.Clear(False)
    assert seen[0] == (True, True)
    assert editor.segmentationNode() is None
    assert editor._table.rowCount == 0
    assert editor.activeEffect() is None
    assert not press_key("Space")


def test_a_module_that_is_unloaded_leaves_the_editor_nothing(panel: Any, editor: Any) -> None:
    press_key("1")
    panel.cleanup()
    assert editor.segmentationNode() is None
    assert editor.activeEffect() is None
    assert editor.mrmlSegmentEditorNode() is None
    assert not press_key("1")
    assert not undo.also_saved


# --- undo ------------------------------------------------------------------------------------------------------------


def run_again(node: Any, ct: Any, number: int) -> np.ndarray:
    """A further run: other contours, and its report; returns what it drew."""
    mirrored = sitk.Flip(made_glands(made_head()), (True, False, False))
    mirrored.CopyInformation(made_head())
    scene.put_segments(node, mirrored, ct)
    keep_report(node, {"run": number})
    return values(mirrored)


@pytest.mark.parametrize("folded", [False, True])
def test_undo_of_the_editor_takes_back_a_run_and_all_that_is_kept_of_it(
    folded: bool, panel: Any, editor: Any, *, node: Any, ct: Any
) -> None:
    keep_report(node, {"run": 1})
    editor.saveStateForUndo()  # as the brush does
    erase_half(slicer, node, "Parotid_R")
    panel.ui.correctSection.collapsed = folded
    edited = values(scene.gland_labels(node, ct))
    second = run_again(node, ct, 2)
    panel.measure()
    assert report_of(node) == {"run": 2}
    editor.undo()
    panel.measure()
    np.testing.assert_array_equal(values(scene.gland_labels(node, ct)), edited)
    assert report_of(node) == {"run": 1}
    np.testing.assert_array_equal(values(scene.automatic_labels(node, ct)), values(made_glands(made_head())))
    editor.undo()
    panel.measure()
    np.testing.assert_array_equal(values(scene.gland_labels(node, ct)), values(made_glands(made_head())))
    editor.redo()
    editor.redo()
    panel.measure()
    np.testing.assert_array_equal(values(scene.gland_labels(node, ct)), second)
    assert report_of(node) == {"run": 2}
    np.testing.assert_array_equal(values(scene.automatic_labels(node, ct)), second)
    assert node.GetSegmentation().GetSegment("Mandible") is not None


def test_undo_of_the_editor_and_of_the_panel_go_together(panel: Any, editor: Any, node: Any, ct: Any) -> None:
    keep_report(node, {"run": 1})
    first = values(scene.gland_labels(node, ct))
    run_again(node, ct, 2)
    panel.measure()
    panel.ui.undoButton.click()
    np.testing.assert_array_equal(values(scene.gland_labels(node, ct)), first)
    assert report_of(node) == {"run": 1}
    editor.saveStateForUndo()
    erase_half(slicer, node, "Parotid_L")
    editor.undo()
    panel.measure()
    np.testing.assert_array_equal(values(scene.gland_labels(node, ct)), first)
    assert report_of(node) == {"run": 1}


def test_glands_drawn_by_hand_after_the_models_were_removed_are_no_models(panel: Any, node: Any, ct: Any) -> None:
    keep_report(node, {"run": 1})
    run_again(node, ct, 2)
    for key in ("Parotid_R", "Parotid_L"):
        node.GetSegmentation().RemoveSegment(key)
    add_ball(slicer, node, "Parotid_R", centre=(10, 20, 10), radius=12.0, grid=made_head())
    panel.measure()
    assert report_of(node) == {}
    assert scene.automatic_labels(node, ct) is None


# --- what is measured, and when --------------------------------------------------------------------------------------


def test_nothing_is_measured_that_nobody_sees(panel: Any, node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(panel.logic, "differences", lambda *_: asked.append("differences") or {})
    monkeypatch.setattr("ParotidSegLib.in_slicer.panel.panel._measured", lambda *_: asked.append("table") or [])

    def after_a_stroke() -> list[str]:
        asked.clear()
        erase_half(slicer, node, "Parotid_R")
        run_event_loop_until(lambda: not panel._later.active, seconds=5)
        return sorted(asked)

    assert after_a_stroke() == ["table"]
    panel.ui.reviewSection.collapsed = True
    assert after_a_stroke() == []
    panel.ui.correctSection.collapsed = False
    assert after_a_stroke() == ["differences"]
    panel.exit()
    panel.ui.reviewSection.collapsed = False
    assert after_a_stroke() == []
    panel.enter()
    assert sorted(set(asked)) == ["differences", "table"]
    asked.clear()
    panel.exit()
    panel.enter()
    assert "table" not in asked  # nothing has changed


def test_the_widgets_are_bound_once_however_often_the_module_is_opened(panel: Any) -> None:
    for _ in range(3):
        panel.exit()
        panel.enter()
    slicer.mrmlScene.Clear(False)
    assert len(panel.parameters._guis) == 1
    first = panel.parameters
    panel.exit()
    panel.enter()
    assert panel.parameters is first


def test_the_main_window_of_the_stand_in_takes_keys_whatever_panel_is_shown(slicer_app: Any) -> None:
    editor = slicer.qMRMLSegmentEditorWidget()
    editor.setMRMLScene(slicer.mrmlScene)
    editor.setMRMLSegmentEditorNode(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode"))
    editor.installKeyboardShortcuts()
    assert press_key("2")
    assert editor.activeEffect().name == EFFECTS[1]
    assert press_key("Space")
    assert editor.activeEffect() is None
    assert press_key("Space")
    assert editor.activeEffect().name == EFFECTS[1]
    editor.uninstallKeyboardShortcuts()
    assert not press_key("2")
    editor.setMRMLScene(None)
