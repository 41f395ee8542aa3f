"""Which glands a person has marked as reviewed, and when; kept with the segmentation, saved and loaded with the scene.

A mark is about the contour that was looked at: beside the date stands a fingerprint of its voxels, and the mark holds
only while they are the same. An edit or another run ends it by itself, and their undo brings it back.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...files.json_text import parse_json
from .voxels import mask_on_voxels

#: Attribute of the segmentation node.
ATTRIBUTE = "ParotidSeg.reviewed"


@dataclass(frozen=True)
class ReviewMark:
    """That a gland was reviewed.

    Attributes:
        date: when, as in 2026-11-29.
        holds: whether the contour is still the one that was reviewed.
    """

    date: str
    holds: bool


def mark_reviewed(segmentation_node: Any, key: str, volume_node: Any) -> None:
    """Mark a gland, as it is drawn now on the voxels of this volume, as reviewed today."""
    kept = _kept(segmentation_node)
    kept[key] = {
        "date": datetime.date.today().isoformat(),
        "contour": _fingerprint(segmentation_node, key, volume_node),
    }
    _keep(segmentation_node, kept)


def unmark_reviewed(segmentation_node: Any, key: str) -> None:
    """Take the mark of a gland back."""
    kept = _kept(segmentation_node)
    kept.pop(key, None)
    _keep(segmentation_node, kept)


def review_mark(segmentation_node: Any, key: str, volume_node: Any) -> ReviewMark | None:
    """The mark of a gland; None if it has none."""
    entry = _kept(segmentation_node).get(key)
    if entry is None:
        return None
    return ReviewMark(entry["date"], entry["contour"] == _fingerprint(segmentation_node, key, volume_node))


def _kept(segmentation_node: Any) -> dict[str, dict[str, str]]:
    try:
        kept = parse_json(segmentation_node.GetAttribute(ATTRIBUTE) or "{}")
        return {key: {"date": str(entry["date"]), "contour": str(entry["contour"])} for key, entry in kept.items()}
    except (ValueError, KeyError, TypeError, AttributeError):  # an attribute that someone else changed
        return {}


def _keep(segmentation_node: Any, kept: dict[str, dict[str, str]]) -> None:
    segmentation_node.SetAttribute(ATTRIBUTE, json.dumps(kept) if kept else None)


def _fingerprint(segmentation_node: Any, key: str, volume_node: Any) -> str:
    """A hash of a gland's voxels and of where among the volume's voxels they lie; the same however they are stored."""
    if segmentation_node.GetSegmentation().GetSegment(key) is None:
        return ""
    box, mask = mask_on_voxels(segmentation_node, key, volume_node)
    where = np.argwhere(mask) + [s.start for s in box]
    return hashlib.sha256(np.ascontiguousarray(where, np.int32).tobytes()).hexdigest()
