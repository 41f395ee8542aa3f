"""Corrected slices in the scene: carried on, taken back, kept, undone; other segments and the masking are respected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util
import vtk
from made_corrections import made_scan
from made_images import values
from made_strokes import LEFT, RIGHT, add_case, correct, draw, overlap, voxels
from orientations import rotation

from ParotidSegLib.in_slicer.logic import ParotidSegLogic, volume_of
from ParotidSegLib.in_slicer.scene import scene, undo
from ParotidSegLib.structures import PAROTIDS

FIRST, SECOND = 20, 26


@pytest.fixture
def logic(slicer_app: Any) -> ParotidSegLogic:
    return ParotidSegLogic()


def listed(logic: ParotidSegLogic, node: Any) -> list[tuple[str, int, bool]]:
    return [(one.structure.key, one.number, one.carried) for one in logic.correcting(node).slices()]


# --- carrying on -------------------------------------------------------------------------------------------------


def test_corrected_slices_stay_voxel_by_voxel_and_the_gland_comes_nearer(logic: Any, node: Any) -> None:
    before, left = overlap(node, RIGHT), voxels(node, LEFT)
    drawn = correct(node, RIGHT, (FIRST, SECOND))
    replaced = overlap(node, RIGHT)
    assert listed(logic, node) == [(RIGHT, FIRST, False), (RIGHT, SECOND, False)]
    logic.carryOn(node)
    np.testing.assert_array_equal(voxels(node, RIGHT)[[FIRST, SECOND]], drawn[[FIRST, SECOND]])
    np.testing.assert_array_equal(voxels(node, LEFT), left)
    assert overlap(node, RIGHT) > replaced + 0.02 > before
    assert listed(logic, node) == [(RIGHT, FIRST, True), (RIGHT, SECOND, True)]


def test_later_rounds_know_the_slices_of_the_former(logic: Any, node: Any) -> None:
    first = correct(node, RIGHT, (FIRST,))
    logic.carryOn(node)
    second = correct(node, RIGHT, (SECOND,))
    logic.carryOn(node)
    np.testing.assert_array_equal(voxels(node, RIGHT)[FIRST], first[FIRST])
    np.testing.assert_array_equal(voxels(node, RIGHT)[SECOND], second[SECOND])
    assert listed(logic, node) == [(RIGHT, FIRST, True), (RIGHT, SECOND, True)]


@pytest.mark.parametrize(
    "direction", [rotation(10, -20, 30), (-1, 0, 0, 0, -1, 0, 0, 0, 1), (1, 0, 0, 0, 1, 0, 0, 0, -1)]
)
def test_it_is_what_the_library_makes_of_the_whole_scan(logic: Any, add_volume: Any, direction: Any) -> None:
    from ParotidSegLib.correcting.propagation import propagate
    from ParotidSegLib.in_slicer.running.run import correcting_network

    scan = made_scan((60, 40, 48), direction=direction)
    node = add_case(add_volume, scan=scan)
    number = int(np.median(np.nonzero(voxels(node, RIGHT))[0]))
    correct(node, RIGHT, (number,), scan)
    drawn = scene.gland_labels(node, volume_of(node))
    expected = propagate(scan.image, scan.automatic, drawn, network=correcting_network("parotid-ct"))
    logic.carryOn(node)
    np.testing.assert_array_equal(values(scene.gland_labels(node, volume_of(node))), values(expected.labels))
    assert listed(logic, node) == [(RIGHT, one, True) for one in expected.slices[RIGHT]] == [(RIGHT, number, True)]


def test_slices_of_another_plane_are_found_and_carried_on(logic: Any, node: Any) -> None:
    mask = voxels(node, RIGHT)
    column = int(np.median(np.nonzero(mask)[1]))
    mask[:, column] = np.roll(mask[:, column], 2, axis=0) | mask[:, column]
    draw(node, RIGHT, mask)
    logic.carryOn(node)
    (one,) = logic.correcting(node).slices()
    assert (one.plane, one.number) == ("coronal", column)
    np.testing.assert_array_equal(voxels(node, RIGHT)[:, column], mask[:, column])
    assert not np.array_equal(voxels(node, RIGHT), mask)


def test_under_transforms_the_slices_stay_too(logic: Any, node: Any, add_transform: Any) -> None:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = np.reshape(rotation(5, 8, -10), (3, 3)), (30, -20, 10)
    for one in (node, volume_of(node)):
        one.SetAndObserveTransformNodeID(add_transform(matrix).GetID())
    drawn = correct(node, RIGHT, (FIRST,))
    logic.carryOn(node)
    np.testing.assert_array_equal(voxels(node, RIGHT)[FIRST], drawn[FIRST])
    point = np.array(logic.correcting(node).slices()[0].point)
    inside = voxels(node, RIGHT)
    inside[:FIRST], inside[FIRST + 1 :] = False, False
    ijk = np.argwhere(inside).mean(axis=0)[::-1]
    from ParotidSegLib.in_slicer.scene.voxels import index_to_ras

    to_world = index_to_ras(volume_of(node), world=True)
    np.testing.assert_allclose(point, to_world[:3, :3] @ ijk + to_world[:3, 3], atol=1e-3)


# --- other segments and the masking --------------------------------------------------------------------------------


@pytest.fixture
def mandible(node: Any) -> np.ndarray:
    """A segment of the user's, which lies partly in the right gland as the user wants it."""
    mask = np.zeros(voxels(node, RIGHT).shape, bool)
    middle = [int(np.median(axis)) for axis in np.nonzero(voxels(node, RIGHT))]
    mask[:, : middle[1] - 3, :] = True
    node.GetSegmentation().AddEmptySegment("Mandible", "Mandible")
    draw(node, "Mandible", mask)
    return mask


def editor_node(**settings: Any) -> Any:
    made = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    made.SetOverwriteMode(made.OverwriteNone)
    for name, value in settings.items():
        getattr(made, f"Set{name}")(value)
    return made


def test_other_segments_are_never_touched_whatever_the_mode(logic: Any, node: Any, mandible: np.ndarray) -> None:
    automatic = voxels(node, RIGHT)
    drawn = correct(node, RIGHT, (FIRST, SECOND))
    logic.carryOn(node, editor_node())
    np.testing.assert_array_equal(voxels(node, "Mandible"), mandible)
    grown = voxels(node, RIGHT) & ~drawn & mandible
    assert grown.any()  # Slicer lets segments overlap in this mode, so the gland is what it should be
    undo.undo(node)
    made = editor_node()
    made.SetOverwriteMode(made.OverwriteAllSegments)
    logic.carryOn(node, made)
    np.testing.assert_array_equal(voxels(node, "Mandible"), mandible)
    assert not (voxels(node, RIGHT) & ~drawn & mandible).any()
    assert (voxels(node, RIGHT) & ~drawn & ~automatic).any()


@pytest.mark.parametrize("mode", ["OutsideAllSegments", "OutsideVisibleSegments", "InsideSingleSegment"])
def test_nothing_changes_where_the_masking_forbids_it(mode: str, logic: Any, node: Any, mandible: np.ndarray) -> None:
    drawn = correct(node, RIGHT, (FIRST, SECOND))
    made = editor_node(MaskMode=getattr(slicer.vtkMRMLSegmentationNode, f"EditAllowed{mode}"), MaskSegmentID="Mandible")
    logic.carryOn(node, made)
    changed = voxels(node, RIGHT) != drawn
    assert changed.any()
    assert not (changed & (~mandible if mode.startswith("Inside") else mandible)).any()


def test_nothing_changes_out_of_the_range_of_intensity(logic: Any, node: Any) -> None:
    drawn = correct(node, RIGHT, (FIRST, SECOND))
    made = editor_node(SourceVolumeIntensityMask=True)
    made.SetSourceVolumeIntensityMaskRange(-10.0, 30.0)
    logic.carryOn(node, made)
    changed = slicer.util.arrayFromVolume(volume_of(node))[voxels(node, RIGHT) != drawn]
    assert changed.size
    assert changed.min() >= -10
    assert changed.max() <= 30


def test_names_and_colours_that_a_person_gave_stay(logic: Any, node: Any) -> None:
    segment = node.GetSegmentation().GetSegment(RIGHT)
    segment.SetName("Speicheldrüse rechts")
    segment.SetColor(0.1, 0.2, 0.3)
    correct(node, RIGHT, (FIRST,))
    logic.carryOn(node)
    segment = node.GetSegmentation().GetSegment(RIGHT)
    assert segment.GetName() == "Speicheldrüse rechts"
    assert segment.GetColor() == (0.1, 0.2, 0.3)


def surface_volume(node: Any) -> float:
    """What the right gland's surface encloses, mm³."""
    mass = vtk.vtkMassProperties()
    mass.SetInputData(node.GetClosedSurfaceInternalRepresentation(RIGHT))
    return mass.GetVolume()


def test_surfaces_that_are_shown_follow(logic: Any, node: Any) -> None:
    drawn = correct(node, RIGHT, (FIRST,))
    scene.show_3d(node, True)
    before = surface_volume(node)
    logic.carryOn(node)
    grown = np.count_nonzero(voxels(node, RIGHT)) - np.count_nonzero(drawn)
    assert abs(grown) > 20
    assert np.sign(surface_volume(node) - before) == np.sign(grown)
    assert node.GetClosedSurfaceInternalRepresentation(LEFT) is not None


# --- the way back ----------------------------------------------------------------------------------------------------


def test_a_slice_taken_back_is_as_if_it_had_never_been_corrected(logic: Any, node: Any) -> None:
    correct(node, RIGHT, (FIRST,))
    logic.carryOn(node)
    alone = voxels(node, RIGHT)
    correct(node, RIGHT, (SECOND,))
    logic.carryOn(node)
    logic.correcting(node).take_back(RIGHT, SECOND)
    np.testing.assert_array_equal(voxels(node, RIGHT), alone)
    assert listed(logic, node) == [(RIGHT, FIRST, True)]
    logic.correcting(node).take_back(RIGHT, FIRST)
    np.testing.assert_array_equal(voxels(node, RIGHT), values(made_scan().automatic) == 1)
    assert listed(logic, node) == []


def test_a_slice_that_was_not_carried_on_goes_back_alone(logic: Any, node: Any) -> None:
    correct(node, RIGHT, (FIRST,))
    logic.carryOn(node)
    carried = voxels(node, RIGHT)
    drawn = correct(node, RIGHT, (SECOND, SECOND + 3))
    logic.correcting(node).take_back(RIGHT, SECOND)
    expected = drawn.copy()
    expected[SECOND] = carried[SECOND]
    np.testing.assert_array_equal(voxels(node, RIGHT), expected)
    assert listed(logic, node) == [(RIGHT, FIRST, True), (RIGHT, SECOND + 3, False)]


def test_taking_back_in_one_gland_leaves_the_other(logic: Any, node: Any) -> None:
    correct(node, RIGHT, (FIRST,))
    left = correct(node, LEFT, (FIRST, SECOND))
    logic.carryOn(node)
    carried = voxels(node, LEFT)
    logic.correcting(node).take_back(RIGHT, FIRST)
    np.testing.assert_array_equal(voxels(node, RIGHT)[FIRST], (values(made_scan().automatic) == 1)[FIRST])
    np.testing.assert_array_equal(voxels(node, LEFT), carried)
    np.testing.assert_array_equal(carried[FIRST], left[FIRST])
    assert listed(logic, node) == [(LEFT, FIRST, True), (LEFT, SECOND, True)]


def test_a_gland_that_is_reset_has_no_corrected_slice(logic: Any, node: Any) -> None:
    correct(node, RIGHT, (FIRST,))
    correct(node, LEFT, (SECOND,))
    logic.carryOn(node)
    left = voxels(node, LEFT)
    logic.resetGland(node, RIGHT)
    assert listed(logic, node) == [(LEFT, SECOND, True)]
    np.testing.assert_array_equal(voxels(node, LEFT), left)
    assert undo.undo(node)
    assert listed(logic, node) == [(RIGHT, FIRST, True), (LEFT, SECOND, True)]


# --- kept with the scene, undone with the segments -----------------------------------------------------------------


def test_saved_loaded_and_gone_on_with(logic: Any, node: Any, tmp_path: Any) -> None:
    first = correct(node, RIGHT, (FIRST,))
    logic.carryOn(node)
    carried = voxels(node, RIGHT)
    correct(node, RIGHT, (SECOND,))
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    logic.carryOn(node)
    expected = voxels(node, RIGHT)
    slicer.mrmlScene.Clear(True)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    loaded = slicer.util.getNode("CT glands")
    assert listed(logic, loaded) == [(RIGHT, FIRST, True), (RIGHT, SECOND, False)]
    logic.carryOn(loaded)
    np.testing.assert_array_equal(voxels(loaded, RIGHT), expected)
    np.testing.assert_array_equal(voxels(loaded, RIGHT)[FIRST], first[FIRST])
    undo.undo(loaded)
    logic.correcting(loaded).take_back(RIGHT, SECOND)
    np.testing.assert_array_equal(voxels(loaded, RIGHT), carried)


def test_undo_and_redo_take_the_corrected_slices_along(logic: Any, node: Any) -> None:
    drawn = correct(node, RIGHT, (FIRST,))
    logic.carryOn(node)
    carried = voxels(node, RIGHT)
    assert undo.undo(node)
    np.testing.assert_array_equal(voxels(node, RIGHT), drawn)
    assert listed(logic, node) == [(RIGHT, FIRST, False)]
    assert undo.redo(node)
    np.testing.assert_array_equal(voxels(node, RIGHT), carried)
    assert listed(logic, node) == [(RIGHT, FIRST, True)]


def test_another_run_ends_the_corrections_and_its_undo_brings_them_back(logic: Any, node: Any) -> None:
    correct(node, RIGHT, (FIRST,))
    logic.carryOn(node)
    carried = voxels(node, RIGHT)
    scene.put_segments(node, made_scan().wanted, volume_of(node))
    assert listed(logic, node) == []
    undo.undo(node)
    np.testing.assert_array_equal(voxels(node, RIGHT), carried)
    assert listed(logic, node) == [(RIGHT, FIRST, True)]


def test_two_segmentations_in_turn_know_nothing_of_each_other(logic: Any, node: Any, add_volume: Any) -> None:
    other = add_case(add_volume, "Other")
    correct(node, RIGHT, (FIRST,))
    correct(other, LEFT, (SECOND,))
    logic.carryOn(node)
    logic.carryOn(other)
    correct(node, RIGHT, (SECOND,))
    logic.carryOn(node)
    assert listed(logic, node) == [(RIGHT, FIRST, True), (RIGHT, SECOND, True)]
    assert listed(logic, other) == [(LEFT, SECOND, True)]
    assert undo.undo(other)
    assert listed(logic, node) == [(RIGHT, FIRST, True), (RIGHT, SECOND, True)]
    assert listed(logic, other) == [(LEFT, SECOND, False)]


@pytest.mark.parametrize(
    "text", ["", "no text", "[]", '{"slices": 3}', '{"automatic": 1, "plane": null, "slices": {}}']
)
def test_an_attribute_that_someone_else_changed_counts_for_nothing(text: str, logic: Any, node: Any) -> None:
    correct(node, RIGHT, (FIRST,))
    logic.carryOn(node)
    node.SetAttribute("ParotidSeg.corrections", text)
    assert all(not one.carried for one in logic.correcting(node).slices())


# --- the next slice --------------------------------------------------------------------------------------------------


def test_the_next_slice_is_one_that_was_neither_corrected_nor_looked_at(logic: Any, node: Any) -> None:
    correct(node, RIGHT, (FIRST,))
    logic.carryOn(node)
    looked: dict[str, tuple[int, ...]] = {}
    seen = []
    for _ in range(6):
        found = logic.correcting(node).next_slice(looked)
        seen.append((found.structure.key, found.number))
        looked[found.structure.key] = (*looked.get(found.structure.key, ()), found.number)
        label = found.structure.label
        index = volume_index(node, found.point)
        assert round(index[2]) == found.number
        near = [one for one in PAROTIDS if voxels(node, one.key)[:, round(index[1]), round(index[0])].any()]
        assert [one.label for one in near] == [label]
    assert len(set(seen)) == len(seen)
    assert (RIGHT, FIRST) not in seen


def volume_index(node: Any, point: Any) -> np.ndarray:
    from ParotidSegLib.in_slicer.scene.voxels import index_to_ras

    return (np.linalg.inv(index_to_ras(volume_of(node), world=True)) @ (*point, 1.0))[:3]


def test_the_uncertainty_counts_while_it_is_of_the_automatic_contour(node: Any, tmp_path: Any) -> None:
    from ParotidSegLib.in_slicer.scene.uncertainty import put_uncertainty, uncertainty_of

    scan = made_scan()
    sitk.WriteImage(scan.uncertainty, str(tmp_path / "u.nrrd"))
    assert uncertainty_of(node, volume_of(node)) is None
    put_uncertainty(tmp_path / "u.nrrd", volume_of(node), node)
    np.testing.assert_array_equal(uncertainty_of(node, volume_of(node)), values(scan.uncertainty))
    scene.put_segments(node, scan.wanted, volume_of(node))
    assert uncertainty_of(node, volume_of(node)) is None
