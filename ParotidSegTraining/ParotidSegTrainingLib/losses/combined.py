"""Weighted sums of losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .boundary import hausdorff_dt
from .focal import binary_cross_entropy, focal
from .overlap import binary_weighted_focal_tversky, dice, mdsc, tversky


def hybrid(
    *,
    overlap_weight: float = 0.7,
    focal_weight: float = 0.3,
    gamma: float = 1.0,
    alpha: Sequence[float] = (0.30, 0.35, 0.35),
) -> Callable:
    """The source method's loss: 0.7 mDSC + 0.3 focal, focal with γ 1 and α 0.30/0.35/0.35 (background, right, left).

    Returns:
        loss(labels, logits): labels integer (batch, *space), logits (batch, *space, classes) -> scalar.
    """
    return _weighted_sum((overlap_weight, mdsc()), (focal_weight, focal(gamma=gamma, alpha=alpha)))


def dice_focal(
    *,
    dice_weight: float = 1.0,
    focal_weight: float = 1.0,
    gamma: float = 2.0,
    alpha: Sequence[float] | None = None,
) -> Callable:
    """Dice + focal loss, each as the loss of that name.

    Returns:
        loss(labels, logits): labels integer (batch, *space), logits (batch, *space, classes) -> scalar.
    """
    return _weighted_sum((dice_weight, dice()), (focal_weight, focal(gamma=gamma, alpha=alpha)))


def dice_focal_hausdorff(
    *,
    dice_weight: float = 1.0,
    focal_weight: float = 1.0,
    hausdorff_weight: float = 0.01,
    gamma: float = 2.0,
    alpha: Sequence[float] | None = None,
) -> Callable:
    """Dice + focal + Hausdorff distance loss, each as the loss of that name.

    Args:
        dice_weight: weight of the Dice loss.
        focal_weight: weight of the focal loss.
        hausdorff_weight: weight of the Hausdorff loss; small, as that one is in voxels² and may reach hundreds.
        gamma: focusing exponent of the focal loss.
        alpha: weight of each class in the focal loss, background first; None for 1.

    Returns:
        loss(labels, logits): labels integer (batch, *space), logits (batch, *space, classes) -> scalar.
    """
    return _weighted_sum(
        (dice_weight, dice()), (focal_weight, focal(gamma=gamma, alpha=alpha)), (hausdorff_weight, hausdorff_dt())
    )


def tversky_hausdorff(
    *,
    tversky_weight: float = 1.0,
    hausdorff_weight: float = 0.01,
    fp_weight: float = 0.3,
    fn_weight: float = 0.7,
) -> Callable:
    """Tversky + Hausdorff distance loss, each as the loss of that name.

    Args:
        tversky_weight: weight of the Tversky loss.
        hausdorff_weight: weight of the Hausdorff loss; small, as that one is in voxels² and may reach hundreds.
        fp_weight: weight of the false positives in the Tversky loss.
        fn_weight: weight of the false negatives in the Tversky loss.

    Returns:
        loss(labels, logits): labels integer (batch, *space), logits (batch, *space, classes) -> scalar.
    """
    overlap = tversky(fp_weight=fp_weight, fn_weight=fn_weight)
    return _weighted_sum((tversky_weight, overlap), (hausdorff_weight, hausdorff_dt()))


def pet_ct_hybrid(
    *,
    cross_entropy_weight: float = 0.6,
    tversky_weight: float = 0.4,
    dice_weight: float = 0.6,
    opposite_weighting: bool = False,
) -> Callable:
    """The loss of a PET/CT tumour segmentation system: 0.6 BCE + 0.4 binary weighted focal Tversky + 0.6 Dice.

    The ratio of negative to positive voxels weighs the Tversky part; cross-entropy and Dice carry no weights. With two
    classes it is the source's; with more, every part takes each foreground class against all others.

    Args:
        cross_entropy_weight: weight of the binary cross-entropy.
        tversky_weight: weight of the Tversky part.
        dice_weight: weight of the Dice loss.
        opposite_weighting: exchange the ratios of the Tversky part, see `binary_weighted_focal_tversky`.

    Returns:
        loss(labels, logits): labels integer (batch, *space), logits (batch, *space, classes) -> scalar.
    """
    return _weighted_sum(
        (cross_entropy_weight, binary_cross_entropy()),
        (tversky_weight, binary_weighted_focal_tversky(opposite_weighting=opposite_weighting)),
        (dice_weight, dice()),
    )


def _weighted_sum(*terms: tuple[float, Callable]) -> Callable:
    def loss(labels, logits):
        total = 0.0
        for weight, term in terms:
            total = total + weight * term(labels, logits)
        return total

    return loss
