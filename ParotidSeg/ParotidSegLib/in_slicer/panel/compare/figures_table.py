"""The table of the figures: a row a figure, a column a gland; copied and saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from ....errors import ParotidSegError
from ....structures import Structure
from ...comparing.comparison import GlandFigures
from ...comparing.table import as_text, rows_of, write_table

ROW_HEIGHT = 20
FILE_NAME = "comparison.csv"


class FiguresTable:
    """The table and its two buttons.

    Args:
        ui: the widgets of the panel.
    """

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._figures: list[GlandFigures] = []
        table = ui.compareTable
        table.verticalHeader().setVisible(False)
        ui.copyTableButton.connect("clicked()", self._copy)
        ui.saveTableButton.connect("clicked()", self._save)

    def show(self, figures: Sequence[GlandFigures]) -> None:
        """Show the figures of these glands; none: no table."""
        self._figures = list(figures)
        rows = rows_of(self._figures) if self._figures else []
        table = self._ui.compareTable
        table.visible = self._ui.compareTableButtons.visible = bool(rows)
        if not rows:
            return
        headers = ("", *(_short(one.structure) for one in self._figures))
        if table.columnCount != len(headers):
            table.setColumnCount(len(headers))
            header = table.horizontalHeader()
            header.setSectionResizeMode(qt.QHeaderView.Stretch)
            header.setSectionResizeMode(0, qt.QHeaderView.ResizeToContents)
        table.setHorizontalHeaderLabels(headers)
        table.setRowCount(len(rows))
        for index, row in enumerate(rows):
            for column, text in enumerate((row.name, *row.values)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(row.tip)
                if column:
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                table.setItem(index, column, item)
            table.setRowHeight(index, ROW_HEIGHT)
        header = table.horizontalHeader().sizeHint.height()
        table.setFixedHeight(header + ROW_HEIGHT * len(rows) + 2 * table.frameWidth)

    def _copy(self) -> None:
        qt.QApplication.clipboard().setText(as_text(self._figures))
        self._tell(_("The table is on the clipboard."))

    def _save(self) -> None:
        path = qt.QFileDialog.getSaveFileName(self._ui.compareTable, _("Save the table"), FILE_NAME, _("Table (*.csv)"))
        if not path:
            return
        try:
            self._tell(_("Written: {file}").format(file=write_table(self._figures, path)))
        except ParotidSegError as error:
            self._tell(str(error))

    def _tell(self, text: str) -> None:
        self._ui.compareTableLabel.text, self._ui.compareTableLabel.visible = text, bool(text)


def _short(structure: Structure) -> str:
    """The side alone: beside the names of the figures there is no room for that of the gland, which stands above."""
    return {"right": _("Right"), "left": _("Left")}.get(structure.side, structure.name)
