"""What is known of the two glands' place and size in the body: the ground for choosing pieces and for findings.

The distances were measured in patient space (LPS, left at larger x): the centroids of the two glands lie 118 ± 9 mm
apart (28 adults, smallest 97.5 mm), and nearly at one height.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..geometry.surfaces import joint_bounding_box

TYPICAL_DISTANCE_MM = 118.0
SMALLEST_DISTANCE_MM = 70.0
LARGEST_DISTANCE_MM = 170.0
#: Largest difference of the two centroids along y or z: a head tilted by 25° moves glands 134 mm apart by 57 mm, and
#: those of a straight head may differ by some millimetres already.
LARGEST_OFFSET_MM = 75.0


@dataclass(frozen=True)
class Piece:
    """One connected piece of a mask.

    Attributes:
        mask: the piece, bool (z, y, x), on the array that it was found in.
        mass: sum of its probability, in mL.
        centroid: probability-weighted middle, (x, y, z) in mm, LPS.
    """

    mask: np.ndarray
    mass: float
    centroid: np.ndarray


def pieces(mask: np.ndarray, probability: np.ndarray, geometry: sitk.Image, *, least_ml: float) -> list[Piece]:
    """Connected pieces (faces touch) of a mask, the heaviest first.

    Args:
        mask: bool (z, y, x).
        probability: float32 (z, y, x), the weight of each voxel.
        geometry: an image whose voxels are those of the arrays (spacing, origin, direction).
        least_ml: smaller pieces are left out.
    """
    voxel_ml = float(np.prod(geometry.GetSpacing())) / 1000.0
    box = joint_bounding_box(mask, mask)  # a gland fills a small part of the region
    if not mask[box].size:
        return []
    components = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(mask[box].astype(np.uint8))))
    first = np.array([part.start for part in box])
    found = []
    counts = np.bincount(components.ravel())
    for component in range(1, len(counts)):
        if counts[component] * voxel_ml < least_ml:
            continue
        inside = components == component
        weights = probability[box][inside].astype(np.float64)
        index = (np.argwhere(inside) * weights[:, np.newaxis]).sum(axis=0) / weights.sum() + first
        centroid = geometry.TransformContinuousIndexToPhysicalPoint(index[::-1].tolist())
        whole = np.zeros_like(mask)
        whole[box] = inside
        found.append(Piece(whole, float(weights.sum()) * voxel_ml, np.array(centroid)))
    return sorted(found, key=lambda piece: -piece.mass)


def plausible_pair(right: np.ndarray, left: np.ndarray) -> bool:
    """Whether two centroids (x, y, z in mm, LPS) can be a right and a left gland of one patient."""
    across, *others = left - right
    return SMALLEST_DISTANCE_MM <= across <= LARGEST_DISTANCE_MM and max(map(abs, others)) <= LARGEST_OFFSET_MM


def choose_pair(right: Sequence[Piece], left: Sequence[Piece]) -> tuple[Piece | None, Piece | None]:
    """The piece that is the right gland and the piece that is the left one.

    The heaviest piece alone can be a muscle or the wrong side; two pieces that lie like a pair of glands are better
    evidence than either. So the heaviest plausible pair wins; without any, the heaviest single piece does.

    Returns:
        (right, left); None for a gland that was not found.
    """
    pairs = [(r.mass + le.mass, r, le) for r in right for le in left if plausible_pair(r.centroid, le.centroid)]
    if pairs:
        _, best_right, best_left = max(pairs, key=lambda pair: pair[0])
        return best_right, best_left
    heaviest_right = right[0] if right else None
    heaviest_left = left[0] if left else None
    if heaviest_right and heaviest_left:
        if heaviest_right.mass >= heaviest_left.mass:
            return heaviest_right, None
        return None, heaviest_left
    return heaviest_right, heaviest_left
