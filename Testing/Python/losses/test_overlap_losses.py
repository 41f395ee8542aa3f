"""The overlap losses and the sums with them against oracles in numpy (double precision), by value and by gradient."""

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

from ParotidSegTrainingLib.losses import build_loss

pytestmark = pytest.mark.engine
tf = pytest.importorskip("tensorflow")


def soft_counts(labels, logits, c):
    p, g = softmax(logits)[..., c], (labels == c).astype(float)
    return np.sum(p * g), np.sum(p * (1 - g)), np.sum((1 - p) * g)


def dice_oracle(labels, logits, epsilon=1e-5):
    scores = []
    for c in range(1, logits.shape[-1]):
        p, g = softmax(logits)[..., c], (labels == c).astype(float)
        scores.append((2 * np.sum(p * g) + epsilon) / (np.sum(p) + np.sum(g) + epsilon))
    return 1.0 - float(np.mean(scores))


def tversky_oracle(labels, logits, *, fp_weight=0.3, fn_weight=0.7, gamma=1.0, epsilon=1e-5):
    values = []
    for c in range(1, logits.shape[-1]):
        tp, fp, fn = soft_counts(labels, logits, c)
        t = (tp + epsilon) / (tp + fp_weight * fp + fn_weight * fn + epsilon)
        values.append((1 - t) ** gamma)
    return float(np.mean(values))


def weighted_tversky_oracle(labels, logits, *, fp_weight=0.5, fn_weight=0.5, gamma=1.0, opposite=False, epsilon=1e-7):
    values = []
    for c in range(1, logits.shape[-1]):
        tp, fp, fn = soft_counts(labels, logits, c)
        positive, negative = max(np.sum(labels == c), 1), max(np.sum(labels != c), 1)
        ratio = positive / negative if opposite else negative / positive
        t = (tp + epsilon) / (tp + fp_weight * fp * ratio + fn_weight * fn / ratio + epsilon)
        values.append((1 - t) ** gamma)
    return float(np.mean(values))


def binary_cross_entropy_oracle(labels, logits):
    p = softmax(logits)[..., 1:]
    g = np.eye(logits.shape[-1])[labels][..., 1:]
    return float(np.mean(-g * np.log(p) - (1 - g) * np.log(1 - p)))


def focal_oracle(labels, logits, gamma, alpha):
    p = np.take_along_axis(softmax(logits), labels[..., np.newaxis], axis=-1)[..., 0]
    return float(np.mean(-np.asarray(alpha)[labels] * (1.0 - p) ** gamma * np.log(p)))


def dice_focal_oracle(labels, logits, gamma=2.0, alpha=(1.0, 1.0, 1.0), weights=(1.0, 1.0)):
    return weights[0] * dice_oracle(labels, logits) + weights[1] * focal_oracle(labels, logits, gamma, alpha)


def pet_ct_oracle(labels, logits):
    overlap = 0.4 * weighted_tversky_oracle(labels, logits) + 0.6 * dice_oracle(labels, logits)
    return 0.6 * binary_cross_entropy_oracle(labels, logits) + overlap


CASES = {
    "dice": ({"name": "dice"}, dice_oracle),
    "rough dice": ({"name": "dice", "epsilon": 0.1}, lambda y, z: dice_oracle(y, z, 0.1)),
    "tversky": ({"name": "tversky"}, tversky_oracle),
    "tversky, false positives dearer": (
        {"name": "tversky", "fp_weight": 0.9, "fn_weight": 0.2, "epsilon": 0.1},
        lambda y, z: tversky_oracle(y, z, fp_weight=0.9, fn_weight=0.2, epsilon=0.1),
    ),
    "focal tversky": ({"name": "focal_tversky"}, lambda y, z: tversky_oracle(y, z, gamma=0.75)),
    "focal tversky squared": (
        {"name": "focal_tversky", "fp_weight": 0.6, "fn_weight": 0.1, "gamma": 2.0, "epsilon": 0.1},
        lambda y, z: tversky_oracle(y, z, fp_weight=0.6, fn_weight=0.1, gamma=2.0, epsilon=0.1),
    ),
    "weighted": ({"name": "binary_weighted_focal_tversky"}, weighted_tversky_oracle),
    "weighted the other way round": (
        {
            "name": "binary_weighted_focal_tversky",
            "fp_weight": 0.3,
            "fn_weight": 0.6,
            "gamma": 1.5,
            "epsilon": 0.1,
            "opposite_weighting": True,
        },
        lambda y, z: weighted_tversky_oracle(y, z, fp_weight=0.3, fn_weight=0.6, gamma=1.5, opposite=True, epsilon=0.1),
    ),
    "binary cross-entropy": ({"name": "binary_cross_entropy"}, binary_cross_entropy_oracle),
    "dice focal": ({"name": "dice_focal"}, dice_focal_oracle),
    "dice focal, weighed": (
        {"name": "dice_focal", "dice_weight": 0.2, "focal_weight": 3, "gamma": 1.0, "alpha": [0.2, 0.3, 0.5]},
        lambda y, z: dice_focal_oracle(y, z, 1.0, [0.2, 0.3, 0.5], (0.2, 3.0)),
    ),
    "pet ct": ({"name": "pet_ct_hybrid"}, pet_ct_oracle),
    "pet ct, weighed": (
        {
            "name": "pet_ct_hybrid",
            "cross_entropy_weight": 0.0,
            "tversky_weight": 2.0,
            "dice_weight": 0.0,
            "opposite_weighting": True,
        },
        lambda y, z: 2.0 * weighted_tversky_oracle(y, z, opposite=True),
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


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("case", ["dice", "tversky", "focal tversky", "weighted", "binary cross-entropy", "pet ct"])
def test_any_number_of_classes_will_do(case, classes):
    settings, oracle = CASES[case]
    labels = np.random.default_rng(5).integers(0, classes, (2, 3, 4))
    logits = logits_for(labels, classes)
    assert value_and_gradient(settings, labels, logits)[0] == pytest.approx(oracle(labels, logits), rel=1e-5)


def test_with_even_weights_the_tversky_loss_is_the_dice_loss():
    labels = labels_of("random")
    logits = logits_for(labels)
    even = {"name": "tversky", "fp_weight": 0.5, "fn_weight": 0.5, "epsilon": 0.0}
    expected, _ = value_and_gradient({"name": "dice", "epsilon": 0.0}, labels, logits)
    assert value_and_gradient(even, labels, logits)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("weight", "missed_costs_more"), [("fn_weight", True), ("fp_weight", False)])
def test_the_weights_of_the_tversky_loss_are_those_of_their_names(weight, missed_costs_more):
    labels = np.array([[0, 0, 0, 1, 1, 1]])
    missed, too_much = (20.0 * np.eye(2)[np.array([row])] for row in ([0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 1, 1]))
    settings = {"name": "tversky", "fp_weight": 0.1, "fn_weight": 0.1, weight: 0.9}
    costs = [value_and_gradient(settings, labels, logits)[0] for logits in (missed, too_much)]
    assert (costs[0] > costs[1]) is missed_costs_more


@pytest.mark.parametrize(("opposite", "missed_costs_more"), [(True, True), (False, False)])
def test_a_small_target_makes_false_positives_dear_unless_the_weighting_is_opposite(opposite, missed_costs_more):
    labels = np.array([[0] * 18 + [1, 1]])
    missed, too_much = (20.0 * np.eye(2)[np.array([row])] for row in ([0] * 19 + [1], [0] * 17 + [1] * 3))
    settings = {"name": "binary_weighted_focal_tversky", "opposite_weighting": opposite}
    costs = [value_and_gradient(settings, labels, logits)[0] for logits in (missed, too_much)]
    assert (costs[0] > costs[1]) is missed_costs_more


def test_of_two_classes_the_binary_cross_entropy_is_the_cross_entropy():
    labels = np.random.default_rng(6).integers(0, 2, (2, 3, 4))
    logits = logits_for(labels, 2)
    expected, _ = value_and_gradient({"name": "cross_entropy"}, labels, logits)
    assert value_and_gradient({"name": "binary_cross_entropy"}, labels, logits)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_half_precision_logits_are_worked_on_in_single_precision(case):
    labels = labels_of("random")
    half = tf.cast(logits_for(labels), tf.bfloat16)
    loss = build_loss(CASES[case][0])
    value = loss(tf.constant(labels), half)
    assert value.dtype == tf.float32
    assert float(value) == float(loss(tf.constant(labels), tf.cast(half, tf.float32)))
