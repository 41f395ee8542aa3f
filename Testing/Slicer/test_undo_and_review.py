"""Undo, reset to the automatic contours, and what is measured."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import like, made_head, values
from made_scene import add_ball, made_glands, middle_of, oblique_head

from ParotidSegLib.errors import ImageError
from ParotidSegLib.structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID


def test_undo_brings_the_former_segments_back(scene, slicer_app, add_volume):
    from ParotidSegLib.in_slicer.scene import undo

    head = made_head()
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Mine")
    add_ball(slicer_app, node, "Parotid_R", centre=(10, 20, 10), radius=12.0, grid=head)
    node.GetSegmentation().GetSegment("Parotid_R").SetName("drawn by hand")
    drawn = values(scene.gland_labels(node, volume))
    assert not undo.can_undo(node)
    scene.put_segments(node, made_glands(head), volume)
    assert undo.undo(node)
    assert node.GetSegmentation().GetSegmentIDs() == ("Parotid_R",)
    assert node.GetSegmentation().GetSegment("Parotid_R").GetName() == "drawn by hand"
    np.testing.assert_array_equal(values(scene.gland_labels(node, volume)), drawn)
    assert not undo.undo(node)
    assert undo.redo(node)
    np.testing.assert_array_equal(values(scene.gland_labels(node, volume)), values(made_glands(head)))


def test_what_is_kept_with_the_contours_goes_back_and_forth_with_them(scene, slicer_app, add_volume):
    from ParotidSegLib.in_slicer.scene import undo
    from ParotidSegLib.in_slicer.scene.results import keep_report, report_of

    head = made_head()
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Mine")
    node.SetAttribute("Other.module", "left alone")
    scene.put_segments(node, made_glands(head), volume)
    keep_report(node, {"run": 1})
    mirrored = sitk.Flip(made_glands(head), (True, False, False))
    mirrored.CopyInformation(head)
    scene.put_segments(node, mirrored, volume)
    keep_report(node, {"run": 2})
    second = values(scene.automatic_labels(node, volume))
    undo.undo(node)
    assert report_of(node) == {"run": 1}
    np.testing.assert_array_equal(values(scene.automatic_labels(node, volume)), values(made_glands(head)))
    undo.undo(node)
    assert report_of(node) == {}
    assert scene.automatic_labels(node, volume) is None
    undo.redo(node)
    undo.redo(node)
    assert report_of(node) == {"run": 2}
    np.testing.assert_array_equal(values(scene.automatic_labels(node, volume)), second)
    assert node.GetAttribute("Other.module") == "left alone"


def test_the_segment_editors_own_undo_serves_while_it_edits_the_node(scene, slicer_app, add_volume):
    head = made_head()
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Mine")
    editor = slicer_app.vtkSlicerSegmentEditorLogic()
    editor.SetMRMLScene(slicer_app.mrmlScene)
    editor.SetSegmentEditorNode(slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode"))
    editor.SetSegmentationNode(node)
    editor.SetSourceVolumeNode(volume)
    scene.put_segments(node, made_glands(head), volume, save_for_undo=editor.SaveStateForUndo)
    assert editor.CanUndo()
    editor.Undo()
    assert node.GetSegmentation().GetNumberOfSegments() == 0


def test_one_gland_is_reset_to_the_automatic_contour_also_from_a_saved_scene(scene, slicer_app, add_volume, tmp_path):
    head = oblique_head()
    glands = made_glands(head)
    volume = add_volume(head, "CT")
    node = scene.new_segmentation(volume, "Glands")
    scene.put_segments(node, glands, volume)
    assert not scene.is_edited(node, volume)
    slicer_app.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer_app.mrmlScene.Clear(True)
    slicer_app.util.loadScene(str(tmp_path / "scene.mrb"))
    volume, node = slicer_app.util.getNode("CT"), slicer_app.util.getNode("Glands")
    assert not scene.is_edited(node, volume)
    for structure in PAROTIDS:
        node.GetSegmentation().ClearSegment(structure.key)
    assert scene.is_edited(node, volume)
    scene.reset_glands(node, volume, [LEFT_PAROTID])
    expected = values(glands)
    expected[expected == RIGHT_PAROTID.label] = 0
    np.testing.assert_array_equal(values(scene.gland_labels(node, volume)), expected)


def test_without_automatic_contours_there_is_nothing_to_reset_to(scene, add_volume):
    from ParotidSegLib.in_slicer.scene import automatic

    head = made_head()
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Glands")
    for attribute in (None, "", "no such text", "AAAA"):
        node.SetAttribute(automatic.ATTRIBUTE, attribute)
        with pytest.raises(ImageError, match="segment it first"):
            scene.reset_glands(node, volume)
    scene.put_segments(node, made_glands(head), volume)
    with pytest.raises(ImageError, match="segment it first"):
        scene.reset_glands(node, add_volume(made_head((30, 30, 10)), "other"))


def test_the_table_measures_what_is_drawn_now(scene, add_volume, add_transform):
    head = oblique_head()
    glands = made_glands(head)
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Glands")
    scene.put_segments(node, glands, volume)
    for row in scene.gland_table(node, volume):
        inside = values(glands) == row.structure.label
        assert row.volume_ml == pytest.approx(inside.sum() * 5 * 5 * 6 / 1000)
        assert row.mean_hu == pytest.approx(values(head)[inside].mean())
        np.testing.assert_allclose(row.centre, middle_of(glands, row.structure.label), atol=3.0)
    shift = np.eye(4)
    shift[:3, 3] = (100, 0, 0)
    volume.SetAndObserveTransformNodeID(add_transform(shift).GetID())
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    moved = scene.gland_table(node, volume)[0]
    np.testing.assert_allclose(np.subtract(moved.centre, (100, 0, 0)), middle_of(glands, 1), atol=3.0)


def test_an_edit_is_measured_as_what_it_added_and_took_away(scene, slicer_app, add_volume):
    head = made_head()
    array = values(made_glands(head)).astype(np.uint8)
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Glands")
    scene.put_segments(node, made_glands(head), volume)
    assert not any(edit.added_ml or edit.removed_ml for edit in scene.edits_ml(node, volume).values())
    inside = np.argwhere(array == 1)
    array[tuple(inside[:3].T)] = 0
    outside = np.argwhere(array == 0)
    array[tuple(outside[:5].T)] = 2
    scene.put_segments(node, like(head, array), volume, is_automatic=False)
    change = scene.edits_ml(node, volume)
    assert change["Parotid_R"].removed_ml == pytest.approx(3 * 0.15)
    assert change["Parotid_R"].added_ml == 0.0
    assert change["Parotid_L"].added_ml == pytest.approx(5 * 0.15)


def test_a_node_of_a_closed_scene_is_noticed(scene, slicer_app, add_volume):
    volume = add_volume(made_head())
    node = scene.new_segmentation(volume, "Glands")
    assert scene.is_in_scene(volume)
    assert not scene.is_in_scene(None)
    slicer_app.mrmlScene.RemoveNode(node)
    assert not scene.is_in_scene(node)
    slicer_app.mrmlScene.Clear()
    assert not scene.is_in_scene(volume)


def test_surfaces_are_shown_and_hidden(scene, add_volume):
    head = made_head()
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Glands")
    scene.put_segments(node, made_glands(head), volume)
    scene.show_3d(node, True)
    assert node.GetClosedSurfaceInternalRepresentation("Parotid_L").GetNumberOfPoints() > 50
    scene.put_segments(node, made_glands(head), volume)
    assert node.GetClosedSurfaceInternalRepresentation("Parotid_L") is not None
    scene.show_3d(node, False)
    assert node.GetClosedSurfaceInternalRepresentation("Parotid_L") is None
