"""Which pieces are the glands: those that lie like a pair, not those that are biggest."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from orientations import all_orientations, image_of, rotation, voxel_centres

from ParotidSegLib.glands.anatomy import Piece, choose_pair, pieces, plausible_pair


def piece(x: float, mass: float, y: float = 0.0, z: float = 0.0) -> Piece:
    return Piece(np.ones((1, 1, 1), bool), mass, np.array([x, y, z]))


# --- pieces of a mask ------------------------------------------------------------------------------------------------


@pytest.fixture
def geometry() -> sitk.Image:
    image = sitk.Image(30, 20, 10, sitk.sitkUInt8)
    image.SetSpacing((2.0, 3.0, 4.0))
    image.SetOrigin((-100.0, 50.0, 7.0))
    return image


def test_pieces_come_heaviest_first_with_mass_in_ml_and_middle_in_mm(geometry):
    mask = np.zeros((10, 20, 30), bool)
    mask[2:4, 5:7, 10:12] = True
    mask[6:9, 5:9, 20:25] = True
    found = pieces(mask, np.where(mask, 0.5, 0.9).astype(np.float32), geometry, least_ml=0.0)
    assert [round(p.mass, 6) for p in found] == [0.5 * 60 * 0.024, 0.5 * 8 * 0.024]
    np.testing.assert_allclose(found[1].centroid, (-100 + 10.5 * 2, 50 + 5.5 * 3, 7 + 2.5 * 4))
    np.testing.assert_array_equal(found[0].mask | found[1].mask, mask)


def test_the_middle_of_a_piece_is_weighed_by_probability(geometry):
    mask = np.zeros((10, 20, 30), bool)
    mask[0, 0, :2] = True
    probability = np.zeros(mask.shape, np.float32)
    probability[0, 0, :2] = (0.25, 0.75)
    (found,) = pieces(mask, probability, geometry, least_ml=0.0)
    np.testing.assert_allclose(found.centroid, (-100 + 0.75 * 2, 50, 7))


def test_pieces_that_touch_at_an_edge_only_are_two(geometry):
    mask = np.zeros((10, 20, 30), bool)
    mask[0, 0, 0] = mask[0, 1, 1] = True
    assert len(pieces(mask, mask.astype(np.float32), geometry, least_ml=0.0)) == 2


def test_pieces_below_the_least_volume_are_left_out(geometry):
    mask = np.zeros((10, 20, 30), bool)
    mask[0, 0, :10] = True
    mask[5, 0, :11] = True
    found = pieces(mask, mask.astype(np.float32), geometry, least_ml=0.25)
    assert [int(p.mask.sum()) for p in found] == [11]


def test_an_empty_mask_has_no_pieces(geometry):
    assert pieces(np.zeros((10, 20, 30), bool), np.zeros((10, 20, 30), np.float32), geometry, least_ml=0.0) == []


def test_a_piece_has_the_same_middle_in_every_orientation():
    def ball(points):
        return np.linalg.norm(points - (8.0, 3.0, -4.0), axis=-1) < 9.0

    first = -np.reshape(rotation(10, 20, 30), (3, 3)) @ np.full(3, 25.0)
    image = image_of(ball, (50, 42, 20), (1.0, 1.2, 2.5), first, rotation(10, 20, 30))
    for other in all_orientations(image):
        mask = sitk.GetArrayFromImage(other) > 0
        (found,) = pieces(mask, mask.astype(np.float32), other, least_ml=0.5)
        np.testing.assert_allclose(found.centroid, voxel_centres(other)[mask].mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(found.centroid, (8.0, 3.0, -4.0), atol=0.2)


# --- pairs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "plausible"),
    [
        ((118, 0, 0), True),
        ((70, 75, -75), True),
        ((170, 0, 0), True),
        ((69, 0, 0), False),
        ((171, 0, 0), False),
        ((-118, 0, 0), False),
        ((0, 0, 0), False),
        ((118, 76, 0), False),
        ((118, 0, -76), False),
    ],
)
def test_a_pair_lies_across_the_head_the_left_gland_at_larger_x(offset, plausible):
    right = np.array([-300.0, 40.0, 1200.0])
    assert bool(plausible_pair(right, right + offset)) is plausible


def test_the_glands_of_a_clear_case_are_chosen():
    right, left = piece(-60, 25), piece(58, 24)
    assert choose_pair([right], [left]) == (right, left)


@pytest.mark.parametrize("tilt", [-25.0, 25.0])
@pytest.mark.parametrize("towards", ["y", "z"])
def test_both_glands_of_a_head_that_is_turned_or_tilted_are_chosen_each_on_its_side(tilt, towards):
    apart, own = 134.0, math.copysign(8.0, tilt)  # a wide head, whose glands differ in height or depth already
    across, other = apart * math.cos(math.radians(tilt)), apart * math.sin(math.radians(tilt)) + own
    right = piece(-across / 2.0, 40.0, **{towards: -other / 2.0})
    left = piece(across / 2.0, 32.0, **{towards: other / 2.0})
    assert choose_pair([right], [left]) == (right, left)
    assert choose_pair([left], [right]) != (left, right)


def test_the_biggest_piece_is_not_chosen_when_it_does_not_lie_like_one_of_a_pair():
    muscle, gland = piece(-60, 90, z=-120), piece(-60, 20)
    other = piece(58, 24)
    assert choose_pair([muscle, gland], [other]) == (gland, other)


def test_a_right_mask_at_the_left_side_is_not_the_right_gland():
    at_the_left, gland = piece(55, 40), piece(-60, 8)
    left = piece(58, 24)
    assert choose_pair([at_the_left, gland], [left]) == (gland, left)
    assert choose_pair([at_the_left], [left]) == (at_the_left, None)
    assert choose_pair([piece(55, 10)], [left]) == (None, left)


def test_glands_on_exchanged_sides_are_never_both_chosen():
    assert None in choose_pair([piece(60, 25)], [piece(-58, 24)])


def test_the_heaviest_of_several_plausible_pairs_is_chosen():
    rights = [piece(-60, 25), piece(-50, 3)]
    lefts = [piece(58, 24), piece(70, 2)]
    assert choose_pair(rights, lefts) == (rights[0], lefts[0])


def test_a_single_gland_is_chosen_alone():
    gland, speck = piece(-60, 25), piece(-10, 1)
    assert choose_pair([gland, speck], []) == (gland, None)
    assert choose_pair([], [gland, speck]) == (None, gland)


def test_nothing_is_chosen_from_nothing():
    assert choose_pair([], []) == (None, None)
