"""Several lines in one plane: copies, holes, islands, overlaps, and what has to be looked at."""

from __future__ import annotations

import numpy as np
import pytest
from sentences import refusal

from ParotidSegLib.errors import DataError
from ParotidSegLib.reading.contours.polygons import MOST_LINES, enclosed

SHAPE = (40, 50)


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def circle(x: float, y: float, radius: float, corners: int = 60) -> np.ndarray:
    angles = np.linspace(0.0, 2.0 * np.pi, corners, endpoint=False)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)


def area(*polygons: np.ndarray) -> int:
    return int(enclosed(polygons, SHAPE).mask.sum())


def test_lines_that_overlap_are_taken_together():
    one, other = box(2.5, 2.5, 12.5, 12.5), box(8.5, 8.5, 18.5, 18.5)
    plane = enclosed([one, other], SHAPE)
    assert plane.mask.sum() == 100 + 100 - 16
    assert plane.mask[10, 10]
    assert (plane.overlapping, plane.twice, plane.hollow) == (2, 0, 0)


def test_lobes_that_overlap_by_little_more_than_all_of_one_are_no_hole():
    large, lobe = circle(20.0, 20.0, 12.0), circle(28.0, 20.0, 5.0)
    plane = enclosed([large, lobe], SHAPE)
    assert np.array_equal(plane.mask, enclosed([large], SHAPE).mask | enclosed([lobe], SHAPE).mask)


def test_a_plus_of_two_bars_has_no_hole_though_no_corner_lies_in_the_other():
    assert area(box(2.5, 10.5, 30.5, 14.5), box(10.5, 2.5, 14.5, 30.5)) == 28 * 4 + 28 * 4 - 16


def test_a_line_that_leaves_another_between_its_own_corners_is_no_hole():
    notched = np.array([(2.5, 2.5), (30.5, 2.5), (30.5, 30.5), (22.0, 30.5), (16.5, 5.0), (11.0, 30.5), (2.5, 30.5)])
    across = box(4.5, 10.5, 28.5, 18.5)
    assert area(notched, across) == int((enclosed([notched], SHAPE).mask | enclosed([across], SHAPE).mask).sum())
    assert area(notched, across) > area(notched)


def test_a_hole_of_two_overlapping_lines_stays_a_hole():
    one, other, hole = box(2.5, 2.5, 22.5, 22.5), box(4.5, 4.5, 26.5, 24.5), box(8.5, 8.5, 12.5, 12.5)
    for order in ((one, other, hole), (hole, one, other)):
        mask = enclosed(order, SHAPE).mask
        assert not mask[9:13, 9:13].any()
        assert mask.sum() == 400 + 22 * 20 - 18 * 18 - 16


def test_a_line_over_the_hole_of_another_fills_what_it_covers():
    ring, hole, over = box(2.5, 2.5, 30.5, 30.5), box(10.5, 10.5, 20.5, 20.5), box(15.5, 15.5, 40.5, 18.5)
    mask = enclosed([ring, hole, over], SHAPE).mask
    assert mask[17, 17]
    assert not mask[12, 12]


def test_a_hole_twice_is_a_hole():
    assert area(box(2.5, 2.5, 22.5, 22.5), *[box(8.5, 8.5, 12.5, 12.5)] * 2) == 400 - 16


def test_islands_in_holes_in_islands():
    rings = [circle(20.0, 20.0, radius) for radius in (18.0, 14.0, 10.0, 6.0)]
    areas = [area(ring) for ring in rings]
    assert area(*rings[::-1]) == areas[0] - areas[1] + areas[2] - areas[3]


def test_a_hole_that_touches_its_outline_from_within_is_a_hole():
    assert area(box(2.5, 2.5, 22.5, 22.5), box(2.5, 8.5, 12.5, 12.5)) == 400 - 40


def test_a_hole_of_more_than_half_is_counted():
    assert enclosed([circle(20, 20, 15), circle(20, 20, 12)], SHAPE).hollow == 1
    assert enclosed([circle(20, 20, 15), circle(20, 20, 5)], SHAPE).hollow == 0


def test_pieces_apart_are_all_there():
    plane = enclosed([box(2.5, 2.5, 5.5, 5.5), box(5.5, 2.5, 8.5, 5.5), box(20.5, 20.5, 22.5, 22.5)], SHAPE)
    assert plane.mask.sum() == 9 + 9 + 4
    assert plane.overlapping == 0


def test_what_lies_beside_the_grid_is_cut_and_counted():
    plane = enclosed([box(-10.0, 5.5, 3.5, 9.5), box(100.0, 5.0, 110.0, 9.0), box(5.5, 5.5, 7.5, 7.5)], SHAPE)
    assert plane.mask.sum() == 4 * 4 + 4
    assert (plane.cut, plane.thin) == (2, 0)


def test_more_lines_than_an_organ_has_are_refused():
    lines = [box(0.0, 0.0, 2.0, 2.0)] * (MOST_LINES + 1)
    assert "as no organ has" in refusal(DataError, enclosed, lines, SHAPE)


@pytest.mark.parametrize("seed", range(8))
def test_random_lines_never_lose_what_lies_in_one_line_alone(seed):
    rng = np.random.default_rng(seed)
    lines = [circle(*rng.uniform(8, 32, 2), rng.uniform(2, 8)) for _ in range(6)]
    count = np.sum([enclosed([line], SHAPE).mask for line in lines], axis=0)
    mask = enclosed(lines, SHAPE).mask
    assert mask[count == 1].all()
    assert not mask[count == 0].any()


def test_lines_of_very_many_corners_are_compared_in_bounded_memory():
    assert enclosed([circle(20, 20, 15, 3000), circle(20, 20, 15, 2999)], SHAPE).twice == 1
