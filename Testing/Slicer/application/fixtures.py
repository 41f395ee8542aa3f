"""Fixtures: the started application with an empty scene, and nodes named by their role."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk


@pytest.fixture(scope="session")
def started_slicer() -> Any:
    """The `slicer` module as inside the application; skips where slicer-core is not installed."""
    pytest.importorskip("slicer", reason="slicer-core, the real MRML, is not installed (pip install .[slicer-test])")
    from .start import start

    return start()


@pytest.fixture
def slicer_app(started_slicer: Any) -> Iterator[Any]:
    """The `slicer` module with an empty scene; the test fails if VTK or MRML report an error."""
    from .start import VtkErrors

    started_slicer.mrmlScene.Clear(True)
    errors = VtkErrors()
    yield started_slicer
    started_slicer.mrmlScene.Clear(True)
    errors.stop()
    assert not errors.texts, "\n".join(errors.texts)


@pytest.fixture
def add_volume(slicer_app: Any) -> Callable[..., Any]:
    """add_volume(image, name="CT") -> a scalar volume node with the voxels and geometry of a SimpleITK image (LPS)."""
    return lambda image, name="CT": volume_from_image(slicer_app, image, name)


def volume_from_image(slicer: Any, image: sitk.Image, name: str) -> Any:
    """A scalar volume node in the scene, made without the code under test."""
    import vtk

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, sitk.GetArrayFromImage(image))
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    matrix = np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix  # LPS to RAS
    to_ras = vtk.vtkMatrix4x4()
    to_ras.DeepCopy(matrix.ravel().tolist())
    node.SetIJKToRASMatrix(to_ras)
    node.CreateDefaultDisplayNodes()
    return node


@pytest.fixture
def add_transform(slicer_app: Any) -> Callable[[np.ndarray], Any]:
    """add_transform(matrix) -> a linear transform node with this 4×4 matrix (to parent, RAS, mm)."""

    def add(matrix: np.ndarray) -> Any:
        node = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "Moved")
        node.SetMatrixTransformToParent(slicer_app.util.vtkMatrixFromArray(matrix))
        return node

    return add


@pytest.fixture
def place_in_study(slicer_app: Any) -> Callable[..., tuple[int, int]]:
    """place_in_study(node, patient, study) -> item IDs of both, made if needed; the node's item is made as well."""

    def place(node: Any, patient: str, study: str) -> tuple[int, int]:
        hierarchy = slicer_app.mrmlScene.GetSubjectHierarchyNode()
        top = hierarchy.GetSceneItemID()
        patient_item = hierarchy.GetItemChildWithName(top, patient) or hierarchy.CreateSubjectItem(top, patient)
        study_item = hierarchy.GetItemChildWithName(patient_item, study) or hierarchy.CreateStudyItem(
            patient_item, study
        )
        hierarchy.CreateItem(study_item, node)
        return patient_item, study_item

    return place


@pytest.fixture
def dicom_database(slicer_app: Any, tmp_path: Path) -> Iterator[Any]:
    """An open, empty `slicer.dicomDatabase`; `addFolder` fills it."""
    from .dicom_database import DicomDatabase, install_dicom_lib

    install_dicom_lib()
    slicer_app.dicomDatabase = DicomDatabase(tmp_path / "dicom-database")
    yield slicer_app.dicomDatabase
    del slicer_app.dicomDatabase


@pytest.fixture
def slice_views(slicer_app: Any) -> Iterator[list[Any]]:
    """The logics of three slice views, real ones, as a window's layout makes them: axial, coronal, sagittal."""
    application_logic, scene = slicer_app.app.applicationLogic(), slicer_app.mrmlScene
    slicer_app.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    logics = []
    for name, orientation in (("Red", "Axial"), ("Green", "Coronal"), ("Yellow", "Sagittal")):
        node = scene.CreateNodeByClass("vtkMRMLSliceNode")
        node.UnRegister(None)
        node.SetName(name)
        node.SetLayoutName(name)
        node = scene.AddNode(node)
        node.SetOrientation(orientation)
        node.SetDimensions(320, 240, 1)
        logic = slicer_app.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(application_logic)
        logic.SetMRMLScene(scene)
        logic.SetSliceNode(node)
        application_logic.GetSliceLogics().AddItem(logic)
        logics.append(logic)
    yield logics
    application_logic.GetSliceLogics().RemoveAllItems()
    for logic in logics:
        logic.SetMRMLScene(None)
