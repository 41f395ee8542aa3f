"""What a person changed of a label map: in which plane they worked, and which slices, of which structure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from ..structures import Structure
from .view import AXIAL, CORONAL, SAGITTAL, View

#: Slices of another plane are taken for what was drawn only if they are this many times fewer than the axial ones: a
#: stroke in one axial slice may well be no wider than it is high.
_CLEARLY_FEWER = 3


def plane_of_work(changed: np.ndarray, image: sitk.Image) -> int:
    """The plane in whose slices somebody drew: axial, unless what changed lies in clearly fewer slices of another one.

    Args:
        changed: boolean (z, y, x).
        image: gives the directions of its axes.
    """
    counts = {
        plane: int(np.count_nonzero(View.of(image, plane)(changed).any(axis=(1, 2))))
        for plane in (AXIAL, CORONAL, SAGITTAL)
    }
    fewest = min((CORONAL, SAGITTAL), key=counts.__getitem__)
    return fewest if 0 < counts[fewest] * _CLEARLY_FEWER <= counts[AXIAL] else AXIAL


def changed_slices(before: np.ndarray, after: np.ndarray, structures: Sequence[Structure]) -> dict[int, np.ndarray]:
    """The slices (first axis) of two label maps that differ in a structure, ascending, by its label; none: left out."""
    found = {}
    for structure in structures:
        differs = (before == structure.label) != (after == structure.label)
        slices = np.flatnonzero(differs.any(axis=(1, 2)))
        if slices.size:
            found[structure.label] = slices
    return found
