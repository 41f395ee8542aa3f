"""propagate(): corrected slices stay as they are, and the rest of the gland follows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import ImageError
from ..structures import PAROTIDS, Structure
from .case import Case
from .changes import changed_slices, plane_of_work
from .checks import NOTHING_TO_CARRY, check_corrections, check_grids
from .expected.carrying import carried_mask
from .expected.network import CorrectingNetwork
from .view import AXIAL, PLANES, Slices, View, box_of_glands, plane_number


@dataclass(frozen=True)
class Propagation:
    """What became of a correction.

    Attributes:
        labels: uint8 on the grid of the scan.
        plane: "axial", "coronal" or "sagittal": of the slices that were corrected.
        slices: all corrected slices by the structure's key: numbers (from 0) along the image axis across that plane.
        added_ml, removed_ml: how each structure's contour differs from the automatic one now, by its key.
    """

    labels: sitk.Image
    plane: str
    slices: dict[str, tuple[int, ...]]
    added_ml: dict[str, float]
    removed_ml: dict[str, float]

    def report(self) -> dict[str, Any]:
        """Everything but the voxels, ready for JSON."""
        return {
            "plane": self.plane,
            "slices": self.slices,
            "added_ml": self.added_ml,
            "removed_ml": self.removed_ml,
        }


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

    A slice that was changed is right, voxel by voxel, with all that is in it. The other slices of the gland are drawn
    anew: where its contour lies is the automatic one, moved by what the corrections moved it nearby (`residual`) and,
    with a network, by what that has learned from corrections. A gland that was not corrected stays as it is.

    Nothing is kept between calls. To go on after a call, correct its labels and give them as `corrected`, with
    `previous` (its labels), `slices` and `plane` of its result; `automatic` stays the same. To take a slice back, give
    the others alone as `slices`, without `previous`.

    Args:
        image: the CT in HU.
        automatic: the contours before any correction, labels of the structures, on the grid of the CT.
        corrected: the same, corrected.
        uncertainty: percent, of the model that drew `automatic` (`Segmentation.uncertainty`): a little better with it.
        previous: what `corrected` was made from, if not `automatic`.
        slices: slices that were corrected before, as `Propagation.slices`; without `previous`: all that are right.
        plane: of the corrected slices; without: axial, unless what changed lies in clearly fewer others.
        network: the network that helps (`shipped_network`); it is asked about axial slices only.
        structures: what the labels mean.

    Returns:
        The Propagation.

    Raises:
        ImageError: grids differ, nothing was corrected, there is no such plane, structure or slice, or a gland has no
            automatic contour, none left, or was drawn on the other one.
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
    # With slices alone, they are all that was corrected: nothing else is looked for.
    before = previous or (automatic if slices is None else corrected)
    box = box_of_glands([automatic, corrected, before])
    if box is None:
        raise ImageError(NOTHING_TO_CARRY)
    basis, after = (sitk.GetArrayViewFromImage(labels)[box.slices] for labels in (before, corrected))
    number = plane_of_work(basis != after, image) if plane is None else plane_number(plane)
    case = Case.of(box, number, image=image, automatic=automatic, current=corrected, uncertainty=uncertainty)
    done = _together(
        changed_slices(case.view(basis), case.current, structures), case.view.indices_of(slices or {}, structures)
    )
    check_corrections(case, done, structures)

    drawn = np.array(after, np.uint8)
    target = case.view(drawn)
    frozen = np.isin(np.arange(case.view.count), np.concatenate(list(done.values())))
    for part in case.parts([s for s in structures if s.label in done]):
        mask = carried_mask(part.gland, part.strokes(done), network if number == AXIAL else None)
        _write(target[part.box], part.structure.label, mask, frozen[part.box[0]])
    return Propagation(
        labels=_on_scan(drawn, box.index, corrected, image),
        plane=PLANES[number],
        slices=_numbers(done, case.view, structures),
        added_ml=_volumes(target, case.automatic, image, structures),
        removed_ml=_volumes(case.automatic, target, image, structures),
    )


def _together(*slices: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Slices of several sources, ascending, by label."""
    labels = sorted({label for one in slices for label in one})
    joined = {label: np.unique(np.concatenate([one[label] for one in slices if label in one])) for label in labels}
    return {label: found for label, found in joined.items() if found.size}


def _write(labels: np.ndarray, label: int, mask: np.ndarray, frozen: np.ndarray) -> None:
    """Put a gland into a label map (slice, row, column), but not into frozen slices nor onto other structures."""
    free = ~frozen[:, None, None] & ((labels == 0) | (labels == label))
    labels[free] = np.where(mask[free], label, 0)


def _on_scan(part: np.ndarray, index: Sequence[int], corrected: sitk.Image, image: sitk.Image) -> sitk.Image:
    """The corrected label map, uint8, with the part (z, y, x) that was drawn anew."""
    labels = sitk.Cast(corrected, sitk.sitkUInt8)
    labels = sitk.Paste(labels, sitk.GetImageFromArray(part), part.shape[::-1], (0, 0, 0), list(index))
    labels.CopyInformation(image)
    return labels


def _numbers(done: dict[int, np.ndarray], view: View, structures: Sequence[Structure]) -> dict[str, tuple[int, ...]]:
    return {
        structure.key: tuple(sorted(view.number_of(int(index)) for index in done[structure.label]))
        for structure in structures
        if structure.label in done
    }


def _volumes(
    here: np.ndarray, not_there: np.ndarray, image: sitk.Image, structures: Sequence[Structure]
) -> dict[str, float]:
    """Volume of each structure in one label map that it does not have in the other, mL, by its key."""
    voxel_ml = float(np.prod(image.GetSpacing())) / 1000.0
    return {s.key: float(np.count_nonzero((here == s.label) & (not_there != s.label)) * voxel_ml) for s in structures}
