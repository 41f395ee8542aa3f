"""Where nodes stand among patients and studies; what Slicer's DICOM database has of them, and what it takes in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer


def place_beside(node: Any, volume_node: Any) -> None:
    """Put a node into the study (or folder) of the volume; one that a person has put elsewhere stays there."""
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    if hierarchy is None:
        return
    top = hierarchy.GetSceneItemID()
    volume_item = hierarchy.GetItemByDataNode(volume_node)
    parent = hierarchy.GetItemParent(volume_item) if volume_item else top
    item = hierarchy.GetItemByDataNode(node)
    if not item:
        hierarchy.CreateItem(parent or top, node)
    elif hierarchy.GetItemParent(item) == top and parent not in (0, top):
        hierarchy.SetItemParent(item, parent)


def dicom_files(volume_node: Any) -> list[Path]:
    """The DICOM files that a volume was loaded from; none if it came from elsewhere or a file is gone."""
    instances = (volume_node.GetAttribute("DICOM.instanceUIDs") or "").split()
    database = open_database()
    if not instances or database is None:
        return []
    names = [database.fileForInstance(instance) for instance in instances]
    files = [Path(name) for name in names if name and Path(name).is_file()]
    return files if len(files) == len(instances) else []


def series_files(node: Any) -> list[Path]:
    """The DICOM files of the series that a node stands for in the subject hierarchy; none if they are not known.

    So nodes are found that name no instances, such as SlicerRT's doses.
    """
    hierarchy, database = slicer.mrmlScene.GetSubjectHierarchyNode(), open_database()
    item = hierarchy.GetItemByDataNode(node) if hierarchy is not None else 0
    if not item or database is None:
        return []
    series = hierarchy.GetItemUID(item, slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMUIDName())
    return [Path(name) for name in (database.filesForSeries(series) if series else ()) if Path(name).is_file()]


def patient_of(node: Any) -> int:
    """The item of the patient under which a node stands in the subject hierarchy; 0 if it stands under none."""
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    item = hierarchy.GetItemByDataNode(node) if hierarchy is not None else 0
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelPatient()
    return int(hierarchy.GetItemAncestorAtLevel(item, level)) if item else 0


def open_database() -> Any:
    """Slicer's DICOM database; None if it is not open, or Slicer has none."""
    database = getattr(slicer, "dicomDatabase", None)
    return database if database is not None and database.isOpen else None


def add_to_database(folder: Path) -> bool:
    """Copy the DICOM files of a folder into Slicer's DICOM database; whether it holds more than before."""
    from DICOMLib import DICOMUtils  # Slicer's own; there only where its DICOM module is

    database = open_database()
    if database is None:
        return False
    before = database.imagesCount()
    DICOMUtils.importDicom(str(folder), database, copyFiles=True)
    database.databaseChanged()  # importing does not tell the window of the DICOM module, which would not show it
    return bool(database.imagesCount() > before)
