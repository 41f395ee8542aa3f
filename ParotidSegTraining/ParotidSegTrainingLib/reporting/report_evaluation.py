"""Sections of the page of single evaluations."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ParotidSegLib.structures import Structure
from ParotidSegLib.writing.pages.html_page import box, paragraph, section, table

from ..data.structure_sets import in_sentence
from ..judging.results import Results, absent, invented, missed, summaries
from .report_sections import Section, interval, mean_and_sd, number, split_caution, titled


def scores_section(judged: Sequence[Results]) -> Section:
    """The summary of every evaluation."""
    parts = []
    for results in judged:
        by_key = summaries(results.rows, results.structures)
        rows = [
            [
                titled(structure),
                metric.title,
                str(s.n),
                mean_and_sd(metric, s),
                interval(metric, s),
                number(metric, s.median),
                f"{number(metric, s.minimum)} to {number(metric, s.maximum)}",
                str(s.missing),
                str(s.infinite),
            ]
            for structure in results.structures
            for metric in results.metrics
            for s in [by_key[structure.key][metric.column]]
        ]
        header = ["Structure", "Metric", "n", "Mean ± SD", "95 % CI", "Median", "Range", "not drawn", "missed"]
        groups = [("", 7), ("Left out of the mean", 2)]
        caption = f"{results.name}: {len(results.rows)} cases against the reference"
        parts.append(table(header, rows, caption=caption, groups=groups, headings=2))
        notes = [paragraph(line) for line in _notes(results)]
        parts.append(box(notes, is_warning=True) if notes else paragraph("No structure was missed, no side swapped."))
    parts.append(
        paragraph(
            "A mean hides single bad cases: they are listed below. For HD95 and MSD less is better.",
            split_caution(judged),
            kind="below",
        )
    )
    return section("scores", "Agreement with the reference", *parts)


def _notes(results: Results) -> list[str]:
    rows = results.rows
    swapped = sum(row.swapped for row in rows)
    notes = [f"Sides are swapped in {swapped} of {len(rows)} cases."] if swapped else []
    for structure in results.structures:
        notes += _notes_of(results, structure)
    return notes


def _notes_of(results: Results, structure: Structure) -> list[str]:
    said = (
        (missed(results.rows, structure.key), "was missed"),
        (invented(results.rows, structure.key), "was drawn though the reference has none"),
        (absent(results.rows, structure.key), "is in neither contour"),
    )
    count = len(results.rows)
    return [f"The {in_sentence(structure)} {what} in {cases} of {count} cases." for cases, what in said if cases]


def cases_section(judged: Sequence[Results]) -> Section:
    """Every case, the worst first."""
    parts = [paragraph("The cases with the lowest Dice first.")]
    for results in judged:
        shown = [metric for metric in results.metrics if metric.column in ("dice", "hd95")]
        rows = []
        for row in sorted(results.rows, key=lambda one: min(_worst(s.dice) for s in one.scores.values())):
            cells = []
            for structure in results.structures:
                scores = row.scores[structure.key]
                cells += [number(metric, getattr(scores, metric.column)) for metric in shown]
                cells += [f"{scores.volume_reference_ml:.1f}", f"{scores.volume_ml:.1f}"]
            said = ["sides swapped"] if row.swapped else []
            rows.append([row.case, *cells, ", ".join([*said, *row.findings])])
        columns = [*(metric.title for metric in shown), "mL, reference", "mL"]
        header = ["Case", *(columns * len(results.structures)), "Notes"]
        groups = [("", 1), *((s.name, len(columns)) for s in results.structures), ("", 1)]
        parts.append(table(header, rows, caption=f"{results.name}, case by case", groups=groups))
    return section("cases", "Case by case", *parts)


def _worst(dice: float) -> float:
    """What nobody drew is no bad case."""
    return 1.0 if math.isnan(dice) else dice
