"""Made heads and glands in the real MRML scene, and where their segments lie."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import like, made_head, values
from orientations import rotation


@pytest.fixture
def scene(slicer_app):
    """The module under test; it needs a started application."""
    from ParotidSegLib.in_slicer.scene import scene

    return scene


def oblique_head(degrees=(10, -20, 30)) -> sitk.Image:
    head = made_head()
    head.SetDirection(rotation(*degrees))
    return head


def made_glands(head: sitk.Image) -> sitk.Image:
    """Two balls (15 mm right, 18 mm left) in patient space, whatever the grid."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in head.GetSize()), indexing="ij"), -1).transpose(2, 1, 0, 3)
    matrix = np.reshape(head.GetDirection(), (3, 3)) * np.array(head.GetSpacing())
    points = np.array(head.GetOrigin()) + index @ matrix.T
    middle = points.reshape(-1, 3).mean(axis=0)
    labels = np.zeros(points.shape[:3], np.uint8)
    for label, offset, radius in ((1, (-40, 0, 0), 15), (2, (40, 10, -6), 18)):
        labels[np.linalg.norm(points - middle - offset, axis=-1) < radius] = label
    return like(head, labels)


def middle_in_ras(slicer, node, segment_id) -> np.ndarray:
    """Middle of a segment's voxels in the world, mm, RAS, by Slicer's own export."""
    import vtk

    exported = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    assert slicer.modules.segmentations.logic().ExportSegmentsToLabelmapNode(node, [segment_id], exported)
    matrix, to_world = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    exported.GetIJKToRASMatrix(matrix)
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(exported.GetParentTransformNode(), None, to_world)
    index = np.argwhere(slicer.util.arrayFromVolume(exported))[:, ::-1].mean(axis=0)
    slicer.mrmlScene.RemoveNode(exported)
    both = slicer.util.arrayFromVTKMatrix(to_world) @ slicer.util.arrayFromVTKMatrix(matrix)
    return (both @ (*index, 1.0))[:3]


def middle_of(labels: sitk.Image, label: int) -> np.ndarray:
    """Middle of a label's voxels, mm, RAS."""
    middle = np.argwhere(values(labels) == label)[:, ::-1].mean(axis=0)
    return np.array(labels.TransformContinuousIndexToPhysicalPoint(middle.tolist())) * (-1, -1, 1)


def share_one_array(node, *segment_ids) -> bool:
    segmentation = node.GetSegmentation()
    return len({segmentation.GetLayerIndex(segment_id) for segment_id in segment_ids}) == 1


def voxels_of(slicer, node, segment_id) -> int:
    array = slicer.util.arrayFromSegmentInternalBinaryLabelmap(node, segment_id)
    return int((array == node.GetSegmentation().GetSegment(segment_id).GetLabelValue()).sum())


def add_ball(slicer, node, segment_id, *, centre, radius, grid) -> None:
    """A segment of a person's own, drawn on the voxels of an image."""
    from ParotidSegLib.in_slicer.scene.voxels import oriented_mask

    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(grid.GetDirection(), (3, 3)) * np.array(grid.GetSpacing())
    matrix[:3, 3] = grid.GetOrigin()
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.GetSize()), indexing="ij"), -1).transpose(2, 1, 0, 3)
    mask = np.linalg.norm((index - np.array(centre)) * grid.GetSpacing(), axis=-1) < radius
    if node.GetSegmentation().GetSegment(segment_id) is None:
        node.GetSegmentation().AddEmptySegment(segment_id, segment_id)
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(
        oriented_mask(mask, np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix), node, segment_id
    )
