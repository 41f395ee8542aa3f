"""What the tests of the losses share: labels and logits, and value and gradient of a loss and of its oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from ParotidSegTrainingLib.losses import build_loss

KINDS = ["random", "empty class", "background only", "full class", "one voxel", "two dimensions"]

#: What a settings dictionary's loss should give: oracle(labels, logits), in double precision.
Oracle = Callable[[np.ndarray, np.ndarray], float]


def softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def labels_of(kind: str) -> np.ndarray:
    """Labels 0 to 2 of two samples (seed 3), random or degenerate as the kind says."""
    labels = np.random.default_rng(3).integers(0, 3, (2, 2, 3, 2))
    if kind == "empty class":
        labels[labels == 2] = 0
    elif kind == "background only":
        labels[:] = 0
    elif kind == "full class":
        labels[:] = 1
    elif kind == "one voxel":
        labels[:] = 0
        labels[1, 0, 2, 1] = 2
    elif kind == "two dimensions":
        labels = labels[:, 0]
    return labels


def logits_for(labels: np.ndarray, classes: int = 3) -> np.ndarray:
    """Random logits (seed 4) of the labels' shape."""
    return np.random.default_rng(4).normal(0.0, 2.0, (*labels.shape, classes))


def value_and_gradient(settings: Mapping[str, Any], labels: np.ndarray, logits: np.ndarray) -> tuple[float, np.ndarray]:
    import tensorflow as tf

    variable = tf.Variable(logits.astype(np.float32))
    with tf.GradientTape() as tape:
        value = build_loss(settings)(tf.constant(labels.astype(np.uint8)), variable)
    assert value.shape == ()
    return float(value), tape.gradient(value, variable).numpy()


def numerical_gradient(oracle: Oracle, labels: np.ndarray, logits: np.ndarray, step: float = 1e-5) -> np.ndarray:
    gradient = np.zeros_like(logits)
    for index in np.ndindex(*logits.shape):
        ahead, behind = logits.copy(), logits.copy()
        ahead[index] += step
        behind[index] -= step
        gradient[index] = (oracle(labels, ahead) - oracle(labels, behind)) / (2.0 * step)
    return gradient


def assert_equals_oracle(settings: Mapping[str, Any], oracle: Oracle, kind: str) -> None:
    """Value and gradient of a loss are those of its oracle, for the labels of one kind."""
    labels = labels_of(kind)
    logits = logits_for(labels)
    value, gradient = value_and_gradient(settings, labels, logits)
    assert value == pytest.approx(oracle(labels, logits), rel=1e-5)
    np.testing.assert_allclose(gradient, numerical_gradient(oracle, labels, logits), rtol=2e-3, atol=2e-6)


def assert_finite_where_saturated(
    settings: Mapping[str, Any], *, right: bool, size: float, tolerance: float = 1e-5
) -> None:
    """Logits of one size for one class give finite gradients, and no loss above the tolerance for the right class."""
    labels = labels_of("random")
    winners = labels if right else (labels + 1) % 3
    value, gradient = value_and_gradient(settings, labels, size * np.eye(3)[winners])
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))
    if right:
        assert value == pytest.approx(0.0, abs=tolerance)
