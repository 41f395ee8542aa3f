"""Axis-aligned grids in patient space, and boxes of voxels of an image.

A network sees an axis-aligned grid in patient coordinates (LPS), whatever the orientation of the scan.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk


@dataclass(frozen=True)
class Grid:
    """An axis-aligned grid in patient space.

    Attributes:
        origin: centre of the first voxel in mm, LPS, (x, y, z).
        spacing: edge of a voxel in mm, (x, y, z).
        size: voxels, (x, y, z).
    """

    origin: tuple[float, float, float]
    spacing: tuple[float, float, float]
    size: tuple[int, int, int]

    @classmethod
    def centred(cls, centre: Sequence[float], spacing_zyx: Sequence[float], size_zyx: Sequence[int]) -> Grid:
        """The grid of this spacing and size (both z, y, x) whose middle lies at `centre` (x, y, z in mm)."""
        spacing = (float(spacing_zyx[2]), float(spacing_zyx[1]), float(spacing_zyx[0]))
        size = (int(size_zyx[2]), int(size_zyx[1]), int(size_zyx[0]))
        x, y, z = (c - (n - 1) / 2.0 * s for c, n, s in zip(centre, size, spacing, strict=True))
        return cls((float(x), float(y), float(z)), spacing, size)

    @classmethod
    def covering(cls, image: sitk.Image, spacing_zyx: Sequence[float]) -> Grid:
        """The smallest grid of this spacing (z, y, x) that covers the whole image, centred on it."""
        low, high = physical_bounds(image)
        size_zyx = [
            max(1, math.ceil((h - lo) / s - 1e-6))
            for lo, h, s in zip(reversed(low), reversed(high), spacing_zyx, strict=True)
        ]
        return cls.centred((low + high) / 2.0, spacing_zyx, size_zyx)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an array on this grid, (z, y, x)."""
        return self.size[2], self.size[1], self.size[0]

    @property
    def centre(self) -> np.ndarray:
        """Middle of the grid in mm, (x, y, z)."""
        return np.array([o + (n - 1) / 2.0 * s for o, n, s in zip(self.origin, self.size, self.spacing, strict=True)])

    @property
    def corners(self) -> np.ndarray:
        """The eight outermost voxel centres in mm, shape (8, 3), (x, y, z)."""
        last = [o + (n - 1) * s for o, n, s in zip(self.origin, self.size, self.spacing, strict=True)]
        return np.array(np.meshgrid(*zip(self.origin, last, strict=True))).reshape(3, 8).T

    def image(self, array: np.ndarray) -> sitk.Image:
        """The array (z, y, x) as an image on this grid."""
        image = sitk.GetImageFromArray(array)
        image.SetOrigin(self.origin)
        image.SetSpacing(self.spacing)
        return image


def physical_bounds(image: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest patient coordinates (x, y, z in mm) of the image, to the outer faces of its voxels."""
    faces = [(-0.5, n - 0.5) for n in image.GetSize()]
    corners = [(i, j, k) for i in faces[0] for j in faces[1] for k in faces[2]]
    points = np.array([image.TransformContinuousIndexToPhysicalPoint(corner) for corner in corners])
    return points.min(axis=0), points.max(axis=0)


def voxel_middles(image: sitk.Image, mask: np.ndarray) -> np.ndarray:
    """Middles of the voxels of a mask (z, y, x) on the grid of the image, in mm, LPS: (n, 3) in (x, y, z)."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    indices = np.argwhere(mask)[:, ::-1]
    return np.array(image.GetOrigin()) + (indices * np.array(image.GetSpacing())) @ direction.T


def axis_across_slices(image: sitk.Image) -> int:
    """The axis of the image (0 for x, 1 for y, 2 for z) that runs most nearly from foot to head."""
    return int(np.abs(np.array(image.GetDirection()).reshape(3, 3)[2]).argmax())


@dataclass(frozen=True)
class Box:
    """A box of voxels of an image: first index and size, (x, y, z)."""

    index: tuple[int, int, int]
    size: tuple[int, int, int]

    def crop(self, image: sitk.Image) -> sitk.Image:
        """That part of the image, with its geometry."""
        return sitk.RegionOfInterest(image, self.size, self.index)

    def place(self, array: np.ndarray, image: sitk.Image) -> sitk.Image:
        """The array (z, y, x) of this box as an image, where the box lies in the patient."""
        placed = sitk.GetImageFromArray(array)
        placed.SetSpacing(image.GetSpacing())
        placed.SetDirection(image.GetDirection())
        placed.SetOrigin(image.TransformIndexToPhysicalPoint(self.index))
        return placed

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The same box for an array (z, y, x)."""
        z, y, x = (slice(i, i + n) for i, n in zip(reversed(self.index), reversed(self.size), strict=True))
        return z, y, x


def box_around(image: sitk.Image, points: np.ndarray, margin: Sequence[float] = (0.0, 0.0, 0.0)) -> Box | None:
    """The box of voxels of `image` that holds the physical points (n, 3) and `margin` mm along each image axis.

    Returns:
        The box, cut to the image; None if nothing of it lies inside.
    """
    indices = np.array([image.TransformPhysicalPointToContinuousIndex(point) for point in points.tolist()])
    margins = np.array(margin) / np.array(image.GetSpacing())
    first = np.maximum(np.floor(indices.min(axis=0) - margins), 0).astype(int)
    last = np.minimum(np.ceil(indices.max(axis=0) + margins), np.array(image.GetSize()) - 1).astype(int)
    if np.any(last < first):
        return None
    return Box(tuple(first.tolist()), tuple((last - first + 1).tolist()))
