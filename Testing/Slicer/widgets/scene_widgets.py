"""Stand-ins for the widgets that show the MRML scene, bound to the real scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
from PySide6.QtCore import Property, QObject, QSignalBlocker, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QWidget


class qMRMLWidget(QWidget):
    """A widget that knows the scene and passes it on by its signal."""

    mrmlSceneChanged = Signal(object)
    SIGNALS = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}  # noqa: RUF012

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


def _flag(name: str, default: Any) -> property:
    """A property of the real widget that changes nothing here but is remembered."""

    def read(self: Any) -> Any:
        return self._flags.get(name, default)

    def write(self: Any, value: Any) -> None:
        self._flags[name] = value
        self._refresh()

    return Property(type(default), read, write)


class qMRMLNodeComboBox(QWidget):
    """Chooses a node of the scene."""

    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    nodeAddedByUserAction = Signal(object)
    SIGNALS = {  # noqa: RUF012
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "nodeAddedByUserAction(vtkMRMLNode*)": "nodeAddedByUserAction",
    }

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._types: list[str] = []
        self._flags: dict[str, Any] = {}
        self._ids: list[str] = []
        self._current = ""
        self._observers: list[int] = []
        self._box = QComboBox(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._box.currentIndexChanged.connect(self._chosen)

    noneEnabled = _flag("noneEnabled", False)
    noneDisplay = _flag("noneDisplay", "None")
    addEnabled = _flag("addEnabled", True)
    removeEnabled = _flag("removeEnabled", True)
    editEnabled = _flag("editEnabled", False)
    renameEnabled = _flag("renameEnabled", False)
    selectNodeUponCreation = _flag("selectNodeUponCreation", True)
    showHidden = _flag("showHidden", False)
    showChildNodeTypes = _flag("showChildNodeTypes", True)
    baseName = _flag("baseName", "")

    def _read_types(self) -> list[str]:
        return self._types

    def _write_types(self, names: list[str]) -> None:
        for name in names:
            getattr(slicer, name)  # an unknown class fails
        self._types = list(names)
        self._refresh()

    nodeTypes = Property("QStringList", _read_types, _write_types)

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        for tag in self._observers:
            self._scene.RemoveObserver(tag)
        self._scene, self._observers = scene, []
        kinds = slicer.vtkMRMLScene
        for event in (kinds.NodeAddedEvent, kinds.NodeRemovedEvent, kinds.EndImportEvent, kinds.EndCloseEvent):
            if scene is not None:
                self._observers.append(scene.AddObserver(event, _without_arguments(self._refresh)))
        self._refresh()

    def currentNode(self) -> Any:
        return self._scene.GetNodeByID(self._current) if self._scene is not None and self._current else None

    def setCurrentNode(self, node: Any) -> None:
        self.setCurrentNodeID(node.GetID() if node is not None else "")

    def setCurrentNodeID(self, node_id: str) -> None:
        self._select(node_id if node_id in self._ids else "")

    def _read_current(self) -> str:
        return self._current

    currentNodeID = Property(str, _read_current, setCurrentNodeID, notify=currentNodeIDChanged)

    def nodeCount(self) -> int:
        return sum(bool(node_id) for node_id in self._ids)

    def addNode(self) -> Any:
        """What "Create new …" of the menu does."""
        node = self._scene.AddNewNodeByClass(self._types[0], self._flags.get("baseName", ""))
        self.setCurrentNode(node)
        self.nodeAddedByUserAction.emit(node)
        return node

    def _nodes(self) -> list[Any]:
        nodes = []
        for name in self._types if self._scene is not None else ():
            collection = self._scene.GetNodesByClass(name)
            collection.UnRegister(None)
            nodes += [collection.GetItemAsObject(index) for index in range(collection.GetNumberOfItems())]
        return [node for node in nodes if not node.GetHideFromEditors()]

    def _refresh(self) -> None:
        nodes, none = self._nodes(), self._flags.get("noneEnabled", False)
        with QSignalBlocker(self._box):
            self._box.clear()
            self._ids = [""] * none + [node.GetID() for node in nodes]
            self._box.addItems([self._flags.get("noneDisplay", "None")] * none + [node.GetName() for node in nodes])
        gone = self._current not in self._ids
        first = "" if none or not self._ids else self._ids[0]
        self._select(first if gone else self._current)

    def _chosen(self, index: int) -> None:
        self._select(self._ids[index] if index >= 0 else "")

    def _select(self, node_id: str) -> None:
        with QSignalBlocker(self._box):
            self._box.setCurrentIndex(self._ids.index(node_id) if node_id in self._ids else -1)
        if node_id != self._current:
            self._current = node_id
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(node_id)


def _without_arguments(function: Callable[[], None]) -> Callable[..., None]:
    def call(*_: object) -> None:
        function()

    return call


def deleted(widget: QObject) -> bool:
    """Whether the C++ object behind a widget is gone."""
    from shiboken6 import isValid

    return not isValid(widget)


SCENE_WIDGETS = (qMRMLWidget, qMRMLNodeComboBox)
