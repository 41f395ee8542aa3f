"""Overlap and surface metrics of two contours of one structure, in millimetres and millilitres.

Masks are boolean arrays in index order (z, y, x); spacings are in millimetres in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike

from .errors import DataError
from .structures import PAROTIDS, Structure
from .surfaces import Floats, Mask, joint_bounding_box, require_masks, surface_distances

#: Tolerances of the normalised surface Dice, mm.
NSD_TOLERANCES = (1.0, 2.0, 2.85)
#: Two grids are the same if spacing and origin (mm) and direction cosines agree to this.
GRID_TOLERANCE = 1e-4
BOOTSTRAP_RESAMPLES = 10_000
BOOTSTRAP_SEED = 20_240_501


# Overlap and volume


def dice(a: Mask, b: Mask) -> float:
    """Dice similarity coefficient of two boolean masks of one shape; NaN if both are empty, 0 if one is."""
    require_masks(a, b)
    total = np.count_nonzero(a) + np.count_nonzero(b)
    return 2.0 * np.count_nonzero(a & b) / total if total else math.nan


def iou(a: Mask, b: Mask) -> float:
    """Intersection over union of two boolean masks of one shape; NaN if both are empty, 0 if one is."""
    require_masks(a, b)
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else math.nan


def categorical_accuracy(a: ArrayLike, b: ArrayLike) -> float:
    """The share of voxels that carry the same label in two label arrays of one shape; NaN if there are no voxels."""
    first, second = np.asarray(a), np.asarray(b)
    if first.shape != second.shape:
        raise ValueError(f"label arrays of one shape are needed, not {first.shape} and {second.shape}")
    return float(np.mean(first == second)) if first.size else math.nan


def volume_ml(mask: Mask, spacing: Sequence[float]) -> float:
    """The volume of a boolean mask in millilitres; `spacing` in mm, in any order of axes."""
    return float(np.count_nonzero(mask) * np.prod(spacing) / 1000.0)


# Scores of a case


@dataclass(frozen=True)
class StructureScores:
    """How well a candidate contour of one structure agrees with the reference.

    Attributes:
        dice, iou: overlap, 0 to 1; NaN if both are empty.
        hd95, msd: surface distances, mm; infinite if exactly one is empty, NaN if both are.
        nsd: tolerance (mm) -> normalised surface Dice, 0 to 1; 0 if exactly one is empty, NaN if both are.
        volume_reference_ml, volume_ml: volumes of the reference and of the candidate.
        missed: the reference is not empty and the candidate does not touch it.
    """

    dice: float
    iou: float
    hd95: float
    msd: float
    nsd: dict[float, float]
    volume_reference_ml: float
    volume_ml: float
    missed: bool


def compare_masks(
    reference: Mask,
    candidate: Mask,
    spacing_zyx: Sequence[float],
    *,
    nsd_tolerances: Sequence[float] = NSD_TOLERANCES,
) -> StructureScores:
    """Compare two boolean masks (z, y, x) of one shape; spacing and tolerances in mm. ValueError as its parts raise."""
    require_masks(reference, candidate)
    box = joint_bounding_box(reference, candidate)  # outside of it there is nothing to count, in hundreds of slices
    reference, candidate = reference[box], candidate[box]
    distances = surface_distances(reference, candidate, spacing_zyx)
    overlap = dice(reference, candidate)
    return StructureScores(
        dice=overlap,
        iou=iou(reference, candidate),
        hd95=distances.hd95(),
        msd=distances.msd(),
        nsd={float(tolerance): distances.nsd(tolerance) for tolerance in nsd_tolerances},
        volume_reference_ml=volume_ml(reference, spacing_zyx),
        volume_ml=volume_ml(candidate, spacing_zyx),
        missed=bool(reference.any() and overlap == 0.0),
    )


def compare_images(
    reference: sitk.Image,
    candidate: sitk.Image,
    structures: Iterable[Structure] = PAROTIDS,
    *,
    nsd_tolerances: Sequence[float] = NSD_TOLERANCES,
) -> dict[str, StructureScores]:
    """Compare two label maps structure by structure: structure key -> scores.

    Raises DataError if they are not three-dimensional, or not on the same grid.
    """
    require_same_grid(reference, candidate)
    spacing_zyx = reference.GetSpacing()[::-1]
    truth, found = (sitk.GetArrayViewFromImage(image) for image in (reference, candidate))
    return {
        structure.key: compare_masks(
            truth == structure.label, found == structure.label, spacing_zyx, nsd_tolerances=nsd_tolerances
        )
        for structure in structures
    }


def require_same_grid(reference: sitk.Image, candidate: sitk.Image) -> None:
    """Raise a DataError unless two label maps are three-dimensional and lie on one grid."""
    for image in (reference, candidate):
        if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
            raise DataError("A label map is not a three-dimensional image with one label per voxel: export it as one.")
    for what in ("size", "spacing", "origin", "direction"):
        expected, got = (getattr(image, f"Get{what.title()}")() for image in (reference, candidate))
        if not np.allclose(expected, got, rtol=0.0, atol=GRID_TOLERANCE):
            raise DataError(
                f"The two label maps are not on the same grid (the {what} is {_numbers(expected)} in the reference and "
                f"{_numbers(got)} in the other): resample one to the grid of the other with nearest neighbours."
            )


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)


# Summary of many cases


@dataclass(frozen=True)
class Summary:
    """A summary of one metric over cases; every statistic is over the `n` finite values alone.

    Attributes:
        n, missing, infinite: how many values are finite, NaN and infinite.
        mean, sd: mean and standard deviation (ddof = 1).
        ci95_low, ci95_high: 95 % confidence interval of the mean, by percentile bootstrap.
        minimum, quartile1, median, quartile3, maximum: order statistics, quartiles by linear interpolation.

    What too few values cannot give (nothing from none; neither SD nor interval from one) is NaN.
    """

    n: int
    missing: int
    infinite: int
    mean: float
    sd: float
    ci95_low: float
    ci95_high: float
    minimum: float
    quartile1: float
    median: float
    quartile3: float
    maximum: float


def summarise(values: ArrayLike) -> Summary:
    """Summarise one metric over cases.

    The confidence interval is the seeded percentile bootstrap of the mean (Efron and Tibshirani, 1993) with 10,000
    resamples: the same values in the same order give the same interval.
    """
    everything = np.asarray(values, dtype=np.float64).ravel()
    finite = everything[np.isfinite(everything)]
    several = finite.size > 1
    low, high = _bootstrap_interval(finite) if several else (math.nan, math.nan)
    order = np.quantile(finite, (0.0, 0.25, 0.5, 0.75, 1.0)) if finite.size else np.full(5, np.nan)
    return Summary(
        n=int(finite.size),
        missing=int(np.isnan(everything).sum()),
        infinite=int(np.isinf(everything).sum()),
        mean=float(finite.mean()) if finite.size else math.nan,
        sd=float(finite.std(ddof=1)) if several else math.nan,
        ci95_low=low,
        ci95_high=high,
        minimum=float(order[0]),
        quartile1=float(order[1]),
        median=float(order[2]),
        quartile3=float(order[3]),
        maximum=float(order[4]),
    )


def _bootstrap_interval(values: Floats) -> tuple[float, float]:
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    # In batches: all resamples at once would take 10,000 times the memory of the values.
    batches = [(BOOTSTRAP_RESAMPLES // 20, values.size)] * 20
    means = np.concatenate([values[generator.integers(values.size, size=batch)].mean(axis=1) for batch in batches])
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
