"""What a network sees of an image: its channels, their windows, and the images that they are made from."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from made_fields import grid_points
from orientations import image_of

from ParotidSegLib.geometry.grids import Grid
from ParotidSegLib.model.preprocessing import Channel, Input, Preprocessing


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


def test_an_image_that_no_channel_takes_is_refused():
    with pytest.raises(ValueError, match="inputs"):
        Preprocessing((2.0, 2.0, 2.0), (Channel(input=1),), (Input(), Input("pet", "PT")))
