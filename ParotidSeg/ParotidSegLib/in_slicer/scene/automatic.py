"""Contours are kept with the segmentation node: the automatic ones, so that an edited gland can be reset to them.

They are an attribute of the node: a few kilobytes of text that are saved, loaded and copied with it, whichever way the
scene is saved. They are voxels of the volume, so they stay right when both nodes are moved.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...files.json_text import parse_json
from ...structures import Structure
from .voxels import box_of

ATTRIBUTE = "ParotidSeg.automatic"


def keep(
    segmentation_node: Any,
    labels: np.ndarray,
    structures: Sequence[Structure],
    *,
    attribute: str = ATTRIBUTE,
    first: Sequence[int] = (0, 0, 0),
    shape: Sequence[int] | None = None,
) -> None:
    """Keep label values (z, y, x) of a volume's voxels as the contours of these structures.

    Args:
        segmentation_node: takes them.
        labels: of all voxels; or of a part that holds all contours.
        structures: what the labels mean.
        attribute: where they are kept; by default as the automatic contours.
        first, shape: index of that part's first voxel, and the shape (z, y, x) of the whole.
    """
    box = box_of(labels > 0)
    inside = labels[box].astype(np.uint8)
    header = {
        "shape": tuple(shape or labels.shape),
        "box": [(s.start + start, s.stop + start) for s, start in zip(box, first, strict=True)],
        "keys": {s.key: s.label for s in structures},
    }
    content = json.dumps(header).encode("utf-8") + b"\n" + np.ascontiguousarray(inside).tobytes()
    segmentation_node.SetAttribute(attribute, base64.b64encode(zlib.compress(content, 6)).decode("ascii"))


def fingerprint(segmentation_node: Any) -> str:
    """A short hash of the automatic contours: what belongs to one run's is told from what belongs to another's."""
    text = segmentation_node.GetAttribute(ATTRIBUTE) or ""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def kept(
    segmentation_node: Any, volume_node: Any, structures: Sequence[Structure], *, attribute: str = ATTRIBUTE
) -> tuple[tuple[slice, slice, slice], np.ndarray] | None:
    """The contours, by default the automatic ones, on the volume's voxels.

    Returns:
        A box of the voxels around them, as slices for an array (z, y, x), and the labels of these structures in it
        (uint8); None if none were kept, or those of another volume or of other structures.
    """
    text = segmentation_node.GetAttribute(attribute)
    if not text or volume_node.GetImageData() is None:
        return None
    try:
        line, _, voxels = zlib.decompress(base64.b64decode(text, validate=True)).partition(b"\n")
        header = parse_json(line)
        z, y, x = (slice(*bounds) for bounds in header["box"])
        inside = np.frombuffer(voxels, np.uint8).reshape([s.stop - s.start for s in (z, y, x)])
        keys, shape = header["keys"], tuple(header["shape"])
    except (ValueError, KeyError, TypeError, zlib.error):  # an attribute that someone else changed
        return None
    if shape != volume_node.GetImageData().GetDimensions()[::-1] or any(s.key not in keys for s in structures):
        return None
    labels = np.zeros(inside.shape, np.uint8)
    for structure in structures:
        labels[inside == keys[structure.key]] = structure.label
    return (z, y, x), labels
