"""Random changes of what a patch shows: contrast, noise, sharpness, resolution and streaks; none touches a label."""

from __future__ import annotations

import numpy as np
import pytest

from ParotidSegTrainingLib.training.augmentation import Parameters, change_intensity


def test_contrast_and_offset_are_linear():
    shown = np.random.default_rng(0).uniform(-2, 2, (3, 4, 5, 2)).astype(np.float32)
    changed = change_intensity(shown, Parameters(gain=1.1, offset=-0.15))
    np.testing.assert_allclose(changed, np.clip(1.1 * shown - 0.15, -1, 1), rtol=1e-5, atol=1e-6)
    assert changed.dtype == np.float32


def test_the_noise_is_that_of_its_seed_and_standard_deviation():
    shown = np.full((20, 20, 20, 1), 0.1, np.float32)
    noisy = change_intensity(shown, Parameters(noise=0.1, seed=3))
    expected = 0.1 + 0.1 * np.random.default_rng([3, 0]).standard_normal(shown.shape, dtype=np.float32)
    np.testing.assert_allclose(noisy, expected, atol=1e-5)
    assert np.std(noisy) == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("sigma", [0.3, 0.6, 1.0])
def test_a_blur_spreads_a_point_by_its_standard_deviation_alike_along_all_axes(sigma):
    point = np.zeros((15, 15, 15, 1), np.float32)
    point[7, 7, 7] = 0.9
    blurred = change_intensity(point, Parameters(blur=sigma))[..., 0]
    assert blurred.sum() == pytest.approx(0.9, rel=1e-4)
    squares = (np.arange(15) - 7.0) ** 2
    for axis in range(3):
        profile = blurred.sum(axis=tuple(other for other in range(3) if other != axis))
        # The kernel is cut off where 2 % of it is left, which makes it a little narrower.
        assert (profile * squares).sum() / 0.9 == pytest.approx(sigma**2, rel=0.2)
        np.testing.assert_allclose(profile, profile[::-1], atol=1e-5)


def test_nothing_changes_without_parameters_or_with_a_blur_too_small_to_see():
    shown = np.random.default_rng(1).uniform(-1, 1, (5, 6, 7, 2)).astype(np.float32)
    for parameters in (Parameters(), Parameters(blur=0.2)):
        np.testing.assert_array_equal(change_intensity(shown, parameters), shown)


def test_gamma_is_a_power_of_the_shown_values_and_keeps_both_ends():
    shown = np.linspace(-1, 1, 24, dtype=np.float32).reshape((2, 3, 4, 1))
    changed = change_intensity(shown, Parameters(gamma=1.5))
    np.testing.assert_allclose((changed + 1) / 2, ((shown + 1) / 2) ** 1.5, atol=1e-6)
    assert (changed.min(), changed.max()) == (-1.0, 1.0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_lower_resolution_along_one_axis_keeps_ramps_across_it_and_loses_what_is_fine_along_it(axis):
    ramp = np.linspace(-0.9, 0.9, 24, dtype=np.float32)
    along = [1, 1, 1, 1]
    along[axis] = 24
    across = np.moveaxis(np.broadcast_to(ramp, (24, 24, 24)), 2, (axis + 1) % 3)[..., np.newaxis]
    coarse = Parameters(coarseness=3.0, coarse_axis=axis)
    np.testing.assert_allclose(change_intensity(np.ascontiguousarray(across), coarse), across, atol=1e-5)
    smooth = np.broadcast_to(ramp.reshape(along), (24, 24, 24, 1))
    kept = change_intensity(np.ascontiguousarray(smooth), coarse)
    assert np.abs(kept - smooth).max() < 0.1  # about a voxel, the outermost ones included
    stripes = np.broadcast_to(((np.arange(24) % 2) * 1.0).astype(np.float32).reshape(along), (24, 24, 24, 1))
    assert change_intensity(np.ascontiguousarray(stripes), coarse).std() < 0.9 * stripes.std()
    single = np.ascontiguousarray(smooth[:1, :, :])
    assert change_intensity(single, coarse).shape == single.shape


def test_streaks_fade_away_from_their_metal_in_mm_and_differ_from_draw_to_draw():
    flat = np.zeros((40, 48, 72, 1), np.float32)
    drawn = np.stack(
        [change_intensity(flat, Parameters(streaks=0.2, seed=seed), (2.5, 2.5, 2.5))[..., 0] for seed in range(40)]
    )
    assert len({draw.tobytes() for draw in drawn}) == 40
    spread = drawn.std()
    assert 0.02 < spread < 0.2
    assert abs(drawn.mean()) < 0.3 * spread  # as bright as dark
    by_height = np.sort(drawn.std(axis=(2, 3)), axis=1)
    assert np.median(by_height[:, 0] / by_height[:, -1]) < 0.05  # most slices of a patch have none
    again = change_intensity(flat, Parameters(streaks=0.2, seed=7), (2.5, 2.5, 2.5))[..., 0]
    np.testing.assert_array_equal(again, drawn[7])
    # With smaller voxels the same streaks reach more of them: less of them is lost within the patch.
    fine = np.stack([change_intensity(flat, Parameters(streaks=0.2, seed=seed), (1, 1, 1)) for seed in range(40)])
    assert fine.std() > 1.2 * spread


def test_the_noise_lies_on_top_of_the_blur():
    flat = np.zeros((12, 12, 12, 1), np.float32)
    both = change_intensity(flat, Parameters(noise=0.1, blur=1.0, seed=5))
    np.testing.assert_array_equal(both, change_intensity(flat, Parameters(noise=0.1, seed=5)))


def test_sharpening_brings_out_detail_and_leaves_what_is_even():
    rng = np.random.default_rng(16)
    shown = rng.normal(0.0, 0.1, (16, 16, 16, 1)).astype(np.float32)
    sharp = change_intensity(shown, Parameters(sharpness=1.0))
    assert sharp.std() > 1.5 * shown.std()
    assert sharp.mean() == pytest.approx(shown.mean(), abs=0.01)
    flat = np.full((16, 16, 16, 1), 0.25, np.float32)
    np.testing.assert_allclose(change_intensity(flat, Parameters(sharpness=1.0)), flat, atol=1e-6)
