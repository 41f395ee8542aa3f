"""Is this an image that can be segmented? Each objection is one sentence; none knows where the image came from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from ..errors import ImageError

#: The shortest stack that can hold a parotid gland, and the coarsest voxel that can show one.
FEWEST_SLICES = 8
SHORTEST_EXTENT_MM = 30.0
LARGEST_SPACING_MM = 20.0
#: Axes may deviate from right angles by what rounding of direction cosines causes (0.3 degrees).
COSINE_TOLERANCE = 5e-3

#: A head and neck in HU holds air, fat and muscle, however tightly it is cropped. The smallest shares in 192 planning
#: CTs were 66 %, 8 % and 30 %; in a box inside the head 25 %, 35 % and 45 %.
AIR_BELOW = -300
FAT = (-150, -30)
SOFT_TISSUE = (-20, 120)
#: Share of air in all voxels, and of the tissues in all voxels that are not air.
LEAST_AIR, LEAST_FAT, LEAST_SOFT_TISSUE = 0.002, 0.01, 0.1
#: Fat and muscle of a CT to which 1000 or 1024 was added lie where only dense bone does, with little below: in true HU
#: bone thins out upwards, and there is more fat. In 191 planning CTs the ratio was 0.45 at most, shifted 9 at least.
SHIFTED, BELOW_SHIFTED, PURE_FAT = (850, 1150), (300, 800), (-150, -60)
LEAST_SHIFTED, MOST_SHIFTED_RATIO = 0.05, 1.5
#: Enough voxels for such shares.
SAMPLE = 2_000_000

_COMPLEX = (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64)
_LABEL_MAPS = (sitk.sitkLabelUInt8, sitk.sitkLabelUInt16, sitk.sitkLabelUInt32, sitk.sitkLabelUInt64)
_FLOATS = (sitk.sitkFloat32, sitk.sitkFloat64)


def check_ct(image: sitk.Image) -> None:
    """Refuse an image that is no three-dimensional CT in Hounsfield units.

    It does not ask what part of the body is shown.

    Args:
        image: any image, from a file or from memory.

    Raises:
        ImageError: not three-dimensional, not scalar, too few slices, an impossible grid, values that are not finite
            or do not look like HU.
    """
    check_kind(image.GetDimension(), image.GetNumberOfComponentsPerPixel(), image.GetPixelIDValue())
    check_grid(image.GetSize(), image.GetSpacing(), np.reshape(image.GetDirection(), (3, 3)))
    _check_finite(image)
    _check_hounsfield(image)


def _check_finite(image: sitk.Image) -> None:
    if image.GetPixelIDValue() in _FLOATS and not all(np.isfinite(slab).all() for slab in slabs(image)):
        raise ImageError(
            "Some voxels hold no number (NaN or infinite): replace them, for instance by -1024, and try again."
        )


def check_image(image: sitk.Image, modality: str = "CT", *, whole_head: bool = True) -> None:
    """Refuse an image that a network for this modality cannot be shown.

    Args:
        image: any image.
        modality: as `preprocessing.Input` has it; "CT" has to be in HU.
        whole_head: refuse what is too small to show a head, too.

    Raises:
        ImageError: as `check_ct`; of another modality the values only have to be numbers.
    """
    if modality == "CT" and whole_head:
        return check_ct(image)
    check_kind(image.GetDimension(), image.GetNumberOfComponentsPerPixel(), image.GetPixelIDValue(), modality)
    direction = np.reshape(image.GetDirection(), (3, 3))
    check_grid(image.GetSize(), image.GetSpacing(), direction, whole_head=whole_head)
    _check_finite(image)
    if modality == "CT":
        _check_hounsfield(image)


def slabs(image: sitk.Image) -> Iterator[npt.NDArray[Any]]:
    """The voxels of a three-dimensional image, (16 or fewer, y, x) at a time, without a copy of the whole."""
    view = sitk.GetArrayViewFromImage(image)
    for first in range(0, view.shape[0], 16):
        yield view[first : first + 16]


def check_kind(dimension: int, components: int, pixel_type: int, modality: str = "CT") -> None:
    """Refuse anything but three-dimensional scalars; `pixel_type` is SimpleITK's pixel ID."""
    wanted = (
        "so it is not a CT: give a CT in Hounsfield units" if modality == "CT" else "give an image of one number each"
    )
    if pixel_type in _COMPLEX:
        raise ImageError(f"The image holds complex numbers, {wanted}.")
    if components != 1:
        raise ImageError(f"The image has {components} values in each voxel (colours or vectors), {wanted}.")
    if pixel_type in _LABEL_MAPS:
        raise ImageError(f"The image is a label map, {wanted}.")
    if dimension < 3:
        raise ImageError("The image is a single slice: give the whole CT.")
    if dimension > 3:
        raise ImageError(f"The image has {dimension} dimensions: give one three-dimensional CT.")


def check_grid(
    size: Sequence[int], spacing: Sequence[float], direction: npt.NDArray[np.float64], *, whole_head: bool = True
) -> None:
    """Refuse a grid on which nothing can be seen, or, of a whole head, no parotid gland.

    Args:
        size, spacing: voxels and mm, (x, y, z).
        direction: direction cosines (3, 3).
        whole_head: refuse what is too small to show a head, too.
    """
    if not all(0 < step <= LARGEST_SPACING_MM for step in spacing):
        listed = " x ".join(f"{step:g}" for step in spacing)
        raise ImageError(
            f"The voxel spacing is impossible for a patient ({listed} mm): export the image with its true spacing."
        )
    extent = [count * step for count, step in zip(size, spacing, strict=True)]
    if whole_head and min(size) == 1:
        raise ImageError("The image is a single slice: give the whole CT.")
    if whole_head and (min(size) < FEWEST_SLICES or min(extent) < SHORTEST_EXTENT_MM):
        listed = " x ".join(f"{length:.0f}" for length in extent)
        raise ImageError(
            f"The image is too small for a CT of the head ({' x '.join(map(str, size))} voxels, {listed} mm): give at "
            f"least {FEWEST_SLICES} slices and {SHORTEST_EXTENT_MM:.0f} mm in each direction."
        )
    if not np.allclose(direction.T @ direction, np.eye(3), rtol=0, atol=COSINE_TOLERANCE):
        raise ImageError(
            "The axes of the image are not at right angles (sheared, as by a tilted gantry): resample it to a grid "
            "with right angles."
        )


def _check_hounsfield(image: sitk.Image) -> None:
    """Refuse values that cannot be HU of a patient, judged by a regular sample."""
    view = sitk.GetArrayViewFromImage(image)
    step = max(1, math.floor(np.cbrt(view.size / SAMPLE)))
    sample = view[::step, ::step, ::step]
    tissue = sample[sample >= AIR_BELOW]
    if sample.size - tissue.size < LEAST_AIR * sample.size:
        raise ImageError(
            f"The values (about {sample.min():g} to {sample.max():g}) lack air, which is -1000 in Hounsfield units "
            "(HU): give a CT in HU, not an MRI, a mask or a CT stored without its rescale."
        )
    shifted = _share(tissue, SHIFTED)
    if shifted > max(LEAST_SHIFTED, MOST_SHIFTED_RATIO * _share(tissue, BELOW_SHIFTED), _share(tissue, PURE_FAT)):
        raise ImageError(
            f"The values (about {sample.min():g} to {sample.max():g}) are no Hounsfield units (HU): fat and muscle lie "
            "near 1000 instead of 0, and what looks like air is none, as in a CT stored without its rescale: subtract "
            "1024, or convert it from DICOM again."
        )
    if _share(tissue, FAT) < LEAST_FAT or _share(tissue, SOFT_TISSUE) < LEAST_SOFT_TISSUE:
        raise ImageError(
            f"The values (about {sample.min():g} to {sample.max():g}) do not look like Hounsfield units (HU) because "
            "fat (-100) or muscle (50) is lacking: give a CT in HU, not an MRI or a CT stored without its rescale."
        )


def _share(values: npt.NDArray[Any], bounds: tuple[float, float]) -> float:
    """Share of the values that lie within both bounds; 0 of none."""
    return float(np.mean((values >= bounds[0]) & (values <= bounds[1]))) if values.size else 0.0
