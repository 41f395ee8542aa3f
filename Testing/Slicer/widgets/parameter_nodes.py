"""A stand-in for `slicer.parameterNodeWrapper`: typed attributes that live in a real node of the scene.

It stores as Slicer does (a text per name; a node by a reference of that name), so that saved scenes agree, and binds
the same pairs of type and widget. Anything else that the real one knows is refused here.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import slicer
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QCheckBox, QComboBox, QLineEdit

from .scene_widgets import qMRMLNodeComboBox

_PROPERTY = "SlicerParameterName"


def parameter_node_wrapper_module() -> types.ModuleType:
    """The module `slicer.parameterNodeWrapper`."""
    module = types.ModuleType("slicer.parameterNodeWrapper")
    module.parameterNodeWrapper = parameterNodeWrapper  # type: ignore[attr-defined]
    return module


class _Stored:
    """One typed value in a parameter node."""

    def __init__(self, name: str, kind: type, default: Any) -> None:
        self.name, self.kind = name, kind
        self.is_node = isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode)
        if not self.is_node and kind not in (str, bool) and not issubclass(kind, enum.Enum):
            raise TypeError(f"the stand-in does not store {kind} ({name})")
        self.default = default

    def read(self, node: Any) -> Any:
        if self.is_node:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        if self.kind is bool:
            return text == "True"
        return self.kind[text] if issubclass(self.kind, enum.Enum) else text

    def write(self, node: Any, value: Any) -> None:
        if not isinstance(value, self.kind) and not (self.is_node and value is None):
            raise TypeError(f"{self.name} takes {self.kind.__name__}, not {value!r}")
        if self.is_node:
            node.SetParameter(self.name, "")
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
        else:
            node.SetParameter(self.name, value.name if isinstance(value, enum.Enum) else str(value))


class _Bound:
    """A widget that shows one value; the pairs are those that Slicer binds, and no others."""

    def __init__(self, widget: Any, kind: type) -> None:
        self._widget, self._kind = widget, kind
        if type(widget) is QCheckBox and kind is bool:
            self.signal = widget.stateChanged
        elif type(widget) is QLineEdit and kind is str:
            self.signal = widget.textChanged
        elif type(widget) is QComboBox and issubclass(kind, enum.Enum):
            label = getattr(kind, "label", lambda member: member.name)
            widget.clear()
            widget.addItems([label(member) for member in kind])
            self.signal = widget.currentIndexChanged
        elif type(widget) is qMRMLNodeComboBox and issubclass(kind, slicer.vtkMRMLNode):
            widget.nodeTypes = [kind.__name__]
            self.signal = widget.currentNodeChanged
        else:
            raise RuntimeError(f"Slicer cannot bind {kind} to a {type(widget).__name__}")

    def read(self) -> Any:
        if self._kind is bool:
            return self._widget.checked
        if self._kind is str:
            return self._widget.text
        if issubclass(self._kind, enum.Enum):
            return list(self._kind)[self._widget.currentIndex]
        return self._widget.currentNode()

    def write(self, value: Any) -> None:
        if self._kind is bool:
            self._widget.checked = value
        elif self._kind is str:
            self._widget.text = value
        elif issubclass(self._kind, enum.Enum):
            self._widget.currentIndex = list(self._kind).index(value)
        else:
            self._widget.setCurrentNode(value)


class _Wrapper:
    """What the decorator adds to a class."""

    _stored: typing.ClassVar[dict[str, _Stored]]

    def __init__(self, parameterNode: Any) -> None:
        self.parameterNode = parameterNode
        self._guis: dict[int | None, dict[str, tuple[_Bound, Callable[..., None]]]] = {}
        self._next_tag = 0
        self._following = False
        for name, stored in self._stored.items():
            if not parameterNode.HasParameter(name):
                stored.write(parameterNode, stored.default)

    def connectGui(self, ui: Any) -> None:
        """Bind every widget of `slicer.util.childWidgetVariables` that names a parameter.

        As in Slicer the tag is lost on the way: what is bound so can never be let go.
        """
        named = {QObject.property(child, _PROPERTY): child for child in vars(ui).values()}
        self.connectParametersToGui({name: child for name, child in named.items() if name})

    def connectParametersToGui(self, widgets: Mapping[str, Any]) -> int:
        """Bind widgets to the parameters whose names they stand under."""
        for name in widgets:
            if name not in self._stored:
                raise ValueError(f"the .ui file names a parameter '{name}' that there is not")
        bound = {name: (_Bound(child, self._stored[name].kind), self._writer(name)) for name, child in widgets.items()}
        tag, self._next_tag = self._next_tag, self._next_tag + 1
        self._guis[tag] = bound
        for name, (gui, writer) in bound.items():
            gui.write(getattr(self, name))
            gui.signal.connect(writer)
        self.parameterNode.AddObserver("ModifiedEvent", lambda *_: self._follow())
        return tag

    def disconnectGui(self, tag: int | None) -> None:
        """End what `connectParametersToGui` began; an unknown tag changes nothing."""
        for gui, writer in self._guis.pop(tag, {}).values():
            gui.signal.disconnect(writer)

    def AddObserver(self, event: Any, callback: Callable[..., None], priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def StartModify(self) -> int:
        return self.parameterNode.StartModify()

    def EndModify(self, was_modifying: int) -> None:
        self.parameterNode.EndModify(was_modifying)

    def _writer(self, name: str) -> Callable[..., None]:
        def write(*_: object) -> None:
            if not self._following:
                setattr(
                    self, name, next(gui for g in self._guis.values() for n, (gui, _) in g.items() if n == name).read()
                )

        return write

    def _follow(self) -> None:
        if self._following:
            return
        self._following = True
        try:
            for bound in list(self._guis.values()):
                for name, (gui, _) in bound.items():
                    gui.write(getattr(self, name))
        finally:
            self._following = False


def parameterNodeWrapper(kind: type) -> type:
    """Class decorator: annotated names become attributes that live in a parameter node."""
    stored = {}
    for name, annotated in typing.get_type_hints(kind).items():
        default = getattr(kind, name, None)
        if default is None and annotated in (str, bool):
            default = annotated()
        stored[name] = _Stored(name, annotated, default)
    members: dict[str, Any] = {"_stored": stored, "__doc__": kind.__doc__}
    for name, value in stored.items():
        members[name] = property(
            lambda self, value=value: value.read(self.parameterNode),
            lambda self, new, value=value: value.write(self.parameterNode, new),
        )
    return type(kind.__name__, (_Wrapper,), members)
