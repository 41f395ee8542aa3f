"""From probabilities to one piece per gland, on its own side."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from orientations import all_orientations, image_of

from ParotidSegLib.glands.postprocessing import glands_from, indecision, touched_axes

SHAPE = (20, 30, 80)
SPACING = 2.0


@pytest.fixture
def geometry() -> sitk.Image:
    image = sitk.Image(80, 30, 20, sitk.sitkUInt8)
    image.SetSpacing((SPACING,) * 3)
    image.SetOrigin((-79.0, -29.0, -19.0))
    return image


def marked(*boxes: tuple[int, tuple[slice, slice, slice], float]) -> np.ndarray:
    """Probabilities (z, y, x, 2): zero but for boxes of (channel, slices, probability)."""
    probabilities = np.zeros((*SHAPE, 2), np.float32)
    for channel, box, probability in boxes:
        probabilities[(*box, channel)] = probability
    return probabilities


RIGHT = (slice(5, 15), slice(10, 20), slice(5, 15))
LEFT = (slice(5, 15), slice(10, 20), slice(65, 75))


def test_each_voxel_goes_to_the_most_probable_of_the_three(geometry):
    probabilities = marked((0, RIGHT, 0.6), (1, LEFT, 0.6))
    inner = (slice(8, 10), slice(12, 14), slice(8, 10))
    probabilities[(*RIGHT[:2], slice(5, 6))] = (0.4, 0.3)  # background 0.3: right wins below one half
    probabilities[(*RIGHT[:2], slice(14, 15))] = (0.45, 0.0)  # background wins
    probabilities[inner] = (0.9, 0.05)
    result = glands_from(probabilities, geometry)
    expected = np.zeros(SHAPE, np.uint8)
    expected[RIGHT], expected[LEFT] = 1, 2
    expected[(*RIGHT[:2], slice(14, 15))] = 0
    np.testing.assert_array_equal(result.labels, expected)
    assert result.labels.dtype == np.uint8
    assert result.dropped_ml == {1: 0.0, 2: 0.0}


def test_the_biggest_piece_is_dropped_when_it_does_not_lie_like_a_gland(geometry):
    big = (slice(2, 18), slice(2, 28), slice(40, 60))
    result = glands_from(marked((0, RIGHT, 0.8), (0, big, 0.9), (1, LEFT, 0.8)), geometry)
    assert np.all(result.labels[RIGHT] == 1)
    assert not np.any(result.labels[big])
    assert result.dropped_ml == pytest.approx({1: 16 * 26 * 20 * 0.008, 2: 0.0})


def test_a_right_mask_at_the_left_side_is_not_accepted(geometry):
    at_the_left = (slice(2, 18), slice(2, 9), slice(62, 78))
    result = glands_from(marked((0, at_the_left, 0.9), (0, RIGHT, 0.7), (1, LEFT, 0.8)), geometry)
    assert np.all(result.labels[RIGHT] == 1)
    assert np.all(result.labels[LEFT] == 2)
    assert not np.any(result.labels[at_the_left])


def test_glands_on_exchanged_sides_leave_one_at_most(geometry):
    result = glands_from(marked((0, LEFT, 0.9), (1, RIGHT, 0.8)), geometry)
    assert set(np.unique(result.labels)) == {0, 1}
    assert result.dropped_ml == pytest.approx({1: 0.0, 2: 8.0})


@pytest.mark.parametrize(("channel", "box"), [(0, RIGHT), (1, LEFT)])
def test_a_single_gland_is_kept_alone(geometry, channel, box):
    result = glands_from(marked((channel, box, 0.75)), geometry)
    np.testing.assert_array_equal(np.argwhere(result.labels == channel + 1), np.argwhere(result.labels))
    assert np.count_nonzero(result.labels) == 1000


def test_nothing_gives_nothing(geometry):
    result = glands_from(marked(), geometry)
    assert not result.labels.any()
    assert result.dropped_ml == {1: 0.0, 2: 0.0}


def test_specks_are_dropped_and_counted(geometry):
    speck = (slice(0, 2), slice(0, 2), slice(0, 2))
    result = glands_from(marked((0, RIGHT, 0.8), (0, speck, 0.99), (1, LEFT, 0.8)), geometry)
    assert not result.labels[speck].any()
    assert result.dropped_ml == pytest.approx({1: 0.064, 2: 0.0})


def test_a_speck_alone_is_no_gland(geometry):
    result = glands_from(marked((0, (slice(0, 3), slice(0, 4), slice(0, 5)), 0.99)), geometry)
    assert not result.labels.any()
    assert result.dropped_ml == pytest.approx({1: 0.48, 2: 0.0})


def test_holes_are_filled_and_notches_are_not(geometry):
    probabilities = marked((0, RIGHT, 0.8), (1, LEFT, 0.8))
    probabilities[8:12, 13:16, 8:12] = 0.0
    probabilities[5:8, 13:16, 68:72] = 0.0
    result = glands_from(probabilities, geometry)
    assert np.all(result.labels[RIGHT] == 1)
    assert not result.labels[5:8, 13:16, 68:72].any()


def test_a_mirrored_result_is_the_result_of_mirrored_probabilities(geometry):
    rng = np.random.default_rng(3)
    probabilities = marked((0, RIGHT, 0.5), (1, LEFT, 0.5))
    probabilities *= rng.random(probabilities.shape, np.float32) + 0.9
    exchanged = np.array([0, 2, 1], np.uint8)
    straight = glands_from(probabilities, geometry).labels
    flipped = glands_from(np.ascontiguousarray(probabilities[:, :, ::-1, ::-1]), geometry).labels
    assert straight.any()
    np.testing.assert_array_equal(flipped, exchanged[straight][:, :, ::-1])


def test_the_sides_are_the_patients_in_every_orientation():
    def structures(points):
        """1 and 2 at the places of the glands, 3 a larger piece between them."""
        x, across = points[..., 0], np.linalg.norm(points[..., 1:], axis=-1)
        glands = (across < 12.0) & (np.abs(np.abs(x) - 59.0) < 12.0)
        return np.select([glands & (x < 0), glands & (x > 0), (across < 15.0) & (np.abs(x) < 24.0)], [1.0, 2.0, 3.0])

    image = image_of(structures, (54, 16, 12), (3.0, 3.0, 4.0), (-79.0, -23.0, -22.0), np.eye(3).ravel())
    for other in all_orientations(image):
        truth = sitk.GetArrayFromImage(other)
        right, left = np.isin(truth, (1, 3)), truth == 2
        result = glands_from(np.stack([right, left], axis=-1).astype(np.float32) * 0.9, other)
        np.testing.assert_array_equal(result.labels, np.where(truth == 3, 0, truth))


# --- the ends ---------------------------------------------------------------------------------------------------------


def test_a_gland_tapers_one_voxel_of_the_network_beyond_its_ends(geometry):
    above, far, beside = (slice(15, 16), slice(12, 14), slice(8, 12)), (slice(16, 17), *RIGHT[1:]), slice(15, 17)
    probabilities = marked((0, RIGHT, 0.8), (1, LEFT, 0.8), (0, above, 0.45), (0, far, 0.45))
    probabilities[RIGHT[0], RIGHT[1], beside, 0] = 0.45  # to the side nothing is added
    probabilities[4, 12:14, 8:12, 0] = 0.33  # too little
    expected = np.zeros(SHAPE, np.uint8)
    expected[RIGHT], expected[LEFT], expected[above] = 1, 2, 1
    np.testing.assert_array_equal(glands_from(probabilities, geometry).labels, expected)


def test_what_does_not_hang_together_with_the_end_is_not_added(geometry):
    apart, other = (slice(15, 16), slice(12, 14), slice(18, 22)), (slice(4, 5), slice(12, 14), slice(8, 12))
    probabilities = marked((0, RIGHT, 0.8), (1, LEFT, 0.8), (0, apart, 0.45), (0, other, 0.42), (1, other, 0.44))
    expected = np.zeros(SHAPE, np.uint8)
    expected[RIGHT], expected[LEFT] = 1, 2
    np.testing.assert_array_equal(glands_from(probabilities, geometry).labels, expected)


@pytest.mark.parametrize(("step", "added"), [(5.0, 1), (2.5, 1), (1.0, 2)])
def test_the_ends_are_those_along_the_body_in_every_orientation(step, added):
    def probability(points):
        """Cylinders along the body, 24 mm high, that go on with less probability in all directions."""
        x, across, height = points[..., 0], points[..., 1], np.abs(points[..., 2])
        radius = np.hypot(np.abs(x) - 60.0, across)
        return np.select([(radius < 9.0) & (height < 12.0), (radius < 14.0) & (height < 30.0)], [0.8, 0.45])

    layers = round(70.0 / step)
    image = image_of(probability, (52, 11, layers), (3.0, 3.0, step), (-76.5, -15.0, -34.5), np.eye(3).ravel())
    for other in all_orientations(image):
        inside = image_of(
            lambda p: p[..., 0], other.GetSize(), other.GetSpacing(), other.GetOrigin(), other.GetDirection()
        )
        x, values = sitk.GetArrayFromImage(inside), sitk.GetArrayFromImage(other)
        labels = glands_from(np.stack([values * (x < 0), values * (x > 0)], axis=-1).astype(np.float32), other).labels
        core = np.argwhere(values > 0.5)
        drawn = np.argwhere(labels > 0)
        axis = 2 - int(np.argmax(np.abs(np.reshape(other.GetDirection(), (3, 3))[2])))
        more = np.stack([core.min(axis=0) - drawn.min(axis=0), drawn.max(axis=0) - core.max(axis=0)])
        assert (more[:, axis] == added).all()
        middle = np.take(labels, labels.shape[axis] // 2, axis)
        assert np.count_nonzero(middle) == np.count_nonzero(np.take(values, labels.shape[axis] // 2, axis) > 0.5)
        assert set(np.unique(labels[x < 0])) == {0, 1}
        assert set(np.unique(labels[x > 0])) == {0, 2}


@pytest.mark.parametrize(
    ("index", "touched"),
    [
        ((1, 1, 1), (False, False, False)),
        ((1, 1, 0), (True, False, False)),
        ((1, 1, 4), (True, False, False)),
        ((1, 0, 1), (False, True, False)),
        ((1, 3, 1), (False, True, False)),
        ((0, 1, 1), (False, False, True)),
        ((2, 1, 1), (False, False, True)),
        ((2, 3, 4), (True, True, True)),
    ],
)
def test_touched_axes_are_told_in_the_order_x_y_z(index, touched):
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[index] = 2
    assert touched_axes(labels) == touched


def test_an_empty_mask_touches_nothing():
    assert touched_axes(np.zeros((3, 4, 5), np.uint8)) == (False, False, False)


# --- where the network is unsure -------------------------------------------------------------------------------------


def test_indecision_is_the_entropy_as_a_share_of_the_largest():
    certain, even = (0.0, 0.0), (1 / 3, 1 / 3)
    right, torn = (1.0, 0.0), (0.5, 0.0)
    found = indecision(np.array([[[certain, even, right, torn]]], np.float32))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, [[[0, 100, 0, round(100 * np.log(2) / np.log(3))]]])


def test_rounding_beyond_one_does_no_harm():
    assert indecision(np.full((1, 1, 1, 2), 0.500001, np.float32)).max() <= 100
