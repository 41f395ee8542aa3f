"""Random transforms: each does what its parameter says, and none ever mixes up left and right."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import made_training as made
import numpy as np
import pytest
import SimpleITK as sitk
from orientations import voxel_centres

from ParotidSegLib.geometry.grids import Grid
from ParotidSegTrainingLib import recipe as recipes
from ParotidSegTrainingLib.data.dataset import Case, DatasetFolder, load_case
from ParotidSegTrainingLib.recipe import Augmentation
from ParotidSegTrainingLib.training.augmentation import Parameters, draw, spatial_transform
from ParotidSegTrainingLib.training.patches import Patch, cut

CENTRE = np.array([10.0, -20.0, 5.0])
X, Y, Z = np.eye(3)
QUARTER = math.pi / 2.0
#: A tile over the whole head, so that no transform of the shipped recipes moves a gland out of it.
RECIPE = made.tiny_recipe(tile=[24, 32, 40])
GRID = Grid.centred(CENTRE.tolist(), (2.0, 3.0, 4.0), (16, 20, 24))
NOTHING = Augmentation(mirror=0.0, rotation=0.0, scale=0.0, shear=0.0, gain=0.0, offset=0.0, noise=0.0, blur=0.0)


@pytest.fixture(scope="module")
def case(made_dataset: Path) -> Case:
    return load_case(DatasetFolder.open(made_dataset), "head_1", RECIPE, 1000.0)


def read_at(parameters: Parameters, point: np.ndarray) -> np.ndarray:
    """Where the scan is read for a point of the patch, both seen from the centre."""
    transform = spatial_transform(parameters, GRID)
    return np.array(transform.TransformPoint((CENTRE + point).tolist())) - CENTRE


@pytest.mark.parametrize(
    ("parameters", "point", "expected"),
    [
        (Parameters(), X + 2 * Y + 3 * Z, X + 2 * Y + 3 * Z),
        (Parameters(mirror=True), X + Y + Z, -X + Y + Z),
        (Parameters(rotation=(QUARTER, 0.0, 0.0)), Y, Z),
        (Parameters(rotation=(QUARTER, 0.0, 0.0)), X, X),
        (Parameters(rotation=(0.0, QUARTER, 0.0)), X, Z),
        (Parameters(rotation=(0.0, 0.0, QUARTER)), X, Y),
        (Parameters(rotation=(0.0, 0.0, QUARTER)), Y, -X),
        (Parameters(scale=(2.0, 3.0, 0.5)), X + Y + Z, 2 * X + 3 * Y + 0.5 * Z),
        (Parameters(shear=(0.1, 0.2, 0.3)), Y, Y + 0.1 * X),
        (Parameters(shear=(0.1, 0.2, 0.3)), Z, Z + 0.2 * X + 0.3 * Y),
        # Mirror first, then scale, shear, and the rotation about x before that about z.
        (Parameters(mirror=True, scale=(2.0, 1.0, 1.0)), X, -2 * X),
        (Parameters(scale=(1.0, 2.0, 1.0), shear=(0.1, 0.0, 0.0)), Y, 2 * Y + 0.2 * X),
        (Parameters(shear=(0.5, 0.0, 0.0), rotation=(0.0, 0.0, QUARTER)), Y, -X + 0.5 * Y),
        (Parameters(rotation=(QUARTER, 0.0, QUARTER)), Y, Z),
        (Parameters(rotation=(QUARTER, 0.0, QUARTER)), X, Y),
        (Parameters(mirror=True, rotation=(0.0, 0.0, QUARTER)), X, -Y),
    ],
)
def test_a_point_is_read_where_the_parameters_say(parameters, point, expected):
    np.testing.assert_allclose(read_at(parameters, point), expected, atol=1e-12)


def test_the_centre_never_moves():
    parameters = Parameters(True, (0.1, -0.2, 0.3), (0.9, 1.1, 1.05), (0.05, -0.05, 0.02))
    np.testing.assert_allclose(read_at(parameters, np.zeros(3)), np.zeros(3), atol=1e-12)


def test_a_larger_scale_reads_a_larger_part_so_that_glands_look_smaller(case):
    plain = cut(case, RECIPE, case.midpoint, Parameters())
    scaled = cut(case, RECIPE, case.midpoint, Parameters(scale=(1.2, 1.2, 1.2)))
    ratio = np.count_nonzero(scaled.labels) / np.count_nonzero(plain.labels)
    assert ratio == pytest.approx(1.2**-3, rel=0.06)


def test_a_turned_patch_shows_the_left_gland_where_the_map_says(case):
    angle = math.radians(10.0)
    turned = cut(case, RECIPE, case.midpoint, Parameters(rotation=(0.0, 0.0, angle)))
    _, left = centroids(turned, case)
    # The patch point p is read at R p: the gland at g is seen at R⁻¹ g, turned from y towards x.
    gland = made.LEFT - case.midpoint
    expected = [
        math.cos(angle) * gland[0] + math.sin(angle) * gland[1],
        math.cos(angle) * gland[1] - 60.0 * math.sin(angle),
    ]
    np.testing.assert_allclose((left - case.midpoint)[:2], expected, atol=1.0)


def grid_of(case: Case) -> Grid:
    return Grid.centred(case.midpoint.tolist(), RECIPE.preprocessing.spacing, RECIPE.tile)


def centroids(patch: Patch, case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Middles of the labels 1 and 2 of a patch about the case's midpoint, (x, y, z) in mm, LPS."""
    grid = grid_of(case)
    points = voxel_centres(grid.image(patch.labels))
    return points[patch.labels == 1].mean(axis=0), points[patch.labels == 2].mean(axis=0)


@pytest.mark.parametrize("name", recipes.names())
def test_no_draw_of_200_moves_a_label_to_the_other_side_or_parts_it_from_its_gland(case, name):
    without = {"gain": 0.0, "offset": 0.0, "noise": 0.0, "blur": 0.0, "gamma": 0.0, "tones": ()}
    ranges = dataclasses.replace(recipes.load(name).augmentation, **without)
    rng = np.random.default_rng(20)
    mirrored = whole = 0
    for _ in range(100):
        parameters = draw(ranges, rng)
        patch = cut(case, RECIPE, case.midpoint, parameters)
        if {1, 2} - set(np.unique(patch.labels)):
            assert parameters.in_scan != (0.0, 1.0), "only the end of the scan may take a gland away"
            continue
        whole += 1
        mirrored += parameters.mirror
        right, left = centroids(patch, case)
        if not ranges.quarter_turns:
            assert left[0] - right[0] > 80.0, parameters
        # Whatever way the patient is turned: each label lies on the gland of its side, of the other side in a mirror.
        transform = spatial_transform(parameters, grid_of(case))
        read = [np.array(transform.TransformPoint(middle.tolist())) for middle in (right, left)]
        assert (read[1][0] - read[0][0] < -80.0) if parameters.mirror else (read[1][0] - read[0][0] > 80.0)
        # In the made head the right gland is bright and the left one dark: a mirror image shows them changed.
        bright, dark = (2, 1) if parameters.mirror else (1, 2)
        assert patch.image[patch.labels == bright].mean() > patch.image[patch.labels == dark].mean() + 0.5
    assert whole >= 60
    assert mirrored / whole == pytest.approx(ranges.mirror, abs=0.2)


@pytest.mark.parametrize(
    "parameters",
    [
        Parameters(),
        Parameters(rotation=(0.1, -0.15, 0.2), scale=(0.9, 1.1, 1.05), shear=(0.05, -0.05, 0.04)),
        Parameters(gain=1.1, offset=-0.05, blur=0.6, gamma=1.2),
        Parameters(in_scan=(0.0, 0.6)),
    ],
)
def test_a_mirrored_patch_is_the_flipped_patch_with_the_labels_swapped(case, parameters):
    straight = cut(case, RECIPE, case.midpoint + 3.7, parameters)
    mirrored = cut(case, RECIPE, case.midpoint + 3.7, dataclasses.replace(parameters, mirror=True))
    np.testing.assert_allclose(mirrored.image, straight.image[:, :, ::-1], atol=1e-3)
    swapped = np.array([0, 2, 1], np.uint8)[straight.labels[:, :, ::-1]]
    assert set(np.unique(swapped)) == {0, 1, 2}
    # Interpolation may round a voxel whose value is exactly one half to either side.
    assert np.count_nonzero(mirrored.labels != swapped) <= 2


def test_the_elastic_deformation_is_smooth_bounded_and_never_folds():
    parameters = Parameters(elastic=4.0, seed=8)
    transform = spatial_transform(parameters, GRID)
    points = voxel_centres(GRID.image(np.zeros(GRID.shape, np.uint8)))
    read = np.array([transform.TransformPoint(point) for point in points.reshape(-1, 3).tolist()]).reshape(points.shape)
    moved = read - points
    # Control points closer than the displacement allows move less: 8 mm apart along z here, 24 mm along x.
    assert 1.0 < np.abs(moved[..., 0]).max() <= 4.0
    assert 0.5 < np.abs(moved[..., 2]).max() <= 0.4 * 32.0 / 4.0
    jacobian = np.stack(
        [np.stack(np.gradient(read[..., a], 2.0, 3.0, 4.0), axis=-1)[..., ::-1] for a in range(3)], axis=-2
    )
    assert np.linalg.det(jacobian).min() > 0.0
    again = spatial_transform(parameters, GRID).TransformPoint(CENTRE.tolist())
    assert again == transform.TransformPoint(CENTRE.tolist())
    assert again != spatial_transform(dataclasses.replace(parameters, seed=9), GRID).TransformPoint(CENTRE.tolist())


def test_the_elastic_deformation_is_itks_b_spline():
    parameters = Parameters(elastic=4.0, seed=8)
    edge = np.array(GRID.size) * GRID.spacing
    spline = sitk.BSplineTransform(3, 3)
    spline.SetTransformDomainOrigin((np.array(GRID.origin) - np.array(GRID.spacing) / 2.0).tolist())
    spline.SetTransformDomainPhysicalDimensions(edge.tolist())
    spline.SetTransformDomainMeshSize([4, 4, 4])
    largest = np.minimum(4.0, 0.4 * edge / 4.0)
    moved = np.random.default_rng([8, 1]).uniform(-1.0, 1.0, (3, 7**3)) * largest[:, np.newaxis]
    spline.SetParameters(moved.ravel().tolist())
    transform = spatial_transform(parameters, GRID)
    for point in voxel_centres(GRID.image(np.zeros(GRID.shape, np.uint8))).reshape(-1, 3)[::7].tolist():
        np.testing.assert_allclose(transform.TransformPoint(point), spline.TransformPoint(point), atol=1e-9)


def test_a_deformation_comes_before_the_turn_and_stays_on_the_grid_of_the_patch():
    """A mirrored deformation reads the mirror image of what the deformation reads."""
    parameters = Parameters(elastic=4.0, seed=8)
    point = np.array([7.0, -9.0, 4.0])
    straight, mirrored = read_at(parameters, point), read_at(dataclasses.replace(parameters, mirror=True), point)
    np.testing.assert_allclose(mirrored, straight * [-1.0, 1.0, 1.0], atol=1e-9)


def test_quarter_turns_are_all_drawn_and_turn_about_the_long_axis():
    rng = np.random.default_rng(12)
    turns = [draw(dataclasses.replace(NOTHING, quarter_turns=True), rng).rotation for _ in range(100)]
    assert {round(z / QUARTER) for _, _, z in turns} == {0, 1, 2, 3}
    assert all(z == pytest.approx(round(z / QUARTER) * QUARTER) and (x, y) == (0.0, 0.0) for x, y, z in turns)


def test_one_of_the_tones_is_drawn():
    rng = np.random.default_rng(13)
    tones = ((1.0, 0.0), (1.2, 0.05), (0.8, -0.05))
    drawn = {(d.gain, d.offset) for d in (draw(dataclasses.replace(NOTHING, tones=tones), rng) for _ in range(60))}
    assert drawn == set(tones)


def test_every_other_patch_has_streaks():
    rng = np.random.default_rng(14)
    drawn = np.array([draw(dataclasses.replace(NOTHING, streaks=2.0), rng).streaks for _ in range(500)])
    assert (drawn > 0).mean() == pytest.approx(0.5, abs=0.07)
    assert 1.9 < drawn.max() <= 2.0
    assert drawn.min() == 0.0


@pytest.mark.parametrize(("in_scan", "kept"), [((0.0, 0.25), slice(0, 6)), ((0.5, 1.0), slice(12, 24))])
def test_beyond_the_end_of_the_scan_there_is_air_without_noise_and_no_label(case, in_scan, kept):
    whole = cut(case, RECIPE, case.midpoint, Parameters(offset=0.5, noise=0.1))
    ended = cut(case, RECIPE, case.midpoint, Parameters(offset=0.5, noise=0.1, in_scan=in_scan))
    beyond = np.ones(24, bool)
    beyond[kept] = False
    np.testing.assert_array_equal(ended.image[kept], whole.image[kept])
    np.testing.assert_array_equal(ended.labels[kept], whole.labels[kept])
    assert set(np.unique(ended.image[beyond])) == {-1.0}
    assert set(np.unique(ended.labels[beyond])) == {0}
    assert whole.labels[beyond].any()


@pytest.mark.parametrize(
    ("in_scan", "last", "beyond", "air"),
    [
        ((0.0, 0.5), 11, slice(12, 15), slice(15, 24)),
        ((0.5, 1.0), 12, slice(9, 12), slice(0, 9)),
    ],
)
def test_a_scan_that_is_continued_ends_by_its_own_last_slice_and_so_do_the_labels(case, in_scan, last, beyond, air):
    recipe = dataclasses.replace(RECIPE, preprocessing=dataclasses.replace(RECIPE.preprocessing, continuation=18.0))
    assert recipe.preprocessing.spacing[0] == 6.0
    whole, ended = (cut(case, recipe, case.midpoint, Parameters(in_scan=part)) for part in ((0.0, 1.0), in_scan))
    for of_whole, of_ended in ((whole.image, ended.image), (whole.labels, ended.labels)):
        np.testing.assert_array_equal(of_ended[beyond], np.repeat(of_whole[last : last + 1], 3, axis=0))
    assert ended.labels[beyond].any()
    assert np.all(ended.image[air] == -1.0)
    assert not ended.labels[air].any()


def test_every_other_patch_is_sharpened_where_the_recipe_asks_for_it():
    rng = np.random.default_rng(15)
    drawn = np.array([draw(dataclasses.replace(NOTHING, sharpness=1.2), rng).sharpness for _ in range(500)])
    assert (drawn > 0).mean() == pytest.approx(0.5, abs=0.07)
    assert 1.1 < drawn.max() <= 1.2


def test_recipes_without_sharpening_see_the_patches_that_they_always_saw():
    drawn = [
        draw(dataclasses.replace(Augmentation(streaks=1.0, field=0.5), sharpness=s), np.random.default_rng(17))
        for s in (0.0, 1.0)
    ]
    assert dataclasses.replace(drawn[1], sharpness=0.0) == drawn[0]


def test_scans_end_as_often_as_the_recipe_says_above_as_often_as_below():
    rng = np.random.default_rng(7)
    ends = [draw(dataclasses.replace(NOTHING, truncation=0.4), rng).in_scan for _ in range(500)]
    above, below = ([end for end in ends if end[0] == 0.0 and end[1] < 1.0], [end for end in ends if end[0] > 0.0])
    assert (len(above) + len(below)) / 500 == pytest.approx(0.4, abs=0.06)
    assert len(above) / (len(above) + len(below)) == pytest.approx(0.5, abs=0.1)
    assert all(low < high for low, high in ends)


def test_ranges_of_zero_draw_the_parameters_that_change_nothing():
    drawn = draw(NOTHING, np.random.default_rng(4))
    assert dataclasses.replace(drawn, seed=0, coarse_axis=0) == Parameters()


def test_draws_stay_within_their_ranges_and_reach_near_their_ends():
    ranges = Augmentation(
        mirror=0.25,
        rotation=10.0,
        scale=0.1,
        shear=0.05,
        elastic=6.0,
        gain=0.2,
        offset=0.15,
        gamma=0.3,
        noise=0.2,
        blur=0.6,
        anisotropy=3.0,
    )
    rng = np.random.default_rng(6)
    drawn = [draw(ranges, rng) for _ in range(500)]
    columns = {
        "rotation": (np.array([d.rotation for d in drawn]), -math.radians(10.0), math.radians(10.0)),
        "scale": (np.array([d.scale for d in drawn]), 0.9, 1.1),
        "shear": (np.array([d.shear for d in drawn]), -0.05, 0.05),
        "gain": (np.array([d.gain for d in drawn]), 0.8, 1.2),
        "offset": (np.array([d.offset for d in drawn]), -0.15, 0.15),
        "elastic": (np.array([d.elastic for d in drawn]), 0.0, 6.0),
        "gamma": (np.log([d.gamma for d in drawn]), -0.3, 0.3),
        "coarseness": (np.array([d.coarseness for d in drawn]), 1.0, 3.0),
        "noise": (np.array([d.noise for d in drawn]), 0.0, 0.2),
        "blur": (np.array([d.blur for d in drawn]), 0.0, 0.6),
    }
    for name, (values, low, high) in columns.items():
        assert values.min() >= low, name
        assert values.max() <= high, name
        reach = 0.03 * (high - low)
        assert np.all(values.min(axis=0) < low + reach), name
        assert np.all(values.max(axis=0) > high - reach), name
    assert np.mean([d.mirror for d in drawn]) == pytest.approx(0.25, abs=0.06)
    assert len({d.seed for d in drawn}) == 500


def test_the_same_seed_draws_the_same_parameters():
    first, second = (draw(Augmentation(), np.random.default_rng(9)) for _ in range(2))
    assert first == second
    assert first != draw(Augmentation(), np.random.default_rng(10))


@pytest.mark.parametrize("in_scan", [(0.0, 0.5), (0.25, 1.0)])
def test_beyond_the_end_of_the_scan_there_is_air_and_no_label_and_the_rest_is_as_it_was(case, in_scan):
    whole, ended = (cut(case, RECIPE, case.midpoint, Parameters(in_scan=part)) for part in ((0.0, 1.0), in_scan))
    first, last = (round(share * RECIPE.tile[0]) for share in in_scan)
    kept = np.zeros(RECIPE.tile[0], bool)
    kept[first:last] = True
    assert np.all(ended.image[~kept] == -1.0)
    assert not ended.labels[~kept].any()
    np.testing.assert_array_equal(ended.image[kept], whole.image[kept])
    np.testing.assert_array_equal(ended.labels[kept], whole.labels[kept])


def test_scans_end_as_often_as_the_recipe_says_at_the_top_and_at_the_bottom():
    rng = np.random.default_rng(11)
    drawn = [draw(dataclasses.replace(NOTHING, truncation=0.4), rng).in_scan for _ in range(2000)]
    top = sum(first == 0.0 and last < 1.0 for first, last in drawn)
    bottom = sum(first > 0.0 and last == 1.0 for first, last in drawn)
    assert top + bottom == sum(part != (0.0, 1.0) for part in drawn)
    assert top / 2000 == pytest.approx(0.2, abs=0.04)
    assert bottom / 2000 == pytest.approx(0.2, abs=0.04)
    assert all(draw(NOTHING, rng).in_scan == (0.0, 1.0) for _ in range(50))
