"""Added path length: known outlines, what lies within the tolerance, slices apart, any stored orientation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from made_grids import grid
from made_images import like
from orientations import all_orientations
from sentences import refusal
from surface_distance import lookup_tables

from ParotidSegLib.errors import DataError
from ParotidSegLib.measuring.path_length import ADDED_PATH_TOLERANCE, added_path, compare_paths
from ParotidSegLib.structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID

SPACING = (3.0, 2.0)
#: A corner that is cut is this much shorter than the two half sides that it replaces.
CUT = 2.5 - math.hypot(3.0, 2.0) / 2.0


def block(slices: slice, rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((8, 20, 30), dtype=bool)
    mask[slices, rows, columns] = True
    return mask


BLOCK = block(slice(2, 5), slice(4, 10), slice(6, 16))
#: Of one slice: 6 rows of 3 mm and 10 columns of 2 mm, with cut corners.
PERIMETER = 2 * (6 * 3.0 + 10 * 2.0) - 4 * CUT


def test_nothing_is_drawn_anew_where_contours_agree():
    path = added_path(BLOCK, BLOCK, SPACING, tolerance=0.0)
    assert path.added_mm == 0.0
    assert path.total_mm == pytest.approx(3 * PERIMETER)


@pytest.mark.parametrize(("tolerance", "elements"), [(1.9, 3), (2.0, 2), (3.0, 2), (4.0, 1), (6.0, 0), (7.9, 0)])
def test_a_moved_side_is_drawn_anew_and_of_the_ways_to_it_what_lies_beyond_the_tolerance(tolerance, elements):
    wider = block(slice(2, 5), slice(4, 10), slice(6, 20))  # 4 pixels of 2 mm farther along x
    path = added_path(BLOCK, wider, SPACING, tolerance=tolerance)
    side = 5 * 3.0 + 2 * (2.5 - CUT)
    assert path.added_mm == pytest.approx(3 * (side + 2 * elements * 2.0))
    assert path.total_mm == pytest.approx(3 * (PERIMETER + 2 * 4 * 2.0))
    assert added_path(BLOCK, wider, SPACING, tolerance=8.0).added_mm == 0.0


def test_what_lies_exactly_at_the_tolerance_is_drawn_already():
    # A column of three pixels, and one three columns (6 mm) away: its near line is 4 mm from the other's far one.
    one, other = block(slice(0, 1), slice(3, 6), slice(4, 5)), block(slice(0, 1), slice(3, 6), slice(7, 8))
    outline = 2 * (3 * 3.0 + 2.0) - 4 * CUT
    for tolerance, share in ((3.9, 1.0), (4.0, 0.5), (5.9, 0.5), (6.0, 0.0)):
        assert added_path(one, other, SPACING, tolerance=tolerance).added_mm == pytest.approx(share * outline)


def test_a_slice_that_the_other_one_lacks_is_drawn_whole_and_a_superfluous_one_costs_nothing():
    longer = block(slice(2, 7), slice(4, 10), slice(6, 16))
    assert added_path(BLOCK, longer, SPACING).added_mm == pytest.approx(2 * PERIMETER)
    assert added_path(longer, BLOCK, SPACING).added_mm == 0.0


def test_empty_contours():
    empty = np.zeros_like(BLOCK)
    assert added_path(empty, BLOCK, SPACING).added_mm == pytest.approx(3 * PERIMETER)
    nothing = added_path(BLOCK, empty, SPACING)
    assert math.isnan(nothing.added_mm) and nothing.total_mm == 0.0


def test_a_disc_has_its_circumference_to_some_percent():
    _, y, x = np.indices((3, 61, 61))
    disc = (y - 30.0) ** 2 + (x - 30.0) ** 2 <= 25.0**2
    path = added_path(np.zeros_like(disc), disc, (1.0, 1.0))
    assert path.total_mm / 3 == pytest.approx(2 * math.pi * 25.0, rel=0.07)


def test_lengths_are_those_of_the_surface_distance_package():
    table = lookup_tables.create_table_neighbour_code_to_contour_length(SPACING)
    mask = np.random.default_rng(7).random((1, 30, 40)) < 0.5
    padded = np.pad(mask[0], 1).astype(int)
    codes = 8 * padded[:-1, :-1] + 4 * padded[:-1, 1:] + 2 * padded[1:, :-1] + padded[1:, 1:]
    assert added_path(mask, mask, SPACING).total_mm == pytest.approx(table[codes].sum())


def labelled() -> tuple[sitk.Image, sitk.Image]:
    """Two label maps: B has the right gland wider by 3 pixels, and the left one by a slice."""
    image = grid()
    a = np.zeros(image.GetSize()[::-1], np.uint8)
    a[3:7, 5:15, 4:12], a[3:7, 5:15, 20:26] = 1, 2
    b = a.copy()
    b[3:7, 5:15, 12:15], b[7, 5:15, 20:26] = 1, 2
    return like(image, a), like(image, b)


def test_each_gland_has_its_own_path_from_a_to_b():
    a, b = labelled()
    paths = compare_paths(a, b)
    corner = 2.0 - math.sqrt(2.0)
    assert paths[LEFT_PAROTID.key].added_mm == pytest.approx(2 * (20.0 + 12.0) - 4 * corner)
    # Per slice: the side of 20 mm with its cut corners, and two elements of 2 mm at 4 mm from the old side.
    assert paths[RIGHT_PAROTID.key].added_mm == pytest.approx(4 * (20.0 - 2.0 + 2 * math.sqrt(2.0) + 2 * 2.0))
    assert compare_paths(b, a)[LEFT_PAROTID.key].added_mm == 0.0
    assert compare_paths(a, b, tolerance=100.0)[RIGHT_PAROTID.key].added_mm == 0.0
    assert ADDED_PATH_TOLERANCE == 2.0


def test_any_stored_orientation_gives_the_same():
    a, b = labelled()
    expected = compare_paths(a, b)
    for first, second in zip(all_orientations(a), all_orientations(b), strict=True):
        found = compare_paths(first, second)
        for structure in PAROTIDS:
            assert found[structure.key].added_mm == pytest.approx(expected[structure.key].added_mm)


def test_other_grids_and_masks_are_refused():
    a, b = labelled()
    b.SetSpacing((2.0, 2.0, 4.0))
    assert "not on the same grid" in refusal(DataError, compare_paths, a, b)
    with pytest.raises(ValueError, match="three-dimensional"):
        added_path(BLOCK[0], BLOCK[0], SPACING)
