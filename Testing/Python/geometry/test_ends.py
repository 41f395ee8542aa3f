"""A scan goes on beyond its ends by its own last slices, wherever they lie in the patient and however it is stored."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from orientations import all_orientations

from ParotidSegLib.geometry.ends import axis_along_body, continued, end_points, filled_slices
from ParotidSegLib.geometry.grids import Grid
from ParotidSegLib.geometry.sampling import AIR_HU, sample_region


@pytest.fixture(scope="module")
def scan() -> sitk.Image:
    """int16, 20 slices of 3 mm of which two at the top and one at the bottom are empty; HU rise from slice to slice."""
    values = np.full((20, 12, 10), AIR_HU, np.int16)
    values[1:18] = 10 * np.arange(1, 18)[:, None, None]
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((2.0, 2.0, 3.0))
    image.SetOrigin((-9.0, -11.0, 100.0))
    return image


def test_the_ends_are_where_the_patient_ends_in_all_48_orientations(scan):
    for image in all_orientations(scan):
        ends = sorted(end_points(image, -300.0), key=lambda point: point[2])
        np.testing.assert_allclose(ends, [(0.0, 0.0, 103.0), (0.0, 0.0, 151.0)])


def test_a_scan_goes_on_by_its_own_last_slices_in_all_48_orientations(scan):
    column = Grid.centred((0.0, 0.0, 127.0), (1.0, 2.0, 2.0), (75, 1, 1))
    heights = column.origin[2] + np.arange(75)
    for image in all_orientations(scan):
        shown = sample_region(image, column, continuation=7.0)[:, 0, 0]
        np.testing.assert_allclose(shown[(heights >= 151.0) & (heights <= 158.0)], 170.0, atol=1e-3)
        np.testing.assert_allclose(shown[(heights <= 103.0) & (heights >= 96.0)], 10.0, atol=1e-3)
        within = (heights > 103.0) & (heights < 151.0)
        np.testing.assert_allclose(shown[within], sample_region(image, column)[within, 0, 0], atol=2.0)
        assert set(shown[(heights > 162.0) | (heights < 92.0)]) == {np.float32(AIR_HU)}


def test_without_a_continuation_nothing_changes(scan):
    grid = Grid.centred((0.0, 0.0, 150.0), (2.5, 2.5, 2.5), (12, 6, 6))
    assert (sample_region(scan, grid)[8:] == AIR_HU).any()
    np.testing.assert_array_equal(sample_region(scan, grid), sample_region(scan, grid, continuation=0.0))


def test_labels_go_on_as_far_as_their_scan_does_though_on_a_grid_of_their_own(scan):
    labels = sitk.Image([5, 6, 40], sitk.sitkUInt8)
    labels.SetSpacing((4.0, 4.0, 1.5))
    labels.SetOrigin((-8.0, -10.0, 99.25))
    labels[2, 3, 30:40] = 2  # the upper part of a left gland, up to beyond the end of the scan
    longer = continued(labels, end_points(scan, -300.0), 6.0)
    drawn = np.flatnonzero(sitk.GetArrayFromImage(longer)[:, 3, 2] == 2)
    top = longer.TransformIndexToPhysicalPoint((2, 3, int(drawn[-1])))
    assert top[:2] == labels.TransformIndexToPhysicalPoint((2, 3, 0))[:2]
    assert 151.0 + 6.0 <= top[2] <= 151.0 + 6.0 + 2 * 1.5


def test_a_scan_of_nothing_has_no_ends():
    empty = sitk.Image([4, 4, 4], sitk.sitkInt16) - 1024
    assert filled_slices(empty, -300.0) is None
    assert end_points(empty, -300.0) is None
    np.testing.assert_array_equal(
        sample_region(empty, Grid.centred((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (2, 2, 2)), continuation=5.0), AIR_HU
    )


def test_the_axis_along_the_body_is_found_in_tilted_scans():
    tilted = sitk.Image([4, 4, 4], sitk.sitkInt16)
    tilt = sitk.Euler3DTransform((0.0, 0.0, 0.0), np.radians(25.0), np.radians(10.0), 0.0)
    tilted.SetDirection(tilt.GetMatrix())
    assert axis_along_body(tilted) == 2
    assert axis_along_body(sitk.PermuteAxes(tilted, [2, 0, 1])) == 0
