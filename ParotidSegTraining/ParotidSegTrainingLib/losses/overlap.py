"""Overlap losses. Logits in, scalar out; any number of classes and of spatial dimensions; any Keras backend."""

from __future__ import annotations

from collections.abc import Callable


def mdsc(*, epsilon: float = 1e-5) -> Callable:
    """Modified Dice loss: 1 − mean over the foreground classes of (2 Σpg + ε) / (Σp² + Σg² + ε).

    Sums run over batch and space. The source method does not define its "modified" DSC; this is our reading: squares
    in the denominator (Milletari et al., V-Net, 2016) and the background left out.

    Args:
        epsilon: keeps an absent class at 1 when nothing of it is predicted.

    Returns:
        loss(labels, logits): labels integer (batch, *space), logits (batch, *space, classes) -> scalar.
    """

    def loss(labels, logits):
        from keras import ops

        probabilities = ops.softmax(ops.cast(logits, "float32"), axis=-1)
        target = ops.one_hot(ops.cast(labels, "int32"), logits.shape[-1], dtype="float32")
        axes = tuple(range(len(logits.shape) - 1))
        overlap = ops.sum(probabilities * target, axis=axes)
        size = ops.sum(probabilities * probabilities, axis=axes) + ops.sum(target * target, axis=axes)
        score = (2.0 * overlap + epsilon) / (size + epsilon)
        return 1.0 - ops.mean(score[1:])

    return loss
