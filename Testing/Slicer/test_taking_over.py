"""A gland of the reference becomes the contour: voxel by voxel, on its own side, as one step of undo."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
from made_corrections import array_of, made_scan
from made_reference import add_named, add_reference, mirrored
from made_scene import add_ball, middle_in_ras
from made_strokes import LEFT, RIGHT, add_case, correct, voxels
from orientations import rotation

from ParotidSegLib.errors import ImageError
from ParotidSegLib.in_slicer.logic import ParotidSegLogic, volume_of
from ParotidSegLib.in_slicer.scene import scene, undo


@pytest.fixture
def node(add_volume: Any) -> Any:
    """Contours that a model drew, and a segment of the user's over the right one."""
    made = add_case(add_volume)
    add_ball(slicer, made, "Tumour", centre=(8, 13, 20), radius=12.0, grid=made_scan().image)
    return made


@pytest.fixture
def logic(slicer_app: Any) -> ParotidSegLogic:
    return ParotidSegLogic()


def wanted(label: int) -> np.ndarray:
    return array_of(made_scan().wanted) == label


def test_the_gland_is_the_references_and_all_else_stays(logic: ParotidSegLogic, node: Any) -> None:
    reference = add_reference(node)
    left, tumour = voxels(node, LEFT), voxels(node, "Tumour")
    logic.takeOver(logic.compare(node, reference), RIGHT)
    np.testing.assert_array_equal(voxels(node, RIGHT), wanted(1))
    np.testing.assert_array_equal(voxels(node, LEFT), left)
    np.testing.assert_array_equal(voxels(node, "Tumour"), tumour)
    np.testing.assert_array_equal(voxels(reference, RIGHT), wanted(1))
    assert logic.compare(node, reference).measure()[0].scores.dice == 1.0


def test_undo_brings_it_back_with_all_that_is_kept(logic: ParotidSegLogic, node: Any) -> None:
    correct(node, RIGHT, (20,))
    before, slices = voxels(node, RIGHT), [s.number for s in logic.correcting(node).slices()]
    logic.takeOver(logic.compare(node, add_reference(node)), RIGHT)
    assert logic.undo(node)
    np.testing.assert_array_equal(voxels(node, RIGHT), before)
    assert [s.number for s in logic.correcting(node).slices()] == slices == [20]
    assert undo.redo(node)
    np.testing.assert_array_equal(voxels(node, RIGHT), wanted(1))


def test_all_of_it_counts_as_corrected_and_is_not_carried_on(logic: ParotidSegLogic, node: Any) -> None:
    reference = add_reference(node)
    logic.takeOver(logic.compare(node, reference), RIGHT)
    corrected = logic.correcting(node).slices()
    assert all(one.carried and one.structure.key == RIGHT for one in corrected)
    filled = np.flatnonzero((wanted(1) | (array_of(made_scan().automatic) == 1)).any(axis=(1, 2)))
    assert [one.number for one in corrected] == filled.tolist()
    correct(node, LEFT, (20,))
    logic.carryOn(node)  # the other gland follows its correction, this one stays
    np.testing.assert_array_equal(voxels(node, RIGHT), wanted(1))


def test_a_reference_that_reaches_far_beyond_what_the_model_drew_is_taken_over_whole(
    logic: ParotidSegLogic, node: Any
) -> None:
    large = made_scan((48, 26, 40)).image
    reference = scene.new_segmentation(volume_of(node), "Large")
    add_ball(slicer, reference, "Parotid_R", centre=(10, 13, 18), radius=44.0, grid=large)
    whole = voxels(reference, RIGHT)
    logic.takeOver(logic.compare(node, reference), RIGHT)
    np.testing.assert_array_equal(voxels(node, RIGHT), whole)
    assert all(one.carried for one in logic.correcting(node).slices())


def test_a_segmentation_that_no_model_drew_takes_a_gland_too(logic: ParotidSegLogic, node: Any) -> None:
    reference = add_reference(node)
    mine = scene.new_segmentation(volume_of(node), "Mine")
    logic.takeOver(logic.compare(mine, reference), LEFT)
    np.testing.assert_array_equal(voxels(mine, LEFT), wanted(2))
    segment = mine.GetSegmentation().GetSegment(LEFT)
    assert segment.GetName() == "Left parotid gland"
    assert mine.GetSegmentation().GetSegment(RIGHT) is None
    assert logic.undo(mine)
    assert mine.GetSegmentation().GetSegment(LEFT) is None


@pytest.mark.parametrize("degrees", [(0, 0, 180), (180, 0, 0), (0, 90, 90)])
def test_left_stays_left_whatever_the_grids(degrees: tuple[int, int, int], logic: ParotidSegLogic, node: Any) -> None:
    fine = made_scan((151, 79, 79) if degrees != (0, 90, 90) else (79, 151, 79), (1.0,) * 3, rotation(*degrees)).wanted
    reference = add_named(volume_of(node), fine, {"Parotid_L": 2, "Parotid_R": 1})
    for key in (RIGHT, LEFT):
        logic.takeOver(logic.compare(node, reference), key)
    right, left = (middle_in_ras(slicer, node, key) for key in (RIGHT, LEFT))
    assert right[0] == pytest.approx(55.0, abs=2.0)  # R grows towards the patient's right
    assert left[0] == pytest.approx(-55.0, abs=2.0)
    assert right[1] == pytest.approx(-7.0, abs=2.0)
    assert left[2] == pytest.approx(36.0, abs=2.5)


def test_a_gland_of_the_other_side_is_refused_and_nothing_changes(logic: ParotidSegLogic, node: Any) -> None:
    before = voxels(node, RIGHT)
    comparison = logic.compare(node, add_reference(node, mirrored(made_scan().wanted)))
    with pytest.raises(ImageError, match="other side"):
        logic.takeOver(comparison, RIGHT)
    np.testing.assert_array_equal(voxels(node, RIGHT), before)
    assert not logic.correcting(node).slices()


def test_what_the_reference_does_not_have_is_not_taken_over(logic: ParotidSegLogic, node: Any) -> None:
    reference = add_reference(node)
    reference.GetSegmentation().ClearSegment(LEFT)
    comparison = logic.compare(node, reference)
    with pytest.raises(ImageError, match="no such gland"):
        logic.takeOver(comparison, LEFT)
    with pytest.raises(ImageError, match="no such gland"):
        logic.takeOver(logic.compare(node, reference, segments={LEFT: ""}), LEFT)
