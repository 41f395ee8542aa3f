"""Training of the correcting network, on simulated corrections of the training patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ParotidSegLib.correcting.expected.distances import BLUR_MM, REACH_MM
from ParotidSegLib.correcting.expected.network import CORRECTOR, CorrectingNetwork
from ParotidSegLib.correcting.expected.network_input import CARRIED, CHANNELS

from .bundling import exchange_files
from .corrector_examples import Example, batch_of


@dataclass(frozen=True)
class CorrectorRecipe:
    """How the network is made and trained.

    Attributes:
        width: channels of its layers.
        blocks: convolutions of 3 x 3 x 3 after the first.
        each: simulated corrections of every gland and reference.
        epochs, batch, rate, decay, seed: of AdamW, the rate falling along a cosine.
    """

    width: int = 16
    blocks: int = 2
    each: int = 6
    epochs: int = 16
    batch: int = 8
    rate: float = 2e-3
    decay: float = 1e-3
    seed: int = 0


def fit_corrector(
    examples: Sequence[Example],
    held_out: Sequence[Example],
    recipe: CorrectorRecipe,
    progress: Callable[[str], None] = lambda message: None,
) -> CorrectingNetwork:
    """Train a network.

    Args:
        examples: what it learns from.
        held_out: of other patients; only looked at.
        recipe: how.
        progress: called with a line an epoch.
    """
    import keras

    keras.utils.set_random_seed(recipe.seed)
    model = _network(recipe)
    batches = _batches(examples, recipe.batch)
    steps = recipe.epochs * len(batches)
    rate = keras.optimizers.schedules.CosineDecay(recipe.rate, steps, alpha=0.01)
    model.compile(optimizer=keras.optimizers.AdamW(rate, weight_decay=recipe.decay), loss=_loss, jit_compile=False)
    others = _batches(held_out, recipe.batch)
    generator = np.random.default_rng(recipe.seed)
    for epoch in range(1, recipe.epochs + 1):
        losses = [_float(model.train_on_batch(*_batch(batches[i]))) for i in generator.permutation(len(batches))]
        judged = [_float(model.test_on_batch(*_batch(batch))) for batch in others]
        shown = f", {np.mean(judged):.4f} on other patients" if judged else ""
        progress(f"epoch {epoch} of {recipe.epochs}: loss {np.mean(losses):.4f}{shown}")
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv3D)]
    return CorrectingNetwork(tuple((np.array(c.kernel), np.array(c.bias)) for c in convolutions))


def _network(recipe: CorrectorRecipe) -> Any:
    """The layers of `CorrectingNetwork`; the last one begins with zeros, so that training begins with the residual."""
    import keras
    from keras import layers

    def convolution(size: int) -> Any:
        return layers.Conv3D(recipe.width, size, padding="same", activation="relu")

    inputs = keras.Input((None, None, None, CHANNELS))
    values = convolution(3)(inputs)
    for size in (*[3] * recipe.blocks, 1):
        values = layers.Add()([values, convolution(size)(values)])
    return keras.Model(inputs, layers.Conv3D(1, 1, kernel_initializer="zeros")(values))


def _batches(examples: Sequence[Example], size: int) -> list[list[Example]]:
    """Batches of examples of like size, so that little is filled up."""
    ordered = sorted(examples, key=lambda example: example.values.shape)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def _batch(examples: Sequence[Example]) -> tuple[np.ndarray, np.ndarray]:
    """A batch; the targets also have the field that the network changes, and where that is near the contour."""
    values, targets = batch_of(examples)
    return values, np.concatenate([targets, values[..., CARRIED : CARRIED + 1]], axis=-1)


def _loss(targets: Any, change: Any) -> Any:
    """Cross-entropy per voxel near the gland, and 1 - soft Dice: each voxel's odds are its distance over `BLUR_MM`."""
    from keras import ops

    share, counts, has_say, carried = (targets[..., channel] for channel in range(4))
    odds = (carried + has_say * change[..., 0]) * (REACH_MM / BLUR_MM)
    space = (1, 2, 3)
    entropy = ops.binary_crossentropy(share, odds, from_logits=True)
    near = counts * ops.cast(ops.abs(carried) < 0.999, "float32")
    inside = ops.sigmoid(odds) * counts
    overlap = (2.0 * ops.sum(inside * share, space) + 1.0) / (ops.sum(inside + share * counts, space) + 1.0)
    return ops.sum(entropy * counts, space) / (ops.sum(near, space) + 1.0) + 1.0 - overlap


def _float(value: Any) -> float:
    return float(np.mean(np.asarray(value)))


def put_into_bundle(network: CorrectingNetwork, bundle: Path) -> None:
    """Write the network into the folder of a bundle, with its hash; the rest of the bundle stays as it is.

    Raises:
        OutputError: the folder cannot be written.
    """
    exchange_files(bundle, {CORRECTOR: network.to_bytes()})
