"""propagate(): corrected slices stay as they are, and the rest of the gland follows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..errors import ImageError
from ..structures import PAROTIDS, Structure
from ..surfaces import joint_bounding_box
from .changes import changed_slices, plane_of_work
from .checks import check_corrections, check_grids
from .gland import AXIAL, PLANES, Gland, Strokes, View, box_around
from .network import CorrectingNetwork
from .pieces import whole_gland
from .residual import carried_distances

#: Slices by the key of the structure, as `Structure.key` has it: numbers along the image's own axis.
Slices = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Propagation:
    """What became of a correction.

    Attributes:
        labels: uint8 on the grid of the scan.
        plane: "axial", "coronal" or "sagittal": of the slices that were corrected.
        slices: all corrected slices by the structure's key: numbers (from 0) along the image axis across that plane.
        added_ml, removed_ml: how the structure's contour differs from the automatic one now, by its key.
    """

    labels: sitk.Image
    plane: str
    slices: dict[str, tuple[int, ...]]
    added_ml: dict[str, float]
    removed_ml: dict[str, float]


def propagate(
    image: sitk.Image,
    automatic: sitk.Image,
    corrected: sitk.Image,
    *,
    uncertainty: sitk.Image | None = None,
    previous: sitk.Image | None = None,
    slices: Slices | None = None,
    plane: str | None = None,
    network: CorrectingNetwork | None = None,
    structures: Sequence[Structure] = PAROTIDS,
) -> Propagation:
    """Carry corrected slices to the rest of their glands.

    A slice that was changed is right, voxel by voxel, with all that is in it. The other slices of its gland are drawn
    anew: where the contour lies is the automatic one, moved by what the corrections moved it nearby (`residual`) and,
    with a network, by what that has learned from corrections. A gland that was not corrected stays as it is.

    Nothing is kept between calls. To go on after a call, correct its labels and give them as `corrected`, with
    `previous` (its labels), `slices` and `plane` of its result; `automatic` stays the same. To take a slice back, leave
    it out of `slices`.

    Args:
        image: the CT in HU.
        automatic: the contours before any correction, labels of the structures, on the grid of the CT.
        corrected: the same, corrected.
        uncertainty: percent, of the model that drew `automatic` (`Segmentation.uncertainty`): better with it.
        previous: what `corrected` was made from, if not `automatic`.
        slices: slices that were corrected before, as `Propagation.slices`; without `previous`: all of them.
        plane: of the corrected slices; without: axial, unless what changed lies in clearly fewer others.
        network: the network that helps, see `shipped_network`; axial slices only.
        structures: what the labels mean.

    Returns:
        The Propagation.

    Raises:
        ImageError: grids differ, nothing was corrected, a slice is not in the scan, or a gland has no automatic or no
            corrected contour, or was drawn on the other one.
    """
    check_grids(
        image,
        {
            "The automatic contour": automatic,
            "The corrected contour": corrected,
            "The previous contour": previous,
            "The uncertainty": uncertainty,
        },
    )
    if plane is not None and plane not in PLANES:
        raise ImageError(f"There is no plane '{plane}': name one of {', '.join(PLANES)}.")
    before, after = (np.asarray(sitk.GetArrayViewFromImage(labels)) for labels in (automatic, corrected))
    basis = before if previous is None else np.asarray(sitk.GetArrayViewFromImage(previous))
    if previous is None and slices is not None:
        basis = after  # they are all that was corrected
    number = _plane(plane, basis, after, image)
    view = View.of(image, number)
    found = changed_slices(view(basis), view(after), structures)
    done = _joined(found, slices or {}, view, view(after).shape[0], structures)
    check_corrections(view(before), view(after), done, {s.label: s for s in structures})

    result = after.astype(np.uint8)
    frozen = np.zeros(view(result).shape[0], bool)
    frozen[np.concatenate(list(done.values()))] = True
    ct = np.asarray(sitk.GetArrayViewFromImage(image))
    unsure = None if uncertainty is None else np.asarray(sitk.GetArrayViewFromImage(uncertainty))
    for structure in structures:
        if structure.label in done:
            label, own = structure.label, done[structure.label]
            masks = view(before) == label, view(after) == label
            box = box_around(masks, view.spacing)
            gland = Gland(
                ct=view(ct)[box].astype(np.float32),
                automatic=masks[0][box],
                uncertainty=None if unsure is None else view(unsure)[box],
                spacing=view.spacing,
                is_left=structure.side == "left",
            )
            strokes = Strokes(own - box[0].start, masks[1][(own, *box[1:])])
            drawn = carried_mask(gland, strokes, network if number == AXIAL else None)
            _write(view(result)[box], label, drawn, frozen[box[0]])
    return _propagation(result, before, image, view, done, number, structures)


def carried_mask(gland: Gland, strokes: Strokes, network: CorrectingNetwork | None = None) -> np.ndarray:
    """The gland as its corrected slices let expect it, boolean (slice, row, column); those slices are as drawn."""
    if (strokes.masks == gland.automatic[strokes.slices]).all():
        return gland.automatic.copy()
    distances = carried_distances(gland, strokes)
    if network is not None:
        distances = distances + network.change(gland, strokes)
    return whole_gland(distances > 0.0, gland, strokes)


def _plane(plane: str | None, before: np.ndarray, after: np.ndarray, image: sitk.Image) -> int:
    if plane is not None:
        return PLANES.index(plane)
    changed = before != after
    if not changed.any():
        return AXIAL
    return plane_of_work(changed, {number: View.of(image, number) for number in range(3)})


def _joined(
    found: Mapping[int, np.ndarray], before: Slices, view: View, count: int, structures: Sequence[Structure]
) -> dict[int, np.ndarray]:
    """All corrected slices of the view by label, ascending: those of now and those of before."""
    known = {structure.key: structure.label for structure in structures}
    joined = {label: set(slices.tolist()) for label, slices in found.items()}
    for key, numbers in before.items():
        if key not in known:
            raise ImageError(f"There is no structure '{key}': name one of {', '.join(known)}.")
        outside = [number for number in numbers if not 0 <= number < count]
        if outside:
            raise ImageError(f"There is no slice {outside[0]} in the scan: its slices are 0 to {count - 1}.")
        mine = {view.slice_of_image(int(number), count) for number in numbers}
        joined[known[key]] = joined.get(known[key], set()) | mine
    return {label: np.array(sorted(joined[label])) for label in sorted(joined) if joined[label]}


def _write(labels: np.ndarray, label: int, mask: np.ndarray, frozen: np.ndarray) -> None:
    """Put a gland into a label map (slice, row, column), but not into frozen slices nor onto other structures."""
    free = ~frozen[:, None, None] & ((labels == 0) | (labels == label))
    labels[free] = np.where(mask[free], label, 0)


def _propagation(
    result: np.ndarray,
    before: np.ndarray,
    image: sitk.Image,
    view: View,
    done: Mapping[int, np.ndarray],
    plane: int,
    structures: Sequence[Structure],
) -> Propagation:
    labels = sitk.GetImageFromArray(result)
    labels.CopyInformation(image)
    voxel_ml = float(np.prod(image.GetSpacing())) / 1000.0
    count = view(result).shape[0]
    of = {s.key: s.label for s in structures}
    corrected = {key: done[label] for key, label in of.items() if label in done}
    differs = result != before
    box = joint_bounding_box(differs, differs)
    now, then = result[box], before[box]
    return Propagation(
        labels=labels,
        plane=PLANES[plane],
        slices={
            key: tuple(sorted(view.slice_of_image(int(number), count) for number in numbers))
            for key, numbers in corrected.items()
        },
        added_ml={k: np.count_nonzero((now == n) & (then != n)) * voxel_ml for k, n in of.items()},
        removed_ml={k: np.count_nonzero((then == n) & (now != n)) * voxel_ml for k, n in of.items()},
    )
