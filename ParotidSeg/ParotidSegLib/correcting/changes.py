"""What a person changed of a label map: which slices, of which structure, in which plane they worked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..structures import Structure
from ..surfaces import joint_bounding_box
from .gland import AXIAL, CORONAL, PLANES, SAGITTAL, View

#: Slices of another plane are taken for what was drawn only if they are this many times fewer than the axial ones: a
#: stroke in one axial slice may well be no wider than it is high.
_CLEARLY_FEWER = 3


def plane_of_work(changed: np.ndarray, views: Mapping[int, View]) -> int:
    """The plane in whose slices somebody drew: axial, unless what changed lies in clearly fewer slices of another one.

    Args:
        changed: boolean (z, y, x), not empty.
        views: the view of each plane.
    """
    counts = {plane: int(view(changed).any(axis=(1, 2)).sum()) for plane, view in views.items()}
    fewest = min((CORONAL, SAGITTAL), key=counts.__getitem__)
    return fewest if counts[fewest] * _CLEARLY_FEWER <= counts[AXIAL] else AXIAL


def changed_slices(before: np.ndarray, after: np.ndarray, structures: Sequence[Structure]) -> dict[int, np.ndarray]:
    """The slices (first axis) of two label maps that differ in a structure, ascending, by its label; none: left out."""
    found = {}
    differs = before != after
    box = joint_bounding_box(differs, differs)
    for structure in structures:
        differs = (before[box] == structure.label) != (after[box] == structure.label)
        slices = np.flatnonzero(differs.any(axis=(1, 2)))
        if slices.size:
            found[structure.label] = slices + box[0].start
    return found


def plane_number(name: str) -> int:
    """The plane of this name; ValueError if there is none."""
    return PLANES.index(name)
