"""The part of a CT that a correction is about, as images for the library: a scan has thirty times as many voxels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer.util
from slicer.i18n import tr as _

from ...correcting.changes import changed_slices, plane_of_work
from ...correcting.view import MARGIN_MM, PLANES, View, plane_number
from ...errors import ImageError
from ...structures import Structure
from ..scene import automatic
from ..scene.scene import drawn_masks
from ..scene.uncertainty import uncertainty_of
from ..scene.voxels import Slices, box_around, index_to_ras, spacing_of, with_geometry, within
from .kept import Corrections, carried_contours, corrections_of

SlicesByKey = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Cutout:
    """CT and contours around the glands, as they lie in the world.

    Attributes:
        box: the volume's voxels (z, y, x) that they are.
        shape: of the whole volume (z, y, x).
        image, automatic, previous, current: the CT; the contours as the model drew them, as they were carried on last,
            and as they are now. On one grid.
        uncertainty: percent, on that grid; or None.
        masks: each segment as it is now (z, y, x), by its label.
        kept: the slices that were carried on.
        plane: of all corrected slices; None if there are none.
        new: slices that were changed since the last carrying on, by the structure's key; numbers of the whole volume.
    """

    box: Slices
    shape: tuple[int, int, int]
    image: sitk.Image
    automatic: sitk.Image
    previous: sitk.Image
    current: sitk.Image
    uncertainty: sitk.Image | None
    masks: dict[int, np.ndarray]
    kept: Corrections
    plane: str | None
    new: dict[str, tuple[int, ...]]

    @property
    def first(self) -> tuple[int, int, int]:
        """Index (z, y, x) of the first voxel."""
        return self.box[0].start, self.box[1].start, self.box[2].start

    def inside(self, slices: SlicesByKey) -> dict[str, tuple[int, ...]]:
        """Slices of the volume as slices of this part; those beyond it, which say nothing here, are left out."""
        side = self.box[self._axis()]
        return {
            key: tuple(number - side.start for number in numbers if side.start <= number < side.stop)
            for key, numbers in slices.items()
        }

    def numbers(self, slices: SlicesByKey) -> dict[str, tuple[int, ...]]:
        """Slices of this part as slices of the volume."""
        start = self.box[self._axis()].start
        return {key: tuple(number + start for number in numbers) for key, numbers in slices.items()}

    def slab(self, numbers: Sequence[int]) -> np.ndarray:
        """Where these slices of the volume are, as bools that fit to the part's arrays (z, y, x)."""
        side, axis = self.box[self._axis()], self._axis()
        shape = [1, 1, 1]
        shape[axis] = side.stop - side.start
        return np.isin(np.arange(side.start, side.stop), np.asarray(numbers, int)).reshape(shape)

    def drawn_in(self, structure: Structure, plane: str) -> tuple[int, ...]:
        """In which slices of the volume, across this plane, a gland has voxels now."""
        axis = View.of(self.image, plane_number(plane)).axes[0]
        mask = self.masks.get(structure.label)
        if mask is None:
            return ()
        others = tuple(other for other in range(3) if other != axis)
        return tuple((np.flatnonzero(mask.any(axis=others)) + self.box[axis].start).tolist())

    def middle(self, structure: Structure, number: int) -> tuple[float, float, float]:
        """The middle of a gland in a slice of the volume, or of what the model drew there: (R, A, S) in mm."""
        axis, at = self._axis(), number - self.box[self._axis()].start
        before = sitk.GetArrayViewFromImage(self.automatic)
        drawn = self.masks.get(structure.label, before == structure.label)
        in_slice = (drawn.take([at], axis), before.take([at], axis) == structure.label, drawn)
        index = next((np.argwhere(mask).mean(axis=0) for mask in in_slice if mask.any()), np.zeros(3))
        index[axis] = at
        x, y, z = self.image.TransformContinuousIndexToPhysicalPoint(index[::-1].tolist())
        return -x, -y, z

    def _axis(self) -> int:
        """The arrays' axis (z, y, x) across the slices."""
        return View.of(self.image, plane_number(self.plane or PLANES[2])).axes[0]


def cut_out(segmentation_node: Any, volume_node: Any, structures: Sequence[Structure]) -> Cutout:
    """Cut the glands out of the scene.

    Raises:
        ImageError: there is no automatic contour of this volume, it has gone, or a transform bends it.
    """
    if volume_node is None or volume_node.GetImageData() is None:
        raise ImageError(_("The CT of this segmentation is not in the scene: load it first."))
    before = automatic.kept(segmentation_node, volume_node, structures)
    if before is None:
        raise ImageError(_("There is no automatic contour of this CT to correct: segment it first."))
    carried = carried_contours(segmentation_node, volume_node, structures) or before
    drawn = drawn_masks(segmentation_node, volume_node, structures)
    to_world = index_to_ras(volume_node, world=True)
    shape = volume_node.GetImageData().GetDimensions()[::-1]
    box = _with_margin(box_around(before[0], carried[0], *(box for box, _mask in drawn.values())), to_world, shape)
    size = [side.stop - side.start for side in box]
    here = to_world.copy()
    here[:3, 3] += to_world[:3, :3] @ [side.start for side in reversed(box)]

    masks = {}
    for label, (place, mask) in drawn.items():
        masks[label] = np.zeros(size, bool)
        masks[label][within(place, box)] = mask
    arrays = []
    for place, labels in (before, carried):
        arrays.append(np.zeros(size, np.uint8))
        arrays[-1][within(place, box)] = labels
    arrays.append(labels_of(masks, size))
    kept = corrections_of(segmentation_node)
    image = with_geometry(slicer.util.arrayFromVolume(volume_node)[box], here)
    plane, new = _changes(image, arrays[1], arrays[2], kept=kept, box=box, structures=structures)
    unsure = uncertainty_of(segmentation_node, volume_node)
    return Cutout(
        box=box,
        shape=shape,
        image=image,
        automatic=with_geometry(arrays[0], here),
        previous=with_geometry(arrays[1], here),
        current=with_geometry(arrays[2], here),
        uncertainty=None if unsure is None else with_geometry(unsure[box], here),
        masks=masks,
        kept=kept,
        plane=plane,
        new=new,
    )


def labels_of(masks: Mapping[int, np.ndarray], shape: Sequence[int]) -> np.ndarray:
    """Masks (z, y, x) by label as one array of labels; where two overlap, the first one has the voxel."""
    labels = np.zeros(shape, np.uint8)
    for label, mask in masks.items():
        labels[mask & (labels == 0)] = label
    return labels


def together(*slices: SlicesByKey) -> dict[str, tuple[int, ...]]:
    """Slices of several sources, ascending, by key."""
    keys = dict.fromkeys(key for one in slices for key in one)
    return {key: tuple(sorted({number for one in slices for number in one.get(key, ())})) for key in keys}


def _with_margin(box: Slices, matrix: np.ndarray, shape: Sequence[int]) -> Slices:
    """A box with what the library looks at around it, within the volume."""
    margins = np.ceil(MARGIN_MM / spacing_of(matrix)[::-1]).astype(int) + 1
    z, y, x = (
        slice(max(0, side.start - int(margin)), min(count, side.stop + int(margin)))
        for side, margin, count in zip(box, margins, shape, strict=True)
    )
    return z, y, x


def _changes(
    image: sitk.Image,
    before: np.ndarray,
    after: np.ndarray,
    *,
    kept: Corrections,
    box: Slices,
    structures: Sequence[Structure],
) -> tuple[str | None, dict[str, tuple[int, ...]]]:
    """The plane of all corrections, and the slices that were changed since the last carrying on."""
    changed = before != after
    if not changed.any():
        return kept.plane, {}
    plane = kept.plane or PLANES[plane_of_work(changed, image)]
    view = View.of(image, plane_number(plane))
    found = changed_slices(view(before), view(after), structures)
    start = box[view.axes[0]].start
    return plane, {
        structure.key: tuple(sorted(view.number_of(int(index)) + start for index in found[structure.label]))
        for structure in structures
        if structure.label in found
    }
