"""What a gland receives: mean dose, doses of volumes and volumes of doses, and the dose-volume histogram.

A contour is what its label map says: each voxel belongs to it as a whole. The dose within a voxel is not one value,
though; a gland lies in the steepest gradients of a plan. So each voxel is cut into sub-voxels with edges of at most
`SUB_VOXEL_MM` (and at least two along each axis), the dose is interpolated linearly at the centre of each, on its own
grid, and all sub-voxels count alike. The figures are thus those of the label map's grid; the dose keeps its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from ..errors import DataError
from ..geometry.grids import Box
from ..geometry.surfaces import joint_bounding_box
from ..structures import PAROTIDS, Structure
from .reading import Dose

#: Longest edge of a sub-voxel, mm, and the most of them along one axis of a voxel.
SUB_VOXEL_MM, _MOST_CUTS = 1.0, 8
#: Doses of which the volume is stated, Gy.
VOLUMES_OF = (20.0, 30.0, 40.0)
#: Width of a bin of the histogram, Gy.
BIN_GY = 0.1
#: A gland of which more lies beyond the dose grid has no mean dose that could be stated.
LARGEST_OUTSIDE = 0.05
_OUTSIDE = -1e6


@dataclass(frozen=True)
class Histogram:
    """A cumulative dose-volume histogram.

    Attributes:
        edges_gy: doses, ascending from 0 in steps of `BIN_GY`, the last one above the maximum.
        volumes_ml: how much receives at least each of them, the same shape.
    """

    edges_gy: npt.NDArray[np.float64]
    volumes_ml: npt.NDArray[np.float64]


@dataclass(frozen=True)
class GlandDose:
    """The dose of one gland; doses in Gy.

    Attributes:
        volume_ml: of the contour.
        mean, minimum, maximum: over its sub-voxels.
        d50: that half of the volume receives at least; the median.
        volume_of: by dose (20, 30, 40 Gy), the share of the volume that receives at least as much, 0..1.
        volume_of_ml: the same in mL.
        histogram: cumulative.
        outside: share of the gland beyond the dose grid; the doses are those of the rest.
    """

    volume_ml: float
    mean: float
    minimum: float
    maximum: float
    d50: float
    volume_of: Mapping[float, float]
    volume_of_ml: Mapping[float, float]
    histogram: Histogram
    outside: float


def dose_figures(dose: Dose, labels: sitk.Image, structures: Sequence[Structure] = PAROTIDS) -> dict[str, GlandDose]:
    """What each structure receives, by key; one without a voxel is left out.

    Args:
        dose: on its own grid.
        labels: label map of the structures, on a grid of its own.
        structures: those that are asked for.

    Raises:
        DataError: none of them has a voxel, or more than 5 % of one lies beyond the dose grid.
    """
    array = sitk.GetArrayViewFromImage(labels)
    found = {}
    for structure in structures:
        inside = array == structure.label
        if inside.any():
            found[structure.key] = _figures(doses_within(dose, inside, labels), inside, labels, structure)
    if not found:
        listed = ", ".join(structure.key for structure in structures)
        raise DataError(f"The contours are empty ({listed} have no voxel): there is no dose to state.")
    return found


def doses_within(dose: Dose, mask: np.ndarray, geometry: sitk.Image) -> npt.NDArray[np.float64]:
    """The dose of each sub-voxel of a mask, Gy, in no order; NaN beyond the dose grid.

    Args:
        dose: on its own grid.
        mask: bool (z, y, x), not empty.
        geometry: an image whose voxels are those of the mask.
    """
    found = joint_bounding_box(mask, mask)
    z, y, x = found
    box = Box((x.start, y.start, z.start), (x.stop - x.start, y.stop - y.start, z.stop - z.start))
    spacing = geometry.GetSpacing()
    cuts = [min(_MOST_CUTS, max(2, math.ceil(edge / SUB_VOXEL_MM - 1e-6))) for edge in spacing]
    first = [index - 0.5 + 0.5 / cut for index, cut in zip(box.index, cuts, strict=True)]
    resampled = sitk.Resample(
        dose.image,
        [length * cut for length, cut in zip(box.size, cuts, strict=True)],
        sitk.Transform(),
        sitk.sitkLinear,
        geometry.TransformContinuousIndexToPhysicalPoint(first),
        [edge / cut for edge, cut in zip(spacing, cuts, strict=True)],
        geometry.GetDirection(),
        _OUTSIDE,
        sitk.sitkFloat32,
    )
    values = sitk.GetArrayViewFromImage(resampled)
    fine = mask[found]
    for axis, cut in enumerate(reversed(cuts)):
        fine = np.repeat(fine, cut, axis=axis)
    doses = values[fine].astype(np.float64)
    doses[doses < _OUTSIDE / 2.0] = np.nan
    return doses


def _figures(doses: npt.NDArray[np.float64], mask: np.ndarray, labels: sitk.Image, structure: Structure) -> GlandDose:
    volume = float(np.count_nonzero(mask)) * float(np.prod(labels.GetSpacing())) / 1000.0
    outside = float(np.isnan(doses).mean())
    if outside > LARGEST_OUTSIDE:
        raise DataError(
            f"{outside:.0%} of {structure.key} lies beyond the dose grid, so that its dose is not known: export the "
            "dose on a grid that covers the gland."
        )
    known = np.sort(doses[~np.isnan(doses)])
    each = volume / known.size  # what lies beyond the grid is taken for a sample of the rest
    edges = BIN_GY * np.arange(math.floor(known[-1] / BIN_GY) + 2, dtype=np.float64)
    above = known.size - np.searchsorted(known, edges, side="left")
    shares = {gy: float(np.count_nonzero(known >= gy)) / known.size for gy in VOLUMES_OF}
    return GlandDose(
        volume_ml=volume,
        mean=float(known.mean()),
        minimum=float(known[0]),
        maximum=float(known[-1]),
        d50=float(np.median(known)),
        volume_of=shares,
        volume_of_ml={gy: share * volume for gy, share in shares.items()},
        histogram=Histogram(edges, np.asarray(each * above, np.float64)),
        outside=outside,
    )
