"""Undo of what the module does to a segmentation, with Slicer's own history of segments.

What the module keeps with the node (report, automatic contours, model) goes back and forth with the segments.

The Segment Editor keeps a history of its own, of the segments alone. While it edits a node it is asked to save the
state too (`also_saved`), so that its Undo button knows of each run; and `follow` brings what is kept with the node in
line with the segments that it has brought back.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

import slicer
import vtk

from ...structures import Structure

#: Called with a node whenever its state is saved: other histories of it; each says whether it keeps this node's.
also_saved: list[Callable[[Any], bool]] = []
#: Attribute of the node and tag of its segments: which run, or step of carrying corrections on, drew them.
RUN = "ParotidSeg.run"
_MOST_STATES = 10
#: By node ID. A history goes when its node has left the scene or got another segmentation.
_histories: dict[str, _History] = {}
#: The attributes of a segmentation node that belong to its contours begin so.
_PREFIX = "ParotidSeg."


class _History:
    """Former and later states of one node: Slicer's of its segments, and beside each the attributes of that time."""

    def __init__(self, segmentation_node: Any) -> None:
        self._node = segmentation_node
        self._former: list[dict[str, str]] = []
        self._later: list[dict[str, str]] = []
        self._of_runs: dict[str, dict[str, str]] = {}
        self.segments = slicer.vtkSegmentationHistory()
        self.segments.SetSegmentation(segmentation_node.GetSegmentation())
        self.segments.SetMaximumNumberOfStates(_MOST_STATES)

    def save(self) -> None:
        self.segments.SaveState()
        self._former = [*self._former, self._attributes()][-_MOST_STATES:]
        self._later = []
        self.keep()

    def follow(self, run: str) -> None:
        """Bring back what was kept with the contours of a run (empty: of none), as far as it is known."""
        self.keep()
        if run in self._of_runs or not run:
            self._set(self._of_runs.get(run, {}))

    def keep(self) -> None:
        """Remember what is kept now with the contours of the present run."""
        self._of_runs[self._node.GetAttribute(RUN) or ""] = self._attributes()

    def back(self) -> bool:
        return bool(self.segments.RestorePreviousState()) and self._exchange(self._former, self._later)

    def forth(self) -> bool:
        return bool(self.segments.RestoreNextState()) and self._exchange(self._later, self._former)

    def _exchange(self, source: list[dict[str, str]], target: list[dict[str, str]]) -> bool:
        self.keep()
        target.append(self._attributes())
        self._set(source.pop() if source else {})
        return True

    def _set(self, wanted: dict[str, str]) -> None:
        for name in self._attributes().keys() | wanted.keys():
            self._node.SetAttribute(name, wanted.get(name))

    def _attributes(self) -> dict[str, str]:
        names = [name for name in self._node.GetAttributeNames() if name.startswith(_PREFIX)]
        return {name: self._node.GetAttribute(name) for name in names}


def forget_gone() -> None:
    """Let the histories go whose nodes have left the scene, with the voxels that they hold."""
    for node_id, kept in list(_histories.items()):
        node = slicer.mrmlScene.GetNodeByID(node_id)
        if node is None or kept.segments.GetSegmentation() is not node.GetSegmentation():
            del _histories[node_id]


def _history(segmentation_node: Any, *, make: bool = False) -> _History | None:
    """The history of a node; None if it has none and none is to be made."""
    forget_gone()
    history = _histories.get(segmentation_node.GetID())
    if history is None and make:
        history = _histories[segmentation_node.GetID()] = _History(segmentation_node)
    return history


def save_state(segmentation_node: Any) -> None:
    """Remember the segments as they are, so that `undo` brings them back."""
    history = _history(segmentation_node, make=True)
    assert history is not None
    history.save()
    for save in also_saved:
        save(segmentation_node)


def save_step(segmentation_node: Any) -> None:
    """Remember the segments before a step of correcting where strokes are remembered.

    That is the Segment Editor's history while it edits the node, so that undoing the last run goes on to mean the run;
    else this one.
    """
    history = _history(segmentation_node, make=True)
    assert history is not None
    history.keep()
    if not any([save(segmentation_node) for save in also_saved]):
        history.save()


def begin(segmentation_node: Any, structures: Sequence[Structure]) -> None:
    """From now on what is kept with the node belongs to a step of its own: these segments, as they are now, are its."""
    segmentation_node.SetAttribute(RUN, uuid.uuid4().hex)
    for structure in structures:
        segment = segmentation_node.GetSegmentation().GetSegment(structure.key)
        if segment is not None:
            segment.SetTag(RUN, segmentation_node.GetAttribute(RUN))


def follow(segmentation_node: Any, structures: Sequence[Structure]) -> None:
    """Bring what is kept with a node in line with its segments, if another history brought another run's back."""
    history = _history(segmentation_node)
    if history is None:  # no run has changed this node since it was loaded
        return
    drawn = [_run_of(segmentation_node, structure.key) for structure in structures]
    run = next((run for run in drawn if run), "")
    if run != (segmentation_node.GetAttribute(RUN) or ""):
        history.follow(run)


def _run_of(segmentation_node: Any, key: str) -> str:
    """Which run drew a segment; empty for one that is not there or was drawn by hand."""
    segment = segmentation_node.GetSegmentation().GetSegment(key)
    tag = vtk.reference("")
    return str(tag) if segment is not None and segment.GetTag(RUN, tag) else ""


def can_undo(segmentation_node: Any) -> bool:
    """Whether there is a former state."""
    history = _history(segmentation_node)
    return bool(history and history.segments.IsRestorePreviousStateAvailable())


def can_redo(segmentation_node: Any) -> bool:
    """Whether there is a state that was undone."""
    history = _history(segmentation_node)
    return bool(history and history.segments.IsRestoreNextStateAvailable())


def undo(segmentation_node: Any) -> bool:
    """Bring the former segments back; whether there were any."""
    history = _history(segmentation_node)
    return history is not None and can_undo(segmentation_node) and history.back()


def redo(segmentation_node: Any) -> bool:
    """Take an undo back; whether there was one."""
    history = _history(segmentation_node)
    return history is not None and can_redo(segmentation_node) and history.forth()
