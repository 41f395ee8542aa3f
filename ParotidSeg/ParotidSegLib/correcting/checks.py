"""What cannot be carried on is refused before anything is changed, with one sentence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import SimpleITK as sitk

from ..errors import ImageError
from ..structures import Structure

#: Two grids are one if spacing and origin (mm) and direction cosines agree to this: NIfTI rounds to single precision.
_SAME_MM = 1e-3


def check_grids(image: sitk.Image, others: Mapping[str, sitk.Image | None]) -> None:
    """Raise an ImageError unless all images, named for the message, lie on the voxels of the scan."""
    for name, other in others.items():
        if other is not None and not _same_grid(image, other):
            raise ImageError(f"{name} does not lie on the voxels of the scan: export it on the grid of the CT.")


def check_corrections(
    automatic: np.ndarray, corrected: np.ndarray, slices: Mapping[int, np.ndarray], structures: Mapping[int, Structure]
) -> None:
    """Raise an ImageError unless the corrected slices of each structure can be carried to its others.

    Args:
        automatic, corrected: label maps (slice, row, column).
        slices: the corrected slices by label.
        structures: those that there may be, by label.
    """
    if not slices:
        raise ImageError(
            "The corrected contours are the automatic ones, so there is nothing to carry on: correct a slice first."
        )
    for label, own in slices.items():
        name = structures[label].name.lower()
        if not (automatic == label).any():
            raise ImageError(f"There is no automatic contour of the {name} to correct: draw it in all slices.")
        if not (corrected == label).any():
            raise ImageError(
                f"The corrected contours lack the whole {name}: give both glands, or leave its automatic contour as it is."
            )
        drawn = corrected[own] == label
        on_other = drawn & (automatic[own] != label) & (automatic[own] > 0)
        if 2 * np.count_nonzero(on_other) > np.count_nonzero(drawn) > 0:
            raise ImageError(
                f"The corrected {name} lies where the automatic contour has another gland: right and left may be mixed "
                "up, so look which segment was drawn in."
            )


def _same_grid(one: sitk.Image, other: sitk.Image) -> bool:
    return one.GetSize() == other.GetSize() and all(
        np.allclose(get(one), get(other), rtol=0.0, atol=_SAME_MM)
        for get in (sitk.Image.GetSpacing, sitk.Image.GetOrigin, sitk.Image.GetDirection)
    )
