"""Carrying corrections on, the next slice to check, and the list of corrected slices with the way back for each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import qt
import SimpleITK as sitk
from slicer.i18n import tr as _

from ....errors import ImageError
from ...correction.carrying import CorrectedSlice, Correcting, NextSlice
from ...correction.cutout import together
from ...scene.scene import is_in_scene
from ..review.review_section import jump_to
from ..styles import PROBLEM_STYLE

ROW_HEIGHT = 24
#: More corrected slices than this are scrolled.
MOST_ROWS = 5
_WHERE, _STATE, _BACK = range(3)
#: The axis across a plane: which of R, A, S its slices are counted by.
_AXES = {"sagittal": 0, "coronal": 1, "axial": 2}


class CarryOnRows:
    """What stands below the Segment Editor.

    Args:
        ui: the widgets of the panel.
        logic: gives the corrections of a segmentation.
        editor_node: gives the editor's parameter node.
    """

    def __init__(self, ui: Any, logic: Any, *, editor_node: Callable[[], Any]) -> None:
        self._ui, self._logic, self._editor_node = ui, logic, editor_node
        self._node: Any = None
        self._slices: list[CorrectedSlice] = []
        self._looked_at: dict[str, tuple[int, ...]] = {}
        #: Contours that were carried on, or that nobody has just drawn: where undo, or another segmentation, brings
        #: them back, they are not carried on by themselves.
        self._known: set[str] = set()
        table = ui.correctedTable
        table.setColumnCount(3)
        table.horizontalHeader().setVisible(False)
        table.verticalHeader().setVisible(False)
        table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        table.horizontalHeader().setSectionResizeMode(_WHERE, qt.QHeaderView.Stretch)
        table.connect("cellClicked(int,int)", self._clicked)
        ui.carryOnButton.connect("clicked()", self._carry_on)
        ui.nextSliceButton.connect("clicked()", self._next)

    def show(self, node: Any) -> None:
        """Take in the segmentation as it is now; with *after every stroke* what was drawn since is carried on."""
        corrections = self._corrections(node)
        if node is not self._node:
            self._node, self._looked_at = node, {}
            self._say("")
            self._know(corrections)
        elif corrections is not None and self._ui.afterStrokeCheckBox.checked and self._is_new(corrections):
            self._know(corrections)
            self._carry_on()
            return
        self._fill(corrections)

    def release(self) -> None:
        """The scene is closed: let its nodes go."""
        self._node = None
        self._known.clear()
        self._looked_at = {}
        self._say("")
        self._fill(None)

    def _corrections(self, node: Any) -> Correcting | None:
        """The corrections of the node; None where there is no automatic contour to correct."""
        try:
            return self._logic.correcting(node, self._editor_node()) if is_in_scene(node) else None
        except ImageError:
            return None

    # --- what happens ------------------------------------------------------------------------------------------------

    def _carry_on(self) -> None:
        def carry_on() -> str:
            corrections = self._logic.correcting(self._node, self._editor_node())
            self._know(corrections)
            corrections.carry_on()
            return ""

        self._do(carry_on)

    def _next(self) -> None:
        def look() -> str:
            corrections = self._logic.correcting(self._node, self._editor_node())
            found = corrections.next_slice(self._looked_at)
            if found is None:
                return _("Every slice was looked at or corrected.")
            key = found.structure.key
            sentence = _reason(found, looked=bool(self._looked_at.get(key)))
            self._looked_at = together(self._looked_at, {key: [found.number]})
            jump_to(found.point)
            return sentence

        self._do(look)

    def _clicked(self, row: int, column: int) -> None:
        if row >= len(self._slices):
            return
        one = self._slices[row]
        if column != _BACK:
            jump_to(one.point)
            return

        def take_back() -> str:
            corrections = self._logic.correcting(self._node, self._editor_node())
            self._know(corrections)
            corrections.take_back(one.structure.key, one.number)
            self._know(self._corrections(self._node))  # what is left was drawn before: it waits for the button
            return ""

        self._do(take_back)

    def _do(self, action: Callable[[], str]) -> None:
        """Do something with the corrections, and say what it says or why it cannot be done."""
        if not is_in_scene(self._node):
            return
        try:
            self._say(action())
        except ImageError as error:
            self._say(str(error), is_problem=True)
        self._fill(self._corrections(self._node))

    def _is_new(self, corrections: Correcting) -> bool:
        """Whether something was drawn that is not carried on, and was not brought back."""
        return bool(corrections.cutout.new) and self._fingerprint(corrections) not in self._known

    def _know(self, corrections: Correcting | None) -> None:
        if corrections is not None and corrections.cutout.new:
            self._known.add(self._fingerprint(corrections))

    def _fingerprint(self, corrections: Correcting) -> str:
        labels = sitk.GetArrayViewFromImage(corrections.cutout.current)
        told = f"{self._node.GetID()} {corrections.cutout.first} {labels.shape}".encode()
        return hashlib.sha256(told + labels.tobytes()).hexdigest()

    # --- what is shown -----------------------------------------------------------------------------------------------

    def _say(self, text: str, *, is_problem: bool = False) -> None:
        label = self._ui.carryOnLabel
        label.text, label.visible = text, bool(text)
        label.styleSheet = PROBLEM_STYLE if is_problem else ""

    def _fill(self, corrections: Correcting | None) -> None:
        self._slices = corrections.slices() if corrections is not None else []
        table = self._ui.correctedTable
        table.setRowCount(len(self._slices))
        for row, one in enumerate(self._slices):
            texts = (
                _("{gland}, {place}").format(gland=one.structure.name, place=_place(one)),
                _("carried on") if one.carried else _("drawn"),
                _("take back"),
            )
            tips = (_("Click to see the slice."),) * 2 + (_tip(one),)
            for column, (text, tip) in enumerate(zip(texts, tips, strict=True)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(tip)
                table.setItem(row, column, item)
            table.setRowHeight(row, ROW_HEIGHT)
        table.visible = bool(self._slices)
        table.setFixedHeight(ROW_HEIGHT * max(1, min(len(self._slices), MOST_ROWS)) + 2 * table.frameWidth)


def _place(one: CorrectedSlice | NextSlice) -> str:
    """A slice as the slice views count it: R, A or S in mm."""
    axis = _AXES[one.plane]
    return f"{'RAS'[axis]} {one.point[axis]:.1f} mm"


def _tip(one: CorrectedSlice) -> str:
    if one.carried:
        return _("Draw the gland as if this slice had never been corrected. Undo above takes this back.")
    return _("Bring this slice back to what it was before. Undo above takes this back.")


def _reason(found: NextSlice, *, looked: bool) -> str:
    """Where to look and why; what the library says counts slices that were only looked at as corrected ones."""
    place = _("{gland}, {place}.").format(gland=found.structure.name, place=_place(found))
    why = found.reason
    if looked:
        text = _("About {area} mm² of it are expected to be wrong, the most of those that you have not looked at.")
        why = text.format(area=f"{found.expected_mm2:.0f}")
    if found.is_enough:
        enough = _("No slice is expected to have more than {area} mm² wrong: it may be enough.")
        why = f"{why} {enough.format(area=f'{found.most_mm2:.0f}')}"
    return f"{place} {why}"
