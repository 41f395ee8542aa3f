"""The CT in the slice views, with a window for soft tissue, for as long as the panel is shown.

The views are lent: `give_back` restores what they showed before. What a person has changed meanwhile is theirs and
stays: only what is still as it was made here goes back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import slicer
import slicer.util

#: HU. Glands, fat and muscle differ well in it; it is the usual window of the neck.
SOFT_TISSUE_WINDOW, SOFT_TISSUE_LEVEL = 400.0, 40.0


class LentViews:
    """The slice views of the application while they show a CT of the panel."""

    def __init__(self) -> None:
        self._volume: Any = None
        self._views: list[_View] = []
        self._window: _Window | None = None
        #: Volumes whose window a person has set here, by ID: it is theirs from then on.
        self._of_a_person: set[str] = set()

    def show(self, volume: Any) -> None:
        """Show a CT in all slice views; None: give the views back. Calling it again for the same CT changes nothing."""
        if volume is self._volume:
            return
        self.give_back()
        if volume is None or volume.GetImageData() is None:
            return
        self._volume = volume
        self._views = [
            _View.turn_to(volume, logic)
            for logic in _slice_logics()
            if logic.GetSliceCompositeNode().GetBackgroundVolumeID() != volume.GetID()
        ]
        if volume.GetID() not in self._of_a_person:
            self._window = _Window.set_for(volume)

    def give_back(self) -> None:
        """Restore what the views showed before, where nobody has changed it meanwhile."""
        volume, self._volume = self._volume, None
        for view in self._views:
            view.give_back(volume)
        if self._window is not None and not self._window.give_back():
            self._of_a_person.add(volume.GetID())
        self._views, self._window = [], None

    def forget(self) -> None:
        """The scene is closed or another one is loaded: there is nothing to give back any more."""
        self._volume, self._views, self._window = None, [], None
        self._of_a_person.clear()


def _slice_logics() -> Iterator[Any]:
    """The logics of the slice views of the layout; none where the application has no window."""
    logics = slicer.app.applicationLogic().GetSliceLogics()
    for index in range(logics.GetNumberOfItems() if logics is not None else 0):
        logic = logics.GetItemAsObject(index)
        if logic.GetSliceNode() is not None and logic.GetSliceCompositeNode() is not None:
            yield logic


@dataclass
class _View:
    """What one view showed, and where, before it was turned to a CT."""

    logic: Any
    background: str | None
    size: tuple[int, ...]
    to_ras: Any
    field_of_view: tuple[float, ...]
    origin: tuple[float, ...]

    @classmethod
    def turn_to(cls, volume: Any, logic: Any) -> _View:
        node, composite = logic.GetSliceNode(), logic.GetSliceCompositeNode()
        view = cls(
            logic,
            composite.GetBackgroundVolumeID(),
            tuple(node.GetDimensions()),
            slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS()),
            tuple(node.GetFieldOfView()),
            tuple(node.GetXYZOrigin()),
        )
        composite.SetBackgroundVolumeID(volume.GetID())
        logic.FitSliceToBackground()
        logic.SnapSliceOffsetToIJK()
        return view

    def give_back(self, volume: Any) -> None:
        node, composite = self.logic.GetSliceNode(), self.logic.GetSliceCompositeNode()
        # The view went with the layout, or a person shows something else in it. A CT that was deleted leaves it empty.
        left_empty = composite is not None and not composite.GetBackgroundVolumeID() and not _in_scene(volume.GetID())
        if composite is None or not (composite.GetBackgroundVolumeID() == volume.GetID() or left_empty):
            return
        former = self.background if _in_scene(self.background) else None
        composite.SetBackgroundVolumeID(former)
        turned = slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())[:3, :3] != self.to_ras[:3, :3]
        if turned.any() or tuple(node.GetDimensions()) != self.size:  # the former place does not fit this view now
            self.logic.FitSliceToBackground()
            return
        node.GetSliceToRAS().DeepCopy(self.to_ras.ravel().tolist())
        node.SetFieldOfView(*self.field_of_view)
        node.SetXYZOrigin(*self.origin)
        node.UpdateMatrices()


@dataclass
class _Window:
    """The window that a volume had before."""

    display: Any
    automatic: int
    window: float
    level: float

    @classmethod
    def set_for(cls, volume: Any) -> _Window:
        if volume.GetDisplayNode() is None:
            volume.CreateDefaultDisplayNodes()
        display = volume.GetDisplayNode()
        former = cls(display, display.GetAutoWindowLevel(), display.GetWindow(), display.GetLevel())
        _set(display, 0, SOFT_TISSUE_WINDOW, SOFT_TISSUE_LEVEL)
        return former

    def give_back(self) -> bool:
        """Restore it; False if a person has changed it meanwhile, which stays."""
        present = self.display.GetAutoWindowLevel(), self.display.GetWindow(), self.display.GetLevel()
        if present != (0, SOFT_TISSUE_WINDOW, SOFT_TISSUE_LEVEL):
            return False
        _set(self.display, self.automatic, self.window, self.level)
        return True


def _set(display: Any, automatic: int, window: float, level: float) -> None:
    was_modifying = display.StartModify()
    display.SetAutoWindowLevel(0)  # while it is on, what is set here would be calculated anew
    display.SetWindowLevel(window, level)
    display.SetAutoWindowLevel(automatic)
    display.EndModify(was_modifying)


def _in_scene(node_id: str | None) -> bool:
    return bool(node_id) and slicer.mrmlScene.GetNodeByID(node_id) is not None
