"""Grids and sampling: everything stays where it is in the patient, whatever the orientation of the scan."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from made_fields import IDENTITY, OBLIQUE, blob, centroid, grid_points, linear
from orientations import all_orientations, image_of, voxel_centres

from ParotidSegLib.geometry import sampling
from ParotidSegLib.geometry.grids import Grid
from ParotidSegLib.geometry.sampling import AIR_HU, sample, sample_back, sample_region, sample_whole, smooth_for


@pytest.fixture(scope="module")
def noise() -> sitk.Image:
    """An int16 image without any symmetry (seed 1), with three different spacings."""
    values = np.random.default_rng(1).normal(0, 300, (20, 36, 44))
    image = sitk.GetImageFromArray(np.rint(values).astype(np.int16))
    image.SetSpacing((0.9, 1.1, 2.5))
    image.SetOrigin((-30.0, 11.0, 400.0))
    return image


def axis_by_axis(image: sitk.Image, spacing: float) -> np.ndarray:
    """The whole image on a coarse grid, smoothed and thinned by SimpleITK alone, at its full size."""
    half = spacing / 2.0
    grid = Grid.covering(image, (spacing,) * 3)
    image = sitk.Cast(image, sitk.sitkFloat32)
    for axis, source in enumerate(image.GetSpacing()):
        if source < half:
            image = sitk.RecursiveGaussian(image, np.sqrt(half**2 - source**2) / np.sqrt(8 * np.log(2)), direction=axis)
            image = sampling._thin(image, axis, half)
    return sample(smooth_for(image, (spacing,) * 3), grid)


@pytest.mark.parametrize("direction", [IDENTITY, OBLIQUE], ids=["straight", "oblique"])
def test_products_with_matrices_give_what_the_gaussians_give(direction):
    blocks = np.random.default_rng(4).normal(0, 300, (13, 27, 30)).round().astype(np.int16)
    large = sitk.GetImageFromArray(np.kron(blocks, np.ones((3, 5, 5), np.int16))[:37, :131])
    large.SetSpacing((0.7, 0.9, 1.3))
    large.SetDirection(direction)
    expected = axis_by_axis(large, 6.0)
    assert expected.std() > 20
    np.testing.assert_allclose(sample_whole(large, (6.0, 6.0, 6.0))[0], expected, atol=0.01)


# --- from the scan to the grid ---------------------------------------------------------------------------------------


def test_the_48_orientations_of_a_scan_give_the_same_samples(noise):
    grid = Grid.centred((-12.0, 30.0, 425.0), (3.0, 2.0, 2.0), (14, 16, 18))
    expected = sample(noise, grid), sample_region(noise, grid), sample_whole(noise, (4.0, 4.0, 4.0))
    assert expected[0].std() > 50
    count = 0
    for image in all_orientations(noise):
        np.testing.assert_allclose(sample(image, grid), expected[0], atol=1e-3)
        np.testing.assert_allclose(sample_region(image, grid), expected[1], atol=1e-3)
        whole, whole_grid = sample_whole(image, (4.0, 4.0, 4.0))
        np.testing.assert_allclose(whole, expected[2][0], atol=1e-2)
        np.testing.assert_allclose(whole_grid.origin, expected[2][1].origin, atol=1e-9)
        count += 1
    assert count == 48


@pytest.mark.parametrize("direction", [IDENTITY, OBLIQUE], ids=["straight", "oblique"])
@pytest.mark.parametrize("spacing", [(0.8, 1.0, 2.0), (3.0, 2.0, 4.0)], ids=["finer scan", "coarser scan"])
def test_each_sample_has_the_value_of_its_place_in_the_patient(direction, spacing):
    size = [round(120 / edge) for edge in spacing]
    first = -np.reshape(direction, (3, 3)) @ np.full(3, 60.0)
    image = image_of(linear, size, spacing, first, direction)
    grid = Grid.centred((4.0, -5.0, 6.0), (3.0, 2.0, 1.5), (12, 14, 16))
    expected = linear(grid_points(grid))
    np.testing.assert_allclose(sample(image, grid), expected, atol=0.01)
    np.testing.assert_allclose(sample_region(image, grid), expected, atol=0.01)


@pytest.mark.parametrize("direction", [IDENTITY, OBLIQUE], ids=["straight", "oblique"])
def test_each_sample_of_the_whole_scan_has_the_value_of_its_place_in_the_patient(direction):
    first = -np.reshape(direction, (3, 3)) @ np.full(3, 60.0)
    image = image_of(linear, (120, 100, 48), (1.0, 1.2, 2.5), first, direction)
    whole, grid = sample_whole(image, (5.0, 4.0, 6.0))
    points = grid_points(grid)
    inner = np.abs(points).max(axis=-1) < 30
    assert inner.sum() > 500
    np.testing.assert_allclose(whole[inner], linear(points)[inner], atol=0.05)


def test_a_landmark_stays_where_it_was():
    place = np.array([8.3, -13.7, 21.1])
    image = image_of(blob(place, 5.0), (90, 90, 40), (0.9, 0.9, 2.0), (-32.0, -54.0, -19.0), IDENTITY)
    grid = Grid.centred((10.0, -10.0, 20.0), (2.0, 2.0, 2.0), (30, 30, 30))
    found = centroid(sample_region(image, grid) + 1000.0, grid_points(grid))
    np.testing.assert_allclose(found, place, atol=0.05)
    whole, whole_grid = sample_whole(image, (4.0, 4.0, 4.0))
    found = centroid(np.maximum(whole + 1000.0, 0.0), grid_points(whole_grid))
    np.testing.assert_allclose(found, place, atol=0.1)


@pytest.mark.parametrize("spacing", [2.4, 3.0, 4.0, 4.7, 6.0])
def test_the_whole_scan_is_read_up_to_its_border(spacing):
    image = sitk.Image(44, 36, 20, sitk.sitkInt16) + 40
    image.SetSpacing((0.9, 1.1, 2.5))
    whole, _ = sample_whole(image, (spacing, spacing, spacing))
    np.testing.assert_allclose(whole, 40.0, atol=1e-3)


def test_smoothing_in_two_steps_nearly_equals_smoothing_at_once():
    image = image_of(blob((3.0, 2.0, 1.0), 6.0), (60, 60, 30), (0.9, 1.1, 2.0), (-27.0, -33.0, -30.0), IDENTITY)
    whole, grid = sample_whole(image, (5.0, 5.0, 5.0))
    at_once = sample(smooth_for(image, (5.0, 5.0, 5.0)), grid)
    assert at_once.max() > -400
    # Thinning interpolates once more, which blurs a little: 3 % of the contrast.
    np.testing.assert_allclose(whole, at_once, atol=30.0)


def test_a_region_equals_the_same_part_of_the_smoothed_scan(noise):
    grid = Grid.centred((-12.0, 30.0, 425.0), (3.0, 2.0, 2.0), (4, 6, 8))
    np.testing.assert_allclose(sample_region(noise, grid), sample(smooth_for(noise, (3.0, 2.0, 2.0)), grid), atol=0.5)


def test_only_the_part_of_the_scan_under_the_grid_is_smoothed(monkeypatch):
    sizes = []

    def watched(image, *wanted):
        sizes.append(image.GetNumberOfPixels())
        return smooth_for(image, *wanted)

    monkeypatch.setattr(sampling, "smooth_for", watched)
    image = sitk.Image(100, 100, 100, sitk.sitkInt16)
    sample_region(image, Grid.centred((50.0, 50.0, 50.0), (2.0, 2.0, 2.0), (10, 10, 10)))
    assert sizes
    assert max(sizes) <= 33**3


def test_beyond_the_scan_there_is_air():
    image = sitk.Image(10, 10, 10, sitk.sitkInt16)
    half = sample_region(image, Grid.centred((9.5, 4.5, 4.5), (1.0, 1.0, 1.0), (4, 4, 4)))
    np.testing.assert_array_equal(half[:, :, :2], 0.0)
    np.testing.assert_array_equal(half[:, :, 2:], AIR_HU)
    far = sample_region(image, Grid.centred((500.0, 0.0, 0.0), (1.0, 1.0, 1.0), (3, 4, 5)))
    assert far.shape == (3, 4, 5)
    assert np.all(far == AIR_HU)


def test_a_transform_says_which_point_of_the_scan_is_read():
    image = image_of(linear, (40, 40, 40), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY)
    grid = Grid.centred((20.0, 20.0, 20.0), (2.0, 2.0, 2.0), (5, 5, 5))
    moved = sample(image, grid, transform=sitk.TranslationTransform(3, (1.0, 2.0, -3.0)))
    np.testing.assert_allclose(moved, linear(grid_points(grid) + np.array((1.0, 2.0, -3.0))), atol=0.01)


# --- and back --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", [IDENTITY, OBLIQUE], ids=["straight", "oblique"])
def test_what_is_carried_back_has_the_value_of_its_place_in_the_patient(direction):
    first = -np.reshape(direction, (3, 3)) @ np.full(3, 30.0)
    image = image_of(linear, (60, 50, 30), (1.0, 1.2, 2.0), first, direction)
    grid = Grid.centred((2.0, -3.0, 1.0), (2.0, 2.0, 2.0), (12, 12, 12))
    points = grid_points(grid)
    carried, box = sample_back(np.stack([linear(points), -linear(points)], axis=-1).astype(np.float32), grid, image)
    places = voxel_centres(image)[box.slices]
    low, high = grid.corners.min(axis=0), grid.corners.max(axis=0)
    inner = np.all((places > low + 1e-6) & (places < high - 1e-6), axis=-1)
    assert inner.sum() > 1000
    np.testing.assert_allclose(carried[inner][:, 0], linear(places)[inner], atol=0.01)
    np.testing.assert_allclose(carried[inner][:, 1], -linear(places)[inner], atol=0.01)
    outer = np.any((places < low - 1.01) | (places > high + 1.01), axis=-1)
    assert not np.any(carried[outer])


def test_carrying_back_leaves_no_voxel_under_the_grid_out():
    image = image_of(linear, (60, 50, 30), (1.0, 1.2, 2.0), (-30.0, -30.0, -30.0), OBLIQUE)
    grid = Grid.centred(image.TransformContinuousIndexToPhysicalPoint((30.0, 25.0, 15.0)), (2.0, 2.0, 2.0), (8, 8, 8))
    _, box = sample_back(np.ones((*grid.shape, 1), np.float32), grid, image)
    places = voxel_centres(image)
    under = np.all((places >= grid.corners.min(axis=0)) & (places <= grid.corners.max(axis=0)), axis=-1)
    assert under.sum() > 500
    assert under[box.slices].sum() == under.sum()


def test_there_is_nothing_to_carry_back_to_beyond_the_scan():
    image = sitk.Image(10, 10, 10, sitk.sitkInt16)
    grid = Grid.centred((500.0, 0.0, 0.0), (1.0, 1.0, 1.0), (4, 4, 4))
    assert sample_back(np.ones((4, 4, 4, 2), np.float32), grid, image) is None


@pytest.mark.parametrize("direction", [IDENTITY, OBLIQUE], ids=["straight", "oblique"])
@pytest.mark.parametrize("spacing", [(0.9, 0.9, 2.0), (1.5, 1.5, 3.0)])
def test_a_mask_that_goes_to_the_scan_and_back_is_the_same(direction, spacing):
    size = [round(80 / edge) for edge in spacing]
    first = -np.reshape(direction, (3, 3)) @ np.full(3, 40.0)
    image = image_of(linear, size, spacing, first, direction)
    grid = Grid.centred((0.0, 0.0, 0.0), (2.0, 2.0, 2.0), (24, 24, 24))
    points = grid_points(grid)
    mask = 1.0 / (1.0 + np.exp((np.linalg.norm(points - (3.0, -2.0, 4.0), axis=-1) - 12.0) / 2.0))
    carried, box = sample_back(mask[..., np.newaxis].astype(np.float32), grid, image)
    full = np.zeros(tuple(reversed(size)), np.float32)
    full[box.slices] = carried[..., 0]
    on_scan = sitk.GetImageFromArray(full)
    on_scan.CopyInformation(image)
    again = sample(on_scan, grid, outside=0.0)
    np.testing.assert_allclose(centroid(again, points), centroid(mask, points), atol=0.05)
    assert np.abs(again - mask).max() < 0.08
    assert ((again > 0.5) == (mask > 0.5)).mean() > 0.995


def test_the_48_orientations_of_a_scan_get_the_same_contours(noise):
    grid = Grid.centred((-12.0, 30.0, 425.0), (3.0, 2.0, 2.0), (8, 10, 12))
    probabilities = np.random.default_rng(2).random((*grid.shape, 1)).astype(np.float32)

    def on_the_scan(image):
        carried, box = sample_back(probabilities, grid, image)
        places = voxel_centres(image)[box.slices]
        keys = np.rint(places[carried[..., 0] > 0] * 1000).astype(int)
        order = np.lexsort(keys.T)
        return keys[order], carried[carried > 0][order]

    expected = on_the_scan(noise)
    assert len(expected[1]) > 500
    for image in all_orientations(noise):
        places, values = on_the_scan(image)
        np.testing.assert_array_equal(places, expected[0])
        np.testing.assert_allclose(values, expected[1], atol=1e-5)
