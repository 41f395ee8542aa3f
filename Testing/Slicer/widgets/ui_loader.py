"""A loader of .ui files that refuses what Qt would let pass: an unknown widget, property, signal or slot."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import pythonqt

_STAND_INS: dict[str, type] = {}
#: A property that designers add for the parameter node; every widget may have it.
_DYNAMIC = {"SlicerParameterName"}


def register(widget: type) -> None:
    """Let .ui files use this stand-in."""
    _STAND_INS[widget.__name__] = widget


def widget_class(name: str) -> type:
    """The class of that name in a .ui file; AttributeError if there is none."""
    found = _STAND_INS.get(name) or getattr(QtWidgets, name, None)
    if found is None:
        raise AttributeError(f"the .ui file uses {name}, which is no known widget")
    return found


class StrictUiLoader(QtUiTools.QUiLoader):
    """Loads a .ui file after its names have been checked, and makes the connections that it states."""

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        for widget in _STAND_INS.values():
            self.registerCustomWidget(widget)

    def load(self, device: QtCore.QIODevice, parent: QtWidgets.QWidget | None = None) -> QtWidgets.QWidget:
        """The widget of a file that has been opened."""
        content = bytes(device.readAll())
        tree = ElementTree.fromstring(content)
        for element in tree.iter("widget"):
            _check_widget(element)
        connections = tree.find("connections")
        if connections is not None:
            tree.remove(connections)
        buffer = QtCore.QBuffer(self)
        buffer.setData(ElementTree.tostring(tree))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        pythonqt.loading.append("a .ui file")
        root = super().load(buffer, parent)
        pythonqt.loading.pop()
        for child in root.findChildren(QtCore.QObject):
            root.__dict__.pop(QtCore.QObject.property(child, "objectName"), None)
        for connection in connections if connections is not None else ():
            _connect(root, {part.tag: part.text or "" for part in connection})
        return root


def _check_widget(element: ElementTree.Element) -> None:
    kind, name = widget_class(element.attrib["class"]), element.attrib["name"]
    meta = kind.staticMetaObject
    for entry in element.findall("property"):
        stated = entry.attrib["name"]
        if stated not in _DYNAMIC and meta.indexOfProperty(stated) < 0:
            raise AttributeError(f"{element.attrib['class']} '{name}' has no property '{stated}'")


def _connect(root: QtWidgets.QWidget, parts: dict[str, str]) -> None:
    ends: list[Any] = []
    for role in ("sender", "receiver"):
        named = parts[role]
        found = root if QtCore.QObject.property(root, "objectName") == named else root.findChild(QtCore.QObject, named)
        if found is None:
            raise AttributeError(f"the .ui file connects '{named}', which it does not have")
        ends.append(found)
    sender, receiver = ends
    sender.connect(parts["signal"], getattr(receiver, parts["slot"].partition("(")[0]))
