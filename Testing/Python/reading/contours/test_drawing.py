"""Contours of a region as voxels: in the right ones, and every loss is counted and said."""

from __future__ import annotations

import made_training as made
import numpy as np
import pytest
from made_dicom import ellipsoid_contours
from made_grids import grid, polygon, square
from sentences import refusal

from ParotidSegLib.errors import DataError
from ParotidSegLib.reading.contours.drawing import draw


@pytest.mark.parametrize("backwards", [False, True])
def test_a_voxel_counts_if_its_centre_is_inside_or_on_the_line_whichever_way_the_line_runs(backwards):
    image = grid()
    corners = square(image, 4.0, 9.0, 3)
    mask = draw([corners[::-1] if backwards else corners], image).mask
    assert mask[3, 4:10, 4:10].all()
    assert mask.sum() == 36
    inner = square(image, 4.01, 8.99, 3)
    assert draw([inner[::-1] if backwards else inner], image).mask.sum() == 16


def test_a_contour_within_another_is_a_hole_and_one_within_the_hole_is_filled():
    image = grid()
    outer, hole, island = (square(image, low, high, 5) for low, high in ((2.5, 20.5), (5.5, 17.5), (9.5, 12.5)))
    mask = draw([outer, hole, island], image).mask
    assert mask.sum() == 18**2 - 12**2 + 3**2
    assert mask[5, 10, 10]
    assert not mask[5, 7, 7]
    assert np.array_equal(mask, draw([island, outer, hole], image).mask)


def test_a_hole_drawn_through_a_keyhole_is_a_hole():
    image = grid()
    ring = [(2.5, 2.5), (20.5, 2.5), (20.5, 20.5), (2.5, 20.5), (2.5, 2.5)]
    inner = [(5.5, 5.5), (5.5, 17.5), (17.5, 17.5), (17.5, 5.5), (5.5, 5.5)]
    mask = draw([polygon(image, ring + inner + [(2.5, 2.5)], 5)], image).mask
    assert mask.sum() == 18**2 - 12**2


def test_two_pieces_in_one_slice_are_both_there():
    image = grid()
    mask = draw([square(image, 1.5, 3.5, 0), square(image, 9.5, 12.5, 0)], image).mask
    assert mask.sum() == 4 + 9


def test_contours_beside_the_scan_are_cut_and_those_above_it_are_counted():
    image = grid()
    beside = polygon(image, [(-5.0, 2.5), (3.5, 2.5), (3.5, 4.5), (-5.0, 4.5)], 2)
    drawn = draw([beside, square(image, 2.5, 5.5, 40), square(image, 2.5, 5.5, -2)], image)
    assert drawn.mask.sum() == 4 * 2
    assert (drawn.counts["outside"], drawn.counts["filled"], drawn.counts["cut"]) == (2, 0, 1)


def test_a_region_drawn_on_every_second_slice_is_interpolated_and_counted():
    image = grid((60, 60, 40), (2.0, 2.0, 2.0), (20.0, -50.0, -45.0))
    contours = ellipsoid_contours(image, made.LEFT, made.GLAND)
    contours = contours[: (len(contours) - 1) // 2 * 2 + 1]
    whole, half = draw(contours, image), draw(contours[::2], image)
    assert (whole.counts["filled"], half.counts["filled"]) == (0, len(contours) // 2)
    assert np.array_equal(whole.mask.any(axis=(1, 2)), half.mask.any(axis=(1, 2)))
    assert 2.0 * (whole.mask & half.mask).sum() / (whole.mask.sum() + half.mask.sum()) > 0.975


def test_a_wide_gap_stays_a_gap():
    image = grid((30, 24, 40), (2.0, 2.0, 3.0))
    drawn = draw([square(image, 2.5, 8.5, k) for k in (3, 4, 20, 21)], image)
    assert drawn.counts["filled"] == 0
    assert drawn.remarks("A") == ["15 slice(s) of 'A' stay empty between contours more than 10 mm apart."]
    assert not drawn.mask[5:20].any()


def test_contours_drawn_on_another_slice_distance_fill_the_slices_of_the_scan():
    drawn_on = grid((60, 60, 60), (2.0, 2.0, 1.7), (20.0, -50.0, -45.0))
    image = grid((60, 60, 40), (2.0, 2.0, 2.0), (20.0, -50.0, -45.0))
    mask = draw(ellipsoid_contours(drawn_on, made.LEFT, made.GLAND), image).mask
    truth = draw(ellipsoid_contours(image, made.LEFT, made.GLAND), image).mask
    assert 2.0 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.97


def test_contours_across_the_slices_are_refused():
    image = grid()
    upright = np.array([image.TransformContinuousIndexToPhysicalPoint(p) for p in ((3, 3, 2), (3, 9, 2), (3, 9, 8))])
    assert "do not lie in the slices" in refusal(DataError, draw, [upright], image)


def test_contours_that_all_lie_elsewhere_are_refused():
    image = grid()
    assert "outside the scan" in refusal(DataError, draw, [square(image, 2.5, 8.5, 99)], image)
    assert "outside the scan" in refusal(DataError, draw, [square(image, 200.0, 210.0, 3)], image)


def ellipsoid(image, centre=made.LEFT):
    return ellipsoid_contours(image, centre, made.GLAND)


FINE = {"size": (60, 60, 40), "spacing": (2.0, 2.0, 2.0), "origin": (20.0, -50.0, -45.0)}


def test_contours_that_are_there_twice_count_once_and_are_remarked():
    image = grid(**FINE)
    contours = ellipsoid(image)
    twice = draw([*contours, *contours], image)
    assert np.array_equal(twice.mask, draw(contours, image).mask)
    assert twice.remarks("A") == [f"{len(contours)} contour(s) of 'A' are there twice and count once."]


def test_the_end_slices_twice_do_not_vanish():
    image = grid(**FINE)
    contours = ellipsoid(image)
    drawn = draw([contours[0], *contours, contours[-1]], image)
    assert np.array_equal(drawn.mask, draw(contours, image).mask)
    assert drawn.counts["twice"] == 2


@pytest.mark.parametrize("change", ["backwards", "another start", "rounded to 0.1 mm", "every second corner"])
def test_a_copy_is_recognised_however_it_was_stored(change):
    image = grid(**FINE)
    contours = ellipsoid(image)
    copies = {
        "backwards": [points[::-1] for points in contours],
        "another start": [np.roll(points, 17, axis=0) for points in contours],
        "rounded to 0.1 mm": [np.round(points, 1) for points in contours],
        "every second corner": [points[::2] for points in contours],
    }[change]
    for both in ([*contours, *copies], [*copies, *contours]):
        drawn = draw(both, image)
        assert drawn.counts["twice"] == len(contours)
        whole = draw(contours, image).mask
        assert np.abs(drawn.mask.sum() - float(whole.sum())) <= 0.02 * whole.sum()
        assert not (whole & ~drawn.mask).any()


def test_a_piece_a_little_off_the_slice_is_kept():
    image = grid()
    pieces = [square(image, 2.5, 8.5, k) for k in (3, 4, 5)] + [square(image, 12.5, 15.5, 4 + 0.2 / 3.0)]
    drawn = draw(pieces, image)
    assert drawn.mask.sum() == 3 * 36 + 9
    assert drawn.mask[4, 14, 14]
    assert drawn.remarks("A") == []


@pytest.mark.parametrize("seed", range(5))
def test_pieces_a_little_off_every_slice_are_kept(seed):
    rng = np.random.default_rng(seed)
    image = grid()
    off = rng.uniform(-0.2, 0.2, (6, 2)) / 3.0
    main = [square(image, 2.5, 8.5, k + float(off[k - 2, 0])) for k in range(2, 8)]
    beside = [square(image, 12.5, 15.5, k + float(off[k - 2, 1])) for k in range(2, 8)]
    drawn = draw([*main, *beside], image)
    assert drawn.mask.sum() == 6 * (36 + 9)


def test_contours_finer_than_the_slices_are_not_stacked_into_them():
    drawn_on = grid((60, 60, 160), (2.0, 2.0, 0.5), (20.0, -50.0, -45.0))
    image = grid((60, 60, 40), (2.0, 2.0, 2.0), (20.0, -50.0, -45.0))
    drawn, truth = draw(ellipsoid(drawn_on), image), draw(ellipsoid(image), image)
    assert np.array_equal(drawn.mask, truth.mask)
    assert drawn.counts["twice"] == drawn.counts["overlapping"] == 0
    assert "lie between the slices of the scan and are not used" in drawn.remarks("A")[0]


def test_contours_that_enclose_no_centre_are_said_to_be_lost():
    image = grid()
    drawn = draw([square(image, 2.5, 8.5, 3), square(image, 11.2, 11.8, 3)], image)
    assert drawn.mask.sum() == 36
    assert drawn.remarks("A") == ["1 contour(s) of 'A' enclose the centre of no voxel and are lost."]
    assert "too small" in refusal(DataError, draw, [square(image, 11.2, 11.8, 3)], image)


def test_contours_with_coordinates_far_away_are_outside():
    image = grid()
    assert "outside the scan" in refusal(DataError, draw, [square(image, 2.5, 9e5, 99)], image)
    assert draw([square(image, 2.5, 4e5, 3)], image).counts["cut"] == 1
