"""Which slices a person has corrected, kept with the segmentation: saved, loaded and undone with its contours.

Beside them stand the contours as they were carried on last: what differs from those was drawn since. Both are about
one automatic contour, and lapse with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...files.json_text import parse_json
from ...structures import Structure
from ..scene import automatic

#: Attributes of the segmentation node.
ATTRIBUTE = "ParotidSeg.corrections"
CARRIED = "ParotidSeg.carried"


@dataclass(frozen=True)
class Corrections:
    """Slices that were corrected and carried on.

    Attributes:
        plane: "axial", "coronal" or "sagittal"; None: there are none.
        slices: by the structure's key: numbers (from 0) along the volume's axis across that plane.
    """

    plane: str | None = None
    slices: Mapping[str, Sequence[int]] = field(default_factory=dict)


def corrections_of(segmentation_node: Any) -> Corrections:
    """What is kept with a segmentation; nothing if its automatic contour has become another one."""
    try:
        kept = parse_json(segmentation_node.GetAttribute(ATTRIBUTE) or "{}")
        if kept.get("automatic") != automatic.fingerprint(segmentation_node):
            return Corrections()
        slices = {str(key): tuple(int(number) for number in numbers) for key, numbers in kept["slices"].items()}
        return Corrections(str(kept["plane"]), slices)
    except (ValueError, KeyError, TypeError, AttributeError):  # an attribute that someone else changed
        return Corrections()


def carried_contours(
    segmentation_node: Any, volume_node: Any, structures: Sequence[Structure]
) -> tuple[tuple[slice, slice, slice], np.ndarray] | None:
    """The contours as they were carried on last, or else the automatic ones, as `automatic.kept` gives them."""
    if corrections_of(segmentation_node).plane is not None:
        found = automatic.kept(segmentation_node, volume_node, structures, attribute=CARRIED)
        if found is not None:
            return found
    return automatic.kept(segmentation_node, volume_node, structures)


def keep_corrections(segmentation_node: Any, corrections: Corrections) -> None:
    """Keep them with the segmentation, for its present automatic contour; none: nothing stays."""
    slices = {key: sorted(map(int, numbers)) for key, numbers in corrections.slices.items() if numbers}
    if not slices:
        for name in (ATTRIBUTE, CARRIED):
            segmentation_node.SetAttribute(name, None)
        return
    kept = {"automatic": automatic.fingerprint(segmentation_node), "plane": corrections.plane, "slices": slices}
    segmentation_node.SetAttribute(ATTRIBUTE, json.dumps(kept))
