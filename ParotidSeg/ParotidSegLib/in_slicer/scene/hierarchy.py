"""Where nodes stand among patients and studies, and which DICOM files a volume came from."""

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
    database = getattr(slicer, "dicomDatabase", None)
    if not instances or database is None or not database.isOpen:
        return []
    names = [database.fileForInstance(instance) for instance in instances]
    files = [Path(name) for name in names if name and Path(name).is_file()]
    return files if len(files) == len(instances) else []
