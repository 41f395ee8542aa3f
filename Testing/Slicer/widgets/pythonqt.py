"""The module `qt` as PythonQt offers it, on PySide6.

PythonQt differs from PySide6 in what a scripted module meets all the time: every Qt property is an attribute
(`label.text = "…"`), a signal is connected by its C++ signature (`button.connect("clicked()", f)`), and an attribute
that a C++ object does not have cannot be set.
"""

from __future__ import annotations

import ctypes
import locale
import os
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6 import QtCore, QtGui, QtWidgets

_MODULES = (QtCore, QtGui, QtWidgets)

#: Holds something while a .ui file is loaded: PySide6 then sets the children's names on their root.
loading: list[str] = []


def make_module(name: str, members: Mapping[str, Any]) -> types.ModuleType:
    """A module with these members and no others."""
    module = types.ModuleType(name)
    module.__dict__.update(members)
    return module


def qt_module(stand_ins: Mapping[str, Any]) -> types.ModuleType:
    """The module `qt`, with these members in place of its own; from here on PySide6 behaves as PythonQt."""
    _keep_singletons_alive()
    _start_application()
    for kind in _object_classes():
        for name in _own_properties(kind):
            setattr(kind, name, _attribute(name))
    for kind in _object_classes():
        kind.__getattribute__ = _with_connect(kind.__getattribute__)
        kind.__setattr__ = _assign
    QtCore.QObject.name = _attribute("objectName")
    QtCore.QObject.className = lambda self: self.metaObject().className()
    QtCore.QObject.delete = lambda self: self.deleteLater()
    members: dict[str, Any] = {}
    for module in _MODULES:
        members.update({name: getattr(module, name) for name in dir(module) if not name.startswith("_")})
    return make_module("qt", {**members, **stand_ins})


def _keep_singletons_alive() -> None:
    """PySide6 6.12 takes references of True, False and None that it does not own, as with each `emit`.

    Since Python 3.12 these three cannot die; before, the process would end with a fatal error.
    """
    if sys.version_info < (3, 12):
        for singleton in (True, False, None):
            ctypes.c_ssize_t.from_address(id(singleton)).value += 1 << 40  # the count is the first field


def _start_application() -> None:
    # Qt sets the locale of the system, under which Python may read what other processes print as ASCII.
    before = locale.setlocale(locale.LC_ALL)
    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["parotidseg-tests"])
    locale.setlocale(locale.LC_ALL, before)
    QtCore.QCoreApplication.setOrganizationName("parotidseg-tests")
    application.setStyle("Fusion")


def _object_classes() -> Iterator[type]:
    """Every class of Qt objects, each once."""
    seen = set()
    for module in _MODULES:
        for name in dir(module):
            kind = getattr(module, name)
            if isinstance(kind, type) and issubclass(kind, QtCore.QObject) and kind not in seen:
                seen.add(kind)
                yield kind


def _own_properties(kind: type) -> Iterator[str]:
    """Names of the properties that a class adds, or whose name it gives to a method too: there the property wins."""
    meta = kind.staticMetaObject
    for index in range(meta.propertyCount()):
        name = meta.property(index).name()
        if index >= meta.propertyOffset() or name in vars(kind):
            yield name


def _attribute(name: str) -> property:
    """A Qt property as a Python attribute."""

    def read(self: Any) -> Any:
        return QtCore.QObject.property(self, name)

    return property(read, lambda self, value: _write_property(self, name, value))


def _write_property(self: Any, name: str, value: Any) -> None:
    if not QtCore.QObject.setProperty(self, name, value):
        raise TypeError(f"{type(self).__name__}.{name} cannot be set to {value!r}")


def _with_connect(original: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    # PySide6 looks `connect` up in C, past attributes of the class: the look-up itself is replaced.
    hooks = {"connect": _connect, "disconnect": _disconnect}

    def look_up(self: Any, name: str) -> Any:
        hook = hooks.get(name)
        return types.MethodType(hook, self) if hook else original(self, name)

    return look_up


def _assign(self: Any, name: str, value: Any) -> None:
    """Set what the class has; names with an underscore belong to the stand-ins themselves."""
    found = next((kind.__dict__[name] for kind in type(self).__mro__ if name in kind.__dict__), None)
    if isinstance(found, QtCore.Property):
        _write_property(self, name, value)
    elif hasattr(found, "__set__"):
        found.__set__(self, value)
    elif name.startswith("_") or loading or isinstance(value, QtCore.SignalInstance):  # PySide6 keeps bound signals
        self.__dict__[name] = value
    else:
        raise AttributeError(f"{type(self).__name__} has no attribute '{name}' that could be set")


def _signal(self: Any, signature: str) -> Any:
    """The signal with this C++ signature; AttributeError if there is none."""
    # A stand-in's signals carry Python objects: it states the signatures of the real widget itself.
    stated = getattr(type(self), "SIGNALS", {})
    normalised = bytes(QtCore.QMetaObject.normalizedSignature(signature)).decode()
    name = stated.get(normalised, normalised.partition("(")[0])
    if normalised not in stated and self.metaObject().indexOfSignal(normalised) < 0:
        raise AttributeError(f"{type(self).__name__} has no signal '{signature}'")
    return getattr(self, name)


def _connect(self: Any, signature: str, slot: Callable[..., Any]) -> bool:
    _signal(self, signature).connect(slot)
    return True


def _disconnect(self: Any, signature: str, slot: Callable[..., Any] | None = None) -> bool:
    signal = _signal(self, signature)
    signal.disconnect(slot) if slot else signal.disconnect()
    return True


def collect_slot_errors(into: list[BaseException]) -> Callable[[], None]:
    """Gather exceptions of slots, which Qt would only print; returns what ends the gathering."""
    before = sys.excepthook

    def gather(kind: type[BaseException], error: BaseException, trace: types.TracebackType | None) -> None:
        into.append(error)

    sys.excepthook = gather

    def end() -> None:
        sys.excepthook = before

    return end
