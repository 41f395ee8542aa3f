"""Is the head as large as a head? A scan whose voxel spacing was lost on its way shows a head that is not.

Measured on the contours of the 160 training patients of OpenKBP: glands are 27.5 to 77.5 mm high.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..geometry.grids import Box, Grid
from ..structures import PAROTIDS
from .postprocessing import Contours
from .quality import Finding

#: Heights of glands (along z, mm) outside which the spacing is wrong rather than the gland unusual.
LOWEST_MM, HIGHEST_MM = 24.0, 100.0
#: The largest cross-section of a body that is no head, because it is smaller: a newborn's head has 80 cm².
LEAST_CM2 = 70.0
_AIR_BELOW = -300


def inspect_scale(glands: Contours, box: Box, image: sitk.Image) -> list[Finding]:
    """Errors: for glands of impossible height, and for a scan with the geometry of a file that has lost its own.

    Args:
        glands: the labels in a box of the scan.
        box: that box.
        image: the scan.
    """
    found = []
    heights = {s: _height(glands.labels == s.label, box, image) for s in PAROTIDS}
    for structure, height in heights.items():
        if height is not None and not LOWEST_MM <= height <= HIGHEST_MM:
            text = (
                f"The {structure.name.lower()} is {height:.0f} mm high, which no gland is ({LOWEST_MM:.0f} to "
                f"{HIGHEST_MM:.0f} mm): the voxel spacing of the scan ({_spacing(image)} mm) is wrong."
            )
            found.append(Finding("scale-implausible", "error", text, structure.key))
    if has_default_geometry(image):
        text = (
            "The scan states voxels of 1 mm that begin at the origin, as files do that have lost their geometry: check "
            "the voxel spacing and the sides."
        )
        found.append(Finding("geometry-default", "error", text))
    return found


def has_default_geometry(image: sitk.Image) -> bool:
    """Whether voxels are 1 mm, begin at 0 and run along the patient's axes: what a file has to which none was given."""
    is_unit = image.GetSpacing() == (1.0, 1.0, 1.0) and image.GetOrigin() == (0.0, 0.0, 0.0)
    return is_unit and np.array_equal(np.abs(np.reshape(image.GetDirection(), (3, 3))), np.eye(3))


def why_not_found(hounsfield: np.ndarray, grid: Grid, image: sitk.Image) -> str:
    """What may be the reason that no gland was found: the end of a sentence.

    Args:
        hounsfield: the whole scan (z, y, x) on a coarse axis-aligned grid.
        grid: that grid.
        image: the scan.
    """
    body = hounsfield > _AIR_BELOW
    is_cut = body[:, [0, -1]].any() or body[:, :, [0, -1]].any()
    largest = float(body.sum(axis=(1, 2)).max()) * grid.spacing[0] * grid.spacing[1] / 100.0
    if largest < LEAST_CM2 and not is_cut:
        return (
            f"its largest cross-section has {largest:.0f} cm², too little for a head, so the voxel spacing "
            f"({_spacing(image)} mm) is wrong: export the scan with its true spacing"
        )
    if has_default_geometry(image):
        return (
            "it states voxels of 1 mm that begin at the origin, as files do that have lost their geometry: export it "
            "with its true one"
        )
    return "give a CT that shows the head and neck"


def _height(mask: np.ndarray, box: Box, image: sitk.Image) -> float | None:
    """Extent along the patient's z in mm; None of a mask that is empty or reaches the outermost voxels of the scan."""
    index = np.argwhere(mask)[:, ::-1]
    if not len(index):
        return None
    first, last = index.min(axis=0) + box.index, index.max(axis=0) + box.index
    if (first == 0).any() or (last == np.array(image.GetSize()) - 1).any():
        return None
    steps = np.reshape(image.GetDirection(), (3, 3))[2] * np.array(image.GetSpacing())
    heights = index @ steps
    return float(np.ptp(heights) + np.abs(steps).max())


def _spacing(image: sitk.Image) -> str:
    return " x ".join(f"{step:g}" for step in image.GetSpacing())
