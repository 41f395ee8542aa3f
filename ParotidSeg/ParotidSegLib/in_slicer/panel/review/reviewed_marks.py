"""A tick per gland: "reviewed", with the date; it goes when the contour is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from ....structures import Structure
from ...scene.reviewed import ReviewMark, mark_reviewed, review_mark, unmark_reviewed


class ReviewedMarks:
    """The ticks below the table of the review.

    Args:
        ui: the widgets of the panel.

    Attributes:
        boxes: the tick boxes, in the order of the table's rows.
    """

    def __init__(self, ui: Any) -> None:
        self._box = ui.reviewedBox
        self.boxes: list[Any] = []
        self._node: Any = None
        self._volume: Any = None
        self._structures: list[Structure] = []

    def show(self, node: Any, volume: Any, structures: Sequence[Structure]) -> None:
        """Take in a segmentation, its CT, and what is listed in the table; none of these: nothing to mark."""
        self._node, self._volume, self._structures = node, volume, list(structures)
        while len(self.boxes) > len(self._structures):
            self.boxes.pop().deleteLater()
        while len(self.boxes) < len(self._structures):
            box = qt.QCheckBox()
            box.setToolTip(self._box.toolTip)
            box.connect("toggled(bool)", self._toggled(len(self.boxes)))
            self._box.layout().addWidget(box)
            self.boxes.append(box)
        self._box.visible = bool(self._structures)
        for box, structure in zip(self.boxes, self._structures, strict=True):
            mark = review_mark(node, structure.key, volume)
            box.blockSignals(True)
            box.checked = mark is not None and mark.holds
            box.blockSignals(False)
            box.text = _text(structure, mark)

    def _toggled(self, row: int) -> Callable[[bool], None]:
        def toggled(checked: bool) -> None:
            key = self._structures[row].key
            if checked:
                mark_reviewed(self._node, key, self._volume)
            else:
                unmark_reviewed(self._node, key)
            self.show(self._node, self._volume, self._structures)

        return toggled


def _text(structure: Structure, mark: ReviewMark | None) -> str:
    if mark is None:
        return _("{gland}: reviewed").format(gland=structure.name)
    if mark.holds:
        return _("{gland}: reviewed on {date}").format(gland=structure.name, date=mark.date)
    return _("{gland}: changed since {date}").format(gland=structure.name, date=mark.date)
