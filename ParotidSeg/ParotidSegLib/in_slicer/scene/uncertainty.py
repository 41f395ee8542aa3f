"""Where the model was unsure, as a volume beside the CT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from . import automatic
from .hierarchy import place_beside
from .voxels import check_on_voxels

#: Role of the node reference from a segmentation to the volume of its uncertainty.
ROLE = "ParotidSeg.uncertainty"
#: Attribute of that volume: the fingerprint of the automatic contour that it belongs to.
_OF = "ParotidSeg.automatic"


def put_uncertainty(path: Path, volume_node: Any, segmentation_node: Any) -> Any:
    """Put the uncertainty of a run beside its CT; that of an earlier run into the same segmentation is replaced.

    Args:
        path: percent (0 sure, 100 undecided) on the voxels of the volume, as `parotidseg segment --uncertainty` writes.
        volume_node: the CT.
        segmentation_node: what was drawn.

    Returns:
        The volume node; laid over a CT it shows nothing where the model was sure.

    Raises:
        ImageError: it lies on other voxels.
    """
    image = sitk.ReadImage(str(path))
    check_on_voxels(image, volume_node)
    node = segmentation_node.GetNodeReference(ROLE)
    if node is None:
        name = _("{segmentation} uncertainty").format(segmentation=segmentation_node.GetName())
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(name))
        segmentation_node.SetNodeReferenceID(ROLE, node.GetID())
    array = sitk.GetArrayFromImage(image)
    data = vtk.vtkImageData()
    data.SetDimensions(*reversed(array.shape))
    data.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(array).ravel(), deep=True))
    node.SetAndObserveImageData(data)
    # The same voxels as the CT's, under the same transform.
    node.CopyOrientation(volume_node)
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    node.SetAttribute(_OF, automatic.fingerprint(segmentation_node))
    _show_what_is_unsure(node)
    place_beside(node, volume_node)
    return node


def uncertainty_of(segmentation_node: Any, volume_node: Any) -> np.ndarray | None:
    """Where the model that drew the automatic contour was unsure, percent (z, y, x) on the volume's voxels; or None."""
    node = segmentation_node.GetNodeReference(ROLE)
    if node is None or node.GetAttribute(_OF) != automatic.fingerprint(segmentation_node):  # of another run
        return None
    shape = volume_node.GetImageData().GetDimensions()
    if node.GetImageData() is None or node.GetImageData().GetDimensions() != shape:
        return None
    return slicer.util.arrayFromVolume(node)


def _show_what_is_unsure(node: Any) -> None:
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(0, 100)
    display.AutoThresholdOff()
    display.SetLowerThreshold(1)
    display.SetUpperThreshold(100)
    display.ApplyThresholdOn()
