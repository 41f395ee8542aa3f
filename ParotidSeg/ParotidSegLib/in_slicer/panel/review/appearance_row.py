"""Eye, fill and outline of the glands, without opening *Correct*; follows what is changed elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ....structures import Structure
from ...showing.appearance import Appearance, appearance_of, set_fill, set_outline, set_visible

#: The column of the eyes in the table of the review, which shows it first.
EYE_COLUMN = 4
ICON = 18


class AppearanceRow(VTKObservationMixin):
    """The column of eyes in the review's table, and the row with fill and outline below it.

    Args:
        ui: the widgets of the panel.
    """

    def __init__(self, ui: Any) -> None:
        super().__init__()
        self._ui = ui
        self._node: Any = None
        self._structures: list[Structure] = []
        ui.reviewTable.horizontalHeader().moveSection(EYE_COLUMN, 0)
        ui.reviewTable.connect("cellClicked(int,int)", self._clicked)
        ui.fillSlider.connect("valueChanged(int)", self._fill)
        ui.outlineCheckBox.connect("toggled(bool)", self._outline)

    def show(self, node: Any, structures: Sequence[Structure]) -> None:
        """Take in a segmentation node and what is listed in the table; none of these: nothing to show."""
        if node is not self._node:
            self.removeObservers()
            if node is not None:
                self.addObserver(node, slicer.vtkMRMLDisplayableNode.DisplayModifiedEvent, self._follow)
        self._node, self._structures = node, list(structures) if node is not None else []
        self._ui.appearanceRow.visible = bool(self._structures)
        self._follow()

    def _keys(self) -> list[str]:
        return [structure.key for structure in self._structures]

    def _follow(self, *_arguments: object) -> None:
        """Show what the scene says."""
        if not self._structures:
            return
        shown = appearance_of(self._node, self._keys())
        for widget, name, value in (
            (self._ui.fillSlider, "value", round(100 * shown.fill)),
            (self._ui.outlineCheckBox, "checked", shown.outline),
        ):
            widget.blockSignals(True)
            setattr(widget, name, value)
            widget.blockSignals(False)
        self._show_eyes(shown)

    def _show_eyes(self, shown: Appearance) -> None:
        for row, structure in enumerate(self._structures):
            visible = structure.key in shown.visible
            item = qt.QTableWidgetItem()
            item.setIcon(_eye(structure.colour, open=visible))
            item.setToolTip(_("Shown: click to hide the gland.") if visible else _("Hidden: click to show the gland."))
            self._ui.reviewTable.setItem(row, EYE_COLUMN, item)

    def _clicked(self, row: int, column: int) -> None:
        if column == EYE_COLUMN and row < len(self._structures):
            key = self._structures[row].key
            set_visible(self._node, key, key not in appearance_of(self._node, [key]).visible)

    def _fill(self, percent: int) -> None:
        if self._structures:
            set_fill(self._node, self._keys(), percent / 100)

    def _outline(self, shown: bool) -> None:
        if self._structures:
            set_outline(self._node, self._keys(), shown)


def _eye(colour: tuple[int, int, int], *, open: bool) -> Any:
    """An eye in a gland's colour, open or closed; legible on a light and on a dark theme."""
    pixels = qt.QPixmap(2 * ICON, 2 * ICON)
    pixels.setDevicePixelRatio(2)
    pixels.fill(qt.QColor(0, 0, 0, 0))
    painter = qt.QPainter(pixels)
    painter.setRenderHint(qt.QPainter.Antialiasing)
    pen = qt.QPen(qt.QColor(*colour))
    pen.setWidthF(2)
    painter.setPen(pen)
    lids = qt.QPainterPath()
    lids.moveTo(1, 9)
    lids.quadTo(9, 19, 17, 9)
    if open:
        lids.quadTo(9, -1, 1, 9)
        painter.setBrush(qt.QBrush(qt.QColor(*colour)))
    painter.drawPath(lids)
    if open:
        painter.setPen(qt.QPen(qt.QColor(0, 0, 0)))
        painter.setBrush(qt.QBrush(qt.QColor(0, 0, 0)))
        painter.drawEllipse(qt.QRectF(7, 7, 4, 4))
    painter.end()
    return qt.QIcon(pixels)
