"""Eye, fill and outline of some segments in the views; those of a person's other segments stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Appearance:
    """How segments are shown.

    Attributes:
        visible: the IDs of those that are shown.
        fill: how opaque their fill in the slice views is, 0..1; of several the most opaque.
        outline: whether an outline is drawn around one of them.
    """

    visible: frozenset[str]
    fill: float
    outline: bool


def appearance_of(segmentation_node: Any, segment_ids: Sequence[str]) -> Appearance:
    """How those of these segments are shown that there are."""
    display = segmentation_node.GetDisplayNode()
    present = _present(segmentation_node, segment_ids)
    if display is None or not present:
        return Appearance(frozenset(), 1.0, True)
    shown = display.GetVisibility()
    return Appearance(
        frozenset(key for key in present if shown and display.GetSegmentVisibility(key)),
        max(display.GetSegmentOpacity2DFill(key) for key in present),
        any(display.GetSegmentVisibility2DOutline(key) for key in present),
    )


def set_visible(segmentation_node: Any, segment_id: str, visible: bool) -> None:
    """Show or hide a segment in all views."""
    for display in _displays(segmentation_node, [segment_id]):
        display.SetSegmentVisibility(segment_id, visible)
        if visible and not display.GetVisibility():  # the whole segmentation was hidden
            display.SetVisibility(True)


def set_fill(segmentation_node: Any, segment_ids: Sequence[str], opacity: float) -> None:
    """Set how opaque (0..1) the fill of these segments in the slice views is."""
    for display in _displays(segmentation_node, segment_ids):
        for key in _present(segmentation_node, segment_ids):
            display.SetSegmentOpacity2DFill(key, opacity)


def set_outline(segmentation_node: Any, segment_ids: Sequence[str], shown: bool) -> None:
    """Draw an outline around these segments in the slice views, or none."""
    for display in _displays(segmentation_node, segment_ids):
        for key in _present(segmentation_node, segment_ids):
            display.SetSegmentVisibility2DOutline(key, shown)


def _present(segmentation_node: Any, segment_ids: Sequence[str]) -> list[str]:
    segmentation = segmentation_node.GetSegmentation()
    return [key for key in segment_ids if segmentation.GetSegment(key) is not None]


def _displays(segmentation_node: Any, segment_ids: Sequence[str]) -> list[Any]:
    """The display node, made if needed, as a list; empty if there is none of these segments."""
    if not _present(segmentation_node, segment_ids):
        return []
    segmentation_node.CreateDefaultDisplayNodes()
    return [segmentation_node.GetDisplayNode()]
