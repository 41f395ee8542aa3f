"""A stand-in for the embedded Segment Editor: the real parameter node and the real undo, behind simple buttons."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6.QtCore import Property, QSignalBlocker, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QGridLayout,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from .scene_widgets import _without_arguments, qMRMLWidget

#: The effects that come with Slicer 5.12, in its order.
EFFECTS = (
    "Threshold",
    "Paint",
    "Draw",
    "Erase",
    "Level tracing",
    "Grow from seeds",
    "Fill between slices",
    "Margin",
    "Hollow",
    "Smoothing",
    "Scissors",
    "Islands",
    "Logical operators",
    "Mask volume",
)


class _Effect:
    """An active effect, of which the panel may ask the name and set parameters."""

    def __init__(self, name: str, node: Any) -> None:
        self.name = name
        self._node = node

    def setParameter(self, name: str, value: Any) -> None:
        self._node.SetAttribute(f"{self.name}.{name}", str(value))

    def setCommonParameter(self, name: str, value: Any) -> None:
        self._node.SetAttribute(name, str(value))


class qMRMLSegmentEditorWidget(qMRMLWidget):
    """Chooses a segment and an effect."""

    currentSegmentIDChanged = Signal(str)
    segmentationNodeChanged = Signal(object)
    sourceVolumeNodeChanged = Signal(object)
    SIGNALS = {  # noqa: RUF012
        **qMRMLWidget.SIGNALS,
        "segmentationNodeChanged(vtkMRMLSegmentationNode*)": "segmentationNodeChanged",
        "sourceVolumeNodeChanged(vtkMRMLVolumeNode*)": "sourceVolumeNodeChanged",
    }

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._observed: tuple[Any, int] | None = None
        self._flags: dict[str, Any] = {}
        self._order: list[str] = list(EFFECTS)
        self._active: _Effect | None = None
        self._buttons: dict[str, QToolButton] = {}
        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        self._table = QTableWidget(0, 2, self)
        self._table.setHorizontalHeaderLabels(["", "Name"])
        self._table.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self._table.setColumnWidth(0, 28)
        self._table.verticalHeader().hide()
        self._table.setMaximumHeight(90)
        self._table.itemSelectionChanged.connect(self._row_chosen)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._table)
        self._grid = QGridLayout()
        layout.addLayout(self._grid)
        self._show_effects()

    # --- properties of the real widget ---------------------------------------------------------------------------

    def _property(name: str, default: Any) -> Property:  # type: ignore[misc]
        def read(self: Any) -> Any:
            return self._flags.get(name, default)

        def write(self: Any, value: Any) -> None:
            self._flags[name] = value
            self._show_effects()

        return Property(type(default), read, write)

    segmentationNodeSelectorVisible = _property("segmentationNodeSelectorVisible", True)
    sourceVolumeNodeSelectorVisible = _property("sourceVolumeNodeSelectorVisible", True)
    switchToSegmentationsButtonVisible = _property("switchToSegmentationsButtonVisible", True)
    unorderedEffectsVisible = _property("unorderedEffectsVisible", True)
    autoShowSourceVolumeNode = _property("autoShowSourceVolumeNode", True)
    undoEnabled = _property("undoEnabled", True)
    readOnly = _property("readOnly", False)
    maximumNumberOfUndoStates = _property("maximumNumberOfUndoStates", 10)
    effectColumnCount = _property("effectColumnCount", 2)
    jumpToSelectedSegmentEnabled = _property("jumpToSelectedSegmentEnabled", False)
    del _property

    # --- nodes ---------------------------------------------------------------------------------------------------

    def mrmlSegmentEditorNode(self) -> Any:
        return self._node

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        self._node = node
        self._follow()

    def segmentationNode(self) -> Any:
        return self._node.GetSegmentationNode() if self._node is not None else None

    def setSegmentationNode(self, node: Any) -> None:
        self._need_node()
        self._node.SetAndObserveSegmentationNode(node)
        self._follow()
        self.segmentationNodeChanged.emit(node)

    def sourceVolumeNode(self) -> Any:
        return self._node.GetSourceVolumeNode() if self._node is not None else None

    def setSourceVolumeNode(self, node: Any) -> None:
        self._need_node()
        self._node.SetAndObserveSourceVolumeNode(node)
        self._follow()
        self.sourceVolumeNodeChanged.emit(node)

    def updateWidgetFromMRML(self) -> None:
        self._follow()

    def currentSegmentID(self) -> str:
        return (self._node.GetSelectedSegmentID() or "") if self._node is not None else ""

    def setCurrentSegmentID(self, segment_id: str) -> None:
        self._need_node()
        if segment_id != self.currentSegmentID():
            self._node.SetSelectedSegmentID(segment_id)
            self._fill_table()
            self.currentSegmentIDChanged.emit(segment_id)

    # --- effects -------------------------------------------------------------------------------------------------

    def setEffectNameOrder(self, names: list[str]) -> None:
        self._order = list(names)
        self._show_effects()

    def effectByName(self, name: str) -> _Effect | None:
        return _Effect(name, self._node) if name in EFFECTS else None

    def setActiveEffectByName(self, name: str) -> None:
        if name and name not in EFFECTS:
            raise ValueError(f"there is no effect '{name}'")
        self._need_node()
        self._active = _Effect(name, self._node) if name else None
        self._node.SetActiveEffectName(name)
        self._show_active()

    def activeEffect(self) -> _Effect | None:
        return self._active

    def setActiveEffect(self, effect: _Effect | None) -> None:
        self.setActiveEffectByName(effect.name if effect else "")

    # --- undo, views, keys ---------------------------------------------------------------------------------------

    def saveStateForUndo(self) -> None:
        self._need_node()
        self._logic.SetSegmentEditorNode(self._node)
        self._logic.SaveStateForUndo()

    def undo(self) -> None:
        self._logic.Undo()
        self._fill_table()

    def redo(self) -> None:
        self._logic.Redo()
        self._fill_table()

    def setupViewObservations(self) -> None:
        self._flags["observes views"] = True

    def removeViewObservations(self) -> None:
        self._flags["observes views"] = False

    def installKeyboardShortcuts(self) -> None:
        self._flags["has shortcuts"] = True

    def uninstallKeyboardShortcuts(self) -> None:
        self._flags["has shortcuts"] = False

    # --- inside --------------------------------------------------------------------------------------------------

    def _need_node(self) -> None:
        if self._node is None:
            raise RuntimeError("the Segment Editor has no parameter node yet: call setMRMLSegmentEditorNode first")

    def _follow(self) -> None:
        if self._observed is not None:
            node, tag = self._observed
            node.RemoveObserver(tag)
            self._observed = None
        segmentation = self.segmentationNode()
        if segmentation is not None:
            tag = segmentation.AddObserver("ModifiedEvent", _without_arguments(self._fill_table))
            self._observed = (segmentation, tag)
        self._fill_table()
        self._show_active()

    def _segment_ids(self) -> list[str]:
        segmentation = self.segmentationNode()
        return list(segmentation.GetSegmentation().GetSegmentIDs()) if segmentation is not None else []

    def _fill_table(self) -> None:
        with QSignalBlocker(self._table):
            ids = self._segment_ids()
            self._table.setRowCount(len(ids))
            for row, segment_id in enumerate(ids):
                segment = self.segmentationNode().GetSegmentation().GetSegment(segment_id)
                patch = QTableWidgetItem()
                patch.setBackground(QColor.fromRgbF(*segment.GetColor()))
                self._table.setItem(row, 0, patch)
                self._table.setItem(row, 1, QTableWidgetItem(segment.GetName()))
                if segment_id == self.currentSegmentID():
                    self._table.selectRow(row)

    def _row_chosen(self) -> None:
        rows = {index.row() for index in self._table.selectedIndexes()}
        if len(rows) == 1:
            self.setCurrentSegmentID(self._segment_ids()[rows.pop()])

    def _shown_effects(self) -> list[str]:
        others = [name for name in EFFECTS if name not in self._order]
        return [n for n in self._order if n in EFFECTS] + (
            others if self._flags.get("unorderedEffectsVisible", True) else []
        )

    def _show_effects(self) -> None:
        for button in self._buttons.values():
            self._grid.removeWidget(button)
            button.hide()
            button.deleteLater()
        self._buttons = {}
        columns = self._flags.get("effectColumnCount", 2)
        for index, name in enumerate(["", *self._shown_effects()]):
            button = QToolButton(self)
            button.setText(name or "None")
            button.setCheckable(True)
            button.setMinimumWidth(88)
            button.clicked.connect(lambda checked=False, name=name: self.setActiveEffectByName(name))
            self._grid.addWidget(button, index // columns, index % columns)
            self._buttons[name] = button
        self._show_active()

    def _show_active(self) -> None:
        ready = self.segmentationNode() is not None and self.sourceVolumeNode() is not None
        for name, button in self._buttons.items():
            button.setEnabled(ready and not self._flags.get("readOnly", False))
            button.setChecked(self._active is not None and name == self._active.name)


SEGMENT_WIDGETS = (qMRMLSegmentEditorWidget,)
