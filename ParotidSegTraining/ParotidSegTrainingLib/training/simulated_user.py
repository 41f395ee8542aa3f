"""A simulated user who corrects slices of an automatic contour until it is like a reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.correcting.expected.distances import MM_PER_LOG_ODDS, distances_in_slices
from ParotidSegLib.correcting.expected.gland import Gland, Strokes, box_around
from ParotidSegLib.correcting.view import AXIAL, View
from ParotidSegLib.glands.postprocessing import indecision
from ParotidSegLib.structures import PAROTIDS

from .automatic_contours import AutomaticCase

#: A careless hand: the line wavers by this much (standard deviation, mm), over stretches of about this length (mm).
WAVERING_MM, STRETCH_MM = 1.5, 8.0
#: How the errors of the automatic contour vary in training, standard deviations in mm: of the whole contour, and here
#: and there.
_WHOLE_MM, _LOCAL_MM = 1.2, 2.0


@dataclass(frozen=True)
class Task:
    """A gland with its automatic contour, and how the user wants it: boolean (slice, row, column)."""

    gland: Gland
    wanted: np.ndarray

    def strokes(self, drawn: dict[int, np.ndarray]) -> Strokes:
        """Slices that were drawn, by their number, as strokes."""
        numbers = sorted(drawn)
        return Strokes(np.array(numbers), np.stack([drawn[number] for number in numbers]))


def tasks_of(case: AutomaticCase, reference: sitk.Image) -> Iterator[Task]:
    """A task for each gland, right first, that both the model and the reference have; axial slices."""
    view = View.of(case.image, AXIAL)
    images = (case.image, case.labels, case.uncertainty, reference)
    ct, automatic, unsure, wanted = (view(sitk.GetArrayFromImage(image)) for image in images)
    for structure in PAROTIDS:
        masks = automatic == structure.label, wanted == structure.label
        if all(mask.any() for mask in masks):
            box = box_around(masks, view.spacing)
            gland = Gland(
                ct[box].astype(np.float32), masks[0][box], unsure[box], view.spacing, is_left=structure.side == "left"
            )
            yield Task(gland, masks[1][box])


def worst_slice(wanted: np.ndarray, contour: np.ndarray, done: Sequence[int]) -> int | None:
    """The slice with the most wrong voxels that was not corrected yet; None if none is wrong."""
    wrong = np.count_nonzero(contour ^ wanted, axis=(1, 2))
    wrong[list(done)] = 0
    return int(wrong.argmax()) if wrong.any() else None


def wavering(
    mask: np.ndarray, spacing_zyx: Sequence[float], generator: np.random.Generator, deviation_mm: float = WAVERING_MM
) -> np.ndarray:
    """A slice (row, column) as a careless hand draws it, whose line is off by so much (standard deviation)."""
    if not mask.any():
        return mask
    distances = distances_in_slices(mask[None], spacing_zyx)[0]
    return np.asarray(distances + _smooth_noise(mask.shape, spacing_zyx[1:], deviation_mm, generator) > 0.0)


def with_other_errors(task: Task, generator: np.random.Generator) -> Task:
    """The same gland with another automatic contour: a model errs less on the patients that it learned from."""
    gland = task.gland
    field = gland.geometric if gland.modelled is None else gland.modelled
    moved = field + generator.normal(0.0, _WHOLE_MM) + _smooth_noise(field.shape, gland.spacing, _LOCAL_MM, generator)
    automatic = _largest_piece(moved > 0.0)
    if not automatic.any():
        return task
    inside = 1.0 / (1.0 + np.exp(np.where(automatic, -np.abs(moved), np.abs(moved)) / MM_PER_LOG_ODDS))
    percent = indecision(np.stack([inside, np.zeros_like(inside)], axis=-1).astype(np.float32))
    uncertainty = None if gland.uncertainty is None else percent
    return Task(Gland(gland.ct, automatic, uncertainty, gland.spacing, gland.is_left), task.wanted)


def without_uncertainty(task: Task) -> Task:
    """The same gland where nobody kept what the model was unsure of."""
    return replace(task, gland=replace(task.gland, uncertainty=None))


def _largest_piece(mask: np.ndarray) -> np.ndarray:
    image = sitk.RelabelComponent(sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8))))
    return np.asarray(sitk.GetArrayViewFromImage(image) == 1)


def _smooth_noise(
    shape: Sequence[int], spacing: Sequence[float], deviation_mm: float, generator: np.random.Generator
) -> np.ndarray:
    """A random field of this standard deviation that is alike over `STRETCH_MM`."""
    from scipy import ndimage

    noise = ndimage.gaussian_filter(generator.normal(size=tuple(shape)), [STRETCH_MM / 2.0 / edge for edge in spacing])
    return np.asarray(deviation_mm * noise / noise.std())
