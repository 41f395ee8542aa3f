"""From the positions of single slices to one regular grid, or a sentence that says why there is none."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...errors import ImageError

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
#: So many equal distances in a row are no accident but another slice distance.
LEAST_RUN = 3
#: Direction cosines of slices of one series may differ by rounding only.
COSINE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class SliceGeometry:
    """Where a slice lies: centre of its first pixel and spacing (column, row) in mm, LPS; axes (3, 3) in columns."""

    origin: npt.NDArray[np.float64]
    spacing: tuple[float, float]
    axes: npt.NDArray[np.float64]

    @property
    def numbers(self) -> list[float]:
        """All of it in one row."""
        return [*self.origin, *self.spacing, *self.axes.ravel()]


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


def _check_distances(positions: npt.NDArray[np.float64]) -> None:
    """Ascending positions (n,) along the normal, mm: distinct and evenly spaced."""
    distances = np.diff(positions)
    _check_repeats(positions, distances)
    usual = float(np.median(distances))
    tolerance = max(SPACING_TOLERANCE * usual, ROUNDING_MM)
    worst = int(np.argmax(np.abs(distances - usual)))
    between = f"between the positions {positions[worst]:.1f} and {positions[worst + 1]:.1f} mm"
    even = positions[0] + (positions[-1] - positions[0]) * np.linspace(0, 1, len(positions))
    is_uneven = abs(distances[worst] - usual) > tolerance
    if not is_uneven and np.abs(positions - even).max() <= ALONG_TOLERANCE * usual:
        return
    _check_change(positions, distances, tolerance)
    times = distances[worst] / usual
    if times > 1.5 and abs(times - round(times)) * usual <= max(tolerance, ALONG_TOLERANCE * usual):
        raise ImageError(f"One or more slices of the DICOM series are missing {between}: copy or export it completely.")
    if times > 1.5:
        raise ImageError(
            f"The slices of the DICOM series have a gap of {distances[worst]:.2f} mm {between}, which is no multiple "
            f"of their distance ({usual:.2f} mm): they are of two acquisitions, or slices are missing."
        )
    raise ImageError(
        f"The distance between slices is not constant ({usual:.2f} mm, but {distances[worst]:.2f} mm {between}): "
        "reconstruct or export the series with one slice distance."
    )


def _check_repeats(positions: npt.NDArray[np.float64], distances: npt.NDArray[np.float64]) -> None:
    same = distances < SAME_POSITION_MM
    if not same.any():
        return
    first = positions[np.flatnonzero(same)[0]]
    times = np.diff(np.flatnonzero(np.concatenate([[True], ~same, [True]])))  # slices at each position
    if (times == times[0]).all():
        raise ImageError(
            f"The DICOM series holds {times[0]} slices at each of its {len(times)} positions, as of {times[0]} phases "
            "or acquisitions: export one of them alone."
        )
    raise ImageError(
        f"{same.sum()} slice(s) of the DICOM series lie where another one lies, first at {first:.1f} mm: export one "
        "acquisition alone, without copies."
    )


def _check_change(positions: npt.NDArray[np.float64], distances: npt.NDArray[np.float64], tolerance: float) -> None:
    """Refuse a stack whose slices lie at one distance up to a place, and at another one from there on.

    A gap is one distance between others; several equal ones in a row, at the end or between two changes, are no gap.
    """
    changes = np.flatnonzero(np.abs(np.diff(distances)) > tolerance) + 1
    runs = np.split(distances, changes)
    starts = [0, *changes.tolist()]
    long = [(start, run) for start, run in zip(starts, runs, strict=True) if len(run) >= LEAST_RUN]
    for (_, before), (start, after) in itertools.pairwise(long):
        if abs(np.median(before) - np.median(after)) > tolerance:
            raise ImageError(
                f"The distance between slices changes, at {positions[start]:.1f} mm from {np.median(before):.2f} to "
                f"{np.median(after):.2f} mm: reconstruct or export the series with one slice distance."
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
