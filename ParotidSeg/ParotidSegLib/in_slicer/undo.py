"""Undo of what the module does to a segmentation, with Slicer's own history of segments.

The Segment Editor keeps a history of its own: while it edits the node, let it save the state instead
(`qMRMLSegmentEditorWidget.saveStateForUndo`), so that its Undo button serves.
"""

from __future__ import annotations

from typing import Any

import slicer

_MOST_STATES = 10
#: By node ID. A history goes when its node has left the scene or got another segmentation.
_histories: dict[str, Any] = {}


def _history(segmentation_node: Any, *, make: bool = False) -> Any:
    """The history of a node; None if it has none and none is to be made."""
    for node_id, history in list(_histories.items()):
        node = slicer.mrmlScene.GetNodeByID(node_id)
        if node is None or history.GetSegmentation() is not node.GetSegmentation():
            del _histories[node_id]
    history = _histories.get(segmentation_node.GetID())
    if history is None and make:
        history = slicer.vtkSegmentationHistory()
        history.SetSegmentation(segmentation_node.GetSegmentation())
        history.SetMaximumNumberOfStates(_MOST_STATES)
        _histories[segmentation_node.GetID()] = history
    return history


def save_state(segmentation_node: Any) -> None:
    """Remember the segments as they are, so that `undo` brings them back."""
    _history(segmentation_node, make=True).SaveState()


def can_undo(segmentation_node: Any) -> bool:
    """Whether there is a former state."""
    history = _history(segmentation_node)
    return bool(history and history.IsRestorePreviousStateAvailable())


def can_redo(segmentation_node: Any) -> bool:
    """Whether there is a state that was undone."""
    history = _history(segmentation_node)
    return bool(history and history.IsRestoreNextStateAvailable())


def undo(segmentation_node: Any) -> bool:
    """Bring the former segments back; whether there were any."""
    return can_undo(segmentation_node) and bool(_history(segmentation_node).RestorePreviousState())


def redo(segmentation_node: Any) -> bool:
    """Take an undo back; whether there was one."""
    return can_redo(segmentation_node) and bool(_history(segmentation_node).RestoreNextState())
