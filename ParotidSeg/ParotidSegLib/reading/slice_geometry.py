"""From the positions of single slices to one regular grid, or a sentence that says why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from ..errors import ImageError

#: Two slices nearer than this lie at the same place.
SAME_POSITION_MM = 0.01
#: A distance between neighbours may differ from the usual one by this share, or by what rounding of positions to
#: 0.1 mm can cause.
SPACING_TOLERANCE = 0.02
ROUNDING_MM = 0.101
#: So far a slice may lie beside its place in the regular grid, along the normal (as a share of the distance between
#: slices) and across it.
ALONG_TOLERANCE = 0.25
ACROSS_TOLERANCE_MM = 1.0
#: Direction cosines of slices of one series may differ by rounding only.
COSINE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class SliceGeometry:
    """Where a slice lies: centre of its first pixel and spacing (column, row) in mm, LPS; axes (3, 3) in columns."""

    origin: npt.NDArray[np.float64]
    spacing: tuple[float, float]
    axes: npt.NDArray[np.float64]

    @classmethod
    def of(cls, reader: sitk.ImageFileReader) -> SliceGeometry:
        """From a reader that has read the header of a two- or three-dimensional image."""
        dimension = reader.GetDimension()
        origin, axes = np.zeros(3), np.eye(3)
        origin[:dimension] = reader.GetOrigin()
        axes[:dimension, :dimension] = np.reshape(reader.GetDirection(), (dimension, dimension))
        return cls(origin, tuple(reader.GetSpacing()[:2]), axes)


@dataclass(frozen=True)
class StackGrid:
    """Origin and spacing in mm and direction cosines (row by row) of a stack of slices, as SimpleITK takes them."""

    origin: list[float]
    spacing: list[float]
    direction: list[float]


def stack_grid(slices: Sequence[SliceGeometry]) -> tuple[list[int], StackGrid]:
    """Sort at least two slices along their normal and give the grid that they form.

    Args:
        slices: in any order.

    Returns:
        The indices of the slices in ascending position, and the grid.

    Raises:
        ImageError: orientations or spacings differ, slices lie at one place or are missing, or the stack is sheared
            (tilted gantry).
    """
    first = slices[0]
    if not all(np.allclose(one.axes, first.axes, rtol=0, atol=COSINE_TOLERANCE) for one in slices):
        raise ImageError("The slices of the DICOM series differ in orientation: export the original series alone.")
    if not all(np.allclose(one.spacing, first.spacing, rtol=1e-3) for one in slices):
        raise ImageError("The slices of the DICOM series differ in pixel spacing: export the original series alone.")
    normal = np.cross(first.axes[:, 0], first.axes[:, 1])
    origins = np.array([one.origin for one in slices])
    order = np.argsort(origins @ normal, kind="stable")
    origins = origins[order]
    positions = origins @ normal
    _check_distances(positions)
    _check_shear(origins - origins[0], positions - positions[0], normal)
    distance = (positions[-1] - positions[0]) / (len(slices) - 1)
    axes = np.column_stack([first.axes[:, 0], first.axes[:, 1], normal])
    return [int(index) for index in order], StackGrid(
        origins[0].tolist(), [*first.spacing, float(distance)], axes.ravel().tolist()
    )


def check_frames(spacing: Sequence[float]) -> None:
    """Refuse a multi-frame file (spacing in mm, x, y, z) of which the reader did not understand where frames lie.

    It then takes 1 mm in all directions, without a word, as when frames are missing, doubled or out of order.
    """
    if all(step == 1.0 for step in spacing):
        raise ImageError(
            "The frames of the DICOM file form no regular grid, or their spacing (1 mm each way) cannot be told from "
            "one that lacks: export the series as single slices."
        )


def _check_distances(positions: npt.NDArray[np.float64]) -> None:
    """Ascending positions (n,) along the normal, mm: distinct and evenly spaced."""
    distances = np.diff(positions)
    usual = float(np.median(distances))
    same = np.flatnonzero(distances < SAME_POSITION_MM)
    if same.size:
        raise ImageError(
            f"{same.size} slice(s) of the DICOM series lie where another one lies, first at "
            f"{positions[same[0]]:.1f} mm: export one acquisition alone, without copies."
        )
    worst = int(np.argmax(np.abs(distances - usual)))
    between = f"between the positions {positions[worst]:.1f} and {positions[worst + 1]:.1f} mm"
    if distances[worst] > 1.5 * usual:
        raise ImageError(f"One or more slices of the DICOM series are missing {between}: copy or export it completely.")
    even = positions[0] + (positions[-1] - positions[0]) * np.linspace(0, 1, len(positions))
    is_uneven = abs(distances[worst] - usual) > max(SPACING_TOLERANCE * usual, ROUNDING_MM)
    if is_uneven or np.abs(positions - even).max() > ALONG_TOLERANCE * usual:
        raise ImageError(
            f"The distance between slices is not constant ({usual:.2f} mm, but {distances[worst]:.2f} mm {between}): "
            "reconstruct or export the series with one slice distance."
        )


def _check_shear(
    offsets: npt.NDArray[np.float64], depths: npt.NDArray[np.float64], normal: npt.NDArray[np.float64]
) -> None:
    """Offsets (n, 3) of the slices from the first one must run along the normal."""
    across = np.linalg.norm(offsets - depths[:, None] * normal, axis=1)
    worst = int(np.argmax(across))
    if across[worst] > ACROSS_TOLERANCE_MM:
        degrees = np.degrees(np.arctan2(across[worst], depths[worst]))
        raise ImageError(
            f"The slices are shifted against each other (gantry tilt of about {degrees:.0f} degrees), which is not "
            "supported: have the series reconstructed without tilt, or correct the tilt when importing it."
        )
