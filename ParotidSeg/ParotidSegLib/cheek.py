"""What lies beside a gland's contour, out to the air: skin, or something on it, or the end of the field of view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from .body import SKIN_HU
from .preprocessing import Grid, sample_region

#: The grid that is looked at, mm (z, y, x), and how far it reaches beside a contour, mm.
SPACING = (2.5, 2.5, 1.25)
REACH_MM = 70.0
#: Value beyond the field of view: none that a scan holds.
BEYOND = -20000.0
#: The layer below the air that is judged: skin and fat under it as a rule, mm from the air.
LAYER_MM = (3.0, 10.0)


@dataclass(frozen=True)
class Cheek:
    """The rows of a contour that run to the side, one for each height and depth at which the contour has voxels.

    Attributes:
        to_air: from the contour's outermost point to the air, mm; infinite where the field ends before.
        to_end: from the contour's outermost point to the end of the field, mm.
        mean, deviation: of the layer below the air, HU; NaN where there is none.
    """

    to_air: np.ndarray
    to_end: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray


def look_beside(mask: sitk.Image, image: sitk.Image, outward: float) -> Cheek:
    """Follow each row of a contour to the side, out of the patient.

    Args:
        mask: uint8, 1 in the gland, not empty, in the patient space of the scan.
        image: the scan in HU.
        outward: −1 for the right gland, which lies at smaller x, 1 for the left one.
    """
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(mask)
    x, y, z, width, depth, height = statistics.GetBoundingBox(1)
    corners = [(i, j, k) for i in (x, x + width - 1) for j in (y, y + depth - 1) for k in (z, z + height - 1)]
    points = np.array([mask.TransformIndexToPhysicalPoint(corner) for corner in corners])
    low, high = points.min(axis=0), points.max(axis=0)
    if outward < 0:
        low[0] -= REACH_MM
    else:
        high[0] += REACH_MM
    size = np.maximum(np.ceil((high - low)[::-1] / SPACING), 1).astype(int) + 1
    grid = Grid.centred((low + high) / 2.0, SPACING, size)
    hounsfield = sample_region(image, grid, outside=BEYOND)
    inside = sample_region(mask, grid, outside=0.0) > 0.5
    if outward < 0:
        hounsfield, inside = hounsfield[..., ::-1], inside[..., ::-1]
    rows = inside.any(axis=-1)
    return _follow(hounsfield[rows], inside[rows])


def _follow(hounsfield: np.ndarray, inside: np.ndarray) -> Cheek:
    """The rows (rows, places), from the middle of the head outwards."""
    step, places = SPACING[2], np.arange(inside.shape[1])
    outermost = inside.shape[1] - 1 - inside[:, ::-1].argmax(axis=1)
    ended = hounsfield <= BEYOND / 2.0
    end = np.where(ended.any(axis=1), ended.argmax(axis=1), np.inf)
    air = (hounsfield < SKIN_HU) & ~ended & (places >= outermost[:, np.newaxis])
    first = np.where(air.any(axis=1), air.argmax(axis=1), np.inf)
    first = np.where(first < end, first, np.inf)
    mean, deviation = np.full(len(inside), np.nan), np.full(len(inside), np.nan)
    for row in np.flatnonzero(np.isfinite(first)):
        deepest, outmost = (max(0, int(first[row] - depth / step)) for depth in reversed(LAYER_MM))
        layer = hounsfield[row, deepest:outmost]
        if layer.size >= 4:
            mean[row], deviation[row] = layer.mean(), layer.std()
    return Cheek((first - outermost) * step, (end - outermost) * step, mean, deviation)
