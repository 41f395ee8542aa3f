"""Finding the glands: with an engine that marks what the image marks, in physical space."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from orientations import all_orientations, image_of, rotation
from sentences import refusal

from ParotidSegLib.errors import ImageError
from ParotidSegLib.glands.localization import Location, locate, region_around
from ParotidSegLib.model.bundle import NetworkSpec
from ParotidSegLib.model.preprocessing import Channel, Preprocessing

RIGHT, LEFT = np.array([-57.0, 12.0, 4.0]), np.array([61.0, 5.0, -9.0])
LOCATOR = NetworkSpec("none", {}, Preprocessing((4.0, 4.0, 4.0), (Channel((-1000.0, 1000.0)),)), (16, 16, 16), "none")
SEGMENTER = NetworkSpec("none", {}, Preprocessing((3.0, 1.5, 1.5)), (32, 64, 64), "none")


class MarkingEngine:
    """Calls bright voxels the right gland and dark ones (not as dark as air) the left one."""

    name = "marking"

    def probabilities(self, tile: np.ndarray) -> np.ndarray:
        right = tile[..., 0] > 0.3
        left = (tile[..., 0] < -0.3) & (tile[..., 0] > -0.95)
        return np.stack([~(right | left), right, left], axis=-1).astype(np.float32)


def a_scan(*, right=RIGHT, left=LEFT, radius=14.0, direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)) -> sitk.Image:
    """A block of 0 HU with a ball of 700 HU for the right gland, one of -700 HU for the left; None leaves one out."""

    def hounsfield(points):
        values = np.zeros(points.shape[:-1])
        for centre, value in ((right, 700.0), (left, -700.0)):
            if centre is not None:
                values[np.linalg.norm(points - centre, axis=-1) < radius] = value
        return values

    size, spacing = (88, 48, 36), (2.5, 2.8, 3.5)
    middle = (np.array(size) - 1) / 2 * spacing
    first = (2.0, 8.0, -3.0) - np.reshape(direction, (3, 3)) @ middle
    return sitk.Cast(image_of(hounsfield, size, spacing, first, direction), sitk.sitkInt16)


def test_both_glands_are_found_in_all_48_orientations_the_left_at_the_left():
    for image in all_orientations(a_scan()):
        location = locate(image, MarkingEngine(), LOCATOR)
        assert np.linalg.norm(location.right - RIGHT) < 3.0
        assert np.linalg.norm(location.left - LEFT) < 3.0


def test_both_glands_are_found_in_an_oblique_scan():
    location = locate(a_scan(direction=rotation(12, -9, 15)), MarkingEngine(), LOCATOR)
    assert np.linalg.norm(location.right - RIGHT) < 3.0
    assert np.linalg.norm(location.left - LEFT) < 3.0


def test_a_scan_without_a_gland_is_refused_with_one_sentence():
    message = refusal(ImageError, locate, a_scan(right=None, left=None), MarkingEngine(), LOCATOR)
    assert "parotid" in message


def test_a_speck_is_no_gland():
    refusal(ImageError, locate, a_scan(radius=4.0), MarkingEngine(), LOCATOR)


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_single_gland_is_found_and_the_other_expected_at_118_mm(side):
    other = "left" if side == "right" else "right"
    location = locate(a_scan(**{other: None}), MarkingEngine(), LOCATOR)
    found = getattr(location, side)
    assert np.linalg.norm(found - {"right": RIGHT, "left": LEFT}[side]) < 3.0
    assert getattr(location, other) is None
    right, left = location.expected
    np.testing.assert_allclose(left - right, (118.0, 0.0, 0.0))
    assert any(np.array_equal(found, gland) for gland in (right, left))


def test_glands_on_exchanged_sides_are_not_believed():
    location = locate(a_scan(right=LEFT, left=RIGHT), MarkingEngine(), LOCATOR)
    assert (location.right is None) != (location.left is None)


def test_the_expected_places_of_two_found_glands_are_their_own():
    right, left = Location(RIGHT, LEFT).expected
    np.testing.assert_array_equal(right, RIGHT)
    np.testing.assert_array_equal(left, LEFT)


def test_progress_rises_to_one():
    fractions = []
    locate(a_scan(), MarkingEngine(), LOCATOR, advance=fractions.append)
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_the_region_holds_both_glands_with_a_margin_of_which_the_lattice_takes_a_voxel_at_most():
    grid = region_around(Location(RIGHT, LEFT), SEGMENTER)
    assert grid.spacing == (1.5, 1.5, 3.0)
    voxel = np.array(grid.spacing)
    low, high = grid.corners.min(axis=0) - voxel / 2, grid.corners.max(axis=0) + voxel / 2
    reach = np.array((30.0, 42.0, 36.0)) - voxel
    assert np.all(low <= np.minimum(RIGHT, LEFT) - reach + 1e-6)
    assert np.all(high >= np.maximum(RIGHT, LEFT) + reach - 1e-6)
    assert np.all(np.abs(grid.centre - (RIGHT + LEFT) / 2) <= voxel + 1e-6)


def test_the_region_of_a_single_gland_reaches_to_the_other_side():
    grid = region_around(Location(RIGHT, None), SEGMENTER)
    assert np.all(np.abs(grid.centre - np.add(RIGHT, (59.0, 0.0, 0.0))) <= grid.spacing)
    assert grid.size[0] * grid.spacing[0] >= 118.0 + 60.0


def test_a_locator_that_is_off_by_a_fraction_of_a_voxel_leads_to_the_same_grid():
    right, left = np.array([-60.0, 6.0, 12.0]), np.array([60.0, 6.0, 12.0])
    expected = region_around(Location(right, left), SEGMENTER)
    for shift in ((0.7, -0.6, 1.2), (-0.7, 0.7, -1.3)):
        assert region_around(Location(right + shift, left + shift), SEGMENTER) == expected


def test_the_region_of_the_mirrored_patient_is_the_mirrored_region():
    mirror = np.array((-1.0, 1.0, 1.0))
    grid = region_around(Location(RIGHT, LEFT), SEGMENTER)
    other = region_around(Location(LEFT * mirror, RIGHT * mirror), SEGMENTER)
    assert other.size == grid.size
    np.testing.assert_allclose(other.centre, grid.centre * mirror)


def test_the_region_grows_on_the_widened_axes_alone():
    small = NetworkSpec("none", {}, SEGMENTER.preprocessing, (16, 16, 16), "none")
    location = Location(RIGHT, LEFT)
    plain, wide = (region_around(location, small, widening) for widening in ((0, 0, 0), (0, 30.0, 0)))
    assert np.subtract(wide.size, plain.size).tolist() == [0, 40, 0]
    np.testing.assert_allclose(wide.centre, plain.centre)


def test_the_region_is_at_least_one_tile():
    large = NetworkSpec("none", {}, SEGMENTER.preprocessing, (64, 256, 256), "none")
    assert region_around(Location(RIGHT, LEFT), large).shape == (64, 256, 256)
