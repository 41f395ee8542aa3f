"""The dose on the page of a review: what each gland receives in A and in B, and what studies found at such doses."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from ...dose.figures import VOLUMES_OF, GlandDose
from ...dose.function import LIMIT_GY, REFERENCES, SLOPE, TD50_GY, complication_probability
from ...reviewing.review import Review
from ...structures import PAROTIDS
from .html_page import NOTHING, box, definitions, paragraph, picture, plain, section, table


def dose_section(review: Review, histograms: Path) -> tuple[str, str, str]:
    """Figures, histograms, and the lines of the literature."""
    header = [
        "Gland",
        "",
        "Mean, Gy",
        "D50, Gy",
        *(f"V{gy:g}, %" for gy in VOLUMES_OF),
        "Min, Gy",
        "Max, Gy",
        "NTCP, %",
    ]
    rows = [row for structure in PAROTIDS for row in _rows(review, structure.key, structure.name)]
    beyond = list(_beyond(review))
    lines = "Solid orange: A; dashed green: B" if review.comparisons else "Line: A"
    return section(
        "dose",
        "Dose",
        box([paragraph(line) for line in beyond], is_warning=True) if beyond else "",
        table(header, rows, caption=f"What the glands receive, as drawn in {review.letters}", headings=2),
        picture(
            histograms,
            alt="Cumulative dose-volume histograms of the right and of the left parotid gland, as drawn in "
            f"{review.letters}.",
            caption=f"Cumulative dose-volume histograms. {lines}; triangles: mean doses; dotted: "
            f"{LIMIT_GY:g} Gy, which is said of the mean dose.",
        ),
        paragraph(
            f"{LIMIT_GY:g} Gy and the probabilities are shown for orientation, as studies of groups of patients found "
            "them. They are never advice for one patient."
        ),
        definitions(_meanings()),
    )


def _rows(review: Review, key: str, name: str) -> Iterator[list[str]]:
    doses = {side.letter: side.doses.get(key) for side in review.sides}
    for letter, dose in doses.items():
        yield [name, letter, *(_figures(dose) if dose else [NOTHING] * (5 + len(VOLUMES_OF)))]
    a, b = doses["A"], doses.get("B")
    if a and b:
        yield [name, "A − B", *(_signed(x - y) for x, y in zip(_values(a), _values(b), strict=True))]


def _values(dose: GlandDose) -> list[float]:
    volumes = [100.0 * dose.volume_of[gy] for gy in VOLUMES_OF]
    return [dose.mean, dose.d50, *volumes, dose.minimum, dose.maximum, 100.0 * complication_probability(dose.mean)]


def _figures(dose: GlandDose) -> list[str]:
    return [plain(value, 1) for value in _values(dose)]


def _signed(value: float) -> str:
    return f"+{plain(value, 1)}" if round(value, 1) > 0.0 else plain(value, 1)


def mean_dose_lines(review: Review) -> Iterator[str]:
    """The mean doses in a sentence a gland; none without a dose."""
    for structure in PAROTIDS:
        means = {side.letter: side.doses[structure.key].mean for side in review.sides if structure.key in side.doses}
        if means:
            said = " and ".join(f"{mean:.1f} Gy in {letter}" for letter, mean in means.items())
            yield f"{structure.name}: mean dose {said}; {_against_limit(list(means.values()))}."


def _beyond(review: Review) -> Iterator[str]:
    """What of the glands lies beyond the dose."""
    for side in review.sides:
        for structure in PAROTIDS:
            dose = side.doses.get(structure.key)
            if dose and dose.outside > 0.0:
                share = math.ceil(1000.0 * dose.outside) / 10.0
                name = structure.name.lower()
                yield f"{share:.1f} % of the {name} of {side.letter} lies beyond the dose and is not counted."


def _against_limit(means: list[float]) -> str:
    limit = f"{LIMIT_GY:g} Gy"
    below = [mean < LIMIT_GY for mean in means]
    if len(set(below)) > 1:
        return f"they lie on different sides of {limit}"
    where = "below" if below[0] else "at or above"
    return f"{'both lie' if len(means) > 1 else 'it lies'} {where} {limit}"


def _meanings() -> list[tuple[str, str]]:
    volumes = ", ".join(f"V{gy:g}" for gy in VOLUMES_OF)
    return [
        (
            f"Mean, D50, {volumes}",
            "The mean dose; the dose that half of the gland receives at least; the shares of the gland that receive at "
            "least so many Gy. Each voxel is cut into smaller ones, in which the dose is interpolated linearly.",
        ),
        (
            "NTCP",
            f"The share of glands with this mean dose that lost their function (stimulated flow below 25 % after a "
            f"year) by the model of Lyman, Kutcher and Burman, TD50 {TD50_GY:g} Gy, m {SLOPE:g}, n 1: Dijkema et al., "
            "Int J Radiat Oncol Biol Phys 78 (2010) 449-453, for fractions of about 2 Gy.",
        ),
        *((f"{one.mean_gy:g} Gy", f"{one.text[:1].upper()}{one.text[1:]} ({one.source}).") for one in REFERENCES),
    ]
