"""Contours of the sample that differ from its own where it is stated, in the patient's space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
from made_images import like

from ParotidSegLib.structures import Structure


def extended(labels: sitk.Image, structure: Structure, step: Sequence[float], *, upper: float = 1.0) -> sitk.Image:
    """Labels in which a gland reaches farther by a step (x, y, z in mm, LPS) of a few voxels.

    Args:
        labels: on a grid whose axes run along the patient's.
        structure: the gland.
        step: along one axis.
        upper: how much of the gland's height takes part, from its lower end.
    """
    array = sitk.GetArrayFromImage(labels)
    own = array == structure.label
    direction = np.reshape(labels.GetDirection(), (3, 3))
    voxels = np.rint(np.linalg.solve(direction * np.array(labels.GetSpacing()), np.array(step))).astype(int)
    (axis,) = np.flatnonzero(voxels)
    heights = np.argwhere(own)[:, 0]
    taking_part = np.zeros_like(own)
    taking_part[heights.min() : heights.min() + round(upper * (np.ptp(heights) + 1))] = True
    for count in range(1, abs(voxels[axis]) + 1):
        moved = np.roll(own & taking_part, count * int(np.sign(voxels[axis])), axis=2 - int(axis))
        array[moved & (array == 0)] = structure.label
    return like(labels, array)


def without_top(labels: sitk.Image, structure: Structure, slices: int) -> sitk.Image:
    """Labels in which a gland lacks its uppermost slices; z runs upwards in the array."""
    array = sitk.GetArrayFromImage(labels)
    heights = np.flatnonzero((array == structure.label).any(axis=(1, 2)))
    array[heights[-slices] :][array[heights[-slices] :] == structure.label] = 0
    return like(labels, array)


def without(labels: sitk.Image, *structures: Structure) -> sitk.Image:
    """Labels without these glands."""
    array = sitk.GetArrayFromImage(labels)
    array[np.isin(array, [structure.label for structure in structures])] = 0
    return like(labels, array)


def exchanged(labels: sitk.Image) -> sitk.Image:
    """Labels whose right and left are exchanged."""
    array = sitk.GetArrayFromImage(labels)
    return like(labels, np.array([0, 2, 1], np.uint8)[array])
