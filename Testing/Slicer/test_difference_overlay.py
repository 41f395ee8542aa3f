"""The coloured difference: its voxels, that it is nobody's segmentation, and that it leaves nothing behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
import slicer.util
import vtk
from made_corrections import array_of, image_like, made_scan
from made_reference import add_reference
from made_strokes import RIGHT, add_case, correct, voxels

from ParotidSegLib.in_slicer.comparing.overlay import COLOURS, ONLY_OWN, ONLY_REFERENCE, DifferenceOverlay
from ParotidSegLib.in_slicer.comparing.regions import next_region, regions_of
from ParotidSegLib.in_slicer.logic import ParotidSegLogic, volume_of


@pytest.fixture
def logic(slicer_app: Any) -> ParotidSegLogic:
    return ParotidSegLogic()


@pytest.fixture
def overlay(logic: ParotidSegLogic, node: Any, reference: Any) -> DifferenceOverlay:
    made = DifferenceOverlay()
    made.show(logic.compare(node, reference))
    return made


def shown(overlay: DifferenceOverlay, segment_id: str, volume: Any) -> np.ndarray:
    return slicer.util.arrayFromSegmentBinaryLabelmap(overlay.node, segment_id, volume) != 0


def check(overlay: DifferenceOverlay, node: Any) -> None:
    own = np.any([voxels(node, key) for key in ("Parotid_R", "Parotid_L")], axis=0)
    other = array_of(made_scan().wanted) > 0
    np.testing.assert_array_equal(shown(overlay, ONLY_OWN, volume_of(node)), own & ~other)
    np.testing.assert_array_equal(shown(overlay, ONLY_REFERENCE, volume_of(node)), other & ~own)


def segmentations_of_file(path: Any) -> list[str]:
    slicer.mrmlScene.Clear(False)
    slicer.util.loadScene(str(path))
    return [one.GetName() for one in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")]


def test_it_shows_what_is_only_here_and_only_there_and_follows(
    logic: ParotidSegLogic, node: Any, reference: Any, overlay: DifferenceOverlay
) -> None:
    check(overlay, node)
    before = overlay.node
    correct(node, RIGHT, (18, 20, 22))
    overlay.show(logic.compare(node, reference))
    assert overlay.node is before
    check(overlay, node)
    logic.takeOver(logic.compare(node, reference), RIGHT)
    logic.takeOver(logic.compare(node, reference), "Parotid_L")
    overlay.show(logic.compare(node, reference))
    check(overlay, node)
    assert not shown(overlay, ONLY_REFERENCE, volume_of(node)).any()


def test_it_lies_where_the_ct_lies(logic: ParotidSegLogic, node: Any, reference: Any, add_transform: Any) -> None:
    turn = np.array([[0, -1, 0, 40], [1, 0, 0, 0], [0, 0, 1, -30], [0, 0, 0, 1]], float)
    transform = add_transform(turn)
    for one in (node, volume_of(node), reference):
        one.SetAndObserveTransformNodeID(transform.GetID())
    overlay = DifferenceOverlay()
    overlay.show(logic.compare(node, reference))
    assert overlay.node.GetTransformNodeID() == transform.GetID()
    check(overlay, node)


def test_it_is_in_no_list_and_not_saved(overlay: DifferenceOverlay, tmp_path: Any) -> None:
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLSegmentationNode"]
    selector.setMRMLScene(slicer.mrmlScene)
    assert selector.nodeCount() == 2
    selector.setMRMLScene(None)
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    assert not hierarchy.GetItemByDataNode(overlay.node)
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    assert sorted(segmentations_of_file(tmp_path / "scene.mrb")) == ["CT glands", "Second reader"]
    items = vtk.vtkIdList()
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    assert not [n for i in range(items.GetNumberOfIds()) if "Diff" in (n := hierarchy.GetItemName(items.GetId(i)))]


def test_what_is_kept_is_saved_and_another_one_is_shown_next(
    logic: ParotidSegLogic, node: Any, reference: Any, overlay: DifferenceOverlay, tmp_path: Any
) -> None:
    kept = overlay.keep(volume_of(node))
    assert not kept.GetHideFromEditors()
    overlay.show(logic.compare(node, reference))
    assert overlay.node is not kept
    overlay.remove()
    assert kept.GetScene() is slicer.mrmlScene
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    assert "Differences" in segmentations_of_file(tmp_path / "scene.mrb")


def test_removing_leaves_nothing_and_a_closed_scene_is_no_error(overlay: DifferenceOverlay) -> None:
    classes = ("vtkMRMLSegmentationNode", "vtkMRMLSegmentationDisplayNode")
    before = [slicer.mrmlScene.GetNumberOfNodesByClass(name) for name in classes]
    overlay.remove()
    assert [slicer.mrmlScene.GetNumberOfNodesByClass(name) for name in classes] == [n - 1 for n in before]
    overlay.remove()
    assert not overlay.is_shown


def test_a_scene_that_is_closed_takes_it_along(overlay: DifferenceOverlay) -> None:
    slicer.mrmlScene.Clear(False)
    assert not overlay.is_shown
    assert overlay.keep(None) is None


def test_its_colours_are_not_those_of_the_glands(overlay: DifferenceOverlay, node: Any) -> None:
    segmentation = node.GetSegmentation()
    glands = [np.array(segmentation.GetSegment(one).GetColor()) for one in segmentation.GetSegmentIDs()]
    for segment_id, colour in COLOURS.items():
        shown_colour = overlay.node.GetSegmentation().GetSegment(segment_id).GetColor()
        np.testing.assert_allclose(shown_colour, np.array(colour) / 255.0, atol=1e-6)
        assert all(np.abs(shown_colour - gland).max() > 0.25 for gland in glands)


# --- the places of difference ---------------------------------------------------------------------------------------


def paint(node: Any, key: str, box: tuple[slice, slice, slice]) -> float:
    """Add a block to a gland; returns its volume in mL."""
    mask = voxels(node, key)
    before = mask.sum()
    mask[box] = True
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), node, key, volume_of(node))
    return float(mask.sum() - before) * 3.5 * 3.5 * 2.5 / 1000.0


def test_places_come_largest_first_each_once_with_what_is_there(logic: ParotidSegLogic, node: Any) -> None:
    same = add_reference(node, made_scan().automatic)
    large = paint(node, "Parotid_L", (slice(30, 38), slice(2, 8), slice(36, 44)))
    small = paint(node, "Parotid_R", (slice(2, 5), slice(10, 14), slice(4, 8)))
    comparison = logic.compare(node, same)
    found = regions_of(comparison)
    assert [region.structure.key for region in found] == ["Parotid_L", "Parotid_R"]
    assert [region.volume_ml for region in found] == pytest.approx([large, small])
    assert all(region.is_own for region in found)
    assert "superior" in found[0].parts
    assert found[0].point[0] < 0 < found[1].point[0]  # left of the patient, then right
    assert f"S {found[0].point[2]:.1f} mm" in found[0].sentence()
    seen: list[tuple[str, tuple[float, float, float]]] = []
    while (place := next_region(comparison, seen)) is not None:
        inside = shown_at(node, place.structure.key, place.point) and not shown_at(
            same, place.structure.key, place.point
        )
        assert inside
        seen.append((place.structure.key, place.point))
    assert [key for key, _ in seen] == ["Parotid_L", "Parotid_R"]


def shown_at(node: Any, key: str, point: tuple[float, float, float]) -> bool:
    """Whether a segment has the voxel at a place (R, A, S)."""
    matrix = vtk.vtkMatrix4x4()
    volume_of(node).GetRASToIJKMatrix(matrix)
    i, j, k = (round(value) for value in matrix.MultiplyPoint((*point, 1.0))[:3])
    return bool(voxels(node, key)[k, j, i])


def test_what_is_thin_everywhere_is_no_place(logic: ParotidSegLogic, add_volume: Any) -> None:
    fine = made_scan((151, 60, 79), (1.0, 1.0, 1.0))
    node = add_case(add_volume, scan=fine)
    labels = array_of(fine.automatic)
    thin = labels.copy()
    thin[:, 1:][labels[:, :-1] > 0] = labels[:, :-1][labels[:, :-1] > 0]  # one voxel farther to the back
    comparison = logic.compare(node, add_reference(node, image_like(fine.automatic, thin)))
    assert comparison.measure()[0].scores.dice < 1.0
    assert regions_of(comparison) == []
