"""A stand-in for the embedded Segment Editor: its real parameter node and logic, behind simple buttons.

It follows qMRMLSegmentEditorWidget of Slicer 5.12 in what a module meets: nothing is brought up to date while the
scene closes, or once the parameter node is gone; choosing a segmentation selects its first segment and empties the
label layer of the slice views; effects are remembered in the parameter node, and the last one for the space bar; the
keyboard shortcuts belong to the main window; what the logic refuses is reported as an error, which fails the test.
"""

from __future__ import annotations

from typing import Any

import slicer
import slicer.util
from PySide6.QtCore import Property, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QMainWindow,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from .effects import BUTTON_WIDTH, EFFECTS, OPTIONS_WIDTH, Effect
from .scene_widgets import _without_arguments, qMRMLWidget

_windows: list[QMainWindow] = []


def main_window() -> QMainWindow:
    """The application's main window, on which keyboard shortcuts sit."""
    if not _windows:
        _windows.append(QMainWindow())
    return _windows[0]


def press_key(key: str) -> bool:
    """Press a key with the focus somewhere in the main window; whether a shortcut took it."""
    wanted = QKeySequence(key).toString()
    shortcuts = [s for s in main_window().findChildren(QShortcut) if s.key.toString() == wanted]
    for shortcut in shortcuts:
        shortcut.activated.emit()
    return bool(shortcuts)


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
        self._node_tag = 0
        self._segmentation: Any = None
        self._segmentation_tags: list[int] = []
        self._source: Any = None
        self._flags: dict[str, Any] = {}
        self._order: list[str] = list(EFFECTS)
        self._active: Effect | None = None
        self._last_active: Effect | None = None
        self._shortcuts: list[QShortcut] = []
        self._observes_views = False
        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        self._buttons: dict[str, QToolButton] = {}
        self._table = QTableWidget(0, 2, self)
        self._table.setHorizontalHeaderLabels(["", "Name"])
        self._table.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self._table.setColumnWidth(0, 28)
        self._table.verticalHeader().hide()
        self._table.setMaximumHeight(90)
        self._table.setMinimumWidth(260)
        self._table.itemSelectionChanged.connect(self._row_chosen)
        #: The frames of the effects' options are children of the widget, with whatever names their authors chose.
        self._options = QFrame(self)
        self._grid = QGridLayout()
        beside, right = QHBoxLayout(self), QVBoxLayout()
        beside.setContentsMargins(0, 0, 0, 0)
        beside.addLayout(self._grid)
        beside.addLayout(right)
        right.addWidget(self._table)
        right.addWidget(self._options)
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

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        self._logic.SetMRMLScene(scene)
        self._logic.SetVerbose(True)  # what it refuses is an error in the log
        self.updateWidgetFromMRML()
        if scene is not None:
            scene.AddObserver(scene.EndCloseEvent, _without_arguments(self._scene_is_closed))

    def _scene_is_closed(self) -> None:
        self._give_defaults()
        self.updateWidgetFromMRML()

    def mrmlSegmentEditorNode(self) -> Any:
        return self._node

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        if node is self._node:
            return
        if self._node is not None:
            self._node.RemoveObserver(self._node_tag)
        self._node = node
        self._logic.SetSegmentEditorNode(node)
        if node is None:
            return  # what is shown of the former node stays
        self._node_tag = node.AddObserver("ModifiedEvent", _without_arguments(self.updateWidgetFromMRML))
        self._give_defaults()
        self.updateWidgetFromMRML()

    def segmentationNode(self) -> Any:
        return self._segmentation

    def setSegmentationNode(self, node: Any) -> None:
        if self._logic.GetSegmentationNode() is node:
            return
        self._logic.SetSegmentationNode(node)
        self.setActiveEffect(None)

    def sourceVolumeNode(self) -> Any:
        return self._logic.GetSourceVolumeNode()

    def setSourceVolumeNode(self, node: Any) -> None:
        self._logic.SetSourceVolumeNode(node)

    def currentSegmentID(self) -> str:
        return self._logic.GetCurrentSegmentID()

    def setCurrentSegmentID(self, segment_id: str) -> None:
        if self._node is not None:  # told to nobody: the table follows the node
            self._node.SetSelectedSegmentID(segment_id)

    def updateWidgetFromMRML(self) -> None:
        if self.mrmlScene() is None or self.mrmlScene().IsClosing() or self.mrmlScene().IsBatchProcessing():
            return
        if self._node is None:
            return
        was_modifying = self._node.StartModify()
        self._update_segmentation()
        self._update_source()
        self._fill_table()
        self._update_effects()
        self._node.EndModify(was_modifying)

    def _update_segmentation(self) -> None:
        node = self._logic.GetSegmentationNode()
        if node is self._segmentation:
            return
        for tag in self._segmentation_tags:
            self._segmentation.RemoveObserver(tag)
        self._segmentation, self._segmentation_tags = node, []
        if node is not None:
            kinds = slicer.vtkSegmentation
            for event in ("ModifiedEvent", kinds.SegmentAdded, kinds.SegmentRemoved, kinds.SegmentModified):
                self._segmentation_tags.append(node.AddObserver(event, _without_arguments(self._fill_table)))
            self.setSourceVolumeNode(node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()))
            node.CreateDefaultDisplayNodes()
            self._fill_table()
            if node.GetSegmentation().GetNumberOfSegments():
                self._table.selectRow(0)
            _hide_label_layer()
        self.segmentationNodeChanged.emit(node)

    def _update_source(self) -> None:
        source = self._logic.GetSourceVolumeNode()
        if self._node.GetSegmentationNode() is None or source is self._source:
            return
        self._source = source
        self.sourceVolumeNodeChanged.emit(source)

    # --- effects -------------------------------------------------------------------------------------------------

    def setEffectNameOrder(self, names: list[str]) -> None:
        self._order = list(names)
        self._show_effects()

    def effectByName(self, name: str) -> Effect | None:
        return Effect(name, self._node) if name in EFFECTS else None

    def setActiveEffectByName(self, name: str) -> None:
        if name and name not in EFFECTS:
            raise ValueError(f"there is no effect '{name}'")
        self.setActiveEffect(self.effectByName(name))

    def activeEffect(self) -> Effect | None:
        return self._active

    def setActiveEffect(self, effect: Effect | None) -> None:
        if self._node is None:
            if effect is not None:
                raise RuntimeError("the Segment Editor has no parameter node yet: call setMRMLSegmentEditorNode first")
            return
        self._node.SetActiveEffectName(effect.name if effect else "")

    def _give_defaults(self) -> None:
        for name in EFFECTS if self._node is not None else ():
            Effect(name, self._node).setMRMLDefaults()

    def _update_effects(self) -> None:
        wanted = self.effectByName(self._node.GetActiveEffectName())
        if wanted != self._active:
            self._observes_views = wanted is not None
            self._last_active, self._active = self._active, wanted
        self._show_active()

    # --- undo, views, keys ---------------------------------------------------------------------------------------

    def saveStateForUndo(self) -> None:
        self._logic.SaveStateForUndo()

    def undo(self) -> None:
        self._logic.Undo()

    def redo(self) -> None:
        self._logic.Redo()

    def setupViewObservations(self) -> None:
        self._observes_views = True

    def removeViewObservations(self) -> None:
        self._observes_views = False

    def installKeyboardShortcuts(self, parent: QWidget | None = None) -> None:
        self.uninstallKeyboardShortcuts()
        actions = {str(number): lambda index=number: self._toggle(index) for number in range(1, 10)}
        actions |= {"Esc": lambda: self.setActiveEffect(None), "Space": lambda: self.setActiveEffect(self._last_active)}
        actions |= {"Z": self.undo, "Y": self.redo}
        for key, action in actions.items():
            shortcut = QShortcut(QKeySequence(key), parent or main_window())
            shortcut.activated.connect(action)
            self._shortcuts.append(shortcut)

    def uninstallKeyboardShortcuts(self) -> None:
        for shortcut in self._shortcuts:
            shortcut.activated.disconnect()
            shortcut.setParent(None)
        self._shortcuts.clear()

    def _toggle(self, index: int) -> None:
        name = (["", *self._shown_effects()] + [""] * 10)[index]
        effect = self.effectByName(name)
        self.setActiveEffect(None if effect == self._active else effect)

    # --- inside --------------------------------------------------------------------------------------------------

    def _segment_ids(self) -> list[str]:
        return list(self._segmentation.GetSegmentation().GetSegmentIDs()) if self._segmentation is not None else []

    def _fill_table(self) -> None:
        with QSignalBlocker(self._table):
            ids = self._segment_ids()
            self._table.setRowCount(len(ids))
            for row, segment_id in enumerate(ids):
                segment = self._segmentation.GetSegmentation().GetSegment(segment_id)
                patch = QTableWidgetItem()
                patch.setBackground(QColor.fromRgbF(*segment.GetColor()))
                self._table.setItem(row, 0, patch)
                self._table.setItem(row, 1, QTableWidgetItem(segment.GetName()))
                if segment_id == self.currentSegmentID():
                    self._table.selectRow(row)

    def _row_chosen(self) -> None:
        rows = {index.row() for index in self._table.selectedIndexes()}
        if len(rows) != 1 or self._node is None:
            return
        segment_id = self._segment_ids()[rows.pop()]
        if segment_id != self.currentSegmentID():
            self._node.SetSelectedSegmentID(segment_id)
            self.currentSegmentIDChanged.emit(segment_id)

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
            button.setText(name[:2] or "–")
            button.setToolTip(name or "No editing")
            button.setCheckable(True)
            button.setFixedSize(BUTTON_WIDTH, BUTTON_WIDTH)
            button.clicked.connect(lambda checked=False, name=name: self.setActiveEffectByName(name))
            self._grid.addWidget(button, index // columns, index % columns, Qt.AlignmentFlag.AlignTop)
            self._buttons[name] = button
        self._show_active()

    def _show_active(self) -> None:
        ready = self._segmentation is not None and self.sourceVolumeNode() is not None
        for name, button in self._buttons.items():
            button.setEnabled(ready and not self._flags.get("readOnly", False))
            button.setChecked(self._active is not None and name == self._active.name)
        self._options.setVisible(self._active is not None)
        self._options.setMinimumWidth(OPTIONS_WIDTH.get(self._active.name, 0) if self._active is not None else 0)


def _hide_label_layer() -> None:
    """The real widget does so in every slice view that may show the segmentation."""
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        composite.SetLabelVolumeID(None)


SEGMENT_WIDGETS = (qMRMLSegmentEditorWidget,)
