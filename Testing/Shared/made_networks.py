"""Networks with random weights, and what they answer."""

from __future__ import annotations

import numpy as np


def randomise(model, seed: int) -> None:
    """Give all weights of a network random values; those of a variance are positive."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        value = rng.normal(0.0, 0.3, weight.shape)
        weight.assign(0.5 + np.abs(value) if weight.path.endswith("variance") else value)


def made_image(tile: tuple[int, ...], channels: int, seed: int) -> np.ndarray:
    """A batch of one image of normal noise, float32 (1, *tile, channels)."""
    return np.random.default_rng(seed).normal(size=(1, *tile, channels)).astype(np.float32)


def answer(model, image: np.ndarray) -> np.ndarray:
    """The logits of a batch at inference."""
    return np.asarray(model(image, training=False))
