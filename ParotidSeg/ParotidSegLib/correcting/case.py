"""The part of a scan that a correction is about: everything on one small grid, seen in the plane that was worked in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..geometry.grids import Box
from ..structures import Structure
from .expected.gland import Gland, Strokes, box_around
from .view import View


@dataclass(frozen=True)
class Part:
    """One gland of a `Case`, and where it lies in the view of the case."""

    structure: Structure
    gland: Gland
    current: np.ndarray
    box: tuple[slice, ...]

    def strokes(self, slices: Mapping[int, np.ndarray]) -> Strokes:
        """Its corrected slices, of those of the view of the case by label; far beyond the gland they say nothing."""
        own = slices.get(self.structure.label, np.array([], int)) - self.first
        own = own[(own >= 0) & (own < len(self.current))]
        return Strokes(own, self.current[own])

    @property
    def first(self) -> int:
        """Index of its first slice in the view of the case."""
        return int(self.box[0].start)


@dataclass(frozen=True)
class Case:
    """Scan and contours around the glands, arrays (slice, row, column) of `view`.

    The arrays are views of the images that it was cut from, which have to outlive it.

    Attributes:
        view: how they are seen.
        box: the voxels of the scan that they are.
        ct, automatic, current: HU, and labels before any correction and now.
        uncertainty: percent, or None.
    """

    view: View
    box: Box
    ct: np.ndarray
    automatic: np.ndarray
    current: np.ndarray
    uncertainty: np.ndarray | None

    @classmethod
    def of(
        cls,
        box: Box,
        plane: int,
        *,
        image: sitk.Image,
        automatic: sitk.Image,
        current: sitk.Image,
        uncertainty: sitk.Image | None,
    ) -> Case:
        """Cut it out of images on one grid."""
        view = View.of(image, plane, box)

        def cut(whole: sitk.Image) -> np.ndarray:
            return view(sitk.GetArrayViewFromImage(whole)[box.slices])

        unsure = None if uncertainty is None else cut(uncertainty)
        return cls(view, box, cut(image), cut(automatic), cut(current), unsure)

    def parts(self, structures: Sequence[Structure]) -> Iterator[Part]:
        """Each of these structures that is drawn, before or now."""
        for structure in structures:
            before, now = self.automatic == structure.label, self.current == structure.label
            if before.any() or now.any():
                box = box_around((before, now), self.view.spacing)
                gland = Gland(
                    ct=self.ct[box].astype(np.float32),
                    automatic=before[box],
                    uncertainty=None if self.uncertainty is None else self.uncertainty[box],
                    spacing=self.view.spacing,
                    is_left=structure.side == "left",
                )
                yield Part(structure, gland, now[box], box)

    def point(self, part: Part, index: int, image: sitk.Image) -> tuple[float, float, float]:
        """The middle of a gland in one of its slices, or in the nearest one that has it: (x, y, z) in mm, LPS."""
        mask = part.current if part.current.any() else part.gland.automatic
        filled = np.flatnonzero(mask.any(axis=(1, 2)))
        middle = np.argwhere(mask[filled[np.abs(filled - index).argmin()]]).mean(axis=0)
        place = [float(edge.start) + at for edge, at in zip(part.box, (index, *middle), strict=True)]
        shape = [self.box.size[2], self.box.size[1], self.box.size[0]]
        z, y, x = self.view.place_in_array(place, shape)
        inside = [at + first for at, first in zip((x, y, z), self.box.index, strict=True)]
        return image.TransformContinuousIndexToPhysicalPoint(inside)
