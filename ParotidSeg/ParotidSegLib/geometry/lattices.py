"""Grids of voxels that share voxels or do not, and masks carried from one to the other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from .grids import Box
from .surfaces import joint_bounding_box

#: Grids are the same if they agree to this: NIfTI keeps them in single precision only (mm, mm, cosines).
_TOLERANCES = {"origin": 1e-2, "spacing": 1e-4, "direction": 1e-4}
#: Voxels of two lattices may lie so far apart, in voxels: what files of single precision lose.
LATTICE_TOLERANCE = 0.1
#: A few stray voxels far away make no mask wide.
_STRAY_SHARE = 0.01


def grid_difference(image: sitk.Image, other: sitk.Image) -> str:
    """What differs between two grids, as words and numbers; empty if they are the same."""
    if image.GetSize() != other.GetSize():
        return f"size {_numbers(image.GetSize())} and {_numbers(other.GetSize())}"
    for what, tolerance in _TOLERANCES.items():
        one, two = (getattr(each, f"Get{what.title()}")() for each in (image, other))
        if not np.allclose(one, two, rtol=0.0, atol=tolerance):
            return f"{what} {_numbers(one)} and {_numbers(two)}"
    return ""


def lattice(labels: sitk.Image, grid: sitk.Image) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    """How the voxels of `labels` lie on those of the grid, or of the grid continued beyond its border.

    Returns:
        The index in the grid of the first voxel, and the steps (3, 3) in columns, all whole numbers; None if voxels lie
        between those of the grid.
    """
    steps = np.rint(np.linalg.solve(_index_to_mm(grid), _index_to_mm(labels)))
    if not ((np.abs(steps).sum(axis=0) == 1).all() and (np.abs(steps).sum(axis=1) == 1).all()):
        return None
    corners = list(itertools.product(*[(0, length - 1) for length in labels.GetSize()]))
    places = np.array(
        [
            grid.TransformPhysicalPointToContinuousIndex(labels.TransformIndexToPhysicalPoint(corner))
            for corner in corners
        ]
    )
    first = np.rint(places[0])
    offsets = places - (first + np.array(corners) @ steps.T)
    return (first, steps) if np.abs(offsets).max() <= LATTICE_TOLERANCE else None


def carried(mask: np.ndarray, own: sitk.Image, grid: sitk.Image) -> tuple[np.ndarray, bool]:
    """A mask on the voxels of another grid.

    Where both share their voxels (in another order, turned round, cropped), each keeps its value. Elsewhere a voxel of
    the grid belongs to the mask if the signed distance to its outline, interpolated at the voxel's centre, says so: the
    outline runs half-way between centres within and without, so that nothing grows or shrinks by the spacing.

    Args:
        mask: bool (z, y, x).
        own: an image whose voxels are those of the mask; its geometry alone is used.
        grid: an image on the other grid; its geometry alone is used.

    Returns:
        bool (z, y, x) on the grid; and whether voxels were shared.
    """
    found = joint_bounding_box(mask, mask)
    if not mask[found].size:
        return np.zeros(grid.GetSize()[::-1], bool), True
    first, size = ([int(value) for value in reversed(values)] for values in _extent(found))
    box = Box((first[0], first[1], first[2]), (size[0], size[1], size[2]))
    cut = box.place(mask[found].astype(np.uint8), own)
    is_shared = lattice(own, grid) is not None
    if is_shared:
        return _resampled(cut, grid, sitk.sitkNearestNeighbor, 0.0) > 0, True
    cut = sitk.ConstantPad(cut, [2, 2, 2], [2, 2, 2], 0)
    return _resampled(signed_distance(cut), grid, sitk.sitkLinear, -1e6) > 0.0, False


def signed_distance(mask: sitk.Image) -> sitk.Image:
    """Distance to the outline of a mask (uint8, 0 and 1) in mm, positive inside, float32: zero half-way between voxels.

    The filter measures to the outermost voxels within, so it is asked for the mask and for what is around it, and the
    mean of both is taken.
    """
    inside, outside = (
        sitk.SignedMaurerDistanceMap(one, insideIsPositive=True, squaredDistance=False, useImageSpacing=True)
        for one in (mask, sitk.Cast(mask == 0, sitk.sitkUInt8))
    )
    return (inside - outside) * 0.5


def width_mm(mask: np.ndarray, geometry: sitk.Image) -> float:
    """How far a mask reaches from the patient's right to the left, but for stray voxels (1 % at each end).

    Args:
        mask: bool (z, y, x).
        geometry: an image whose voxels are those of the mask.

    Returns:
        Along x of LPS; 0 for an empty mask.
    """
    index = np.argwhere(mask)[:, ::-1]
    if not len(index):
        return 0.0
    across = np.reshape(geometry.GetDirection(), (3, 3))[0] * np.array(geometry.GetSpacing())
    first, last = np.quantile(index @ across, [_STRAY_SHARE, 1.0 - _STRAY_SHARE], method="nearest")
    return float(last - first)


def _resampled(image: sitk.Image, grid: sitk.Image, interpolator: int, outside: float) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.Resample(image, grid, sitk.Transform(), interpolator, outside))


def _extent(box: Sequence[slice]) -> tuple[list[int], list[int]]:
    return [part.start for part in box], [part.stop - part.start for part in box]


def _index_to_mm(image: sitk.Image) -> npt.NDArray[np.float64]:
    return np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())


def _numbers(values: Sequence[float]) -> str:
    return " x ".join(f"{value:.6g}" for value in values)
