"""A row per gland: which segment of the reference it is, and the button that takes it over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from ....structures import Structure

_NAME, _SEGMENT, _BUTTON = range(3)
#: A long name of a segment must not make the panel wider than Slicer's column.
_NARROWEST = 80


class SegmentRows:
    """The rows below the choice of the reference.

    Args:
        ui: the widgets of the panel.
        choose: called as choose(key, segment ID) when a person chooses a segment; an empty ID: none.
        take_over: called as take_over(key) when a person presses the button.

    Attributes:
        selectors: the choices, by the structure's key.
        buttons: the buttons, by the structure's key.
    """

    def __init__(self, ui: Any, *, choose: Callable[[str, str], None], take_over: Callable[[str], None]) -> None:
        self._box, self._choose, self._take_over = ui.compareSegments, choose, take_over
        self._shown: tuple[Structure, ...] = ()
        self._ids: list[str] = []
        self.selectors: dict[str, Any] = {}
        self.buttons: dict[str, Any] = {}

    def show(self, reference: Any, structures: Sequence[Structure], chosen: Mapping[str, str]) -> None:
        """Show which segment of the reference (None: nothing to choose) is which gland."""
        structures = tuple(structures) if reference is not None else ()
        if structures != self._shown:
            self._build(structures)
        self._box.visible = bool(structures)
        if not structures:
            return
        segmentation = reference.GetSegmentation()
        self._ids = ["", *segmentation.GetSegmentIDs()]
        names = [_("none"), *(segmentation.GetSegment(one).GetName() or one for one in self._ids[1:])]
        for structure in structures:
            selector = self.selectors[structure.key]
            selector.blockSignals(True)
            selector.clear()
            selector.addItems(names)
            selector.currentIndex = self._ids.index(chosen.get(structure.key, ""))
            selector.blockSignals(False)

    def allow(self, keys: Sequence[str]) -> None:
        """Say which glands can be taken over."""
        for key, button in self.buttons.items():
            button.enabled = key in keys

    def _build(self, structures: tuple[Structure, ...]) -> None:
        layout = self._box.layout()
        while layout.count():
            layout.takeAt(0).widget().deleteLater()
        self._shown, self.selectors, self.buttons = structures, {}, {}
        for row, structure in enumerate(structures):
            selector, button = qt.QComboBox(), qt.QPushButton(_("Take over"))
            selector.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)
            selector.setMinimumWidth(_NARROWEST)
            selector.setToolTip(_("Which segment of the reference is this gland. Found by code, name or side."))
            button.setToolTip(_("Replace the gland by the reference's. Undo takes it back: in Correct, or in Review."))
            selector.connect("activated(int)", self._chosen(structure.key))
            button.connect("clicked()", self._pressed(structure.key))
            for column, widget in ((_NAME, qt.QLabel(f"{structure.name}:")), (_SEGMENT, selector), (_BUTTON, button)):
                layout.addWidget(widget, row, column)
            self.selectors[structure.key], self.buttons[structure.key] = selector, button
        layout.setColumnStretch(_SEGMENT, 1)

    def _chosen(self, key: str) -> Callable[[int], None]:
        return lambda index: self._choose(key, self._ids[index])

    def _pressed(self, key: str) -> Callable[[], None]:
        return lambda *_told: self._take_over(key)
