"""How a contour differs from the automatic one, in the words that findings need: which way, and by how much."""

from __future__ import annotations

import numpy as np

from ..geometry.surfaces import joint_bounding_box
from .drawn import Drawn, middle_of


def disagreement(gland: Drawn) -> dict[str, float]:
    """How the contour lies beside the automatic one; nothing if there is none.

    Returns:
        up, back, in: how far its middle lies higher, farther back and nearer to the middle of the head, mm;
        beyond_top, beyond_bottom: how far its ends lie beyond those of the automatic one (but for 2 % of each), mm;
        size: logarithm of its volume, less that of the automatic one.
    """
    if gland.automatic is None or not gland.automatic.any():
        return {}
    moved = gland.middle - middle_of(gland.automatic, gland.spacing)
    box = joint_bounding_box(gland.mask, gland.automatic)
    ours, theirs = (np.argwhere(mask[box])[:, 0] * gland.spacing[0] for mask in (gland.mask, gland.automatic))
    return {
        "up": float(moved[0]),
        "back": float(moved[1]),
        "in": float(moved[2]),
        "beyond_top": float(np.quantile(ours, 0.98) - np.quantile(theirs, 0.98)),
        "beyond_bottom": float(np.quantile(theirs, 0.02) - np.quantile(ours, 0.02)),
        "size": float(np.log(len(ours) / len(theirs))),
    }
