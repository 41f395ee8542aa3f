"""Grids in patient space, and the boxes of voxels under them."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from made_fields import IDENTITY, OBLIQUE, grid_points, linear
from orientations import image_of

from ParotidSegLib.geometry.grids import Box, Grid, box_around, physical_bounds

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
