"""Stand-ins for the CTK widgets that the panel uses, with the properties and signals of the real ones."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Property, QObject, QRect, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QShowEvent
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QLineEdit, QStyle, QStyleOptionButton, QToolButton, QWidget

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
    """A line for a path, with a button that would browse."""

    Dirs, Files, Drives = 0x001, 0x002, 0x004
    Readable, Writable = 0x010, 0x020

    currentPathChanged = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._filters, self._setting_key, self._name_filters = self.Dirs | self.Files, "", [""]
        self._line, button = QLineEdit(self), QToolButton(self)
        button.setText("…")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line)
        layout.addWidget(button)
        self._line.textChanged.connect(self.currentPathChanged)

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

    def _read_setting_key(self) -> str:
        return self._setting_key

    def _write_setting_key(self, key: str) -> None:
        self._setting_key = key

    def addCurrentPathToHistory(self) -> None:
        """The real one remembers the path for the next time."""

    currentPath = Property(str, _read_path, setCurrentPath, notify=currentPathChanged)
    filters = Property(int, _read_filters, _write_filters)
    nameFilters = Property("QStringList", _read_name_filters, _write_name_filters)
    settingKey = Property(str, _read_setting_key, _write_setting_key)


CTK_WIDGETS = (ctkCollapsibleButton, ctkPathLineEdit)
