"""A second reader's contours and a dose beside a made case, in the real scene."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util
from made_corrections import array_of, image_like, made_scan

from ParotidSegLib.in_slicer.logic import volume_of
from ParotidSegLib.in_slicer.scene import scene
from ParotidSegLib.in_slicer.scene.voxels import oriented_mask

#: LPS, which images lie in, and RAS, which the scene lies in.
FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def add_reference(node: Any, labels: sitk.Image | None = None, name: str = "Second reader") -> Any:
    """A segmentation of the same CT with these glands, by default what the user of the made scan wants."""
    reference = scene.new_segmentation(volume_of(node), name)
    scene.put_segments(reference, labels or made_scan().wanted, volume_of(node), is_automatic=False)
    return reference


@pytest.fixture
def reference(node: Any) -> Any:
    """Another reader's contours of that scan."""
    return add_reference(node)


def add_named(volume: Any, labels: sitk.Image, names: Mapping[str, int], name: str = "Other product") -> Any:
    """A segmentation with segments of these names: the voxels of a label, on the label map's own grid."""
    reference = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    reference.CreateDefaultDisplayNodes()
    reference.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for number, (called, label) in enumerate(names.items(), start=1):
        segment_id = f"Segment_{number}"
        reference.GetSegmentation().AddEmptySegment(segment_id, called)
        slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(
            oriented_mask(array_of(labels) == label, FLIP @ index_to_lps(labels)), reference, segment_id
        )
    return reference


def index_to_lps(image: sitk.Image) -> np.ndarray:
    """The 4×4 matrix from voxel index (i, j, k) to LPS (mm)."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return matrix


def shifted(labels: sitk.Image, voxels: int, axis: int = 2) -> sitk.Image:
    """A label map whose glands lie so many voxels farther along an axis of the array (z, y, x)."""
    return image_like(labels, np.roll(array_of(labels), voxels, axis))


def mirrored(labels: sitk.Image) -> sitk.Image:
    """The same voxels, with the labels of right and left exchanged."""
    array = array_of(labels)
    return image_like(labels, np.array([0, 2, 1], np.uint8)[array])


def made_dose(gradient: float = 0.4, *, middle: float = 30.0, spacing: float = 5.0, shift: float = 0.0) -> sitk.Image:
    """A dose (Gy) on a grid of its own about the glands: it falls off from the patient's right to the left."""
    size = np.array([36, 24, 28])
    origin = np.array([0.0, 10.0, 31.0]) - (size - 1) / 2.0 * spacing + (shift, 0.0, 0.0)
    x = origin[0] - shift + spacing * np.arange(size[0])
    values = np.maximum(middle - gradient * x, 0.0).astype(np.float32)
    image = sitk.GetImageFromArray(np.broadcast_to(values, size[::-1]).copy())
    image.SetSpacing([spacing] * 3)
    image.SetOrigin(origin.tolist())
    return image


def add_dose(add_volume: Callable[..., Any], image: sitk.Image | None = None, unit: str = "GY") -> Any:
    """A dose volume as SlicerRT makes it: marked as one, and the unit stands with its study in the hierarchy."""
    node = add_volume(image or made_dose(), "Dose")
    node.SetAttribute("DicomRtImport.DoseVolume", "1")
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Patient")
    study = hierarchy.CreateStudyItem(patient, "Plan")
    hierarchy.CreateItem(study, node)
    if unit:
        hierarchy.SetItemAttribute(study, "DicomRtImport.DoseUnitName", unit)
    return node
