"""Overlap and surface metrics against shapes whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk

from ParotidSegLib.errors import DataError
from ParotidSegLib.geometry.surfaces import SurfaceDistances, surface_distances
from ParotidSegLib.measuring.metrics import (
    GRID_TOLERANCE,
    categorical_accuracy,
    compare_images,
    compare_masks,
    dice,
    iou,
    summarise,
    volume_ml,
)

SPACING = (2.5, 0.8, 1.1)  # z, y, x, mm


def box(start: tuple[int, int, int], size: tuple[int, int, int]) -> np.ndarray:
    mask = np.zeros((24, 30, 34), dtype=bool)
    mask[tuple(slice(first, first + length) for first, length in zip(start, size, strict=True))] = True
    return mask


def ball(radius_mm: float, spacing: tuple[float, float, float]) -> np.ndarray:
    half = [math.ceil(14.0 / step) for step in spacing]
    z, y, x = np.ogrid[tuple(slice(-count, count + 1) for count in half)]
    return (z * spacing[0]) ** 2 + (y * spacing[1]) ** 2 + (x * spacing[2]) ** 2 <= radius_mm**2


def blob(seed: int, share: float = 0.3) -> np.ndarray:
    return np.random.default_rng(seed).random((7, 8, 9)) < share


EMPTY = box((0, 0, 0), (0, 0, 0))
CUBE = box((4, 5, 6), (8, 10, 12))


# Overlap and volume


def test_overlap_of_shifted_boxes_is_the_share_of_their_common_voxels() -> None:
    shifted = box((4, 5, 9), (8, 10, 12))  # 9 of 12 columns in common, 15 in either
    assert dice(CUBE, shifted) == pytest.approx(9 / 12)
    assert iou(CUBE, shifted) == pytest.approx(9 / 15)


def test_overlap_of_two_empty_masks_is_not_a_number_and_of_one_empty_mask_is_zero() -> None:
    assert math.isnan(dice(EMPTY, EMPTY))
    assert math.isnan(iou(EMPTY, EMPTY))
    assert [dice(CUBE, EMPTY), dice(EMPTY, CUBE), iou(CUBE, EMPTY), iou(EMPTY, CUBE)] == [0, 0, 0, 0]


def test_categorical_accuracy_counts_equal_labels() -> None:
    assert categorical_accuracy([0, 1, 2, 2], [0, 1, 1, 2]) == 0.75
    assert math.isnan(categorical_accuracy([], []))


def test_volume_is_in_millilitres() -> None:
    assert volume_ml(CUBE, SPACING) == pytest.approx(8 * 10 * 12 * 2.5 * 0.8 * 1.1 / 1000)


@pytest.mark.parametrize("function", [dice, iou, lambda a, b: surface_distances(a, b, SPACING)])
def test_masks_that_are_not_boolean_or_differ_in_shape_are_refused(function) -> None:
    with pytest.raises(ValueError, match="boolean masks of one shape"):
        function(CUBE.astype(np.uint8), CUBE.astype(np.uint8))
    with pytest.raises(ValueError, match="boolean masks of one shape"):
        function(CUBE, CUBE[:-1])


def test_label_arrays_that_differ_in_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        categorical_accuracy([0, 1], [0])


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.0, 0.0, 1.0), (1.0, -1.0, 1.0), (1.0, math.nan, 1.0)])
def test_a_spacing_that_is_not_three_positive_numbers_is_refused(spacing: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="three positive spacings"):
        surface_distances(CUBE, CUBE, spacing)


def test_a_mask_of_two_dimensions_is_refused() -> None:
    with pytest.raises(ValueError, match="three-dimensional"):
        surface_distances(CUBE[5], CUBE[5], SPACING)


# Surfaces


def test_the_surface_of_a_box_is_its_faces_with_bevelled_edges_and_corners() -> None:
    depth, height, width = 8 * 2.5, 10 * 0.8, 12 * 1.1
    areas = surface_distances(CUBE, CUBE, SPACING).reference_areas
    # On every side half a voxel of the face is bevelled, from the middle of one face's voxel to that of the other's.
    z, y, x = SPACING
    faces = 2 * ((depth - z) * (height - y) + (depth - z) * (width - x) + (height - y) * (width - x))
    edges = (
        4 * 0.5 * (math.hypot(y, x) * (depth - z) + math.hypot(z, x) * (height - y) + math.hypot(z, y) * (width - x))
    )
    corners = 8 * math.sqrt((y * x) ** 2 + (z * x) ** 2 + (z * y) ** 2) / 8
    assert areas.sum() == pytest.approx(faces + edges + corners)
    assert areas.size == 9 * 11 * 13 - 7 * 9 * 11


def test_a_single_voxel_has_the_surface_of_an_octahedron() -> None:
    voxel = box((3, 3, 3), (1, 1, 1))
    areas = surface_distances(voxel, voxel, (2.0, 2.0, 2.0)).reference_areas
    np.testing.assert_allclose(areas, np.full(8, math.sqrt(3) / 2))  # eight triangles of side sqrt(2) mm


def test_around_three_voxels_in_an_angle_the_surface_is_a_cap_and_a_slope() -> None:
    angle = box((3, 3, 3), (1, 2, 2))
    angle[3, 4, 4] = False
    areas = surface_distances(angle, angle, (1.0, 1.0, 1.0)).reference_areas
    assert areas.max() == pytest.approx(0.5 + 0.375 * math.sqrt(3))  # half a square and a trapezium


def test_the_surface_is_the_same_between_a_mask_and_its_complement() -> None:
    inside = np.pad(blob(seed=3, share=0.5), 2)
    outside = ~inside
    framed = np.pad(outside, 2)
    frame = np.pad(np.ones(outside.shape, dtype=bool), 2)
    area = surface_distances(inside, inside, SPACING).reference_areas.sum()
    framed_area = surface_distances(framed, framed, SPACING).reference_areas.sum()
    frame_area = surface_distances(frame, frame, SPACING).reference_areas.sum()
    assert framed_area - frame_area == pytest.approx(area)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("voxels", [1, 2, 4])
def test_plates_that_are_shifted_across_lie_as_far_apart_as_they_were_shifted(axis: int, voxels: int) -> None:
    start, size = [1, 1, 1], [20, 20, 20]
    start[axis], size[axis] = 5, 8
    plate = box(tuple(start), tuple(size))
    shifted = np.roll(plate, voxels, axis=axis)
    distances = surface_distances(plate, shifted, SPACING)
    shift = voxels * SPACING[axis]
    assert distances.reference_distances.max() == pytest.approx(shift)
    assert distances.hd95() == pytest.approx(shift)
    assert distances.msd() < shift  # the rims of the plates lie on one another
    assert distances.nsd(shift) == 1.0  # "within" a tolerance includes the tolerance
    assert distances.nsd(shift - 1e-9) < 1.0


def test_the_mean_and_the_percentile_are_weighed_by_area() -> None:
    a_to_b = np.array([3.0, 1.0, 2.0])
    areas = np.array([1.0, 18.0, 1.0])
    distances = SurfaceDistances(a_to_b, areas, np.array([0.5]), np.array([4.0]))
    assert distances.msd() == pytest.approx(((3 + 18 + 2) / 20 + 0.5) / 2)
    assert distances.hd95() == 2.0  # 90 % of the area lies within 1 mm, 95 % within 2
    assert distances.nsd(1.0) == pytest.approx((18 + 4) / 24)
    assert distances.nsd(2.0) == pytest.approx((19 + 4) / 24)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 1.0, 1.0), (1.5, 0.7, 1.2)])
def test_concentric_balls_lie_apart_by_the_difference_of_their_radii(spacing: tuple[float, float, float]) -> None:
    scores = compare_masks(ball(12.0, spacing), ball(8.0, spacing), spacing)
    diagonal = math.hypot(*spacing)
    assert scores.msd == pytest.approx(4.0, abs=diagonal / 2)
    assert 4.0 - diagonal / 2 < scores.hd95 < 4.0 + diagonal
    assert scores.volume_reference_ml == pytest.approx(4 / 3 * math.pi * 1.2**3, rel=0.03)
    assert scores.volume_ml == pytest.approx(4 / 3 * math.pi * 0.8**3, rel=0.05)
    assert scores.dice == pytest.approx(2 * 8**3 / (12**3 + 8**3), abs=0.02)


def test_equal_masks_agree_perfectly() -> None:
    scores = compare_masks(CUBE, CUBE, SPACING)
    assert (scores.dice, scores.iou, scores.hd95, scores.msd) == (1.0, 1.0, 0.0, 0.0)
    assert scores.nsd == {1.0: 1.0, 2.0: 1.0, 2.85: 1.0}
    assert not scores.missed


@pytest.mark.parametrize("seed", range(4))
def test_exchanging_the_masks_exchanges_the_volumes_alone(seed: int) -> None:
    a, b = blob(seed), blob(seed + 100)
    there, back = compare_masks(a, b, SPACING), compare_masks(b, a, SPACING)
    for name in ("dice", "iou", "hd95", "msd"):
        assert getattr(there, name) == pytest.approx(getattr(back, name), rel=1e-12)
    assert there.nsd == pytest.approx(back.nsd, rel=1e-12)
    assert (there.volume_reference_ml, there.volume_ml) == (back.volume_ml, back.volume_reference_ml)


@pytest.mark.parametrize("seed", range(4))
def test_mirroring_permuting_and_moving_both_masks_changes_nothing(seed: int) -> None:
    a, b = blob(seed), blob(seed + 100)
    expected = compare_masks(a, b, SPACING)
    moved = [np.pad(mask, ((5, 0), (2, 7), (1, 3)))[:, ::-1].transpose(2, 0, 1) for mask in (a, b)]
    scores = compare_masks(moved[0], moved[1], (SPACING[2], SPACING[0], SPACING[1]))
    for name in ("dice", "iou", "hd95", "msd"):
        assert getattr(scores, name) == pytest.approx(getattr(expected, name), rel=1e-12)
    assert scores.nsd == pytest.approx(expected.nsd, rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_distances_are_those_of_a_search_through_all_pairs(seed: int) -> None:
    a, b = (np.pad(blob(seed + offset, share=0.02), 1) for offset in (0, 100))
    distances = surface_distances(a, b, SPACING)
    corners = []
    for mask in (a, b):
        around = np.lib.stride_tricks.sliding_window_view(mask, (2, 2, 2)).sum(axis=(3, 4, 5))
        corners.append(np.argwhere((around > 0) & (around < 8)) * SPACING)
    pairs = np.linalg.norm(corners[0][:, np.newaxis] - corners[1][np.newaxis], axis=2)
    np.testing.assert_allclose(distances.reference_distances, pairs.min(axis=1), atol=1e-12)
    np.testing.assert_allclose(distances.candidate_distances, pairs.min(axis=0), atol=1e-12)


def test_masks_that_fill_the_whole_array_have_a_surface() -> None:
    full = np.ones((3, 4, 5), dtype=bool)
    part = full.copy()
    part[0] = False
    assert compare_masks(full, part, SPACING).hd95 == pytest.approx(2.5)


# Empty masks


def test_two_empty_masks_give_no_number_and_are_not_missed() -> None:
    scores = compare_masks(EMPTY, EMPTY, SPACING)
    for value in (scores.dice, scores.iou, scores.hd95, scores.msd, *scores.nsd.values()):
        assert math.isnan(value)
    assert len(scores.nsd) == 3
    assert (scores.volume_reference_ml, scores.volume_ml, scores.missed) == (0.0, 0.0, False)


@pytest.mark.parametrize("reference_is_empty", [True, False])
def test_one_empty_mask_is_infinitely_far_and_missed_only_if_it_is_the_candidate(reference_is_empty: bool) -> None:
    masks = (EMPTY, CUBE) if reference_is_empty else (CUBE, EMPTY)
    scores = compare_masks(*masks, SPACING)
    assert (scores.dice, scores.iou) == (0.0, 0.0)
    assert (scores.hd95, scores.msd) == (math.inf, math.inf)
    assert scores.nsd == {1.0: 0.0, 2.0: 0.0, 2.85: 0.0}
    assert scores.missed is not reference_is_empty


def test_a_candidate_beside_the_gland_has_missed_it_at_a_finite_distance() -> None:
    scores = compare_masks(box((4, 5, 6), (3, 3, 3)), box((4, 5, 20), (3, 3, 3)), SPACING, nsd_tolerances=[20])
    assert scores.missed
    assert scores.hd95 == pytest.approx(14 * 1.1)
    assert scores.nsd == {20.0: 1.0}


def test_a_candidate_that_shares_a_single_voxel_with_the_gland_has_not_missed_it() -> None:
    scores = compare_masks(CUBE, box((11, 14, 17), (5, 5, 5)), SPACING)
    assert scores.dice == pytest.approx(2 / (960 + 125))
    assert not scores.missed


# Label maps


def label_map(right: np.ndarray, left: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray((right + 2 * left).astype(np.uint8))
    image.SetSpacing(SPACING[::-1])
    image.SetOrigin((-50.0, 10.0, 700.0))
    return image


def test_label_maps_are_compared_gland_by_gland_with_the_spacing_in_the_right_order() -> None:
    right, left = box((4, 4, 2), (8, 12, 8)), box((4, 4, 20), (8, 12, 8))
    raised_left = np.roll(left, 1, axis=0)
    scores = compare_images(label_map(right, left), label_map(right, raised_left))
    assert list(scores) == ["Parotid_R", "Parotid_L"]
    assert scores["Parotid_R"] == compare_masks(right, right, SPACING)
    assert scores["Parotid_L"] == compare_masks(left, raised_left, SPACING)
    assert scores["Parotid_L"].hd95 == pytest.approx(2.5)


def test_exchanged_glands_are_both_missed() -> None:
    right, left = box((4, 4, 2), (8, 12, 8)), box((4, 4, 20), (8, 12, 8))
    scores = compare_images(label_map(right, left), label_map(left, right))
    assert [score.missed for score in scores.values()] == [True, True]


@pytest.mark.parametrize("what", ["spacing", "origin", "direction"])
def test_label_maps_on_different_grids_are_refused_with_one_sentence(what: str) -> None:
    reference, candidate = label_map(CUBE, EMPTY), label_map(CUBE, EMPTY)
    values = list(getattr(candidate, f"Get{what.title()}")())
    values[0] += 10 * GRID_TOLERANCE
    getattr(candidate, f"Set{what.title()}")(values)
    with pytest.raises(DataError, match=rf"not on the same grid \(the {what} is [^.]*.*: resample") as raised:
        compare_images(reference, candidate)
    assert "\n" not in str(raised.value)


def test_label_maps_of_different_size_are_refused() -> None:
    reference = label_map(CUBE, EMPTY)
    with pytest.raises(DataError, match="the size is 34, 30, 24 in the reference and 33, 30, 24"):
        compare_images(reference, reference[1:])


def test_rounding_of_the_grid_in_a_file_is_no_difference() -> None:
    reference, candidate = label_map(CUBE, EMPTY), label_map(CUBE, EMPTY)
    candidate.SetOrigin([value + GRID_TOLERANCE / 2 for value in candidate.GetOrigin()])
    assert compare_images(reference, candidate)["Parotid_R"].dice == 1.0


@pytest.mark.parametrize("image", [sitk.Image(4, 4, sitk.sitkUInt8), sitk.Image([4, 4, 4], sitk.sitkVectorUInt8, 2)])
def test_what_is_not_a_label_map_is_refused(image: sitk.Image) -> None:
    with pytest.raises(DataError, match="not a three-dimensional image with one label per voxel"):
        compare_images(image, image)


# Summary


def test_a_summary_agrees_with_numpy_and_counts_what_it_leaves_out() -> None:
    values = np.random.default_rng(11).gamma(2.0, 1.5, size=40)
    summary = summarise([*values, math.nan, math.inf, math.nan])
    assert (summary.n, summary.missing, summary.infinite) == (40, 2, 1)
    assert summary.mean == pytest.approx(np.mean(values))
    assert summary.sd == pytest.approx(np.std(values, ddof=1))
    assert summary.median == pytest.approx(np.median(values))
    assert (summary.quartile1, summary.quartile3) == pytest.approx(np.percentile(values, (25, 75)))
    assert (summary.minimum, summary.maximum) == (values.min(), values.max())


def test_the_confidence_interval_is_that_of_a_normal_mean_in_a_large_sample() -> None:
    values = np.random.default_rng(12).normal(10.0, 2.0, size=200)
    summary = summarise(values)
    half = 1.96 * np.std(values, ddof=1) / math.sqrt(200)
    assert summary.ci95_low == pytest.approx(summary.mean - half, abs=0.05 * half)
    assert summary.ci95_high == pytest.approx(summary.mean + half, abs=0.05 * half)


def test_a_summary_is_the_same_each_time() -> None:
    values = np.random.default_rng(13).random(15)
    assert summarise(values) == summarise(values)


def test_a_single_value_has_a_mean_but_neither_spread_nor_interval() -> None:
    summary = summarise([4.0])
    assert (summary.n, summary.mean, summary.median, summary.minimum, summary.maximum) == (1, 4.0, 4.0, 4.0, 4.0)
    assert all(math.isnan(value) for value in (summary.sd, summary.ci95_low, summary.ci95_high))


@pytest.mark.parametrize("values", [[], [math.nan, math.inf]])
def test_without_a_finite_value_nothing_is_made_up(values: list[float]) -> None:
    summary = summarise(values)
    assert (summary.n, summary.missing, summary.infinite) == (0, values.count(math.nan), values.count(math.inf))
    assert math.isnan(summary.mean)
    assert math.isnan(summary.median)
    assert math.isnan(summary.maximum)
