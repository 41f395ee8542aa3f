"""What is measured of a case: in patient space, so that storage changes nothing."""

from __future__ import annotations

import math

import made_training as made
import numpy as np
import pytest
import SimpleITK as sitk
from made_images import like
from orientations import all_orientations

from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.data.case_measures import CaseMeasures, measure_case

MIDDLE = np.array([10.0, -20.0, 300.0])
HEAD, LABELS = made.head_with_glands(MIDDLE)
ELLIPSOID_ML = 4.0 / 3.0 * math.pi * math.prod(made.GLAND) / 1000.0


def measured(image: sitk.Image = HEAD, labels: sitk.Image = LABELS, **more: bool) -> CaseMeasures:
    return measure_case(image, labels, PAROTIDS, case="a", split="train", patient="p", **more)


def changed(edit) -> sitk.Image:
    """The labels after an edit of their array (z, y, x)."""
    array = sitk.GetArrayFromImage(LABELS)
    edit(array)
    return like(LABELS, array)


def test_a_sound_case_is_measured_in_millimetres():
    case = measured()
    assert case.problems == {}
    assert case.spacing == (6.0, 6.0, 6.0)
    right, left = case.structures["Parotid_R"], case.structures["Parotid_L"]
    for one, place, value in ((right, made.RIGHT, made.RIGHT_HU), (left, made.LEFT, made.LEFT_HU)):
        assert one.volume_ml == pytest.approx(ELLIPSOID_ML, rel=0.05)
        assert one.height == pytest.approx(2 * made.GLAND[2], abs=6.0)
        assert one.centroid == pytest.approx(place + MIDDLE, abs=1.0)
        assert one.mean == pytest.approx(value, abs=2.0)
        assert max(one.ends) < 0.5
        assert (one.outside_share, one.pieces_share, one.empty_slices, one.cut) == (0.0, 0.0, 0, "")
        assert one.air_around < 0.1


def test_the_way_of_storing_changes_nothing():
    first = measured()
    pairs = zip(all_orientations(HEAD), all_orientations(LABELS), strict=True)
    for image, labels in list(pairs)[::5]:
        case = measured(image, labels)
        assert (case.image_hash, case.mask_hash) == (first.image_hash, first.mask_hash)
        for key, one in case.structures.items():
            expected = first.structures[key]
            assert one.centroid == pytest.approx(expected.centroid, abs=1e-6)
            assert (one.volume_ml, one.ends, one.cut) == (expected.volume_ml, expected.ends, expected.cut)


def test_voxels_in_the_air_are_counted_and_cavities_of_the_body_are_not_air():
    def hangs_out(array: np.ndarray) -> None:
        array[11:13, 2:4, 2:4] = 1

    right = measured(labels=changed(hangs_out)).structures["Parotid_R"]
    voxels = int((sitk.GetArrayViewFromImage(LABELS) == 1).sum())
    assert right.outside_share == pytest.approx(8 / (voxels + 8))
    assert right.outside_point[:2] == pytest.approx(
        LABELS.TransformContinuousIndexToPhysicalPoint((2.5, 2.5, 11.5))[:2]
    )
    hollow = sitk.GetArrayFromImage(HEAD)
    hollow[sitk.GetArrayViewFromImage(LABELS) == 1] = -1000
    assert measured(like(HEAD, hollow)).structures["Parotid_R"].outside_share == 0.0
    assert math.isnan(measured(is_ct=False).structures["Parotid_R"].outside_share)


def test_a_scan_that_is_blotted_out_around_a_gland_has_air_around_it():
    blotted = np.where(sitk.GetArrayViewFromImage(LABELS) > 0, sitk.GetArrayViewFromImage(HEAD), -1024)
    case = measured(like(HEAD, blotted.astype(np.int16)))
    assert case.structures["Parotid_L"].air_around > 0.99
    assert case.structures["Parotid_L"].outside_share == 0.0


def test_pieces_gaps_and_blunt_ends_are_measured():
    def cut_and_speck(array: np.ndarray) -> None:
        slices = np.flatnonzero((array == 2).any(axis=(1, 2)))
        middle = int(slices[len(slices) // 2])
        array[middle + 1 :][array[middle + 1 :] == 2] = 0
        array[middle - 2][array[middle - 2] == 2] = 0
        array[middle, 20, 20] = 2

    left = measured(labels=changed(cut_and_speck)).structures["Parotid_L"]
    assert left.ends[1] > 0.95
    assert left.empty_slices == 1
    assert 0.2 < left.pieces_share < 0.6


@pytest.mark.parametrize(("first", "last", "where"), [(12, 24, "bottom"), (0, 12, "top")])
def test_a_gland_at_the_end_of_the_scan_is_cut_there(first, last, where):
    case = measured(HEAD[:, :, first:last], LABELS[:, :, first:last])
    right = case.structures["Parotid_R"]
    assert right.cut == where
    slice_z = HEAD.TransformIndexToPhysicalPoint((0, 0, first if where == "bottom" else last - 1))[2]
    assert right.cut_point[2] == pytest.approx(slice_z)


def test_a_gland_at_the_edge_of_the_slices_is_cut_there():
    assert measured(HEAD[12:], LABELS[12:]).structures["Parotid_R"].cut == "side"


def test_other_grids_and_unknown_labels_are_problems_and_are_measured_as_they_lie():
    shifted = sitk.Image(LABELS)
    shifted.SetOrigin(np.add(LABELS.GetOrigin(), (12.0, 0.0, 0.0)).tolist())
    case = measured(labels=shifted)
    assert "different grids: origin" in case.problems["geometry-mismatch"]
    assert case.structures["Parotid_R"].centroid == pytest.approx(
        made.RIGHT + MIDDLE + np.array([12.0, 0.0, 0.0]), abs=1.0
    )

    def unknown(array: np.ndarray) -> None:
        array[0, 0, 0], array[0, 0, 1] = 7, 9

    assert "7, 9" in measured(labels=changed(unknown)).problems["unknown-label"]


def test_an_empty_mask_has_neither_structures_nor_a_hash():
    case = measured(labels=LABELS * 0)
    assert (case.structures, case.mask_hash) == ({}, "")


def test_a_single_slice_has_neither_top_nor_bottom():
    case = measured(HEAD[:, :, 11:12], LABELS[:, :, 11:12])
    assert case.structures["Parotid_R"].cut == ""
    assert case.structures["Parotid_R"].height == 6.0
