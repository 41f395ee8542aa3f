"""The places where two contours differ most, largest first.

Almost every voxel of a surface differs a little. So what is thinner than two millimetres in the plane of fine voxels is
peeled off first; what is left falls into places that a person can look at one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk
from slicer.i18n import tr as _

from ...measuring.borders import directions_of
from ...structures import Structure
from .comparison import Comparison, Pair

#: Half of what is peeled off, mm.
PEEL_MM = 1.0
#: Places smaller than this (mL) are not shown.
SMALLEST_ML = 0.1
#: A place counts as in the superior part if it lies farther up than this share of the way to the end; others alike.
_ASIDE = 0.35

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Region:
    """A place where two contours differ.

    Attributes:
        structure: the gland.
        is_own: whether the voxels are in the contour alone; else they are in the reference alone.
        volume_ml: how large it is.
        thickness_mm: how thick at its thickest, about.
        point: there (R, A, S in mm, in the world).
        parts: in which parts of the gland it lies, such as "superior"; at most two.
        voxels: their indices in the CT (n, 3; z, y, x).
    """

    structure: Structure
    is_own: bool
    volume_ml: float
    thickness_mm: float
    point: Point
    parts: tuple[str, ...]
    voxels: np.ndarray = field(repr=False, compare=False)

    def sentence(self) -> str:
        """Where it is and what is there."""
        text = (
            _("{gland}, S {height} mm: {volume} mL are in this contour alone, up to {thickness} mm thick{place}.")
            if self.is_own
            else _("{gland}, S {height} mm: {volume} mL are in the reference alone, up to {thickness} mm thick{place}.")
        )
        place = _(", in the {parts} part").format(parts=_(" and ").join(self.parts)) if self.parts else ""
        return text.format(
            gland=self.structure.name,
            height=f"{self.point[2]:.1f}",
            volume=f"{self.volume_ml:.2f}",
            thickness=f"{self.thickness_mm:.0f}",
            place=place,
        )


def regions_of(comparison: Comparison) -> list[Region]:
    """All places where the contours differ, over all glands, largest first."""
    found = [region for pair in comparison.pairs for region in _regions_of_pair(comparison, pair)]
    return sorted(found, key=lambda region: -region.volume_ml)


def next_region(comparison: Comparison, seen: Sequence[tuple[str, Point]]) -> Region | None:
    """The largest place that holds none of the points that were seen (structure key, and R, A, S in mm)."""
    for region in regions_of(comparison):
        if not any(key == region.structure.key and _holds(comparison, region, point) for key, point in seen):
            return region
    return None


def _holds(comparison: Comparison, region: Region, point: Point) -> bool:
    index = np.linalg.inv(comparison.to_world) @ (*point, 1.0)
    return bool((region.voxels == np.rint(index[2::-1]).astype(int)).all(axis=1).any())


def _regions_of_pair(comparison: Comparison, pair: Pair) -> list[Region]:
    found = []
    for is_own, mask in ((True, pair.own & ~pair.reference), (False, pair.reference & ~pair.own)):
        if not mask.any():
            continue
        padded = np.pad(mask, 1)
        image = comparison.image_of(pair, padded) > 0  # where it lies is of no interest here
        peeled = sitk.GetImageFromArray(_opened(padded, image.GetSpacing()[::-1]).astype(np.uint8))
        components = sitk.GetArrayFromImage(sitk.ConnectedComponent(peeled))[1:-1, 1:-1, 1:-1]
        depth = sitk.SignedMaurerDistanceMap(image, insideIsPositive=True, squaredDistance=False, useImageSpacing=True)
        deep = sitk.GetArrayViewFromImage(depth)[1:-1, 1:-1, 1:-1]
        counts = np.bincount(components.ravel())
        for label in np.flatnonzero(counts[1:] * comparison.voxel_ml >= SMALLEST_ML) + 1:
            voxels = np.argwhere(components == label)
            found.append(_region(comparison, pair, is_own, voxels, deep))
    return found


def _opened(mask: np.ndarray, spacing_zyx: Sequence[float]) -> np.ndarray:
    """A mask with an empty margin without what is thinner than the peel on both sides; coarse axes do not count."""
    times = [round(PEEL_MM / step) for step in spacing_zyx]
    for grow in (False, True):
        for turn in range(max(times)):
            axes = [axis for axis, wanted in enumerate(times) if turn < wanted]
            moved = [np.roll(mask, step, axis) for axis in axes for step in (-1, 1)]
            mask = np.logical_or.reduce([mask, *moved]) if grow else np.logical_and.reduce([mask, *moved])
    return mask


def _region(comparison: Comparison, pair: Pair, is_own: bool, voxels: np.ndarray, deep: np.ndarray) -> Region:
    depths = deep[tuple(voxels.T)]
    thickest = voxels[depths.argmax()]
    matrix = comparison.matrix_of(pair)
    r, a, s = (matrix[:3, :3] @ thickest[::-1] + matrix[:3, 3]).tolist()
    first = [side.start for side in pair.box]
    spacing = float(np.min(np.linalg.norm(matrix[:3, :3], axis=0)))
    return Region(
        structure=pair.structure,
        is_own=is_own,
        volume_ml=len(voxels) * comparison.voxel_ml,
        thickness_mm=2.0 * float(depths.max()) + spacing,
        point=(r, a, s),
        parts=_parts(pair, matrix, thickest),
        voxels=voxels + first,
    )


def _parts(pair: Pair, matrix: np.ndarray, voxel: np.ndarray) -> tuple[str, ...]:
    """The directions of the patient in which a voxel lies off the middle of the gland, the farthest first."""
    gland = pair.reference if pair.reference.any() else pair.own
    indices = np.argwhere(gland)[:, ::-1]
    places = (indices - indices.mean(axis=0)) @ matrix[:3, :3].T
    here = (voxel[::-1] - indices.mean(axis=0)) @ matrix[:3, :3].T
    names = {"superior": _("superior"), "inferior": _("inferior"), "medial": _("medial"), "lateral": _("lateral")}
    names |= {"anterior": _("anterior"), "posterior": _("posterior"), "right": _("right"), "left": _("left")}
    shares = {}
    for name, axis in directions_of(pair.structure.side).items():
        along = np.array(axis) * (-1.0, -1.0, 1.0)  # LPS to RAS
        reach = float((places @ along).max())
        shares[name] = float(here @ along) / reach if reach > 0 else 0.0
    aside = sorted((name for name, share in shares.items() if share > _ASIDE), key=lambda name: -shares[name])
    return tuple(names[name] for name in aside[:2])
