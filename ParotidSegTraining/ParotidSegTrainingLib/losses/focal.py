"""Cross-entropy and its focal form. Logits in, scalar out; any number of classes; any Keras backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ParotidSegLib.errors import RecipeError

#: Least value of 1 − p under the exponent: the slope of a root is infinite at 0.
_LEAST_DOUBT = 1e-7


def cross_entropy() -> Callable:
    """Categorical cross-entropy, mean over voxels.

    Returns:
        loss(labels, logits): labels integer (batch, *space), logits (batch, *space, classes) -> scalar.
    """
    return focal(gamma=0.0)


def binary_cross_entropy() -> Callable:
    """Binary cross-entropy of each foreground class against all others, mean over voxels and foreground classes.

    −g log p − (1−g) log(1−p) with the softmax's p: of two classes it is the cross-entropy.

    Returns:
        loss(labels, logits): labels integer (batch, *space), logits (batch, *space, classes) -> scalar.
    """

    def loss(labels, logits):
        from keras import ops

        logits = ops.cast(logits, "float32")
        classes = logits.shape[-1]
        target = ops.one_hot(ops.cast(labels, "int32"), classes, dtype="float32")
        total = 0.0
        for c in range(1, classes):
            others = ops.concatenate([logits[..., :c], logits[..., c + 1 :]], axis=-1)
            # The log-odds of p: log(1 − p) itself would lose its last digits where p is near 1.
            odds = logits[..., c] - ops.logsumexp(others, axis=-1)
            total = total + ops.mean(ops.softplus(odds) - target[..., c] * odds)
        return total / (classes - 1)

    return loss


def focal(*, gamma: float = 1.0, alpha: Sequence[float] | None = None) -> Callable:
    """Focal loss: −Σ_c α_c (1−p_c)^γ g_c log p_c, mean over voxels (Lin et al. 2017).

    Args:
        gamma: focusing exponent; 0 gives the (weighted) cross-entropy.
        alpha: weight of each class, background first; None for 1.

    Returns:
        loss(labels, logits): labels integer (batch, *space), logits (batch, *space, classes) -> scalar; a RecipeError
        if there are not as many alphas as classes.
    """

    def loss(labels, logits):
        from keras import ops

        return ops.mean(weighed_cross_entropy(labels, logits, gamma=gamma, alpha=alpha))

    return loss


def weighed_cross_entropy(labels: Any, logits: Any, *, gamma: float = 0.0, alpha: Sequence[float] | None = None) -> Any:
    """−Σ_c α_c (1−p_c)^γ g_c log p_c of every voxel: (batch, *space) float32; the rest is as in `focal`."""
    from keras import ops

    if alpha is not None and len(alpha) != logits.shape[-1]:
        raise RecipeError(f"The recipe is not valid: loss.alpha must have {logits.shape[-1]} values, one a class.")
    log_p = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    target = ops.one_hot(ops.cast(labels, "int32"), logits.shape[-1], dtype="float32")
    log_p_true = ops.sum(target * log_p, axis=-1)
    value = -log_p_true
    if gamma:
        value = value * ops.power(ops.maximum(1.0 - ops.exp(log_p_true), _LEAST_DOUBT), gamma)
    if alpha is not None:
        value = value * ops.sum(target * ops.convert_to_tensor(alpha, dtype="float32"), axis=-1)
    return value
