"""The section of a page that says what a difference of contours means in Gy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ParotidSegLib.dose.function import LIMIT_GY, REFERENCES
from ParotidSegLib.writing.pages.html_page import NOTHING, paragraph, section, table

from ..judging.dose_agreement import MEAN_DOSE, dose_agreements, same_side
from ..judging.results import Results
from .report_sections import Section, agreement_parts, titled


def doses_section(judged: Sequence[tuple[str, Results, Path]]) -> Section:
    """Mean doses of the glands; `judged` holds a letter or an empty text, results with doses and their picture."""
    source = next(reference.source for reference in REFERENCES if reference.mean_gy == LIMIT_GY)
    parts = [
        paragraph(
            "What would the difference mean for the treatment? The mean dose of the plan as it was given, within the "
            "contour and within the reference; the difference is contour − reference in Gy. The plan was made on other "
            "contours than those judged: one made on them would spare other tissue.",
            f"{LIMIT_GY:g} Gy is a line that the literature draws ({source}), to compare with and not as advice.",
        )
    ]
    for letter, results, plot in judged:
        doses = [row.doses for row in results.rows]
        found = dose_agreements(doses, results.structures)
        parts += agreement_parts(letter, results, plot, found, MEAN_DOSE)
        rows = []
        for structure in results.structures:
            sides = same_side(doses, structure.key)
            share = f"{sides.share:.0%} ({sides.low:.0%} to {sides.high:.0%})" if sides.n else NOTHING
            rows.append([titled(structure), str(sides.n), str(sides.same), share])
        named = f"{letter}: {results.name}" if letter else results.name
        header = ["Structure", "n", "Same side", "Share (95 % CI)"]
        parts.append(table(header, rows, caption=f"Mean doses on the same side of {LIMIT_GY:g} Gy, {named}"))
    return section("doses", "Mean doses", *parts)
