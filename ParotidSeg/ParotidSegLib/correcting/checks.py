"""What cannot be carried on is refused before anything is changed, with one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import SimpleITK as sitk

from ..errors import ImageError
from ..structures import Structure
from .case import Case

#: Two grids are one if spacing and origin (mm) and direction cosines agree to this: NIfTI rounds to single precision.
_SAME_MM = 1e-3
NOTHING_TO_CARRY = (
    "The corrected contours are the automatic ones, so there is nothing to carry on: correct a slice first."
)


def check_grids(image: sitk.Image, others: Mapping[str, sitk.Image | None]) -> None:
    """Raise an ImageError unless all images, named for the message, lie on the voxels of the scan."""
    for name, other in others.items():
        if other is not None and not same_grid(image, other):
            raise ImageError(f"{name} does not lie on the voxels of the scan: export it on the grid of the CT.")


def same_grid(one: sitk.Image, other: sitk.Image) -> bool:
    """Whether two images have the same voxels in patient space."""
    return one.GetSize() == other.GetSize() and all(
        np.allclose(get(one), get(other), rtol=0.0, atol=_SAME_MM)
        for get in (sitk.Image.GetSpacing, sitk.Image.GetOrigin, sitk.Image.GetDirection)
    )


def check_corrections(case: Case, slices: Mapping[int, np.ndarray], structures: Sequence[Structure]) -> None:
    """Raise an ImageError unless the corrected slices (of the view, by label) can be carried to the others."""
    if not slices:
        raise ImageError(NOTHING_TO_CARRY)
    for structure in structures:
        if structure.label in slices:
            _check_structure(case, structure, slices[structure.label])


def _check_structure(case: Case, structure: Structure, own: np.ndarray) -> None:
    name = structure.name.lower()
    if not (case.automatic == structure.label).any():
        raise ImageError(f"There is no automatic contour of the {name} to correct: draw it in all slices.")
    if not (case.current == structure.label).any():
        raise ImageError(
            f"The corrected contours lack the whole {name}: give both glands, with one slice left at least."
        )
    drawn = case.current[own] == structure.label
    on_other = drawn & (case.automatic[own] != structure.label) & (case.automatic[own] > 0)
    if (2 * np.count_nonzero(on_other, axis=(1, 2)) > np.count_nonzero(drawn, axis=(1, 2))).any():
        raise ImageError(
            f"The corrected {name} lies where the automatic contour has another gland: right and left may be mixed up, "
            "so look which segment was drawn in."
        )
