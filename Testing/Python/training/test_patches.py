"""The patch sampler: the same patches again after any interruption, and labels that lie where the image shows them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import made_training as made
import numpy as np
import pytest
import SimpleITK as sitk
from orientations import image_of, rotation, voxel_centres

from ParotidSegLib.geometry.grids import Grid, physical_bounds
from ParotidSegTrainingLib.data.dataset import Case, DatasetFolder, load_case
from ParotidSegTrainingLib.training.augmentation import Parameters, spatial_transform
from ParotidSegTrainingLib.training.patches import cut, draw_centre, random_patch, validation_patches

RECIPE = made.tiny_recipe()
MOVED = Parameters(rotation=(0.15, -0.1, 0.2), scale=(1.1, 0.92, 1.05), shear=(0.05, 0.02, -0.04))
SOURCES = [
    ((60, 50, 44), (3.0, 3.0, 4.0), made.IDENTITY),
    ((60, 50, 44), (3.0, 3.0, 4.0), (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)),
    ((60, 50, 44), (3.0, 3.0, 4.0), tuple(rotation(5.0, -8.0, 12.0))),
]


@pytest.fixture(scope="module")
def cases(made_dataset: Path) -> list[Case]:
    folder = DatasetFolder.open(made_dataset)
    return [load_case(folder, name, RECIPE, 120.0) for name in folder.cases("train")]


def made_case(function, mask_function, size, spacing, direction) -> Case:
    """A case from functions of patient coordinates: HU, and whether a point lies in the right gland; middle at 0."""
    half = (np.array(size) - 1) * spacing / 2.0
    origin = -(np.reshape(direction, (3, 3)) @ half)
    image = sitk.Cast(image_of(function, size, spacing, origin, direction), sitk.sitkFloat32)
    mask = sitk.Cast(image_of(mask_function, size, spacing, origin, direction), sitk.sitkUInt8)
    points = voxel_centres(mask)[sitk.GetArrayViewFromImage(mask) > 0]
    limits = RECIPE.preprocessing.limits([image])
    return Case("made", (image,), limits, (mask, None), (points, np.zeros((0, 3))), physical_bounds(image))


def patch_points(recipe, centre, parameters) -> np.ndarray:
    """Where the scan is read for each voxel of a patch, (z, y, x, 3) in mm."""
    grid = Grid.centred(centre, recipe.preprocessing.spacing, recipe.tile)
    transform = spatial_transform(parameters, grid)
    matrix = np.reshape(transform.GetMatrix(), (3, 3))
    return (voxel_centres(grid.image(np.zeros(grid.shape, np.uint8))) - grid.centre) @ matrix.T + grid.centre


def test_a_patch_depends_on_seed_epoch_and_position_alone(cases):
    one = cases[:1]  # of several, another turn would take another one
    first = random_patch(one, RECIPE, 1, 5)
    random_patch(one, RECIPE, 0, 2)
    again = random_patch(one, RECIPE, 1, 5)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)
    for other in (
        random_patch(one, RECIPE, 1, 6),
        random_patch(one, RECIPE, 2, 5),
        random_patch(one, dataclasses.replace(RECIPE, seed=6), 1, 5),
    ):
        assert np.abs(other.image - first.image).max() > 0.1


def test_a_patch_has_the_form_that_the_network_takes(cases):
    patch = random_patch(cases, RECIPE, 0, 0)
    assert (patch.image.shape, patch.image.dtype) == ((*RECIPE.tile, 1), np.float32)
    assert (patch.labels.shape, patch.labels.dtype) == (RECIPE.tile, np.uint8)
    assert patch.image.min() >= -1.0
    assert patch.image.max() <= 1.0


def test_each_case_comes_once_before_any_comes_again_also_from_epoch_to_epoch():
    quiet = {name: 0 for name in ("mirror", "rotation", "scale", "shear", "gain", "offset", "noise", "blur")}
    recipe = made.tiny_recipe(
        tile=[4, 4, 4], augmentation=quiet, optimisation__batch_size=2, optimisation__steps_per_epoch=4
    )
    constant = [
        made_case(
            lambda p, hu=hu: np.full(p.shape[:-1], hu),
            lambda p: np.linalg.norm(p, axis=-1) < 20,
            (40, 40, 40),
            (6.0,) * 3,
            made.IDENTITY,
        )
        for hu in (-150.0, -50.0, 50.0, 150.0, 250.0)
    ]
    # 8 patches an epoch and 5 cases: rounds do not end where epochs do.
    turns = [(epoch, position) for epoch in range(5) for position in range(8)]
    seen = [round(float(random_patch(constant, recipe, *turn).image.mean()), 2) for turn in turns]
    rounds = [seen[first : first + 5] for first in range(0, 40, 5)]
    assert [sorted(one) for one in rounds] == [[-0.8, -0.4, 0.0, 0.4, 0.8]] * 8
    assert len({tuple(one) for one in rounds}) > 1


def test_every_patch_holds_a_gland_if_every_patch_has_an_anchor(cases):
    seen = [set(np.unique(random_patch(cases, RECIPE, 0, position).labels)) - {0} for position in range(60)]
    assert all(seen)
    assert set().union(*seen) == {1, 2}


def test_an_anchor_in_a_voxel_lies_within_the_jitter_of_its_gland(cases):
    rng = np.random.default_rng(0)
    points = np.concatenate(cases[0].points)
    jitter = np.array(RECIPE.sampling.jitter[::-1])
    for _ in range(100):
        offsets = np.abs(points - draw_centre(cases[0], RECIPE, rng))
        assert np.any(np.all(offsets <= jitter + 1e-9, axis=1))


def test_an_anchor_in_the_midpoint_lies_within_the_jitter_of_each_axis(cases):
    sampling = {"anchor": "midpoint", "jitter": [1.0, 5.0, 20.0], "foreground_share": 1.0}
    recipe = made.tiny_recipe(sampling=sampling)
    rng = np.random.default_rng(0)
    offsets = np.array([draw_centre(cases[1], recipe, rng) - cases[1].midpoint for _ in range(200)])
    largest = np.abs(offsets).max(axis=0)
    assert np.all(largest <= [20.0, 5.0, 1.0])
    assert np.all(largest > [18.0, 4.5, 0.9])


def test_patches_without_an_anchor_lie_anywhere_within_the_scan(cases):
    recipe = made.tiny_recipe(sampling__foreground_share=0.0)
    rng = np.random.default_rng(0)
    centres = np.array([draw_centre(cases[0], recipe, rng) for _ in range(300)])
    low, high = cases[0].bounds
    half = np.full(3, 16 * 6.0 / 2.0)
    assert np.all(centres >= low + half - 1e-3)
    assert np.all(centres <= high - half + 1e-3)
    np.testing.assert_allclose(centres.min(axis=0), low + half, atol=5.0)
    np.testing.assert_allclose(centres.max(axis=0), high - half, atol=5.0)


def test_a_tile_larger_than_the_scan_lies_in_the_middle_of_it(cases):
    recipe = made.tiny_recipe(sampling__foreground_share=0.0, tile=[64, 64, 64])
    low, high = cases[0].bounds
    np.testing.assert_allclose(draw_centre(cases[0], recipe, np.random.default_rng(0)), (low + high) / 2.0, atol=1e-3)


@pytest.mark.parametrize(("size", "spacing", "direction"), SOURCES)
@pytest.mark.parametrize("parameters", [Parameters(), MOVED])
def test_values_are_those_of_the_points_that_are_read(size, spacing, direction, parameters):
    def hounsfield(points: np.ndarray) -> np.ndarray:
        return points @ np.array([0.4, -0.7, 1.1]) + 20.0

    case = made_case(hounsfield, lambda p: p[..., 0] < 0, size, spacing, direction)
    centre = [3.1, -2.7, 5.3]
    patch = cut(case, RECIPE, centre, parameters)
    read = hounsfield(patch_points(RECIPE, centre, parameters))
    expected = RECIPE.preprocessing.normalise([read], case.limits)[..., 0]
    # Linear interpolation of a linear function is exact.
    np.testing.assert_allclose(patch.image[..., 0], expected, atol=1e-4)


@pytest.mark.parametrize(("size", "spacing", "direction"), SOURCES)
@pytest.mark.parametrize("parameters", [Parameters(), MOVED])
def test_labels_lie_where_the_image_shows_the_gland_without_a_shift(size, spacing, direction, parameters):
    middle, radius = np.array([6.3, -4.9, 2.2]), 28.0

    def depth(points: np.ndarray) -> np.ndarray:
        return radius - np.linalg.norm(points - middle, axis=-1)

    case = made_case(lambda p: 10.0 * depth(p), lambda p: depth(p) > 0, size, spacing, direction)
    recipe = made.tiny_recipe(preprocessing__spacing=[4.0, 4.0, 4.0], tile=[24, 24, 24])
    shifts = []
    # Where the grids of patch and scan fall on one another decides how a border is rounded: all phases count alike.
    for phase in (np.arange(6) + 0.5) / 6.0 * 4.0:
        patch = cut(case, recipe, [phase] * 3, parameters)
        gland = patch.labels == 1
        truth = depth(patch_points(recipe, [phase] * 3, parameters))
        # Only within less than a voxel of the border may the two differ.
        assert np.abs(truth[gland != (truth > 0)]).max(initial=0.0) < 2.5
        shifts.append(np.argwhere(gland).mean(axis=0) - np.argwhere(truth > 0).mean(axis=0))
        shown = patch.image[..., 0] > recipe.preprocessing.normalise([np.zeros(1)], case.limits)[0, 0]
        assert 2.0 * np.count_nonzero(shown & gland) / (shown.sum() + gland.sum()) > 0.95
    # A shift by half a voxel of the scan would move the middle by 1.5 mm or more.
    assert np.abs(np.mean(shifts, axis=0) * 4.0).max() < 0.2


def test_beyond_the_scan_there_is_air_and_no_label(cases):
    low, _ = cases[0].bounds
    patch = cut(cases[0], RECIPE, low - 500.0, Parameters())
    assert set(np.unique(patch.image)) == {-1.0}
    assert set(np.unique(patch.labels)) == {0}


def test_a_large_tile_is_validated_between_the_glands_and_a_small_one_around_each(cases):
    one = validation_patches(cases[0], made.tiny_recipe(sampling__anchor="midpoint", tile=[16, 16, 32]))
    assert [set(np.unique(patch.labels)) for patch in one] == [{0, 1, 2}]
    two = validation_patches(cases[0], made.tiny_recipe(tile=[8, 8, 8]))
    assert [set(np.unique(patch.labels)) - {0} for patch in two] == [{1}, {2}]


def test_validation_patches_are_the_same_each_time_and_show_what_the_scan_shows(cases):
    recipe = made.tiny_recipe(sampling__anchor="midpoint")
    (first,), (second,) = (validation_patches(cases[0], recipe) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.image, cut(cases[0], recipe, cases[0].midpoint, Parameters()).image)


def test_a_case_without_a_gland_is_sampled_and_validated_like_the_others(cases):
    empty = dataclasses.replace(cases[0], masks=(None, None), points=(np.zeros((0, 3)),) * 2)
    for patch in (random_patch([empty], RECIPE, 0, 0), *validation_patches(empty, RECIPE)):
        assert set(np.unique(patch.labels)) == {0}
        assert patch.image.max() > -1.0
