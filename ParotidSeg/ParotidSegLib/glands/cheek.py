"""What lies beside a gland's contour, out to the air: the skin, something on it, or the end of the field of view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..geometry.grids import Grid
from ..geometry.sampling import sample, sample_region
from .body import SKIN_HU

#: The grid that is looked at, mm (z, y, x), and how far beside a contour.
SPACING = (2.5, 2.5, 1.25)
REACH_MM = 60.0
#: Value beyond the field of view: none that a scan holds.
BEYOND = -20000.0
#: The layer below the air that is judged, mm from the air: skin and the fat below it, in a patient who wears nothing.
LAYER_MM = (3.0, 10.0)
#: Such a layer is uniform up to this standard deviation, and may be material of these values, HU.
UNIFORM_SD, MATERIAL_HU = 12.0, (-75.0, 80.0)
#: It is material, not skin, if at least this share of the uniform rows has one value, give or take, HU: fat and muscle
#: below the skin are uniform in a row, too, but differ from row to row.
ONE_VALUE_SHARE, ONE_VALUE_HU = 0.7, 8.0
#: Material goes on inwards as long as the value stays this near to that of the layer, HU.
SAME_MATERIAL = 25.0
#: A contour that ends this near to the end of the field ends because of it, mm.
AT_END_MM = 4.0


@dataclass(frozen=True)
class Cheek:
    """What was found beside one gland.

    Attributes:
        material: share of the rows (one for each height and depth of the contour) with one material below the air.
        in_material: share of the contour that lies in such material.
        at_end: share of the rows that end at the end of the field of view.
        air: how far to the side the air begins, at the middle of the contour: x in mm, LPS; NaN if the field ends
            before.
    """

    material: float
    in_material: float
    at_end: float
    air: float


def look_beside(mask: sitk.Image, image: sitk.Image, outward: float) -> Cheek:
    """Follow each row of a contour to the side, out of the patient.

    Args:
        mask: uint8, 1 in the gland, not empty, in the patient space of the scan.
        image: the scan in HU.
        outward: −1 for the right gland, which lies at smaller x, 1 for the left one.
    """
    grid = _grid_beside(mask, outward)
    hounsfield = sample_region(image, grid, outside=BEYOND)[..., :: int(outward)]
    inside = sample(mask, grid, outside=0.0)[..., :: int(outward)] > 0.5
    rows = inside.any(axis=-1)
    if not rows.any():
        return Cheek(0.0, 0.0, 0.0, float("nan"))
    lines, within = hounsfield[rows], inside[rows]
    places = np.arange(within.shape[1])
    outermost = places[-1] - within[:, ::-1].argmax(axis=1)
    ended = lines < BEYOND / 2.0
    end = np.where(ended.any(axis=1), ended.argmax(axis=1), np.inf)
    air = (lines < SKIN_HU) & (places >= outermost[:, np.newaxis])
    first = np.where(air.any(axis=1), air.argmax(axis=1), np.inf)
    at_end = (end <= first) & ((end - outermost) * SPACING[2] <= AT_END_MM)
    material, covered = _material(lines, within, np.where(first < end, first, np.nan))
    skins = first[(first < end) & np.isfinite(first)]
    innermost = grid.centre[0] - outward * (grid.size[0] - 1) / 2.0 * SPACING[2]
    place = innermost + outward * float(np.median(skins)) * SPACING[2] if len(skins) > len(first) / 2 else float("nan")
    return Cheek(float(material.mean()), float(covered.sum() / within.sum()), float(at_end.mean()), place)


def _grid_beside(mask: sitk.Image, outward: float) -> Grid:
    """The grid over a gland and what is beside it."""
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(mask)
    *first, width, depth, height = statistics.GetBoundingBox(1)
    ends = [(start - 0.5, start + size - 0.5) for start, size in zip(first, (width, depth, height), strict=True)]
    corners = [(x, y, z) for x in ends[0] for y in ends[1] for z in ends[2]]
    points = np.array([mask.TransformContinuousIndexToPhysicalPoint(corner) for corner in corners])
    low, high = points.min(axis=0), points.max(axis=0)
    (low if outward < 0 else high)[0] += outward * REACH_MM
    return Grid.centred((low + high) / 2.0, SPACING, np.maximum(np.ceil((high - low)[::-1] / SPACING), 1).astype(int))


def _material(lines: np.ndarray, within: np.ndarray, air: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which rows have material below the air, and how many places of the contour lie in it; (rows,) each.

    Args:
        lines: HU (rows, places), from within outwards.
        within: the contour in them.
        air: where the air begins, in places; NaN where the field ends before.
    """
    value, covered = np.full(len(lines), np.nan), np.zeros(len(lines), int)
    for row in np.flatnonzero(np.isfinite(air)):
        deepest, highest = (int(air[row] - depth / SPACING[2]) for depth in reversed(LAYER_MM))
        if deepest < 0:
            continue
        layer = lines[row, deepest:highest]
        if layer.std() < UNIFORM_SD and MATERIAL_HU[0] <= layer.mean() <= MATERIAL_HU[1]:
            other = np.flatnonzero(np.abs(lines[row, :deepest] - layer.mean()) > SAME_MATERIAL)
            begin = other[-1] + 1 if other.size else 0
            value[row], covered[row] = layer.mean(), np.count_nonzero(within[row, begin:])
    uniform = np.isfinite(value)
    same = uniform.copy()
    same[uniform] = np.abs(value[uniform] - np.median(value[uniform])) < ONE_VALUE_HU if uniform.any() else False
    if np.count_nonzero(same) < ONE_VALUE_SHARE * np.count_nonzero(uniform):
        same[:] = False
    return same, np.where(same, covered, 0)
