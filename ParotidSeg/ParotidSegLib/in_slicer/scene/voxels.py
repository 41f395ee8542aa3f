"""Between MRML and SimpleITK: volumes out of the scene, label maps in and out of segmentations.

The scene is RAS, SimpleITK is LPS, both in mm; arrays are (z, y, x). A volume's *own* space is the one of its file (for
DICOM, the scanner's); its *world* space has the transforms applied under which the scene shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import slicer.util
import vtk
from vtk.util import numpy_support

from ...errors import ImageError, OutputError
from ...geometry.surfaces import joint_bounding_box

Slices = tuple[slice, slice, slice]
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
#: Axes count as at right angles if their cosine is below this; what NIfTI and DICOM round is far below it.
_RIGHT_ANGLE = 1e-4
#: Two grids are one if no corner is further off than this (mm); NIfTI stores them in single precision.
_SAME_GRID_MM = 1e-2


def index_to_ras(volume_node: Any, *, world: bool) -> np.ndarray:
    """The 4×4 matrix from voxel index (i, j, k) to RAS (mm), in the volume's own space or in the world's.

    Raises:
        ImageError: the world is wanted and a transform above the volume is not linear.
    """
    matrix = vtk.vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    own = slicer.util.arrayFromVTKMatrix(matrix)
    if not world:
        return own
    to_world = between(volume_node, None)
    if to_world is None:
        raise ImageError(
            "The volume is under a transform that bends it: harden the transform in the Transforms module (this "
            "resamples the volume), or take the volume out of it."
        )
    return to_world @ own


def between(source_node: Any, target_node: Any) -> np.ndarray | None:
    """The 4×4 matrix from the space of one node to that of another (None: the world); None if it bends space."""
    source = source_node.GetParentTransformNode()
    target = target_node.GetParentTransformNode() if target_node is not None else None
    if source is target:
        return np.eye(4)
    # One of them is a transform; linear there is linear back.
    first, second = (target, source) if source is None else (source, target)
    assert first is not None
    if not first.IsTransformToNodeLinear(second):
        return None
    matrix = vtk.vtkMatrix4x4()
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(source, target, matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def volume_image(volume_node: Any, *, world: bool) -> sitk.Image:
    """A volume's voxels, copied, with its geometry in LPS and without metadata.

    Raises:
        ImageError: it has no voxels or several values in each, a transform bends it (only with `world`), or its axes
            are not at right angles.
    """
    data = volume_node.GetImageData()
    if data is None or data.GetPointData() is None or data.GetPointData().GetScalars() is None:
        raise ImageError("The volume has no voxels: load the scan again.")
    if data.GetNumberOfScalarComponents() != 1:
        raise ImageError("The volume has several values in each voxel: choose a CT.")
    return with_geometry(slicer.util.arrayFromVolume(volume_node), index_to_ras(volume_node, world=world))


def with_geometry(array: np.ndarray, matrix: np.ndarray) -> sitk.Image:
    """Voxels (z, y, x), copied, as an image that lies where the 4×4 matrix from index to RAS says.

    Raises:
        ImageError: the axes are not at right angles.
    """
    image = sitk.GetImageFromArray(array)
    to_lps = _RAS_TO_LPS @ matrix
    spacing = spacing_of(matrix)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((to_lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(to_lps[:3, 3].tolist())
    return image


def spacing_of(matrix: np.ndarray) -> np.ndarray:
    """The edges of a voxel (i, j, k) in mm, of the 4×4 matrix from index to RAS.

    Raises:
        ImageError: the axes are not at right angles.
    """
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    direction = matrix[:3, :3] / spacing
    if np.abs(direction.T @ direction - np.eye(3)).max() > _RIGHT_ANGLE:
        raise ImageError(
            "The volume is sheared by its transform or its file: resample it to a grid with right angles, for instance "
            "with the module Resample Scalar Volume."
        )
    return spacing


def write_volume(volume_node: Any, path: str | Path) -> None:
    """Write a volume as it lies in the world, for the worker process: voxels and geometry, nothing of the patient.

    Args:
        volume_node: a scalar volume; transforms above it are applied to its geometry, voxels are not resampled.
        path: .nrrd (exact, quick) or .nii.gz.

    Raises:
        ImageError: see `volume_image`.
        OutputError: the file cannot be written.
    """
    image = volume_image(volume_node, world=True)
    try:
        # Packing a CT takes longer than writing it, and the file lives for a minute.
        sitk.WriteImage(image, str(path), useCompression=not str(path).endswith(".nrrd"))
    except RuntimeError as error:
        raise OutputError(
            "The scan cannot be handed to the engine: look whether the disk of the temporary folder is full."
        ) from error


def check_on_voxels(labels: sitk.Image, volume_node: Any) -> None:
    """Refuse a label map that is not on the voxels of the volume as it lies in the world.

    Raises:
        ImageError: it is on others: the volume was moved or changed since it was written.
    """
    size = volume_node.GetImageData().GetDimensions() if volume_node.GetImageData() is not None else None
    if labels.GetSize() == size:
        corners = np.array(np.meshgrid(*((0, n - 1) for n in size), indexing="ij")).reshape(3, -1).T
        there = np.array([labels.TransformIndexToPhysicalPoint(corner) for corner in corners.tolist()])
        matrix = _RAS_TO_LPS @ index_to_ras(volume_node, world=True)
        if np.abs(there - (corners @ matrix[:3, :3].T + matrix[:3, 3])).max() <= _SAME_GRID_MM:
            return
    raise ImageError(
        "The contours do not lie on the voxels of the volume: it was moved or changed meanwhile; segment it again."
    )


def box_of(mask: np.ndarray) -> Slices:
    """The smallest box around a mask (z, y, x); empty slices if it is empty."""
    z, y, x = joint_bounding_box(mask, mask)
    return z, y, x


def box_around(*boxes: Slices) -> Slices:
    """The smallest box that holds all of these; those that are empty do not count."""
    full = [box for box in boxes if all(side.start < side.stop for side in box)]
    if not full:
        return slice(0, 0), slice(0, 0), slice(0, 0)
    z, y, x = (
        slice(min(side.start for side in sides), max(side.stop for side in sides)) for sides in zip(*full, strict=True)
    )
    return z, y, x


def within(box: Slices, outer: Slices) -> Slices:
    """A box that lies in another one, in the indices of that one; an empty box stays one."""
    if any(side.start >= side.stop for side in box):
        return slice(0, 0), slice(0, 0), slice(0, 0)
    z, y, x = (
        slice(side.start - around.start, side.stop - around.start) for side, around in zip(box, outer, strict=True)
    )
    return z, y, x


def oriented_mask(mask: np.ndarray, matrix: np.ndarray, first: Sequence[int] = (0, 0, 0)) -> Any:
    """The part of a mask (z, y, x) around its voxels as a vtkOrientedImageData with 0 and 1.

    Args:
        mask: of bools.
        matrix: 4×4 from voxel index to the space in which it is wanted.
        first: index (z, y, x) of the mask's first voxel, if it is a part of the volume that the matrix is of.

    Returns:
        The image; without a voxel its extent is empty.
    """
    image = slicer.vtkOrientedImageData()
    geometry = slicer.util.vtkMatrixFromArray(matrix)
    image.SetGeometryFromImageToWorldMatrix(geometry)
    box = box_of(mask)
    bounds = [(s.start + at, s.stop - 1 + at) for s, at in zip(reversed(box), reversed(first), strict=True)]
    image.SetExtent(*(bound for pair in bounds for bound in pair))
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    if mask[box].size:
        voxels = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
        voxels[:] = mask[box].ravel()
    return image


def mask_on_voxels(segmentation_node: Any, segment_id: str, volume_node: Any) -> tuple[Slices, np.ndarray]:
    """A segment on the voxels of a volume; transforms of both nodes are taken into account.

    Returns:
        A box of the volume's voxels, as slices for an array (z, y, x), and the mask in it, of bools.
    """
    nothing = (slice(0, 0), slice(0, 0), slice(0, 0)), np.zeros((0, 0, 0), bool)
    found = label_map_of(segmentation_node, segment_id, volume_node)
    if found is None or found.IsEmpty():
        return nothing
    box = _box_around(found, segmentation_node, volume_node)
    if (box[:, 0] > box[:, 1]).any():
        return nothing
    grid = slicer.vtkOrientedImageData()
    grid.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(index_to_ras(volume_node, world=False)))
    grid.SetExtent(*box.ravel().tolist())
    grid.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    resampled = slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        found, grid, resampled, False, False, _transform(segmentation_node, volume_node)
    )
    voxels = numpy_support.vtk_to_numpy(resampled.GetPointData().GetScalars())
    x, y, z = (slice(first, last + 1) for first, last in box.tolist())
    return (z, y, x), voxels.reshape([s.stop - s.start for s in (z, y, x)]) != 0


def label_map_of(segmentation_node: Any, segment_id: str, volume_node: Any) -> Any:
    """A segment as a vtkOrientedImageData in the space of its node; the node stays as it is.

    A segment of contours or surfaces is drawn on the volume's voxels; None if this Slicer has no way to do that.
    """
    segmentation = segmentation_node.GetSegmentation()
    binary = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    found = slicer.vtkOrientedImageData()
    if segmentation.ContainsRepresentation(binary):
        segmentation_node.GetBinaryLabelmapRepresentation(segment_id, found)
        return found
    copy = slicer.vtkSegmentation()
    copy.SetSourceRepresentationName(segmentation.GetSourceRepresentationName())
    copy.CopySegmentFromSegmentation(segmentation, segment_id)
    to_node = between(volume_node, segmentation_node)
    if to_node is not None:
        matrix = slicer.util.vtkMatrixFromArray(to_node @ index_to_ras(volume_node, world=False))
        columns, rows, slices = volume_node.GetImageData().GetDimensions()
        copy.SetConversionParameter(
            slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName(),
            slicer.vtkSegmentationConverter.SerializeImageGeometry(
                matrix, (0, columns - 1, 0, rows - 1, 0, slices - 1)
            ),
        )
    if not copy.CreateRepresentation(binary):
        return None
    found.DeepCopy(copy.GetSegment(segment_id).GetRepresentation(binary))
    return found


def _box_around(image: Any, segmentation_node: Any, volume_node: Any) -> np.ndarray:
    """First and last index (3, 2) of the volume's voxels that an image of the segmentation may touch."""
    last = np.array(volume_node.GetImageData().GetDimensions()) - 1
    whole = np.stack([np.zeros(3, int), last], axis=1)
    to_volume = between(segmentation_node, volume_node)
    if to_volume is None:
        return whole
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    to_index = (
        np.linalg.inv(index_to_ras(volume_node, world=False)) @ to_volume @ slicer.util.arrayFromVTKMatrix(matrix)
    )
    extent = np.reshape(image.GetExtent(), (3, 2)) + np.array((-1, 1))
    corners = np.array(np.meshgrid(*extent, indexing="ij")).reshape(3, -1).T
    indices = corners @ to_index[:3, :3].T + to_index[:3, 3]
    first, end = np.floor(indices.min(axis=0)), np.ceil(indices.max(axis=0))
    return np.stack([np.maximum(first, 0), np.minimum(end, last)], axis=1).astype(int)


def _transform(source_node: Any, target_node: Any) -> Any:
    """From the space of one node to that of the other, bent or not; None if they share it."""
    source, target = source_node.GetParentTransformNode(), target_node.GetParentTransformNode()
    if source is target:
        return None
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(source, target, transform)
    return transform
