"""The body and its skin, on shapes whose distances are known."""

from __future__ import annotations

import numpy as np
import pytest

from ParotidSegLib.glands.body import body_mask, skin_distance

SPACING = (3.0, 2.0, 2.0)


def ball(radius: float) -> np.ndarray:
    """Distance from the surface of a ball in the middle of (30, 40, 40) voxels, mm."""
    z, y, x = (np.arange(n) * s - (n - 1) / 2.0 * s for n, s in zip((30, 40, 40), SPACING, strict=True))
    return np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2) - radius


def test_the_body_is_the_largest_piece_and_has_no_holes_in_a_slice():
    distance = ball(30.0)
    hounsfield = np.where(distance < 0.0, 40.0, -1000.0)
    hounsfield[12:18, 18:22, 18:22] = -1000.0  # an airway
    hounsfield[:4, :4, :4] = 40.0  # something beside the patient
    np.testing.assert_array_equal(body_mask(hounsfield), distance < 0.0)


def test_without_a_patient_there_is_no_body_and_no_skin():
    body = body_mask(np.full((4, 5, 6), -1000.0))
    assert not body.any()
    assert np.isinf(skin_distance(body, SPACING)).all()


def test_the_distance_from_the_skin_is_in_mm_and_negative_in_the_body():
    expected = ball(26.0)
    measured = skin_distance(expected < 0.0, SPACING)
    assert measured.dtype == np.float32
    near = np.abs(expected) < 15.0
    assert np.abs(measured - expected)[near].max() < 3.0  # less than a voxel's diagonal
    for side in (near & (expected < 0.0), near & (expected > 0.0)):
        assert (measured - expected)[side].mean() == pytest.approx(0.0, abs=0.5)
