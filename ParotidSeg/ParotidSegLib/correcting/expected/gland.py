"""One gland while it is corrected: what is around it, its automatic contour as distances, and the strokes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...geometry.surfaces import joint_bounding_box
from ..view import MARGIN_MM
from .distances import distances_in_slices, model_distances, prior_distances, signed_distances


@dataclass(frozen=True)
class Gland:
    """The surroundings of one gland, arrays (slice, row, column) of a `View`.

    Attributes:
        ct: HU.
        automatic: its automatic contour, boolean.
        uncertainty: percent, or None.
        spacing: mm.
        is_left: whether it is the patient's left one.
    """

    ct: np.ndarray
    automatic: np.ndarray
    uncertainty: np.ndarray | None
    spacing: tuple[float, float, float]
    is_left: bool = False

    @cached_property
    def geometric(self) -> np.ndarray:
        """Signed distances to the automatic contour, mm."""
        return signed_distances(self.automatic, self.spacing)

    @cached_property
    def modelled(self) -> np.ndarray | None:
        """The model's opinion of them; None without an uncertainty."""
        return None if self.uncertainty is None else model_distances(self.automatic, self.uncertainty)

    @cached_property
    def prior(self) -> np.ndarray:
        """The field that corrections change; its sign is that of the automatic contour."""
        return prior_distances(self.automatic, self.geometric, self.modelled)

    @cached_property
    def positions(self) -> np.ndarray:
        """Of the slices, mm from the first."""
        return np.arange(len(self.automatic)) * self.spacing[0]


@dataclass(frozen=True)
class Strokes:
    """The corrected slices of one gland.

    Attributes:
        slices: their indices in the arrays of the `Gland`, ascending.
        masks: boolean (n, row, column): what is right there.
    """

    slices: np.ndarray
    masks: np.ndarray

    def distances(self, gland: Gland) -> np.ndarray:
        """Signed distances within the slices, mm."""
        return distances_in_slices(self.masks, gland.spacing)


def box_around(masks: Sequence[np.ndarray], spacing: Sequence[float]) -> tuple[slice, ...]:
    """The box around two boolean arrays of one shape, with `MARGIN_MM` on all sides, cut to the arrays."""
    box = joint_bounding_box(masks[0], masks[1])
    margins = [int(np.ceil(MARGIN_MM / edge)) for edge in spacing]
    return tuple(
        slice(max(0, part.start - margin), min(size, part.stop + margin))
        for part, margin, size in zip(box, margins, masks[0].shape, strict=True)
    )
