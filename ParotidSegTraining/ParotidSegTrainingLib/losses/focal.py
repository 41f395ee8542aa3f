"""Cross-entropy and its focal form. Logits in, scalar out; any number of classes; any Keras backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ParotidSegLib.errors import RecipeError

#: Least value of 1 − p under the exponent: the slope of a root is infinite at 0.
_LEAST_DOUBT = 1e-7


def cross_entropy() -> Callable:
    """Categorical cross-entropy, mean over voxels.

    Returns:
        loss(labels, logits): labels integer (batch, *space), logits (batch, *space, classes) -> scalar.
    """
    return focal(gamma=0.0)


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
        return ops.mean(value)

    return loss
