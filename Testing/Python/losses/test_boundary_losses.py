"""The boundary losses against oracles in double precision, and the distance transform against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from loss_checks import (
    KINDS,
    assert_equals_oracle,
    assert_finite_where_saturated,
    labels_of,
    logits_for,
    softmax,
    value_and_gradient,
)
from sentences import refusal
from test_overlap_losses import dice_focal_oracle, tversky_oracle

from ParotidSegLib.errors import RecipeError
from ParotidSegTrainingLib.losses import build_loss, distance
from ParotidSegTrainingLib.losses.distance import (
    squared_boundary_distances,
    squared_distances,
)

pytestmark = pytest.mark.engine
tf = pytest.importorskip("tensorflow")
ndimage = pytest.importorskip("scipy.ndimage")


def distance_to_boundary(mask: np.ndarray) -> np.ndarray:
    """Distance of each voxel to the nearest on the mask's other side, infinite where there is none."""
    if mask.all() or not mask.any():
        return np.full(mask.shape, np.inf)
    return np.where(mask, ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask))


def hausdorff_oracle(labels, logits):
    terms = []
    for sample, p in zip(labels, softmax(logits), strict=True):
        for c in range(1, logits.shape[-1]):
            g = sample == c
            distances = [distance_to_boundary(mask) for mask in (p[..., c] > 0.5, g)]
            squares = sum(np.where(np.isfinite(d), d, 0.0) ** 2 for d in distances)
            terms.append((p[..., c] - g) ** 2 * squares)
    return float(np.mean(terms))


def distance_weighted_oracle(labels, logits, alpha=(1.0, 1.0, 1.0), boundary_weight=10.0, sigma=3.0):
    terms = []
    for sample, p in zip(labels, softmax(logits), strict=True):
        entropy = -np.log(np.take_along_axis(p, sample[..., np.newaxis], axis=-1)[..., 0])
        d = np.full(sample.shape, np.inf)
        for c in np.unique(sample):
            d[sample == c] = distance_to_boundary(sample == c)[sample == c]
        weight = np.asarray(alpha)[sample] + boundary_weight * np.exp(-(d**2) / (2.0 * sigma**2))
        terms.append(weight * entropy)
    return float(np.mean(terms))


CASES = {
    "hausdorff": ({"name": "hausdorff_dt"}, hausdorff_oracle),
    "distance-weighted": ({"name": "distance_weighted_cross_entropy"}, distance_weighted_oracle),
    "distance-weighted by class": (
        {"name": "distance_weighted_cross_entropy", "alpha": [0.2, 0.3, 0.5], "boundary_weight": 2, "sigma": 1.5},
        lambda y, z: distance_weighted_oracle(y, z, [0.2, 0.3, 0.5], 2.0, 1.5),
    ),
    "dice focal hausdorff": (
        {"name": "dice_focal_hausdorff"},
        lambda y, z: dice_focal_oracle(y, z) + 0.01 * hausdorff_oracle(y, z),
    ),
    "dice focal hausdorff, weighed": (
        {
            "name": "dice_focal_hausdorff",
            "dice_weight": 0.2,
            "focal_weight": 3,
            "hausdorff_weight": 0.5,
            "gamma": 1.0,
            "alpha": [0.2, 0.3, 0.5],
        },
        lambda y, z: dice_focal_oracle(y, z, 1.0, [0.2, 0.3, 0.5], (0.2, 3.0)) + 0.5 * hausdorff_oracle(y, z),
    ),
    "tversky hausdorff": (
        {"name": "tversky_hausdorff"},
        lambda y, z: tversky_oracle(y, z) + 0.01 * hausdorff_oracle(y, z),
    ),
    "tversky hausdorff, weighed": (
        {"name": "tversky_hausdorff", "tversky_weight": 2, "hausdorff_weight": 1, "fp_weight": 0.8, "fn_weight": 0.1},
        lambda y, z: 2.0 * tversky_oracle(y, z, fp_weight=0.8, fn_weight=0.1) + hausdorff_oracle(y, z),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_value_and_gradient_are_those_of_the_oracle(case, kind):
    assert_equals_oracle(*CASES[case], kind)


@pytest.mark.parametrize("size", [30.0, 1e4])
@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_saturated_logits_give_a_finite_value_and_finite_gradients(case, right, size):
    assert_finite_where_saturated(CASES[case][0], right=right, size=size)


@pytest.mark.parametrize("case", ["hausdorff", "distance-weighted"])
def test_distances_of_many_voxels_count_in_full(case):
    settings, oracle = CASES[case]
    labels = np.zeros((1, 9, 14, 12), int)
    labels[0, 3:6, 2:7, 1:4] = 1
    labels[0, 2:6, 8:13, 8:11] = 2
    logits = logits_for(labels)
    assert value_and_gradient(settings, labels, logits)[0] == pytest.approx(oracle(labels, logits), rel=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_a_graph_with_a_batch_of_any_size_gives_the_same(case):
    labels = labels_of("random")
    logits = logits_for(labels).astype(np.float32)
    loss = build_loss(CASES[case][0])
    shape = (None, *labels.shape[1:])
    graph = tf.function(loss, input_signature=[tf.TensorSpec(shape, tf.uint8), tf.TensorSpec((*shape, 3), tf.float32)])
    expected, _ = value_and_gradient(CASES[case][0], labels, logits)
    assert float(graph(labels.astype(np.uint8), logits)) == pytest.approx(expected, rel=1e-6)


def test_a_miss_far_from_the_boundary_costs_more_than_one_beside_it():
    labels = np.zeros((1, 3, 20), int)
    labels[:, :, :4] = 1
    beside, far = np.array(labels), np.array(labels)
    beside[0, 1, 4] = far[0, 1, 19] = 1
    near_cost, far_cost = (
        value_and_gradient({"name": "hausdorff_dt"}, labels, 20.0 * np.eye(2)[winners])[0] for winners in (beside, far)
    )
    assert far_cost > 50.0 * near_cost


def test_a_patch_of_one_label_has_plain_cross_entropy():
    labels = labels_of("background only")
    logits = logits_for(labels)
    expected, _ = value_and_gradient({"name": "cross_entropy"}, labels, logits)
    value, _ = value_and_gradient({"name": "distance_weighted_cross_entropy"}, labels, logits)
    assert value == pytest.approx(expected, rel=1e-6)


def test_a_band_without_width_and_wrong_class_weights_are_refused():
    settings = {"name": "distance_weighted_cross_entropy"}
    assert "loss.sigma" in refusal(RecipeError, build_loss, {**settings, "sigma": 0})
    labels = labels_of("random")
    loss = build_loss({**settings, "alpha": [0.5, 0.5]})
    assert "loss.alpha" in refusal(RecipeError, loss, labels, tf.constant(logits_for(labels)))


@pytest.fixture(params=["on the processor", "by tensors"])
def way(request, monkeypatch) -> str:
    """Either way of the distance transform, whatever the computer has."""
    monkeypatch.setattr(distance, "_on_processor", lambda sites: request.param == "on the processor")
    return request.param


@pytest.mark.parametrize("share", [0.002, 0.1, 0.9])
@pytest.mark.parametrize("shape", [(57,), (40, 31), (17, 30, 23)])
def test_the_distance_transform_is_exactly_that_of_scipy(way, shape, share):
    sites = np.random.default_rng(8).random((2, *shape, 2)) < share
    sites[(slice(None), *(n // 2 for n in shape))] = True
    squares = squared_distances(tf.constant(sites), axes=range(1, len(shape) + 1)).numpy()
    for sample in range(2):
        for channel in range(2):
            expected = ndimage.distance_transform_edt(~sites[sample, ..., channel])
            np.testing.assert_array_equal(squares[sample, ..., channel], np.rint(expected**2))


def test_the_box_around_a_small_hole_is_enough():
    sites = np.ones((2, 20, 18, 16), bool)
    sites[0, 3:9, 0:5, 11:16] = False
    sites[1, 10, 10, 10] = False
    squares = squared_distances(tf.constant(sites), axes=range(1, 4)).numpy()
    for found, volume in zip(squares, sites, strict=True):
        np.testing.assert_array_equal(found, np.rint(ndimage.distance_transform_edt(~volume) ** 2))


def test_the_ways_of_the_distance_transform_agree_on_a_hausdorff_loss(monkeypatch):
    labels = labels_of("random")
    logits = logits_for(labels)
    values = []
    for on_processor in (True, False):
        monkeypatch.setattr(distance, "_on_processor", lambda sites, there=on_processor: there)
        values.append(value_and_gradient({"name": "hausdorff_dt"}, labels, logits))
    assert values[0][0] == values[1][0]
    np.testing.assert_array_equal(values[0][1], values[1][1])


def test_a_single_corner_is_seen_from_the_other_end_of_a_long_volume(way):
    sites = np.zeros((300, 5, 7), bool)
    sites[0, 0, 0] = True
    squares = squared_distances(tf.constant(sites), axes=range(3)).numpy()
    assert squares[-1, -1, -1] == 299**2 + 4**2 + 6**2
    np.testing.assert_array_equal(squares, np.rint(ndimage.distance_transform_edt(~sites) ** 2))


def test_without_a_site_the_distance_is_infinite_and_volumes_do_not_mix(way):
    sites = np.zeros((2, 4, 5), bool)
    sites[1, 2, 2] = True
    squares = squared_distances(tf.constant(sites), axes=[1, 2]).numpy()
    assert np.all(np.isinf(squares[0]))
    assert np.all(np.isfinite(squares[1]))


@pytest.mark.parametrize("shape", [(40, 31), (17, 30, 23)])
def test_the_distance_to_the_boundary_is_exactly_that_of_scipy_on_both_sides(way, shape):
    masks = ndimage.gaussian_filter(np.random.default_rng(9).normal(size=(3, *shape)), (0, *[2] * len(shape))) > 0
    masks[1], masks[2] = True, False
    squares = squared_boundary_distances(tf.constant(masks), axes=range(1, len(shape) + 1)).numpy()
    np.testing.assert_array_equal(squares[0], np.rint(distance_to_boundary(masks[0]) ** 2))
    assert np.all(np.isinf(squares[1:]))
