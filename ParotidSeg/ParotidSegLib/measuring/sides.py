"""Contours whose right and left are exchanged."""

from __future__ import annotations

from collections.abc import Sequence

import SimpleITK as sitk

from ..geometry.surfaces import joint_bounding_box
from ..structures import PAROTIDS, Structure, partners
from .metrics import dice


def swapped_sides(reference: sitk.Image, labels: sitk.Image, structures: Sequence[Structure] = PAROTIDS) -> bool:
    """Whether a structure overlaps the reference of its other side more than that of its own.

    Only a structure that both sides have, in `structures`, can be swapped.
    """
    truth, found = sitk.GetArrayViewFromImage(reference), sitk.GetArrayViewFromImage(labels)
    box = joint_bounding_box(truth != 0, found != 0)  # outside of it there is nothing, in hundreds of slices
    truth, found = truth[box], found[box]
    for right, left in ((right.label, left.label) for right, left in partners(structures)):
        straight = [dice(truth == label, found == label) for label in (right, left)]
        crossed = [dice(truth == right, found == left), dice(truth == left, found == right)]
        if any(c > s for c, s in zip(crossed, straight, strict=True)):
            return True
    return False
