"""Doubt lies where the error is."""

from __future__ import annotations

import numpy as np
import pytest
from test_measures import MIDDLES, RADII, SHAPE, drawn, ellipsoid, labels_of

from ParotidSegLib.doubting.places import SURE, doubtful_places, place_to_look
from ParotidSegLib.structures import LEFT_PAROTID

GLAND = ellipsoid(MIDDLES[1], RADII)
STEP = np.array([2.5, 2.5, 2.5])


def marked(mask: np.ndarray, automatic: np.ndarray | None = None, kind: str | None = None) -> np.ndarray:
    theirs = None if automatic is None else labels_of(right=automatic)
    return doubtful_places(drawn(labels_of(right=mask), automatic=theirs), kind) >= SURE


def test_nothing_is_marked_in_an_even_gland_or_in_one_like_the_automatic_contour():
    assert not marked(GLAND).any()
    assert not marked(GLAND, GLAND).any()


def test_a_spill_beyond_the_automatic_contour_is_marked_and_the_rest_is_not():
    spill = ellipsoid((-50.0, 30.0, 0.0), (10.0, 12.0, 10.0)) & ~GLAND
    found = marked(GLAND | spill, GLAND)
    assert (found & spill).sum() > 0.8 * spill.sum()
    assert (found & ~spill).sum() < 0.2 * found.sum()


def test_what_a_cut_end_lacks_is_marked_where_the_automatic_contour_goes_on():
    cut = GLAND.copy()
    cut[25:] = False
    found = marked(cut, GLAND)
    assert (found & GLAND & ~cut).sum() > 0.7 * (GLAND & ~cut).sum()
    assert not found[:24].any()


def test_without_an_automatic_contour_both_sides_of_the_ends_are_marked_if_an_end_is_doubtful():
    assert not marked(GLAND).any()
    rows = np.flatnonzero(marked(GLAND, kind="end cut").any(axis=(1, 2)))
    filled = np.flatnonzero(GLAND.any(axis=(1, 2)))
    assert {filled[0] - 1, filled[0], filled[-1], filled[-1] + 1} <= set(rows)
    assert not set(range(filled[0] + 4, filled[-1] - 3)) & set(rows)


def test_empty_and_moved_slices_are_marked_without_an_automatic_contour():
    gap = GLAND.copy()
    gap[19:21] = False
    rows = np.flatnonzero(marked(gap).any(axis=(1, 2)))
    assert rows.tolist() == [19, 20]
    moved = GLAND.copy()
    moved[18:20] = np.roll(GLAND[18:20], 5, axis=1)
    by_slice = marked(moved).sum(axis=(1, 2))
    assert set(np.argsort(-by_slice)[:2]) == {18, 19}
    assert by_slice[18:20].sum() > 0.6 * by_slice.sum()


def test_bone_air_holes_and_stray_pieces_are_marked():
    jaw = ellipsoid((-45.0, -12.0, -5.0), (5.0, 14.0, 20.0))
    assert (marked(GLAND | jaw) & jaw).sum() > 0.5 * jaw.sum()
    air = np.zeros(SHAPE, bool)
    air[16:22, 34:42, 2:6] = True
    assert (marked(GLAND | air) & air).sum() > 0.8 * air.sum()
    hole = ellipsoid(MIDDLES[1], (6.0, 6.0, 6.0))
    assert (marked(GLAND & ~hole) & hole).sum() > 0.8 * hole.sum()
    stray = ellipsoid((-57.0, -45.0, 0.0), (6.0, 6.0, 6.0)) & ~jaw
    assert (marked(GLAND | stray) & stray).sum() > 0.8 * stray.sum()


def test_what_is_no_gland_at_all_is_marked_in_whole():
    assert (marked(GLAND, kind="other structure") == GLAND).all()


def test_the_place_to_look_at_is_in_the_largest_marked_region():
    doubt = np.zeros(SHAPE, np.float32)
    doubt[5:8, 5:8, 5:8] = 0.9
    doubt[20:30, 40:44, 10:14] = 0.5
    doubt[0] = 0.4
    assert place_to_look(doubt, STEP).tolist() in [[24, 41, 11], [25, 42, 12], [24, 42, 12], [25, 41, 11], [24, 41, 12]]
    assert place_to_look(doubt * 0.5, STEP) is None


@pytest.mark.parametrize("reach", [10.0])
def test_the_left_gland_is_marked_as_its_mirror_image_is(reach):
    spill = ellipsoid((-50.0, 30.0, 0.0), (reach, 12.0, 10.0)) & ~GLAND
    right = doubtful_places(drawn(labels_of(right=GLAND | spill), automatic=labels_of()))
    left_labels = labels_of(left=(GLAND | spill)[..., ::-1])
    gland = drawn(left_labels, LEFT_PAROTID, labels_of(left=GLAND[..., ::-1]))
    np.testing.assert_allclose(gland.as_scan(doubtful_places(gland))[..., ::-1], right, atol=1e-6)
