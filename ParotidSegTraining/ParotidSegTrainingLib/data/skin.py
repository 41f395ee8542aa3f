"""How far from the skin: the image of a case that things outside the body are laid on by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.geometry.grids import Grid, physical_bounds
from ParotidSegLib.geometry.sampling import sample
from ParotidSegLib.glands.body import body_mask, skin_distance

#: Edge of the distance's voxels in mm, at least, and as a share of the smallest edge of the working grid.
FINEST_MM, SHARE = 3.0, 0.8
#: So far beyond the sides of the scan there may be something, (x, y, z) in mm; the scan's ends stay its ends.
BEYOND = np.array([36.0, 36.0, 0.0])
#: Stored as whole numbers of this many mm, which takes half the memory.
UNIT_MM = 0.1
#: Value where nothing is known: too far for anything.
NOWHERE_MM = 1000.0


def skin_image(scan: sitk.Image, working: Sequence[float]) -> sitk.Image:
    """Distance from the skin in units of `UNIT_MM`, int16, on a patient grid that reaches a little beyond the scan.

    Args:
        scan: a CT in HU, any orientation.
        working: spacing of the grid that patches have, in mm.
    """
    spacing = (max(FINEST_MM, SHARE * min(working)),) * 3
    low, high = physical_bounds(scan)
    extent = high - low + 2.0 * BEYOND
    size = np.maximum(np.ceil(extent[::-1] / spacing), 1).astype(int)
    grid = Grid.centred((low + high) / 2.0, spacing, size)
    distance = skin_distance(body_mask(sample(scan, grid)), spacing)
    return grid.image(np.rint(np.clip(distance, -NOWHERE_MM, NOWHERE_MM) / UNIT_MM).astype(np.int16))


def distances_on(skin: sitk.Image, grid: Grid, transform: sitk.Transform | None = None) -> np.ndarray:
    """Distance from the skin in mm on a grid, float32 (z, y, x); `NOWHERE_MM` beyond the image.

    Args:
        skin: of `skin_image`.
        grid: where to sample.
        transform: maps a point of the grid to the point of the image that is read there.
    """
    return sample(skin, grid, transform=transform, outside=NOWHERE_MM / UNIT_MM) * np.float32(UNIT_MM)
