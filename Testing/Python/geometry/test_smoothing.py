"""How sharp an image is on the grid of a network, whatever its own voxels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from made_fields import centroid, grid_points
from orientations import voxel_centres

from ParotidSegLib.geometry.grids import Grid
from ParotidSegLib.geometry.sampling import sample, sample_whole, smooth_for
from ParotidSegLib.model.preprocessing import Channel, Preprocessing


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


@pytest.mark.parametrize("wanted", [((5.0, 1.0, 1.0), None), ((1.0, 1.0, 1.0), (5.0, 1.0, 1.0))])
def test_smoothing_follows_the_patients_axes_not_the_arrays(wanted):
    image = sitk.Image(40, 40, 40, sitk.sitkFloat32)
    image[20, 20, 20] = 1000.0
    image.SetDirection([0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    smooth = sitk.GetArrayFromImage(smooth_for(image, *wanted))
    # The patient's z runs along the second axis of the array's (x, y, z).
    assert np.count_nonzero(smooth[20, :, 20] > 1) > 5
    assert np.count_nonzero(smooth[20, 20, :] > 1) == 1
    assert np.count_nonzero(smooth[:, 20, 20] > 1) == 1
