"""Weighted sums of losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .focal import focal
from .overlap import mdsc


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
    overlap_loss, focal_loss = mdsc(), focal(gamma=gamma, alpha=alpha)

    def loss(labels, logits):
        return overlap_weight * overlap_loss(labels, logits) + focal_weight * focal_loss(labels, logits)

    return loss
