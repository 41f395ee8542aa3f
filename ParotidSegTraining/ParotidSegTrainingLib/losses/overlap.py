"""Overlap losses. Logits in, scalar out; any number of classes and of spatial dimensions; any Keras backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Least value of 1 − T under an exponent: the slope of a root is infinite at 0.
_LEAST_MISS = 1e-7


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

        probabilities, target = probabilities_and_target(labels, logits)
        axes = tuple(range(len(logits.shape) - 1))
        overlap = ops.sum(probabilities * target, axis=axes)
        size = ops.sum(probabilities * probabilities, axis=axes) + ops.sum(target * target, axis=axes)
        score = (2.0 * overlap + epsilon) / (size + epsilon)
        return 1.0 - ops.mean(score[1:])

    return loss


def dice(*, epsilon: float = 1e-5) -> Callable:
    """Soft Dice loss: 1 − mean over the foreground classes of (2 Σpg + ε) / (Σp + Σg + ε), sums over batch and space.

    Args:
        epsilon: keeps an absent class at 1 when nothing of it is predicted.

    Returns:
        loss(labels, logits): labels integer (batch, *space), logits (batch, *space, classes) -> scalar.
    """

    def loss(labels, logits):
        from keras import ops

        hits, false_positives, false_negatives = _soft_counts(labels, logits)
        score = (2.0 * hits + epsilon) / (2.0 * hits + false_positives + false_negatives + epsilon)
        return 1.0 - ops.mean(score)

    return loss


def tversky(*, fp_weight: float = 0.3, fn_weight: float = 0.7, epsilon: float = 1e-5) -> Callable:
    """Tversky loss: 1 − mean over the foreground classes of T, sums over batch and space (Salehi et al. 2017).

    T = (TP + ε) / (TP + fp_weight FP + fn_weight FN + ε) with TP = Σpg, FP = Σp(1−g), FN = Σ(1−p)g.

    Args:
        fp_weight: weight of the false positives; packages disagree whether to call it alpha or beta.
        fn_weight: weight of the false negatives.
        epsilon: keeps an absent class at 1 when nothing of it is predicted.

    Returns:
        loss(labels, logits): labels integer (batch, *space), logits (batch, *space, classes) -> scalar.
    """
    return focal_tversky(fp_weight=fp_weight, fn_weight=fn_weight, gamma=1.0, epsilon=epsilon)


def focal_tversky(
    *, fp_weight: float = 0.3, fn_weight: float = 0.7, gamma: float = 0.75, epsilon: float = 1e-5
) -> Callable:
    """Focal Tversky loss: mean over the foreground classes of (1 − T)^γ, T as in `tversky` (Abraham and Khan 2019).

    Args:
        fp_weight: weight of the false positives.
        fn_weight: weight of the false negatives.
        gamma: the exponent itself: the authors' is 1/γ with γ = 4/3.
        epsilon: keeps an absent class at 1 when nothing of it is predicted.

    Returns:
        loss(labels, logits): labels integer (batch, *space), logits (batch, *space, classes) -> scalar.
    """

    def loss(labels, logits):
        from keras import ops

        hits, false_positives, false_negatives = _soft_counts(labels, logits)
        return ops.mean(_miss(hits, fp_weight * false_positives, fn_weight * false_negatives, epsilon) ** gamma)

    return loss


def binary_weighted_focal_tversky(
    *,
    fp_weight: float = 0.5,
    fn_weight: float = 0.5,
    gamma: float = 1.0,
    epsilon: float = 1e-7,
    opposite_weighting: bool = False,
) -> Callable:
    """Focal Tversky loss weighed by the ratio of the two classes' voxels, of a PET/CT tumour segmentation system.

    (1 − T)^γ with T = (TP + ε) / (TP + fp_weight FP N₋/N₊ + fn_weight FN N₊/N₋ + ε), sums over batch and space, N₊ and
    N₋ the voxels in and outside the target. So its source has it: a small target makes *false positives* dear, against
    what one would expect. With two classes it is the source's; with more, each foreground class against all others,
    and their mean. A side without a voxel counts as one voxel, so that the ratios exist.

    Args:
        fp_weight: weight of the false positives, before the ratio.
        fn_weight: weight of the false negatives, before the ratio.
        gamma: the exponent.
        epsilon: keeps an absent class at 1 when nothing of it is predicted.
        opposite_weighting: exchange the ratios: FP N₊/N₋ and FN N₋/N₊.

    Returns:
        loss(labels, logits): labels integer (batch, *space), logits (batch, *space, classes) -> scalar.
    """

    def loss(labels, logits):
        from keras import ops

        hits, false_positives, false_negatives = _soft_counts(labels, logits)
        _, target = probabilities_and_target(labels, logits)
        axes = tuple(range(len(logits.shape) - 1))
        inside = ops.maximum(ops.sum(target, axis=axes)[1:], 1.0)
        outside = ops.maximum(ops.sum(1.0 - target, axis=axes)[1:], 1.0)
        ratio = inside / outside if opposite_weighting else outside / inside
        wrong_in, wrong_out = fp_weight * false_positives * ratio, fn_weight * false_negatives / ratio
        return ops.mean(_miss(hits, wrong_in, wrong_out, epsilon) ** gamma)

    return loss


def probabilities_and_target(labels: Any, logits: Any) -> tuple[Any, Any]:
    """Softmax of the logits, and the labels one-hot: both float32 (batch, *space, classes)."""
    from keras import ops

    probabilities = ops.softmax(ops.cast(logits, "float32"), axis=-1)
    return probabilities, ops.one_hot(ops.cast(labels, "int32"), logits.shape[-1], dtype="float32")


def _soft_counts(labels: Any, logits: Any) -> tuple[Any, Any, Any]:
    """Σpg, Σp(1−g) and Σ(1−p)g over batch and space, each (classes − 1,): the background is left out."""
    from keras import ops

    probabilities, target = probabilities_and_target(labels, logits)
    axes = tuple(range(len(logits.shape) - 1))
    counts = (probabilities * target, probabilities * (1.0 - target), (1.0 - probabilities) * target)
    hits, false_positives, false_negatives = (ops.sum(count, axis=axes)[1:] for count in counts)
    return hits, false_positives, false_negatives


def _miss(hits: Any, false_positives: Any, false_negatives: Any, epsilon: float) -> Any:
    """1 − T, computed without the difference of near equals, and kept above 0."""
    from keras import ops

    wrong = false_positives + false_negatives
    return ops.maximum(wrong / (hits + wrong + epsilon), _LEAST_MISS)
