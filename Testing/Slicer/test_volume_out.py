"""Volumes that leave the scene for the worker: where they lie, and what they tell."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import made_head, values
from made_scene import oblique_head
from orientations import rotation

from ParotidSegLib.errors import ImageError


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz"])
def test_a_volume_is_written_where_it_lies(scene, add_volume, tmp_path, suffix):
    head = oblique_head()
    scene.write_volume(add_volume(head), tmp_path / f"scan{suffix}")
    read = sitk.ReadImage(str(tmp_path / f"scan{suffix}"))
    np.testing.assert_array_equal(values(read), values(head))
    np.testing.assert_allclose(read.GetDirection(), head.GetDirection(), atol=1e-6)
    np.testing.assert_allclose(read.GetOrigin(), head.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(read.GetSpacing(), head.GetSpacing(), atol=1e-6)


def test_a_volume_under_transforms_is_written_where_the_scene_shows_it(scene, add_volume, add_transform, tmp_path):
    turned, shifted = np.eye(4), np.eye(4)
    turned[:3, :3] = np.reshape(rotation(0, 0, 90), (3, 3))
    shifted[:3, 3] = (5, -7, 11)
    inner, outer = add_transform(turned), add_transform(shifted)
    inner.SetAndObserveTransformNodeID(outer.GetID())
    head = oblique_head()
    node = add_volume(head)
    node.SetAndObserveTransformNodeID(inner.GetID())
    scene.write_volume(node, tmp_path / "scan.nrrd")
    read = sitk.ReadImage(str(tmp_path / "scan.nrrd"))
    before = np.array(head.TransformIndexToPhysicalPoint((3, 4, 5))) * (-1, -1, 1)
    expected = (turned[:3, :3] @ before + shifted[:3, 3]) * (-1, -1, 1)
    np.testing.assert_allclose(read.TransformIndexToPhysicalPoint((3, 4, 5)), expected, atol=1e-6)


def test_the_written_volume_holds_nothing_of_the_patient(scene, add_volume, tmp_path):
    node = add_volume(made_head(), "Doe^Jane")
    node.SetAttribute("DICOM.instanceUIDs", "1.2.3")
    scene.write_volume(node, tmp_path / "scan.nrrd")
    header = (tmp_path / "scan.nrrd").read_bytes().partition(b"\n\n")[0]
    assert b"Doe" not in header
    assert b"1.2.3" not in header


def test_what_cannot_be_written_is_said_in_a_sentence(scene, slicer_app, add_volume, add_transform, tmp_path):
    import vtk

    empty = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    with pytest.raises(ImageError, match="no voxels"):
        scene.write_volume(empty, tmp_path / "scan.nrrd")
    shear = np.eye(4)
    shear[0, 2] = 0.2
    node = add_volume(made_head())
    node.SetAndObserveTransformNodeID(add_transform(shear).GetID())
    with pytest.raises(ImageError, match="sheared"):
        scene.write_volume(node, tmp_path / "scan.nrrd")
    bend = vtk.vtkThinPlateSplineTransform()
    landmarks = [vtk.vtkPoints(), vtk.vtkPoints()]
    for points, shift in zip(landmarks, (0.0, 3.0), strict=True):
        for x, y, z in ((0, 0, 0), (50, 0, 0), (0, 50, 0), (0, 0, 50), (30, 30, 30)):
            points.InsertNextPoint(x + shift * (x == 30), y, z)
    bend.SetSourceLandmarks(landmarks[0])
    bend.SetTargetLandmarks(landmarks[1])
    bent = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    bent.SetAndObserveTransformToParent(bend)
    node.SetAndObserveTransformNodeID(bent.GetID())
    with pytest.raises(ImageError, match="bends"):
        scene.write_volume(node, tmp_path / "scan.nrrd")
    assert not list(tmp_path.iterdir())
