"""One gland while it is corrected: the part of the scan around it, turned the same way for every scan and side."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import SimpleITK as sitk

from ..surfaces import joint_bounding_box
from .distances import distances_in_slices, model_distances, prior_distances, signed_distances

#: Patient axes, in the order of coordinates (x, y, z).
SAGITTAL, CORONAL, AXIAL = range(3)
PLANES = ("sagittal", "coronal", "axial")
#: So far beyond what is drawn a gland may grow, mm.
MARGIN_MM = 15.0


@dataclass(frozen=True)
class View:
    """How an array (z, y, x) of an image is looked at: slices of one plane first, axes along the patient's.

    Attributes:
        axes: the array's axis for each of the view's: across the slices, then the other two, later patient axis first.
        flipped: which of the view's axes run against the patient's.
        spacing: mm along the view's axes.
    """

    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]
    spacing: tuple[float, float, float]

    @classmethod
    def of(cls, image: sitk.Image, plane: int) -> View:
        """The view of slices in a plane (`AXIAL` …) of an image, whose axes need only be near the patient's."""
        direction = np.reshape(image.GetDirection(), (3, 3))
        order = max(itertools.permutations(range(3)), key=lambda p: sum(abs(direction[row, p[row]]) for row in range(3)))
        patient_axes = [plane, *sorted({0, 1, 2} - {plane}, reverse=True)]
        across, down, along = patient_axes
        return cls(
            axes=(2 - order[across], 2 - order[down], 2 - order[along]),
            flipped=tuple(bool(direction[p, order[p]] < 0) for p in patient_axes),  # type: ignore[arg-type]
            spacing=tuple(float(image.GetSpacing()[order[p]]) for p in patient_axes),  # type: ignore[arg-type]
        )

    def __call__(self, array: np.ndarray) -> np.ndarray:
        """The view of an array (z, y, x); nothing is copied, so what is written into it is written into the array."""
        turned = np.transpose(array, self.axes)
        return turned[tuple(slice(None, None, -1 if flip else None) for flip in self.flipped)]

    def slice_of_image(self, index: int, size: int) -> int:
        """The image's own number of a slice of the view, or the other way round; `size` slices in all."""
        return size - 1 - index if self.flipped[0] else index


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
        slices: their numbers in the arrays of the `Gland`, ascending.
        masks: boolean (n, row, column): what is right there.
    """

    slices: np.ndarray
    masks: np.ndarray

    def distances(self, gland: Gland) -> np.ndarray:
        """Signed distances within the slices, mm."""
        return distances_in_slices(self.masks, gland.spacing)


def box_around(masks: Sequence[np.ndarray], spacing: Sequence[float]) -> tuple[slice, ...]:
    """The box around boolean arrays of one shape, with `MARGIN_MM` on all sides, cut to the arrays."""
    box = joint_bounding_box(masks[0], masks[-1])
    margins = [int(np.ceil(MARGIN_MM / edge)) for edge in spacing]
    return tuple(
        slice(max(0, part.start - margin), min(size, part.stop + margin))
        for part, margin, size in zip(box, margins, masks[0].shape, strict=True)
    )
