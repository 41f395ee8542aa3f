"""Values of an image on a grid, and back onto its voxels: smoothing, interpolation, all in physical space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import SimpleITK as sitk

from .ends import continued, end_points
from .grids import Box, Grid, box_around

#: Air in CT, which is what lies beyond its edges.
AIR_HU = -1024.0
#: A slice of a CT without anything above this holds no patient.
EMPTY_BELOW_HU = -300.0
#: Full width at half maximum of a Gaussian, in standard deviations.
_FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))
#: Below this many voxels a Gaussian changes nothing that interpolation does not blur anyway.
_SMALLEST_SIGMA = 0.2
#: Axes of fewer voxels are not smoothed.
_FEWEST = 4
#: Voxels of a row that are made at once, the weight of a voxel that counts for nothing, and the multiplications of a
#: matrix product up to which BLAS stays in one thread: after a larger one it keeps idle threads busy.
_BLOCK, _NO_WEIGHT, _LARGEST_PRODUCT = 16, 1e-8, 2**18


def smooth_for(
    image: sitk.Image, spacing_zyx: Sequence[float], resolution_zyx: Sequence[float] | None = None
) -> sitk.Image:
    """Low-pass the image before it is sampled at a coarser spacing, or at a lower resolution; else leave it as it is.

    A Gaussian along each image axis, as wide as the wider of the two asks for:

    - the spacing: a point spread of one source voxel (full width at half maximum) becomes one of a target voxel;
    - the resolution: the sampled image has this point spread. Its variance is what a source voxel gives it (s²/12 for
      its extent and s²/6 for linear interpolation, on average over the places between the voxels) and the Gaussian's.

    Args:
        image: scalar image.
        spacing_zyx: the coming spacing in mm, in patient axes (z, y, x).
        resolution_zyx: full width at half maximum of a point in mm, in patient axes (z, y, x).

    Returns:
        The image itself, or a float32 image on the same grid.
    """
    sigmas = _sigmas(image.GetSpacing(), image.GetDirection(), spacing_zyx, resolution_zyx)
    for axis, sigma in enumerate(sigmas):
        image = _smooth(image, axis, sigma)
    return image


def _sigmas(
    spacing: Sequence[float],
    direction: Sequence[float],
    spacing_zyx: Sequence[float],
    resolution_zyx: Sequence[float] | None,
) -> list[float]:
    """Standard deviations of the Gaussians of `smooth_for` in mm, along each axis of an image of this geometry."""
    # How much of each patient axis (x, y, z) there is in each image axis; one row each.
    shares = np.array(direction).reshape(3, 3).T ** 2
    coming = shares @ np.array(spacing_zyx[::-1])
    sharpest = shares @ np.array(resolution_zyx[::-1]) if resolution_zyx else np.zeros(3)
    variances = [
        max((coming[axis] ** 2 - source**2) / _FWHM**2, (sharpest[axis] / _FWHM) ** 2 - source**2 / 4.0)
        for axis, source in enumerate(spacing)
    ]
    return [math.sqrt(max(0.0, variance)) for variance in variances]


def _smooth(image: sitk.Image, axis: int, sigma: float) -> sitk.Image:
    """A Gaussian along one image axis, float32; the image itself where it would change nothing."""
    if sigma <= _SMALLEST_SIGMA * image.GetSpacing()[axis] or image.GetSize()[axis] < _FEWEST:
        return image
    return sitk.RecursiveGaussian(sitk.Cast(image, sitk.sitkFloat32), sigma, direction=axis)


def sample(
    image: sitk.Image,
    grid: Grid,
    *,
    transform: sitk.Transform | None = None,
    outside: float = AIR_HU,
) -> np.ndarray:
    """Linear interpolation of the image on the grid.

    Args:
        image: scalar image, already smoothed for the grid (`smooth_for`).
        grid: where to sample.
        transform: maps a point of the grid to the point of the image that is read there (training draws random ones).
        outside: value beyond the image.

    Returns:
        float32 array (z, y, x).
    """
    resampled = sitk.Resample(
        image,
        grid.size,
        transform or sitk.Transform(),
        sitk.sitkLinear,
        grid.origin,
        grid.spacing,
        (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
        outside,
        sitk.sitkFloat32,
    )
    return sitk.GetArrayFromImage(resampled)


def sample_region(
    image: sitk.Image,
    grid: Grid,
    *,
    outside: float = AIR_HU,
    resolution: Sequence[float] | None = None,
    continuation: float = 0.0,
) -> np.ndarray:
    """Values of the image on the grid, float32 (z, y, x): only the part under the grid is smoothed and read.

    Args:
        image: scalar image.
        grid: where to sample.
        outside: value beyond the image.
        resolution: see `smooth_for`.
        continuation: how far a CT goes on beyond its ends along the body, by its own last slices, in mm.
    """
    margin = [3.0 * max(*grid.spacing, *(resolution or ()))] * 3
    box = box_around(image, grid.corners, margin)
    if box is None:
        return np.full(grid.shape, outside, np.float32)
    part = box.crop(image)
    ends = end_points(part, EMPTY_BELOW_HU) if continuation else None
    if ends:
        part = continued(part, ends, continuation)
    return sample(smooth_for(part, tuple(reversed(grid.spacing)), resolution), grid, outside=outside)


def sample_back(probabilities: np.ndarray, grid: Grid, image: sitk.Image) -> tuple[np.ndarray, Box] | None:
    """Carry probabilities from a grid to the voxels of the scan under it.

    Args:
        probabilities: float32 (z, y, x, structures), background left out.
        grid: where they lie.
        image: the scan; only its geometry is used.

    Returns:
        float32 array (z, y, x, structures) for a box of the scan, and that box; None if the grid lies beyond the scan.
    """
    box = box_around(image, grid.corners)
    if box is None:
        return None
    reference_origin = image.TransformIndexToPhysicalPoint(box.index)
    carried = np.empty((*reversed(box.size), probabilities.shape[-1]), np.float32)
    for structure in range(probabilities.shape[-1]):
        channel = grid.image(np.ascontiguousarray(probabilities[..., structure], dtype=np.float32))
        resampled = sitk.Resample(
            channel,
            box.size,
            sitk.Transform(),
            sitk.sitkLinear,
            reference_origin,
            image.GetSpacing(),
            image.GetDirection(),
            0.0,
            sitk.sitkFloat32,
        )
        carried[..., structure] = sitk.GetArrayViewFromImage(resampled)
    return carried, box


def sample_whole(
    image: sitk.Image, spacing_zyx: Sequence[float], resolution_zyx: Sequence[float] | None = None
) -> tuple[np.ndarray, Grid]:
    """The whole scan on a coarse patient grid.

    Smoothing and thinning go axis by axis, and what they make of a row of voxels is its product with a matrix: the scan
    is read once, and never exists at its full size in another type.

    Args:
        image: scalar image.
        spacing_zyx: the coarse spacing in mm (z, y, x).
        resolution_zyx: see `smooth_for`.

    Returns:
        HU, float32 (z, y, x), and the grid that they lie on.
    """
    grid = Grid.covering(image, spacing_zyx)
    finest = min(spacing_zyx) / 2.0
    size, spacing = image.GetSize(), image.GetSpacing()
    thinner = [max(step, finest) if count >= _FEWEST else step for count, step in zip(size, spacing, strict=True)]
    sigmas = _sigmas(thinner, image.GetDirection(), spacing_zyx, resolution_zyx)
    filters = [_RowFilter.of(*axis) for axis in zip(size, spacing, thinner, sigmas, strict=True)]
    if all(row.weights is None for row in filters):
        return sample(image, grid), grid
    values = sitk.GetArrayViewFromImage(image)
    for axis, row in zip((2, 1, 0), filters, strict=True):
        values = row.apply(values, axis)
    thinned = sitk.GetImageFromArray(values)
    thinned.SetOrigin(image.TransformContinuousIndexToPhysicalPoint([row.first for row in filters]))
    thinned.SetSpacing([row.spacing for row in filters])
    thinned.SetDirection(image.GetDirection())
    return sample(thinned, grid), grid


@dataclass(frozen=True)
class _RowFilter:
    """What `_thinned` and `_smooth` make of a row of voxels.

    Attributes:
        weights: float32 (voxels before, voxels after), how much of each goes into each; None if nothing changes.
        spacing: of the voxels after, in mm.
        first: index, among the voxels before, at which the first voxel after lies.
    """

    weights: np.ndarray | None
    spacing: float
    first: float

    @classmethod
    @lru_cache(maxsize=16)
    def of(cls, count: int, step: float, spacing: float, sigma: float) -> _RowFilter:
        """The filter of rows of `count` voxels of `step` mm, thinned to `spacing`, then smoothed by `sigma` mm."""
        # Row by row, what becomes of one voxel that stands alone.
        alone = sitk.GetImageFromArray(np.eye(count, dtype=np.float32)[np.newaxis])
        alone.SetSpacing((step, 1.0, 1.0))
        changed = _smooth(_thinned(alone, 0, spacing), 0, sigma)
        weights = sitk.GetArrayFromImage(changed)[0] if changed is not alone else None
        return cls(weights, changed.GetSpacing()[0], changed.GetOrigin()[0] / step)

    def apply(self, values: np.ndarray, axis: int) -> np.ndarray:
        """Filter an array (z, y, x) along an axis; float32.

        Plane by plane and block by block, because weights are 0 but near their voxel, and as the rows lie in memory.
        """
        if self.weights is None:
            return values
        blocks = self._blocks()
        shape = [*values.shape]
        shape[axis] = self.weights.shape[1]
        filtered = np.empty(shape, np.float32)
        # Planes that hold the axis; the last one, x, is the fastest to read and stays in them.
        before, after = (values.swapaxes(0, 1), filtered.swapaxes(0, 1)) if axis == 0 else (values, filtered)
        plane = np.empty(before.shape[1:], np.float32)
        for number, made in enumerate(after):
            np.copyto(plane, before[number])
            # Rows of the plane along the axis, whichever of its two it is.
            rows, made_rows = (plane, made) if axis == 2 else (plane.T, made.T)
            for start, part, block in blocks:
                step = max(1, _LARGEST_PRODUCT // block.size)
                for first in range(0, len(rows), step):
                    some = slice(first, first + step)
                    made_rows[some, start : start + _BLOCK] = rows[some, part] @ block
        return filtered

    def _blocks(self) -> list[tuple[int, slice, np.ndarray]]:
        """For `_BLOCK` voxels after at a time: the first of them, the voxels before that count, and their weights."""
        assert self.weights is not None
        found = []
        for start in range(0, self.weights.shape[1], _BLOCK):
            block = self.weights[:, start : start + _BLOCK]
            near = np.flatnonzero(np.abs(block).max(axis=1) > _NO_WEIGHT)
            part = slice(int(near[0]), int(near[-1]) + 1)
            found.append((start, part, np.ascontiguousarray(block[part])))
        return found


def _thinned(image: sitk.Image, axis: int, spacing: float) -> sitk.Image:
    """Low-passed and thinned along one image axis; the image itself, if its voxels are as wide as that."""
    source = image.GetSpacing()[axis]
    if source >= spacing:
        return image
    return _thin(_smooth(image, axis, math.sqrt(spacing**2 - source**2) / _FWHM), axis, spacing)


def _thin(image: sitk.Image, axis: int, spacing: float) -> sitk.Image:
    """Fewer voxels along one image axis, to its ends, spread evenly about the middle: the same for a reversed axis."""
    size, old = list(image.GetSize()), list(image.GetSpacing())
    new = list(old)
    count = math.ceil(size[axis] * old[axis] / spacing - 1e-6)
    new[axis] = spacing
    first = [0.0, 0.0, 0.0]
    first[axis] = (size[axis] - 1) / 2.0 - (count - 1) / 2.0 * spacing / old[axis]
    size[axis] = count
    origin = image.TransformContinuousIndexToPhysicalPoint(first)
    return sitk.Resample(
        image, size, sitk.Transform(), sitk.sitkLinear, origin, new, image.GetDirection(), AIR_HU, image.GetPixelID()
    )
