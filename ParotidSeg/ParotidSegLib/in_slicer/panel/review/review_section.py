"""What was found and what to look at: a row per gland, asymmetry, findings; a click takes the slice views there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ...scene import scene
from ...scene.results import ShownFinding, findings_of, provenance_of, report_of
from .appearance_row import EYE_COLUMN

ROW_HEIGHT = 26
#: Two lines of text: the width, and so the wrapping, is not known yet when the list is filled.
FINDING_HEIGHT = 36
#: A smaller ratio of the volumes is not worth a number.
NEARLY_EQUAL = 1.05
#: More findings than this are scrolled.
MOST_FINDINGS = 5


class ReviewSection:
    """The table, the findings, Show 3D and Undo.

    Args:
        ui: the widgets of the panel.
        logic: knows the state before the last run.
    """

    def __init__(self, ui: Any, logic: Any) -> None:
        self._ui, self._logic = ui, logic
        self._node: Any = None
        self._rows: list[scene.GlandRow] = []
        self._findings: list[ShownFinding] = []
        table = ui.reviewTable
        headers = (_("Gland"), _("Volume"), _("Mean"), _("Remarks"), "")
        table.setColumnCount(len(headers))
        table.setHorizontalHeaderLabels(headers)
        header = table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        table.verticalHeader().setVisible(False)
        table.connect("cellClicked(int,int)", self._show_row)
        ui.findingsList.connect("itemClicked(QListWidgetItem*)", self._show_finding)
        ui.show3DButton.connect("clicked(bool)", self._show_surfaces)
        ui.undoButton.connect("clicked()", self._undo)

    def show(self, node: Any, rows: Sequence[scene.GlandRow]) -> None:
        """Show the glands of a segmentation node.

        Args:
            node: None: nothing is chosen.
            rows: the glands as they are drawn now; none where no gland has been drawn.
        """
        self._node, self._rows = node, list(rows)
        report = report_of(node) if rows else {}
        self._findings = findings_of(report)
        self._fill_table()
        self._fill_findings()
        for label, text in (
            (self._ui.asymmetryLabel, _asymmetry(rows)),
            (self._ui.provenanceLabel, provenance_of(report)),
        ):
            label.text, label.visible = text, bool(text)
        self._ui.reviewTable.visible = self._ui.reviewButtons.visible = bool(rows)
        self._ui.remarksLabel.visible = bool(rows)
        self._ui.emptyLabel.visible = not rows
        self._ui.show3DButton.checked = bool(rows) and _shows_surfaces(node)
        self._ui.undoButton.enabled = bool(rows) and self._logic.canUndo(node)

    def _fill_table(self) -> None:
        table = self._ui.reviewTable
        table.setRowCount(len(self._rows))
        for index, row in enumerate(self._rows):
            findings = sum(finding.structure == row.structure.key for finding in self._findings)
            texts = (
                row.structure.name,
                _("{volume} mL").format(volume=f"{row.volume_ml:.1f}") if row.found else _("not found"),
                _("{mean} HU").format(mean=f"{row.mean_hu:.0f}") if row.found else "",
                str(findings) if findings else _("none"),
            )
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(_("Click to see the gland in the slice views."))
                if column:
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                table.setItem(index, column, item)
            table.setRowHeight(index, ROW_HEIGHT)
        header = table.horizontalHeader().sizeHint.height()
        table.setFixedHeight(header + ROW_HEIGHT * max(1, len(self._rows)) + 2 * table.frameWidth)

    def _fill_findings(self) -> None:
        shown = self._ui.findingsList
        shown.clear()
        style = qt.QApplication.style()
        for finding in self._findings:
            kind = qt.QStyle.SP_MessageBoxCritical if finding.severity == "error" else qt.QStyle.SP_MessageBoxWarning
            shown.addItem(qt.QListWidgetItem(style.standardIcon(kind), finding.message))
        shown.visible = bool(self._findings)
        heights = [max(shown.sizeHintForRow(row), FINDING_HEIGHT) for row in range(len(self._findings))]
        shown.setFixedHeight(sum(heights[:MOST_FINDINGS]) + 2 * shown.frameWidth + 2)

    def _show_row(self, row: int, column: int) -> None:
        if column != EYE_COLUMN and row < len(self._rows) and self._rows[row].found:
            jump_to(self._rows[row].centre)

    def _show_finding(self, item: Any) -> None:
        finding = self._findings[self._ui.findingsList.row(item)]
        if finding.point is not None:
            jump_to(finding.point)

    def _show_surfaces(self, shown: bool) -> None:
        if self._node is not None:
            scene.show_3d(self._node, shown)

    def _undo(self) -> None:
        if self._node is not None:
            self._logic.undo(self._node)
            self._ui.undoButton.enabled = self._logic.canUndo(self._node)


def jump_to(point: tuple[float, float, float]) -> None:
    """Take all slice views to a place (R, A, S in mm)."""
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *point, slicer.vtkMRMLSliceNode.CenteredJumpSlice)


def _shows_surfaces(node: Any) -> bool:
    surfaces = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    return bool(node.GetSegmentation().ContainsRepresentation(surfaces))


def _asymmetry(rows: Sequence[scene.GlandRow]) -> str:
    if len(rows) != 2 or not all(row.found for row in rows):
        return ""
    smaller, larger = sorted(rows, key=lambda row: row.volume_ml)
    ratio = larger.volume_ml / smaller.volume_ml
    if ratio < NEARLY_EQUAL:
        return _("Both glands have nearly the same volume.")
    name = larger.structure.name
    return _("The {gland} is larger by a factor of {ratio}.").format(
        gland=name[:1].lower() + name[1:], ratio=f"{ratio:.2f}"
    )
