"""Measures of how a contour differs from the automatic one: by direction, in mm, as a whole and slice by slice."""

from __future__ import annotations

import numpy as np

from ..geometry.surfaces import joint_bounding_box
from ..measuring.metrics import dice
from .drawn import Drawn, middle_of
from .tissue import signed_distance

#: Beyond this the two differ in more than how people draw, mm.
FAR_MM = 6.0


def disagreement_measures(gland: Drawn) -> dict[str, float]:
    """How the contour differs from the automatic one; nothing if there is none."""
    if gland.automatic is None or not gland.automatic.any():
        return {}
    box = joint_bounding_box(gland.mask, gland.automatic)
    mask, automatic = (np.pad(array[box], 2) for array in (gland.mask, gland.automatic))
    own = _directions(mask, automatic, gland.spacing)
    found = {**own, **_whole(mask, automatic, gland.spacing), **_slices(mask, automatic, gland.spacing)}
    # Who draws all glands larger does so on both sides: what one side alone has is the more telling.
    other = _directions_of_the_other(gland)
    for name, value in own.items():
        found[f"{name}_alone"] = value - other[name] if other else float("nan")
    found["on_the_other"] = float(dice(gland.mask, gland.automatic_other)) if gland.automatic_other is not None else 0.0
    return found


def _whole(mask: np.ndarray, automatic: np.ndarray, spacing: np.ndarray) -> dict[str, float]:
    beyond, missing = signed_distance(automatic, spacing)[mask], signed_distance(mask, spacing)[automatic]
    moved = middle_of(mask, spacing) - middle_of(automatic, spacing)
    return {
        "dice": float(dice(mask, automatic)),
        "size": float(np.log(mask.sum() / automatic.sum())),
        "distance": float(np.linalg.norm(moved)),
        "up": float(moved[0]),
        "back": float(moved[1]),
        "in": float(moved[2]),
        "far_beyond": float((beyond > FAR_MM).mean()),
        "far_missing": float((missing > FAR_MM).mean()),
        "farthest_beyond": float(max(0.0, np.quantile(beyond, 0.995))),
        "farthest_missing": float(max(0.0, np.quantile(missing, 0.995))),
        "dice_if_moved_back": _dice_moved(mask, automatic, -moved / spacing),
    }


def _directions(mask: np.ndarray, automatic: np.ndarray, spacing: np.ndarray) -> dict[str, float]:
    """How far the contour goes beyond the automatic one, mm, towards each direction; and at the ends."""
    ours, theirs = (np.argwhere(array) * spacing for array in (mask, automatic))
    found = {}
    for axis, (low, high) in enumerate((("bottom", "top"), ("front", "rear"), ("side", "deep"))):
        found[f"beyond_{high}"] = float(np.quantile(ours[:, axis], 0.98) - np.quantile(theirs[:, axis], 0.98))
        found[f"beyond_{low}"] = float(np.quantile(theirs[:, axis], 0.02) - np.quantile(ours[:, axis], 0.02))
    return found


def _directions_of_the_other(gland: Drawn) -> dict[str, float]:
    if gland.automatic_other is None or not gland.automatic_other.any() or not gland.other.any():
        return {}
    box = joint_bounding_box(gland.other, gland.automatic_other)
    # Seen from the other side, the way to the middle of the head runs the other way.
    mask, automatic = (array[box][..., ::-1] for array in (gland.other, gland.automatic_other))
    return _directions(mask, automatic, gland.spacing)


def _slices(mask: np.ndarray, automatic: np.ndarray, spacing: np.ndarray) -> dict[str, float]:
    """What differs from slice to slice: the most moved slices, the least alike ones, and steps between neighbours."""
    both = np.flatnonzero(mask.any(axis=(1, 2)) & automatic.any(axis=(1, 2)))
    if len(both) < 3:
        return dict.fromkeys(("moved_slices", "step", "size_step", "worst_slice"), float("nan"))
    away = np.array(
        [middle_of(mask[i : i + 1], spacing)[1:] - middle_of(automatic[i : i + 1], spacing)[1:] for i in both]
    )
    size = np.log(mask[both].sum(axis=(1, 2)) / automatic[both].sum(axis=(1, 2)))
    inner = slice(1, -1)
    alike = [dice(mask[i], automatic[i]) for i in both[inner]]
    return {
        "moved_slices": float(np.linalg.norm(away - np.median(away, axis=0), axis=1)[inner].max()),
        "step": float(np.linalg.norm(np.diff(away, axis=0), axis=1).max()),
        "size_step": float(np.abs(np.diff(size))[inner].max()) if len(both) > 4 else float("nan"),
        "worst_slice": float(min(alike)),
    }


def _dice_moved(mask: np.ndarray, automatic: np.ndarray, by: np.ndarray) -> float:
    """Dice once the contour is moved so that the middles agree, to the voxel."""
    shift = np.rint(by).astype(int)
    pad = int(np.abs(shift).max())
    moved = np.roll(np.pad(mask, pad), shift, axis=(0, 1, 2))
    return float(dice(moved, np.pad(automatic, pad)))
