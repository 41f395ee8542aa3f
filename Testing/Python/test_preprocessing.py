"""Grids and sampling: everything stays where it is in the patient, whatever the orientation of the scan."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from orientations import all_orientations, image_of, rotation, voxel_centres

from ParotidSegLib import preprocessing
from ParotidSegLib.preprocessing import (
    AIR_HU,
    Box,
    Channel,
    Grid,
    Input,
    Preprocessing,
    box_around,
    physical_bounds,
    sample,
    sample_back,
    sample_region,
    sample_whole,
    smooth_for,
)

IDENTITY = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
OBLIQUE = rotation(20.0, -15.0, 35.0)
SLOPE = np.array([2.0, -3.0, 0.7])


def linear(points: np.ndarray) -> np.ndarray:
    """Linear interpolation and symmetric smoothing leave a linear function as it is: any shift shows at once."""
    return points @ SLOPE + 11.0


def blob(centre, radius):
    """A Gaussian of 1000 HU above air-like -1000, its standard deviation in mm."""
    return lambda points: 1000.0 * np.exp(-((points - np.array(centre)) ** 2).sum(axis=-1) / (2 * radius**2)) - 1000.0


def grid_points(grid: Grid) -> np.ndarray:
    return voxel_centres(grid.image(np.zeros(grid.shape, np.uint8)))


def centroid(values: np.ndarray, points: np.ndarray) -> np.ndarray:
    return (points * values[..., np.newaxis]).sum(axis=(0, 1, 2)) / values.sum()


@pytest.fixture(scope="module")
def noise() -> sitk.Image:
    """An int16 image without any symmetry (seed 1), with three different spacings."""
    values = np.random.default_rng(1).normal(0, 300, (20, 36, 44))
    image = sitk.GetImageFromArray(np.rint(values).astype(np.int16))
    image.SetSpacing((0.9, 1.1, 2.5))
    image.SetOrigin((-30.0, 11.0, 400.0))
    return image


# --- intensities -----------------------------------------------------------------------------------------------------


def test_the_window_is_mapped_to_minus_one_and_one_and_the_rest_is_clipped():
    hounsfield = np.array([[-3000, -200, 50, 300, 3000]], np.int16)
    normalised = Preprocessing((1, 1, 1)).normalise([hounsfield], [(-200, 300)])
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised[..., 0], [[-1, -1, 0, 1, 1]], atol=1e-6)


def test_a_channel_in_standard_deviations_takes_them_from_the_voxels_that_are_not_zero():
    array = np.zeros((4, 5, 6), np.float32)
    inside = np.random.default_rng(3).normal(900.0, 120.0, 60)
    array.ravel()[:60] = inside
    channel = Channel(window=(-2.0, 3.0), unit="sd")
    expected = inside.mean() - 2.0 * inside.std(), inside.mean() + 3.0 * inside.std()
    np.testing.assert_allclose(channel.limits(sitk.GetImageFromArray(array)), expected, rtol=1e-5)
    assert channel.limits(sitk.GetImageFromArray(np.zeros((2, 2, 2)))) == (-2.0, 3.0)


def test_each_channel_reads_its_own_image_wherever_that_has_its_grid():
    """Two images of one patient with grids of their own: what is at one place comes from the same place in both."""
    ct, pet = Input("ct", "CT"), Input("pet", "PT")
    two = Preprocessing((2, 2, 2), (Channel((-100, 100), input=0), Channel((0, 10), input=1)), (ct, pet))
    fine = image_of(lambda p: p[..., 0], (40, 40, 40), (1, 1, 1), (-20, -20, -20), np.eye(3).ravel())
    coarse = image_of(lambda p: p[..., 2] / 2.0 + 5.0, (12, 12, 12), (4, 4, 4), (-24, -24, -24), np.eye(3).ravel())
    grid = Grid.centred((1.0, 2.0, 3.0), (2, 2, 2), (4, 5, 6))
    shown = two.sample_region([fine, coarse], grid)
    points = grid_points(grid)
    np.testing.assert_allclose(shown[..., 0], points[..., 0] / 100.0, atol=0.01)
    np.testing.assert_allclose(shown[..., 1], points[..., 2] / 10.0, atol=0.02)
    beyond = two.sample_region([fine, coarse], Grid.centred((900.0, 0.0, 0.0), (2, 2, 2), (2, 2, 2)))
    np.testing.assert_array_equal(beyond, np.full((2, 2, 2, 2), -1.0, np.float32))


# --- grids -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(4, 6, 8), (5, 7, 1)])
def test_a_centred_grid_has_its_middle_at_the_centre_in_patient_axes(size):
    grid = Grid.centred((10.0, -20.0, 30.0), (3.0, 2.0, 1.0), size)
    assert grid.shape == size
    assert grid.spacing == (1.0, 2.0, 3.0)
    np.testing.assert_allclose(grid.centre, (10, -20, 30))
    np.testing.assert_allclose(grid_points(grid).mean(axis=(0, 1, 2)), (10, -20, 30))


def test_the_corners_are_the_eight_outermost_voxel_centres():
    grid = Grid((1.0, 2.0, 3.0), (2.0, 3.0, 4.0), (2, 3, 4))
    expected = {(x, y, z) for x in (1.0, 3.0) for y in (2.0, 8.0) for z in (3.0, 15.0)}
    assert {tuple(corner) for corner in grid.corners.tolist()} == expected


def test_an_array_on_a_grid_lies_where_the_grid_says():
    grid = Grid((1.0, 2.0, 3.0), (2.0, 3.0, 4.0), (2, 3, 4))
    array = np.arange(24, dtype=np.float32).reshape(grid.shape)
    image = grid.image(array)
    assert image.TransformIndexToPhysicalPoint((1, 2, 3)) == (3.0, 8.0, 15.0)
    assert image.GetPixel(1, 2, 3) == array[3, 2, 1]


def test_the_bounds_of_an_image_reach_to_the_outer_faces_of_its_voxels():
    image = sitk.Image(10, 20, 30, sitk.sitkInt16)
    image.SetSpacing((1.0, 2.0, 3.0))
    low, high = physical_bounds(image)
    np.testing.assert_allclose(low, (-0.5, -1.0, -1.5))
    np.testing.assert_allclose(high, (9.5, 39.0, 88.5))


@pytest.mark.parametrize("direction", [IDENTITY, OBLIQUE], ids=["straight", "oblique"])
@pytest.mark.parametrize("spacing", [(4.0, 3.0, 5.0), (1.0, 1.0, 1.0)])
def test_a_covering_grid_holds_the_whole_image_and_hardly_more(direction, spacing):
    image = image_of(linear, (21, 30, 12), (1.0, 0.8, 2.5), (5.0, -7.0, 100.0), direction)
    grid = Grid.covering(image, spacing)
    low, high = physical_bounds(image)
    half = np.array(grid.spacing) / 2
    beyond = np.array([low - (np.array(grid.origin) - half), grid.corners.max(axis=0) + half - high])
    assert np.all(beyond > -1e-4)
    assert np.all(beyond < half)
    np.testing.assert_allclose(beyond[0], beyond[1], atol=1e-9)


def test_a_grid_of_the_images_own_spacing_is_the_images_own_grid():
    image = image_of(linear, (21, 30, 12), (1.0, 0.8, 2.5), (5.0, -7.0, 100.0), IDENTITY)
    grid = Grid.covering(image, (2.5, 0.8, 1.0))
    assert grid.size == (21, 30, 12)
    np.testing.assert_allclose(grid.origin, image.GetOrigin(), atol=1e-9)


# --- boxes -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def plain() -> sitk.Image:
    image = sitk.Image(10, 20, 30, sitk.sitkInt16)
    image.SetSpacing((1.0, 2.0, 3.0))
    return image


@pytest.mark.parametrize(
    ("points", "margin", "index", "size"),
    [
        ([[3.2, 9.0, 30.0], [5.7, 11.0, 31.0]], (0, 0, 0), (3, 4, 10), (4, 3, 2)),
        ([[3.0, 8.0, 30.0]], (0, 0, 0), (3, 4, 10), (1, 1, 1)),
        ([[3.0, 8.0, 30.0]], (2.0, 2.0, 3.0), (1, 3, 9), (5, 3, 3)),
        ([[-50.0, -50.0, -50.0], [2.0, 4.0, 6.0]], (0, 0, 0), (0, 0, 0), (3, 3, 3)),
        ([[8.0, 36.0, 84.0], [99.0, 99.0, 999.0]], (0, 0, 0), (8, 18, 28), (2, 2, 2)),
        ([[-9.0, -9.0, -9.0], [99.0, 99.0, 99.0]], (5.0, 5.0, 5.0), (0, 0, 0), (10, 20, 30)),
    ],
    ids=["inside", "one voxel", "margin in mm", "low border", "high border", "larger than the image"],
)
def test_a_box_holds_the_points_and_stays_in_the_image(plain, points, margin, index, size):
    assert box_around(plain, np.array(points), margin) == Box(index, size)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("beyond", [-40.0, 140.0])
def test_there_is_no_box_for_points_beyond_the_image(plain, axis, beyond):
    points = np.full((2, 3), 5.0)
    points[:, axis] = beyond
    assert box_around(plain, points) is None


def test_the_crop_of_a_box_keeps_values_and_place(plain):
    values = np.arange(6000, dtype=np.int16).reshape(30, 20, 10)
    image = sitk.GetImageFromArray(values)
    image.CopyInformation(plain)
    box = Box((2, 3, 4), (5, 6, 7))
    part = box.crop(image)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(part), values[box.slices])
    assert part.GetOrigin() == image.TransformIndexToPhysicalPoint((2, 3, 4))


@pytest.mark.parametrize("direction", [IDENTITY, OBLIQUE], ids=["straight", "oblique"])
def test_a_box_around_a_grid_holds_every_voxel_that_the_grid_reads(direction):
    image = image_of(
        linear, (60, 60, 60), (1.0, 1.0, 1.0), -np.reshape(direction, (3, 3)) @ np.full(3, 30.0), direction
    )
    grid = Grid.centred((2.0, 1.0, -3.0), (2.0, 1.5, 1.0), (6, 7, 8))
    box = box_around(image, grid.corners)
    first = np.array(box.index)
    last = first + box.size - 1
    for point in grid_points(grid).reshape(-1, 3).tolist():
        index = np.array(image.TransformPhysicalPointToContinuousIndex(point))
        assert np.all(index >= first - 1e-9)
        assert np.all(index <= last + 1e-9)


# --- smoothing -------------------------------------------------------------------------------------------------------


def test_smoothing_keeps_a_constant_image_constant():
    image = sitk.Image(20, 24, 16, sitk.sitkInt16) + 37
    smooth = smooth_for(image, (4.0, 3.0, 2.5))
    np.testing.assert_allclose(sitk.GetArrayFromImage(smooth), 37.0, atol=1e-3)


def test_smoothing_does_nothing_where_the_scan_is_as_coarse_as_the_grid():
    image = sitk.Image(20, 24, 16, sitk.sitkInt16)
    image.SetSpacing((2.0, 3.0, 5.0))
    assert smooth_for(image, (5.0, 3.0, 2.0)) is image
    assert smooth_for(image, (1.0, 1.0, 1.0)) is image


def test_smoothing_turns_one_source_voxel_into_one_target_voxel_on_each_axis():
    """Variances of point spreads add; a full width at half maximum of w is a standard deviation of w / 2.355."""
    image = sitk.Image(61, 61, 61, sitk.sitkFloat32)
    image.SetSpacing((1.0, 2.0, 1.5))
    image[30, 30, 30] = 1000.0
    smooth = sitk.GetArrayFromImage(smooth_for(image, (6.0, 2.0, 4.0)))
    points = voxel_centres(image) - np.array((30.0, 60.0, 45.0))
    variance = centroid(smooth, points**2)
    factor = 8 * math.log(2)
    # ITK's recursive filter is an approximation of the Gaussian: its variance is some 6 % short.
    np.testing.assert_allclose(
        variance, np.array([4.0**2 - 1.0**2, 0.0, 6.0**2 - 1.5**2]) / factor, rtol=0.08, atol=0.01
    )
    np.testing.assert_allclose(centroid(smooth, points), 0.0, atol=1e-3)


@pytest.mark.parametrize("source", [0.5, 1.0, 2.0, 3.0])
def test_a_scan_sharper_than_the_resolution_looks_as_sharp_as_it_says_whatever_its_voxels(source):
    """A voxel's own extent (s²/12), the Gaussian, and linear interpolation (s²/6) together: the variance of a point."""
    resolution, edge = 5.0, 60.0
    count = round(edge / source) // 2 * 2 + 1
    image = sitk.Image([count] * 3, sitk.sitkFloat32)
    image.SetSpacing([source] * 3)
    image.SetOrigin([-(count - 1) / 2 * source] * 3)
    image[[count // 2] * 3] = 1000.0
    # A fine grid reads the image at many places between its voxels.
    grid = Grid.centred((0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (61, 61, 61))
    shown = sample(smooth_for(image, (0.5, 0.5, 0.5), (resolution, resolution, resolution)), grid, outside=0.0)
    variance = centroid(shown, grid_points(grid) ** 2) + source**2 / 12.0
    np.testing.assert_allclose(variance, resolution**2 / (8 * math.log(2)), rtol=0.12)


def test_a_scan_as_coarse_as_the_resolution_is_left_as_it_is():
    image = sitk.Image(20, 24, 16, sitk.sitkInt16)
    image.SetSpacing((3.9, 3.9, 2.6))
    assert smooth_for(image, (2.5, 2.5, 2.5), (3.0, 4.6, 4.6)) is image
    assert smooth_for(image, (2.5, 2.5, 2.5), (3.0, 4.6, 5.5)) is not image


def test_a_region_is_shown_at_the_resolution_of_the_network():
    noise = sitk.Image(60, 60, 60, sitk.sitkFloat32)
    noise = sitk.AdditiveGaussianNoise(noise, 100.0, 0.0, 3)
    grid = Grid.centred((30.0, 30.0, 30.0), (2.0, 2.0, 2.0), (10, 10, 10))
    window = (Channel((-1000.0, 1000.0)),)
    sharp = Preprocessing((2.0, 2.0, 2.0), window).sample_region([noise], grid)
    dull = Preprocessing((2.0, 2.0, 2.0), window, resolution=(5.0, 5.0, 5.0)).sample_region([noise], grid)
    assert dull.std() < 0.5 * sharp.std()
    whole = [sample_whole(noise, (4.0, 4.0, 4.0), resolution)[0].std() for resolution in (None, (9.0, 9.0, 9.0))]
    assert whole[1] < 0.5 * whole[0]


@pytest.mark.parametrize("resolution", [(0.0, 4.0, 4.0), (3.0, 4.0, 40.0)])
def test_an_impossible_resolution_is_refused(resolution):
    with pytest.raises(ValueError, match="resolution"):
        Preprocessing((2.0, 2.0, 2.0), resolution=resolution)


def test_smoothing_follows_the_patients_axes_not_the_arrays():
    image = sitk.Image(40, 40, 40, sitk.sitkFloat32)
    image[20, 20, 20] = 1000.0
    image.SetDirection([0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    smooth = sitk.GetArrayFromImage(smooth_for(image, (5.0, 1.0, 1.0)))
    # The patient's z runs along the second axis of the array's (x, y, z).
    assert np.count_nonzero(smooth[20, :, 20] > 1) > 5
    assert np.count_nonzero(smooth[20, 20, :] > 1) == 1
    assert np.count_nonzero(smooth[:, 20, 20] > 1) == 1


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

    monkeypatch.setattr(preprocessing, "smooth_for", watched)
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


def test_an_image_that_no_channel_takes_is_refused():
    with pytest.raises(ValueError, match="inputs"):
        Preprocessing((2.0, 2.0, 2.0), (Channel(input=1),), (Input(), Input("pet", "PT")))
