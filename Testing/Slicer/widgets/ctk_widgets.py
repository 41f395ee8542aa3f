"""Stand-ins for the CTK widgets that the panel uses, with the properties and signals of the real ones."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from PySide6.QtCore import Property, QObject, QRect, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QHBoxLayout,
    QLineEdit,
    QStyle,
    QStyleOptionButton,
    QToolButton,
    QWidget,
)

_HEADER = 22
_UNLIMITED = 16777215


class ctkCollapsibleButton(QAbstractButton):
    """A button whose children show only while it is not collapsed."""

    contentsCollapsed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._collapsed = False
        self.setContentsMargins(4, _HEADER + 2, 4, 2)
        self.clicked.connect(lambda: self.setCollapsed(not self._collapsed))

    def _read_collapsed(self) -> bool:
        return self._collapsed

    def setCollapsed(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        self._apply()
        self.contentsCollapsed.emit(collapsed)

    collapsed = Property(bool, _read_collapsed, setCollapsed)

    def _apply(self) -> None:
        # As the real one may: all of its own children show when it opens, even those that were hidden one by one.
        for child in self.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly):
            child.setVisible(not self._collapsed)
        self.setMaximumHeight(_HEADER if self._collapsed else _UNLIMITED)

    def showEvent(self, event: QShowEvent) -> None:
        # Children that were made after the property was set are hidden now.
        if self._collapsed:
            self._apply()
        super().showEvent(event)

    def hitButton(self, position: Any) -> bool:
        return position.y() < _HEADER

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, option = QPainter(self), QStyleOptionButton()
        option.initFrom(self)
        option.rect = QRect(0, 0, QObject.property(self, "width"), _HEADER)
        self.style().drawControl(QStyle.ControlElement.CE_PushButtonBevel, option, painter, self)
        painter.drawText(8, 15, "▸" if self._collapsed else "▾")
        painter.drawText(24, 15, QObject.property(self, "text"))
        painter.end()


class ctkPathLineEdit(QWidget):
    """A line for a path, with a list of former ones and a button that would browse.

    As the real one: it tells of no path that its filter excludes, nor of an empty one; and while it rearranges its list
    the line passes through other paths, of which it tells.
    """

    Dirs, Files, Drives = 0x001, 0x002, 0x004
    Readable, Writable = 0x010, 0x020

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)
    #: The former paths by key of the settings.
    histories: ClassVar[dict[str, list[str]]] = {}

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._filters, self._setting_key, self._name_filters = self.Dirs | self.Files, "", [""]
        self._was_valid, self._pattern = False, ".+"
        self._line, button = QLineEdit(self), QToolButton(self)
        self._former: list[str] = []
        self._current = -1
        button.setText("…")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line)
        layout.addWidget(button)
        self._line.textChanged.connect(self._tell)

    def _tell(self, path: str) -> None:
        was_valid, self._was_valid = self._was_valid, re.search(self._pattern, path) is not None
        if self._was_valid:
            self.currentPathChanged.emit(path)
        if self._was_valid != was_valid:
            self.validInputChanged.emit(self._was_valid)

    def _read_path(self) -> str:
        return QObject.property(self._line, "text")

    def setCurrentPath(self, path: str) -> None:
        if not isinstance(path, str):
            raise TypeError(f"a path is text, not {path!r}")
        self._line.setText(path)

    def _read_filters(self) -> int:
        return self._filters

    def _write_filters(self, filters: int) -> None:
        self._filters = filters

    def _read_name_filters(self) -> list[str]:
        return self._name_filters

    def _write_name_filters(self, filters: list[str]) -> None:
        self._name_filters = list(filters)
        ends = [end for text in filters for end in re.findall(r"\*\.(\w+)", text)]
        self._pattern = "|".join(rf"\.{end}?$" for end in ends) or ".+"

    def _read_setting_key(self) -> str:
        return self._setting_key

    def _write_setting_key(self, key: str) -> None:
        self._setting_key = key
        self._former = self.histories.get(key, [])[:5]
        if self._former:
            self._select(0)

    def _select(self, index: int) -> None:
        self._current = index
        self._line.setText(self._former[index] if self._former else "")

    def addCurrentPathToHistory(self) -> None:
        path = self._read_path()
        if not path:
            return
        others = [other for other in self.histories.get(self._setting_key, []) if other != path]
        self.histories[self._setting_key] = [path, *others]
        if path in self._former:
            index = self._former.index(path)
            del self._former[index]
            if index == self._current:  # a combo box shows the entry before it, or nothing
                self._select(max(index - 1, 0) if self._former else -1)
        self._former.insert(0, path)
        self._select(0)

    currentPath = Property(str, _read_path, setCurrentPath, notify=currentPathChanged)
    filters = Property(int, _read_filters, _write_filters)
    nameFilters = Property("QStringList", _read_name_filters, _write_name_filters)
    settingKey = Property(str, _read_setting_key, _write_setting_key)


CTK_WIDGETS = (ctkCollapsibleButton, ctkPathLineEdit)
