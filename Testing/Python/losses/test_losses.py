"""The losses against ten-line oracles in numpy (double precision), by value and by gradient."""

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
from test_boundary_losses import CASES as BOUNDARY_CASES
from test_overlap_losses import CASES as OVERLAP_CASES

from ParotidSegLib.errors import RecipeError
from ParotidSegTrainingLib.losses import REGISTRY, build_loss

pytestmark = pytest.mark.engine
tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

ALPHA = [0.30, 0.35, 0.35]


def focal_oracle(labels, logits, gamma=1.0, alpha=None):
    p = np.take_along_axis(softmax(logits), labels[..., np.newaxis], axis=-1)[..., 0]
    weight = np.asarray(alpha or [1.0] * logits.shape[-1])[labels]
    return float(np.mean(-weight * (1.0 - p) ** gamma * np.log(p)))


def mdsc_oracle(labels, logits, epsilon=1e-5):
    p, scores = softmax(logits), []
    for c in range(1, logits.shape[-1]):
        g = (labels == c).astype(float)
        scores.append((2 * np.sum(p[..., c] * g) + epsilon) / (np.sum(p[..., c] ** 2) + np.sum(g**2) + epsilon))
    return 1.0 - float(np.mean(scores))


def hybrid_oracle(labels, logits):
    return 0.7 * mdsc_oracle(labels, logits) + 0.3 * focal_oracle(labels, logits, 1.0, ALPHA)


CASES = {
    "cross_entropy": ({"name": "cross_entropy"}, lambda y, z: focal_oracle(y, z, gamma=0.0)),
    "focal": (
        {"name": "focal", "gamma": 2.0, "alpha": [0.2, 0.3, 0.5]},
        lambda y, z: focal_oracle(y, z, 2, [0.2, 0.3, 0.5]),
    ),
    "plain focal": ({"name": "focal"}, focal_oracle),
    "half focal": ({"name": "focal", "gamma": 0.5}, lambda y, z: focal_oracle(y, z, 0.5)),
    "mdsc": ({"name": "mdsc"}, mdsc_oracle),
    "rough mdsc": ({"name": "mdsc", "epsilon": 0.1}, lambda y, z: mdsc_oracle(y, z, 0.1)),
    "hybrid": ({"name": "hybrid"}, hybrid_oracle),
}


def test_every_loss_of_the_registry_has_an_oracle():
    cases = {**CASES, **OVERLAP_CASES, **BOUNDARY_CASES}
    assert {settings["name"] for settings, _ in cases.values()} == set(REGISTRY)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_value_and_gradient_are_those_of_the_oracle(case, kind):
    settings, oracle = CASES[case]
    assert_equals_oracle(settings, oracle, kind)


def test_the_hybrid_loss_is_seven_parts_overlap_and_three_parts_focal():
    labels = labels_of("random")
    logits = logits_for(labels)
    parts = [value_and_gradient(s, labels, logits)[0] for s in ({"name": "mdsc"}, {"name": "focal", "alpha": ALPHA})]
    assert value_and_gradient({"name": "hybrid"}, labels, logits)[0] == pytest.approx(0.7 * parts[0] + 0.3 * parts[1])
    other = {"name": "hybrid", "overlap_weight": 0.0, "focal_weight": 2.0, "gamma": 0.0, "alpha": [1, 1, 1]}
    assert value_and_gradient(other, labels, logits)[0] == pytest.approx(
        2.0 * focal_oracle(labels, logits, 0.0), rel=1e-5
    )


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_the_focal_loss_is_that_of_keras(gamma):
    labels = labels_of("random")
    logits = logits_for(labels)
    reference = keras.losses.CategoricalFocalCrossentropy(alpha=ALPHA, gamma=gamma, from_logits=True)
    expected = float(reference(np.eye(3, dtype=np.float32)[labels], logits.astype(np.float32)))
    value, _ = value_and_gradient({"name": "focal", "gamma": gamma, "alpha": ALPHA}, labels, logits)
    assert value == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("settings", [{"name": "cross_entropy"}, {"name": "focal", "gamma": 0}])
def test_without_focus_it_is_the_cross_entropy_of_keras(settings):
    labels = labels_of("random")
    logits = logits_for(labels)
    reference = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    expected = float(reference(labels, logits.astype(np.float32)))
    assert value_and_gradient(settings, labels, logits)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("size", [30.0, 1e4])
@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_saturated_logits_give_a_finite_value_and_finite_gradients(case, right, size):
    assert_finite_where_saturated(CASES[case][0], right=right, size=size, tolerance=1e-6)


@pytest.mark.parametrize("kind", ["background only", "empty class"])
def test_a_class_that_is_neither_there_nor_predicted_costs_nothing(kind):
    labels = labels_of(kind)
    assert value_and_gradient({"name": "mdsc"}, labels, 1e3 * np.eye(3)[labels])[0] == pytest.approx(0.0, abs=1e-6)


def test_the_background_is_no_part_of_the_overlap():
    labels = labels_of("one voxel")
    everything_background = 1e3 * np.eye(3)[np.zeros_like(labels)]
    # Right is absent and not predicted (1), left is missed (0).
    assert value_and_gradient({"name": "mdsc"}, labels, everything_background)[0] == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_half_precision_logits_are_worked_on_in_single_precision(case):
    labels = labels_of("random")
    half = tf.cast(logits_for(labels), tf.bfloat16)
    loss = build_loss(CASES[case][0])
    value = loss(tf.constant(labels), half)
    assert value.dtype == tf.float32
    assert float(value) == float(loss(tf.constant(labels), tf.cast(half, tf.float32)))


def test_labels_may_come_as_floats_as_keras_passes_them():
    labels = labels_of("random")
    logits = tf.constant(logits_for(labels).astype(np.float32))
    loss = build_loss({"name": "hybrid"})
    assert float(loss(tf.constant(labels.astype(np.float32)), logits)) == float(loss(tf.constant(labels), logits))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"name": "dyce"}, "dyce"),
        ({"name": "mdsc", "gamma": 1.0}, "mdsc"),
        ({"name": "focal", "gamma": "2"}, "loss.gamma"),
        ({"name": "focal", "gamma": [1.0]}, "loss.gamma"),
        ({"name": "focal", "gamma": -1.0}, "loss.gamma"),
        ({"name": "focal", "alpha": [0.5, "a", 0.5]}, "loss.alpha"),
        ({"name": "hybrid", "focal_weight": True}, "loss.focal_weight"),
        ({"name": "binary_weighted_focal_tversky", "opposite_weighting": 1}, "loss.opposite_weighting"),
        ({"name": "dice_focal", "alpha": True}, "loss.alpha"),
        ({"name": "focal", "alpha": 0.3}, "loss.alpha"),
    ],
)
def test_an_unknown_loss_or_a_wrong_parameter_is_named(settings, named):
    assert named in refusal(RecipeError, build_loss, settings)


@pytest.mark.parametrize("name", ["focal", "hybrid"])
def test_as_many_class_weights_as_classes_are_asked_for(name):
    labels = labels_of("random")
    loss = build_loss({"name": name, "alpha": [0.5, 0.5]})
    assert "loss.alpha" in refusal(RecipeError, loss, labels, tf.constant(logits_for(labels)))
