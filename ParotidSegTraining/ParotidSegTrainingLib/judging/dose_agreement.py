"""What a difference of contours means for the treatment: mean doses of the glands, as two contours have it.

The dose is the one that was planned, so the contours alone differ: a plan made on the other contour would be another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.dose.figures import dose_figures
from ParotidSegLib.dose.function import LIMIT_GY
from ParotidSegLib.dose.reading import Dose
from ParotidSegLib.structures import PAROTIDS, Structure

from ..data.structure_sets import title_of
from .agreement import BlandAltman, Quantity, agreement_table, bland_altman, require_statistics

#: Of `agreement`: what its tables and pictures call mean doses.
MEAN_DOSE = Quantity("Mean doses", "Gy")


@dataclass(frozen=True)
class MeanDoses:
    """The mean dose of one structure, Gy, within the reference and within the candidate; NaN where there is none."""

    reference: float
    candidate: float

    @property
    def error(self) -> float:
        """Size of the difference, Gy: infinite where the candidate misses the structure, NaN without a reference."""
        if math.isnan(self.reference):
            return math.nan
        return math.inf if math.isnan(self.candidate) else abs(self.candidate - self.reference)


@dataclass(frozen=True)
class SameSide:
    """How often both contours lie on the same side of a mean dose.

    Attributes:
        limit_gy: the mean dose.
        n: pairs.
        same: of these, both below it, or both at it or above.
        low, high: 95 % confidence interval of the share (Wilson 1927), 0..1; NaN without pairs.
    """

    limit_gy: float
    n: int
    same: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """0..1; NaN without pairs."""
        return self.same / self.n if self.n else math.nan


#: Mean doses of the cases: by structure key, one mapping a case.
Doses = Sequence[Mapping[str, MeanDoses]]


def mean_doses(
    dose: Dose, reference: sitk.Image, candidate: sitk.Image, structures: Sequence[Structure] = PAROTIDS
) -> dict[str, MeanDoses]:
    """The mean dose of each structure within two contours, by key.

    Raises:
        DataError: a structure lies beyond the dose grid.
    """
    reference_means, candidate_means = (_means(dose, labels, structures) for labels in (reference, candidate))
    return {
        structure.key: MeanDoses(
            reference_means.get(structure.key, math.nan), candidate_means.get(structure.key, math.nan)
        )
        for structure in structures
    }


def _means(dose: Dose, labels: sitk.Image, structures: Sequence[Structure]) -> dict[str, float]:
    present = np.unique(sitk.GetArrayViewFromImage(labels))
    drawn = [structure for structure in structures if structure.label in present]
    return {key: figures.mean for key, figures in dose_figures(dose, labels, drawn).items()} if drawn else {}


def dose_pairs(doses: Doses, key: str) -> tuple[list[float], list[float]]:
    """Mean doses (reference, candidate) of a structure in the cases in which both contours have it."""
    pairs = [one[key] for one in doses if key in one]
    both = [pair for pair in pairs if not (math.isnan(pair.reference) or math.isnan(pair.candidate))]
    return [pair.reference for pair in both], [pair.candidate for pair in both]


def dose_agreements(doses: Doses, structures: Sequence[Structure] = PAROTIDS) -> dict[str, BlandAltman]:
    """Bland-Altman statistics of the mean doses, Gy, by structure key."""
    return {structure.key: bland_altman(*dose_pairs(doses, structure.key)) for structure in structures}


def same_side(doses: Doses, key: str, limit_gy: float = LIMIT_GY) -> SameSide:
    """How often reference and candidate lie on the same side of a mean dose."""
    reference, candidate = dose_pairs(doses, key)
    same = sum((a < limit_gy) == (b < limit_gy) for a, b in zip(reference, candidate, strict=True))
    n = len(reference)
    if not n:
        return SameSide(limit_gy, 0, 0, math.nan, math.nan)
    interval = require_statistics().binomtest(same, n).proportion_ci(method="wilson")
    return SameSide(limit_gy, n, same, float(interval.low), float(interval.high))


def dose_summary(doses: Doses, structures: Sequence[Structure] = PAROTIDS) -> dict[str, Any]:
    """Agreement of the mean doses as data, by structure key, with the share on the same side of the limit."""
    agreements = dose_agreements(doses, structures)
    found = {}
    for structure in structures:
        sides = same_side(doses, structure.key)
        found[structure.key] = {
            **asdict(agreements[structure.key]),
            "same_side": {**asdict(sides), "share": sides.share},
        }
    return found


def dose_table(doses: Doses, candidate: str = "automatic", structures: Sequence[Structure] = PAROTIDS) -> str:
    """The agreement of the mean doses as a Markdown table, and on which side of the limit they lie."""
    agreements = dose_agreements(doses, structures)
    lines = [agreement_table(agreements, candidate=candidate, structures=structures, quantity=MEAN_DOSE), ""]
    for structure in structures:
        sides = same_side(doses, structure.key)
        lines.append(f"{title_of(structure).capitalize()}: {side_words(sides)}.")
    return "\n".join(lines)


def side_words(sides: SameSide) -> str:
    """How often both lie on the same side, in words."""
    if not sides.n:
        return f"no pair to be judged by {sides.limit_gy:g} Gy"
    return (
        f"mean doses on the same side of {sides.limit_gy:g} Gy in {sides.same} of {sides.n} ({sides.share:.0%}, 95 % "
        f"CI {sides.low:.0%} to {sides.high:.0%})"
    )
