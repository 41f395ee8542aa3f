"""Contours of one region as voxels of the scan that they were drawn on, and what was lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from ...errors import DataError
from .polygons import Plane, enclosed

#: A contour lies in a plane if its points differ by less, in slices.
_FLAT = 0.5
#: Contours this near to a slice, in slices, were drawn on it.
_ON_SLICE = 0.25
#: Heights nearer than this, as a share of the usual distance of contours (at most a slice), are one plane.
_ONE_PLANE = 1.0 / 3.0
#: Heights of one plane may differ by rounding, in slices.
_ROUNDING = 0.05
#: Slices between two drawn ones are filled if those lie no farther apart than this.
LARGEST_GAP_MM = 10.5


@dataclass(frozen=True)
class Drawn:
    """A region on the voxels of a scan.

    Attributes:
        mask: bool (z, y, x).
        counts: what the contours lacked, and what of them was lost: see `_SENTENCES`.
    """

    mask: np.ndarray
    counts: dict[str, int] = field(default_factory=dict)

    def remarks(self, name: str) -> list[str]:
        """A sentence on each kind of loss, for the region of this name."""
        return [text.format(self.counts[kind], name) for kind, text in _SENTENCES.items() if self.counts.get(kind)]


_SENTENCES = {
    "filled": "{} slice(s) of '{}' without a contour were interpolated.",
    "open": f"{{}} slice(s) of '{{}}' stay empty between contours more than {LARGEST_GAP_MM:.0f} mm apart.",
    "outside": "{} contour(s) of '{}' lie above or below the scan.",
    "cut": "{} contour(s) of '{}' reach beyond the sides of the scan and are cut there.",
    "unused": "{} contour(s) of '{}' lie between the slices of the scan and are not used.",
    "twice": "{} contour(s) of '{}' are there twice and count once.",
    "overlapping": "{} contours of '{}' overlap others and are taken together with them.",
    "hollow": "{} contour(s) of '{}' have a hole of more than half their area.",
    "thin": "{} contour(s) of '{}' enclose the centre of no voxel and are lost.",
}


def draw(contours: Sequence[np.ndarray], image: sitk.Image) -> Drawn:
    """The voxels within the contours of one region.

    A voxel belongs to it if its centre lies within the contours or on them; `polygons` says how several contours in one
    plane are combined. Slices between two drawn ones, not more than `LARGEST_GAP_MM` apart, are interpolated by their
    signed distances: a region that was drawn on every second slice is whole, and so is one that was drawn on another
    slice distance.

    Args:
        contours: points (n, 3), mm, LPS.
        image: the scan; its geometry alone is used. Its slices may run along any of its axes.

    Raises:
        DataError: a contour does not lie in a slice of the scan, or all lie outside it.
    """
    axis = _axis_of_slices(contours, image)
    if axis != 2:
        order = [*(other for other in range(3) if other != axis), axis]
        turned = draw(contours, sitk.PermuteAxes(image, order))
        # Axes of the array run the other way round than those of the image.
        back = [2 - order.index(2 - place) for place in range(3)]
        return Drawn(turned.mask.transpose(back), turned.counts)
    planes, outside = _planes(contours, image)
    counts = {kind: sum(getattr(plane, kind) for plane in planes.values()) for kind in ("twice", "overlapping")}
    counts |= {kind: sum(getattr(plane, kind) for plane in planes.values()) for kind in ("hollow", "thin", "cut")}
    drawn = {height: plane for height, plane in planes.items() if plane.mask.any()}
    if not drawn:
        if counts["thin"]:
            raise DataError("Its contours enclose the centre of no voxel: they are too small for the scan.")
        raise DataError("All its contours lie outside the scan: they belong to another one.")
    mask, filled, empty, used = _filled(drawn, image)
    unused = sum(plane.lines for height, plane in drawn.items() if height not in used)
    return Drawn(mask, {**counts, "filled": filled, "open": empty, "outside": outside, "unused": unused})


def _axis_of_slices(contours: Sequence[np.ndarray], image: sitk.Image) -> int:
    """The axis of the image across which its slices were drawn on: the third one, or that along the body.

    A file may store its axes in any order; what was drawn on the slices of a scan lies across the body, or, if the scan
    was taken otherwise, across the third axis. Contours on any other plane were drawn on a reformatted picture.
    """
    axes = np.reshape(image.GetDirection(), (3, 3))
    along_body = int(np.abs(axes[2]).argmax())
    to_index = np.linalg.inv(axes * np.array(image.GetSpacing())).T
    thick = np.max([np.ptp(points @ to_index, axis=0) for points in contours], axis=0, initial=0.0)
    return along_body if thick[2] > _FLAT >= thick[along_body] else 2


def _filled(planes: dict[float, Plane], image: sitk.Image) -> tuple[np.ndarray, int, int, set[float]]:
    """The mask of all slices; how many were interpolated, how many left empty; and which planes made it into them."""
    mask = np.zeros(image.GetSize()[::-1], bool)
    heights = np.array(sorted(planes))
    distances = _distance_maps(planes, image)
    filled = empty = 0
    used: set[float] = set()
    for k in range(len(mask)):
        nearest = float(heights[np.abs(heights - k).argmin()])
        if abs(nearest - k) <= _ON_SLICE:
            mask[k] = planes[nearest].mask
            used.add(nearest)
            continue
        below, above = heights[heights < k], heights[heights > k]
        if below.size and above.size:
            low, high = float(below[-1]), float(above[0])
            if (high - low) * image.GetSpacing()[2] <= LARGEST_GAP_MM:
                share = (k - low) / (high - low)
                mask[k] = (1.0 - share) * distances(low) + share * distances(high) > 0.0
                filled += 1
                used |= {low, high}
            else:
                empty += 1
        elif abs(nearest - k) <= 0.5:  # the last contour of a region that was drawn between the slices
            mask[k] = planes[nearest].mask
            used.add(nearest)
    return mask, filled, empty, used


def _planes(contours: Sequence[np.ndarray], image: sitk.Image) -> tuple[dict[float, Plane], int]:
    """What is drawn at each height (in slices); and how many contours lie above or below the scan."""
    index_to_mm = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    polygons: list[tuple[float, np.ndarray]] = []
    outside = 0
    for points in contours:
        index = (points - np.array(image.GetOrigin())) @ np.linalg.inv(index_to_mm).T
        if np.ptp(index[:, 2]) > _FLAT:
            raise DataError("Its contours do not lie in the slices of the scan: export them as axial contours.")
        height = float(index[:, 2].mean())
        if -0.5 <= height <= image.GetDepth() - 0.5:
            polygons.append((height, index[:, :2]))
        else:
            outside += 1
    shape = (image.GetHeight(), image.GetWidth())
    planes = {}
    for group in _grouped(sorted(height for height, _ in polygons)):
        members = [polygon for height, polygon in polygons if group[0] <= height <= group[-1]]
        # Where the group was meant to lie: its members differ by rounding, or a piece was drawn beside the slice.
        planes[min(group, key=lambda height: abs(height - round(height)))] = enclosed(members, shape)
    return planes, outside


def _grouped(heights: list[float]) -> list[list[float]]:
    """Sorted heights (in slices), those of one plane together.

    What is near is seen from how far contours usually lie apart: half of the way from the first to the last one runs
    through gaps at least as wide as that. Contours drawn much more finely than the slices stay apart.
    """
    if not heights:
        return []
    gaps = np.minimum(np.diff(heights), 1.0)
    wide = np.sort(gaps)[::-1]
    usual = float(wide[np.searchsorted(np.cumsum(wide), wide.sum() / 2.0)]) if wide.sum() > 0.0 else 1.0
    # Two heights alone have no usual distance, and rounding parts none.
    usual = 1.0 if len(gaps) == 1 else max(usual, _ROUNDING / _ONE_PLANE)
    groups = [heights[:1]]
    for height, gap in zip(heights[1:], gaps, strict=True):
        if gap <= _ONE_PLANE * usual:
            groups[-1].append(height)
        else:
            groups.append([height])
    return groups


def _distance_maps(planes: dict[float, Plane], image: sitk.Image) -> Callable[[float], np.ndarray]:
    """Signed distance to the outline at a height, positive inside, in mm; each is computed once."""
    known: dict[float, np.ndarray] = {}

    def at(height: float) -> np.ndarray:
        if height not in known:
            plane = sitk.GetImageFromArray(planes[height].mask.astype(np.uint8))
            plane.SetSpacing(image.GetSpacing()[:2])
            distances = sitk.SignedMaurerDistanceMap(
                plane, insideIsPositive=True, squaredDistance=False, useImageSpacing=True
            )
            # It measures to the outermost voxels within; the outline lies half a voxel farther out.
            known[height] = sitk.GetArrayFromImage(distances) + min(plane.GetSpacing()) / 2.0
        return known[height]

    return at
