"""The slices that differ most: where, by how much, on whose side, apart from one another, in patient space."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from made_grids import grid
from made_images import like
from orientations import all_orientations, rotation
from sentences import refusal

from ParotidSegLib.errors import DataError
from ParotidSegLib.measuring.differing_slices import APART_MM, differing_slices, thickness_of
from ParotidSegLib.structures import LEFT_PAROTID, RIGHT_PAROTID

#: Area of a voxel's face in a slice, cm²; height of a slice.
FACE = 2.0 * 2.0 / 100.0
SCAN = grid(size=(30, 24, 20))


def height(image: sitk.Image, slice_number: int) -> float:
    return image.TransformIndexToPhysicalPoint((0, 0, slice_number))[2]


def pair() -> tuple[sitk.Image, sitk.Image]:
    """A and B: in slices 4 to 6 A has more, 5 most; in slice 12 B has more; in slice 15 a little less."""
    a = np.zeros(SCAN.GetSize()[::-1], np.uint8)
    a[2:18, 8:16, 4:12], a[2:18, 8:16, 18:26] = 1, 2
    b = a.copy()
    b[4, 8:16, 4:6] = b[5, 8:16, 4:8] = b[6, 8:16, 4:7] = 0
    b[12, 16:18, 4:12] = 1
    b[15, 16, 4:12] = 1
    return like(SCAN, a), like(SCAN, b)


def test_slices_come_by_the_area_with_the_side_that_has_more():
    found = differing_slices(*pair(), RIGHT_PAROTID)
    assert [one.z for one in found] == pytest.approx([height(SCAN, number) for number in (5, 12, 15)])
    areas = [(one.only_a_cm2, one.only_b_cm2) for one in found]
    assert areas == pytest.approx(np.array([(32.0, 0.0), (0.0, 16.0), (0.0, 8.0)]) * FACE)
    assert found[0].area_cm2 == pytest.approx(32 * FACE)
    assert found[1].middle == pytest.approx(SCAN.TransformContinuousIndexToPhysicalPoint((7.5, 16.5, 12.0)))


def test_neighbours_are_left_out():
    found = differing_slices(*pair(), RIGHT_PAROTID, most=10)
    assert len(found) == 3  # not 4 and 6, which lie 3 mm from 5
    assert all(abs(a.z - b.z) >= APART_MM for a in found for b in found if a is not b)
    assert [one.z for one in differing_slices(*pair(), RIGHT_PAROTID, most=2, apart=0.0)] == pytest.approx(
        [height(SCAN, 5), height(SCAN, 6)]
    )


def test_where_both_agree_there_is_none():
    assert differing_slices(*pair(), LEFT_PAROTID) == []


def test_any_stored_orientation_gives_the_same():
    expected = differing_slices(*pair(), RIGHT_PAROTID)
    for a, b in zip(*map(all_orientations, pair()), strict=True):
        found = differing_slices(a, b, RIGHT_PAROTID)
        for one, other in zip(found, expected, strict=True):
            assert one.middle == pytest.approx(other.middle)
            assert (one.only_a_cm2, one.only_b_cm2) == pytest.approx((other.only_a_cm2, other.only_b_cm2))


def test_a_tilted_scan_has_slices_of_the_patient_all_the_same():
    a, b = pair()
    for image in (a, b):
        image.SetDirection(rotation(8.0, 0.0, 0.0))
    found = differing_slices(a, b, RIGHT_PAROTID)
    assert len(found) == 3
    assert thickness_of(a) == 3.0
    total = float(np.count_nonzero(sitk.GetArrayViewFromImage(a) != sitk.GetArrayViewFromImage(b))) * 0.012
    every = differing_slices(a, b, RIGHT_PAROTID, most=99, apart=0.0)
    assert sum(one.area_cm2 for one in every) * 0.3 == pytest.approx(total)


def test_other_grids_are_refused():
    a, b = pair()
    b.SetOrigin((0.0, 0.0, 0.0))
    assert "not on the same grid" in refusal(DataError, differing_slices, a, b, RIGHT_PAROTID)
