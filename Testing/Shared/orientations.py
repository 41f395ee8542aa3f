"""One image stored in other orientations: other arrays, other direction matrices, the same patient."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import SimpleITK as sitk


def reoriented(image: sitk.Image, order: Sequence[int], flips: Sequence[bool]) -> sitk.Image:
    """The image with its axes in another order and some of them reversed; every voxel stays where it is in space.

    Made with numpy alone, so that nothing under test is used.

    Args:
        image: three-dimensional scalar image.
        order: for each new axis (x, y, z) the old one.
        flips: which new axes run backwards.
    """
    columns = sitk.GetArrayFromImage(image).transpose(2, 1, 0).transpose(order)
    columns = np.flip(columns, [axis for axis in range(3) if flips[axis]])
    direction = np.reshape(image.GetDirection(), (3, 3))
    first = np.zeros(3)
    for axis in range(3):
        if flips[axis]:
            first[order[axis]] = image.GetSize()[order[axis]] - 1
    other = sitk.GetImageFromArray(np.ascontiguousarray(columns.transpose(2, 1, 0)))
    other.SetSpacing([image.GetSpacing()[axis] for axis in order])
    other.SetOrigin((np.array(image.GetOrigin()) + direction @ (first * image.GetSpacing())).tolist())
    other.SetDirection((direction[:, list(order)] * np.where(flips, -1.0, 1.0)).ravel().tolist())
    return other


def all_orientations(image: sitk.Image) -> Iterator[sitk.Image]:
    """The 48 ways to store the image along its own axes; the first is the image itself."""
    for order in itertools.permutations(range(3)):
        for flips in itertools.product((False, True), repeat=3):
            yield reoriented(image, order, flips)


def rotation(degrees_x: float, degrees_y: float, degrees_z: float) -> list[float]:
    """An oblique direction matrix, row by row: turned about x, then y, then z."""
    turn = sitk.Euler3DTransform()
    turn.SetRotation(*np.deg2rad([degrees_x, degrees_y, degrees_z]).tolist())
    return list(turn.GetMatrix())


def image_of(function, size: Sequence[int], spacing: Sequence[float], origin: Sequence[float], direction) -> sitk.Image:
    """The values of a function of the patient coordinates, as a float32 image on a grid.

    Args:
        function: from points (..., 3) in mm, LPS, to values (...).
        size, spacing, origin: of the image, (x, y, z).
        direction: nine numbers, row by row.
    """
    image = sitk.Image(list(size), sitk.sitkFloat32)
    image.SetSpacing(list(spacing))
    image.SetOrigin(list(origin))
    image.SetDirection(list(direction))
    other = sitk.GetImageFromArray(function(voxel_centres(image)).astype(np.float32))
    other.CopyInformation(image)
    return other


def voxel_centres(image: sitk.Image) -> np.ndarray:
    """Patient coordinates of the voxels, (z, y, x, 3) in mm."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in image.GetSize()), indexing="ij"), axis=-1).transpose(
        2, 1, 0, 3
    )
    matrix = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    return np.array(image.GetOrigin()) + index @ matrix.T
