"""The slices in which two contours of one structure differ most, from foot to head of the patient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..geometry.grids import axis_across_slices, voxel_middles
from ..geometry.surfaces import Floats, Mask
from ..structures import Structure
from .metrics import require_same_grid

#: Slices that are shown lie at least this far from one another, mm: neighbours differ in the same way.
APART_MM = 8.0


@dataclass(frozen=True)
class DifferingSlice:
    """A slice across the patient's z axis.

    Attributes:
        z: its height in mm, LPS.
        only_a_cm2, only_b_cm2: area that A alone, and B alone, encloses there.
        middle: of what one of both alone encloses there, (x, y, z) in mm, LPS; it may lie on neither.
    """

    z: float
    only_a_cm2: float
    only_b_cm2: float
    middle: tuple[float, float, float]

    @property
    def area_cm2(self) -> float:
        """What A and B do not agree about."""
        return self.only_a_cm2 + self.only_b_cm2


def differing_slices(
    a: sitk.Image, b: sitk.Image, structure: Structure, *, most: int = 3, apart: float = APART_MM
) -> list[DifferingSlice]:
    """The slices in which two label maps differ most about a structure, the one that differs most first.

    Args:
        a, b: label maps on one grid, of any orientation.
        structure: which.
        most: how many, at most.
        apart: distance that they keep from one another, mm.

    Returns:
        None where A and B agree everywhere.

    Raises:
        DataError: the label maps are not three-dimensional, or not on the same grid.
    """
    require_same_grid(a, b)
    first, second = (sitk.GetArrayViewFromImage(image) == structure.label for image in (a, b))
    chosen: list[DifferingSlice] = []
    for one in sorted(_by_height(first, second, a), key=lambda one: -one.area_cm2):
        if len(chosen) < most and all(abs(one.z - other.z) >= apart for other in chosen):
            chosen.append(one)
    return chosen


def thickness_of(image: sitk.Image) -> float:
    """Distance of two slices of the scan along the patient's z, in mm."""
    axis = axis_across_slices(image)
    return float(image.GetSpacing()[axis])


def _by_height(first: Mask, second: Mask, image: sitk.Image) -> Iterator[DifferingSlice]:
    """Every slice in which the masks differ."""
    differing = first != second
    if not differing.any():
        return
    points, is_first = voxel_middles(image, differing), first[differing]
    levels = levels_of(points, image)
    # What a slice holds in mL, over its thickness in cm.
    voxel_cm2 = float(np.prod(image.GetSpacing())) / 1000.0 / (thickness_of(image) / 10.0)
    for level in np.unique(levels):
        here = levels == level
        x, y, z = points[here].mean(axis=0).tolist()
        of_first = np.count_nonzero(is_first[here])
        of_second = np.count_nonzero(here) - of_first
        yield DifferingSlice(z, of_first * voxel_cm2, of_second * voxel_cm2, (x, y, z))


def levels_of(points: Floats, image: sitk.Image) -> np.ndarray:
    """Numbers of the slices of points (n, 3; x, y, z in mm), from the lowest one of them on.

    From there, so that the heights of slices do not fall on the edge between two levels.
    """
    return np.round((points[:, 2] - points[:, 2].min()) / thickness_of(image)).astype(int)
