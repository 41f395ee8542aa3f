"""`slicer.app.coreIOManager()`: files in and out through the real module logics and storage nodes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: File types by suffix; the longest suffix that fits counts.
FILE_TYPES = {
    ".nrrd": "VolumeFile",
    ".nii": "VolumeFile",
    ".nii.gz": "VolumeFile",
    ".mha": "VolumeFile",
    ".dcm": "VolumeFile",
    ".seg.nrrd": "SegmentationFile",
    ".stl": "ModelFile",
    ".csv": "TableFile",
    ".tsv": "TableFile",
    ".h5": "TransformFile",
    ".mrml": "SceneFile",
    ".mrb": "SceneFile",
}
NODE_CLASSES = {
    "ModelFile": "vtkMRMLModelNode",
    "TableFile": "vtkMRMLTableNode",
    "TransformFile": "vtkMRMLTransformNode",
}
_LABEL_MAP, _SINGLE_FILE, _AUTO_WINDOW = 1, 4, 8


class CoreIOManager:
    """Loads and saves what `slicer.util` asks for; an unknown file type or option raises."""

    OPTIONS = frozenset({"fileName", "name", "labelmap", "singleFile", "show", "clear", "nodeID", "useCompression"})

    def __init__(self, slicer: Any) -> None:
        self._slicer = slicer

    def fileType(self, path: str | Path) -> str:
        """The file type by the suffix; KeyError for one that is not known here."""
        return FILE_TYPES[self.extractKnownExtension(path)]

    def extractKnownExtension(self, path: str | Path, node: Any = None) -> str:
        """The longest known suffix of a file name; empty if there is none."""
        name = Path(path).name.lower()
        return max((suffix for suffix in FILE_TYPES if name.endswith(suffix)), key=len, default="")

    def fileWriterFileType(self, node: Any) -> str:
        """The file type that a node is saved as."""
        return node.GetClassName().removeprefix("vtkMRML").removesuffix("Node") + "File"

    def loadNodes(self, kind: str, properties: Mapping[str, Any], loaded: Any = None, messages: Any = None) -> bool:
        """Load a file; whether that worked. Loaded nodes are added to the collection."""
        self._check(properties)
        path = str(properties["fileName"])
        name = properties.get("name") or Path(path).name.removesuffix(self.extractKnownExtension(path))
        if kind == "SceneFile":
            return self._load_scene(path, properties)
        if kind == "VolumeFile":
            node = self._load_volume(path, name, properties)
        elif kind == "SegmentationFile":
            node = self._slicer.modules.segmentations.logic().LoadSegmentationFromFile(path, True, name)
        else:
            node = self._load_by_storage(NODE_CLASSES[kind], path, name)
        if node is None:
            return False
        if loaded is not None:
            loaded.AddItem(node)
        return True

    def saveNodes(self, kind: str, properties: Mapping[str, Any], messages: Any = None) -> bool:
        """Save a node, or the scene; whether that worked."""
        self._check(properties)
        scene, path = self._slicer.mrmlScene, str(properties["fileName"])
        if kind == "SceneFile":
            if path.endswith(".mrb"):
                return bool(scene.WriteToMRB(path))
            scene.SetURL(path)
            scene.SetRootDirectory(os.path.dirname(path))
            return bool(scene.Commit(path))
        node = scene.GetNodeByID(properties["nodeID"])
        storage = node.GetStorageNode()
        if storage is None or not storage.SupportedFileType(path):
            node.AddDefaultStorageNode(path)
            storage = node.GetStorageNode()
        storage.SetFileName(path)
        return bool(storage.WriteData(node))

    def _check(self, properties: Mapping[str, Any]) -> None:
        unknown = set(properties) - self.OPTIONS
        if unknown:
            raise KeyError(f"unknown loading options: {sorted(unknown)}")

    def _load_scene(self, path: str, properties: Mapping[str, Any]) -> bool:
        scene = self._slicer.mrmlScene
        clear = properties.get("clear", True)
        if path.endswith(".mrb"):
            return bool(scene.ReadFromMRB(path, clear))
        scene.SetURL(path)
        return bool(scene.Connect() if clear else scene.Import())

    def _load_volume(self, path: str, name: str, properties: Mapping[str, Any]) -> Any:
        options = _AUTO_WINDOW
        options |= _LABEL_MAP if properties.get("labelmap") else 0
        options |= _SINGLE_FILE if properties.get("singleFile") else 0
        return self._slicer.modules.volumes.logic().AddArchetypeVolume(path, name, options)

    def _load_by_storage(self, class_name: str, path: str, name: str) -> Any:
        scene = self._slicer.mrmlScene
        node = scene.AddNewNodeByClass(class_name, name)
        node.AddDefaultStorageNode(path)
        if node.GetStorageNode().ReadData(node):
            return node
        scene.RemoveNode(node)
        return None
