"""From probabilities on the scan's own voxels to labels; of the parotid glands one piece each, on its own side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..geometry.ends import axis_along_body
from ..geometry.surfaces import joint_bounding_box
from ..structures import PAROTIDS, Structure
from .anatomy import choose_pair, pieces

#: Specks below this are no candidates for a gland.
LEAST_ML = 0.5
#: A gland tapers at its ends, and there the network's probabilities are low before the gland is over: contours end a
#: slice or two before those of careful readers. So much of the gland's own probability suffices for so far beyond the
#: ends, mm (one slice at least); chosen in a cross-validation, see Testing/Benchmarks/ACCURACY.md.
END_PROBABILITY, END_MM = 0.4, 2.5


@dataclass(frozen=True)
class Contours:
    """What was drawn.

    Attributes:
        labels: uint8 (z, y, x), 0 and the labels of the structures.
        dropped_ml: volume of the pieces that were taken away from each structure, by label.
    """

    labels: np.ndarray
    dropped_ml: dict[int, float]


def contours_from(probabilities: np.ndarray, geometry: sitk.Image, structures: Sequence[Structure]) -> Contours:
    """Label the voxels: of the parotid glands as `glands_from`, of anything else the likeliest structure.

    Args:
        probabilities: float32 (z, y, x, structures); the background has the rest.
        geometry: an image on the same voxels; only its geometry is used.
        structures: what the last axis holds.
    """
    if tuple(structures) == PAROTIDS:
        return glands_from(probabilities, geometry)
    likeliest = probabilities.argmax(axis=-1)
    highest = np.take_along_axis(probabilities, likeliest[..., np.newaxis], axis=-1)[..., 0]
    labels = np.where(highest > 1.0 - probabilities.sum(axis=-1), likeliest + 1, 0).astype(np.uint8)
    return Contours(labels, {})


def indecision(probabilities: np.ndarray) -> np.ndarray:
    """How undecided the network is at each voxel: the entropy of its probabilities, as a share of the largest, percent.

    Args:
        probabilities: float32 (z, y, x, structures); the background has the rest.

    Returns:
        uint8 (z, y, x): 0 where one class has it all, 100 where all are equally likely.
    """
    everything = np.concatenate([1.0 - probabilities.sum(axis=-1, keepdims=True), probabilities], axis=-1)
    everything = np.clip(everything, 1e-7, 1.0)
    entropy = -(everything * np.log(everything)).sum(axis=-1) / np.log(everything.shape[-1])
    return np.rint(100.0 * np.clip(entropy, 0.0, 1.0)).astype(np.uint8)


def glands_from(probabilities: np.ndarray, geometry: sitk.Image) -> Contours:
    """Label the voxels, and keep one piece per gland: the two that lie like a pair.

    Args:
        probabilities: float32 (z, y, x, 2), right and left gland; the background has the rest.
        geometry: an image on the same voxels; only its geometry is used.
    """
    voxel_ml = float(np.prod(geometry.GetSpacing())) / 1000.0
    background = 1.0 - probabilities.sum(axis=-1)
    candidates = []
    masks = []
    for channel in range(len(PAROTIDS)):
        own, other = probabilities[..., channel], probabilities[..., 1 - channel]
        mask = (own > background) & (own > other)
        masks.append(mask)
        candidates.append(pieces(mask, own, geometry, least_ml=LEAST_ML))
    chosen = choose_pair(*candidates)
    labels = np.zeros(background.shape, np.uint8)
    dropped = {}
    for channel, (structure, piece) in enumerate(zip(PAROTIDS, chosen, strict=True)):
        kept = piece.mask.copy() if piece else np.zeros_like(masks[channel])
        dropped[structure.label] = float((masks[channel] & ~kept).sum()) * voxel_ml
        if piece:
            own, other = probabilities[..., channel], probabilities[..., 1 - channel]
            _taper(kept, (own > END_PROBABILITY) & (own > other) & (labels == 0), geometry)
            box = joint_bounding_box(kept, kept)
            filled = sitk.BinaryFillhole(sitk.GetImageFromArray(kept[box].astype(np.uint8)))
            free = labels[box] == 0
            labels[box][(sitk.GetArrayViewFromImage(filled) > 0) & free] = structure.label
    return Contours(labels, dropped)


def _taper(gland: np.ndarray, candidates: np.ndarray, geometry: sitk.Image) -> None:
    """Let a gland go on beyond its upper and its lower end, in place, as far as candidates hang together with it.

    Args:
        gland: bool (z, y, x), not empty.
        candidates: bool (z, y, x), where it may go on.
        geometry: an image on the same voxels; only its geometry is used.
    """
    axis = axis_along_body(geometry)
    slices, allowed = np.moveaxis(gland, 2 - axis, 0), np.moveaxis(candidates, 2 - axis, 0)
    numbers = np.flatnonzero(slices.any(axis=(1, 2)))
    most = max(1, round(END_MM / geometry.GetSpacing()[axis]))
    for end, step in ((int(numbers[0]), -1), (int(numbers[-1]), 1)):
        for number in range(end + step, end + step * (most + 1), step):
            if not 0 <= number < len(slices):
                break
            seeds = slices[number - step] & allowed[number]
            if not seeds.any():
                break
            images = (sitk.GetImageFromArray(plane.astype(np.uint8)) for plane in (seeds, allowed[number]))
            slices[number] = sitk.GetArrayFromImage(sitk.BinaryReconstructionByDilation(*images)) > 0


def touched_axes(labels: np.ndarray) -> tuple[bool, bool, bool]:
    """Whether a mask reaches the first or last plane of its array along (x, y, z)."""
    occupied = labels > 0
    touched = []
    for axis in (2, 1, 0):
        planes = np.moveaxis(occupied, axis, 0)
        touched.append(bool(planes[0].any() or planes[-1].any()))
    return touched[0], touched[1], touched[2]
