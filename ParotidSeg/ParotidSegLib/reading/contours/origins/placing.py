"""Masks from a grid of their own onto that of a scan, and what was lost on the way."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ....errors import DataError
from ....geometry.lattices import carried, grid_difference


class Placing:
    """Carries masks onto the voxels of one scan and keeps a sentence on each loss.

    Attributes:
        remarks: each a sentence.
    """

    def __init__(self, image: sitk.Image, *, resample: bool) -> None:
        """`resample`: take masks of other grids; otherwise they are refused."""
        self.remarks: list[str] = []
        self._image = image
        self._resample = resample

    def check(self, own: sitk.Image) -> None:
        """Refuse a grid that is not that of the scan, if nothing may be carried; DataError."""
        difference = "" if self._resample else grid_difference(self._image, own)
        if difference:
            raise DataError(f"Its image and its labels lie on different grids ({difference}): export them on one.")

    def __call__(self, mask: np.ndarray, own: sitk.Image, key: str) -> np.ndarray:
        """A mask on the scan's voxels.

        Args:
            mask: bool (z, y, x).
            own: an image whose voxels are those of the mask.
            key: of the structure, for sentences.

        Returns:
            bool (z, y, x) on the grid of the scan.

        Raises:
            DataError: all of it lies outside the scan, or it lies on another grid and may not.
        """
        self.check(own)
        difference = grid_difference(self._image, own)
        if not difference or not mask.any():
            return mask if not difference else np.zeros(self._image.GetSize()[::-1], bool)
        moved, is_shared = carried(mask, own, self._image)
        if not moved.any():
            raise DataError(f"All of {key} lies outside the scan: it belongs to another one.")
        if not is_shared:
            self._say(
                f"The contours lie on another grid than the scan ({difference}): they were carried over by the signed "
                "distance to their outlines."
            )
        lost = _outside(mask, own, self._image)
        if lost:
            self.remarks.append(f"{lost:.2f} mL of {key} lie outside the scan and are lost.")
        return moved

    def _say(self, sentence: str) -> None:
        if sentence not in self.remarks:
            self.remarks.append(sentence)


def _outside(mask: np.ndarray, own: sitk.Image, image: sitk.Image) -> float:
    """How much of a mask, in mL, has its voxels' centres beyond the outer faces of the scan."""
    index_to_mm = [np.reshape(one.GetDirection(), (3, 3)) * np.array(one.GetSpacing()) for one in (own, image)]
    points = np.argwhere(mask)[:, ::-1] @ index_to_mm[0].T + np.array(own.GetOrigin())
    index = (points - np.array(image.GetOrigin())) @ np.linalg.inv(index_to_mm[1]).T
    beyond = ((index < -0.5 - 1e-3) | (index > np.array(image.GetSize()) - 0.5 + 1e-3)).any(axis=1)
    return float(np.count_nonzero(beyond)) * float(np.prod(own.GetSpacing())) / 1000.0
