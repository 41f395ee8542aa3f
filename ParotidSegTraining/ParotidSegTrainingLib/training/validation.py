"""How well a network does on the fixed validation patches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ParotidSegLib.errors import RecipeError

from .patches import Patch, stack


def validate(model: Any, patches: Sequence[Patch], loss: Callable) -> dict[str, float]:
    """Mean loss and mean hard Dice of the fixed validation patches.

    Returns:
        val_loss, val_dice (mean over the structures that there are) and val_dice_N for each label N, a mean over the
        patches that hold the structure, NaN if none does.

    Raises:
        RecipeError: the loss is no longer a number.
    """
    from keras import ops

    losses, scores = [], []
    for patch in patches:
        images, labels = stack([patch])
        logits = model.predict_on_batch(images)
        losses.append(float(ops.convert_to_numpy(loss(ops.convert_to_tensor(labels), ops.convert_to_tensor(logits)))))
        predicted = np.argmax(logits, axis=-1)
        scores.append([_dice(labels == label, predicted == label) for label in range(1, logits.shape[-1])])
    per_structure = [_mean_of_numbers(column) for column in np.transpose(scores)]
    named = {f"val_dice_{label}": score for label, score in enumerate(per_structure, start=1)}
    loss_of_all = finite(float(np.mean(losses)), "validation")
    return {"val_loss": loss_of_all, "val_dice": _mean_of_numbers(np.array(per_structure)), **named}


def _mean_of_numbers(values: np.ndarray) -> float:
    """Mean without the NaN; NaN if there is nothing else."""
    numbers = values[~np.isnan(values)]
    return float(numbers.mean()) if numbers.size else math.nan


def _dice(reference: np.ndarray, candidate: np.ndarray) -> float:
    """Dice; NaN where the patch holds none of the structure."""
    if not reference.any():
        return float("nan")
    return 2.0 * float(np.sum(reference & candidate)) / float(reference.sum() + candidate.sum())


def finite(loss: float, which: str) -> float:
    """The loss; a RecipeError if it is no number."""
    if not math.isfinite(loss):
        raise RecipeError(f"The {which} loss is no longer a number: lower optimisation.learning_rate.")
    return loss
