"""Sections of the page that compares two models, A and B."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ParotidSegLib.structures import Structure
from ParotidSegLib.writing.drawing.views import signed as in_mm
from ParotidSegLib.writing.pages.html_page import (
    NOTHING,
    box,
    escaped,
    model_mark,
    paragraph,
    paragraph_of,
    picture,
    plain,
    section,
    table,
)
from ParotidSegLib.writing.pages.plots import signed

from ..data.structure_sets import in_sentence
from ..judging.comparison import Comparison, Comparisons
from ..judging.comparison_table import p_value, rows_of
from ..judging.overlays import Difference
from ..judging.results import CaseScores, Metric, missed
from .report_sections import Section, digits_of, interval, mean_and_sd, number, p_words, split_caution, titled

_OVERLAP = ("dice", "iou")


@dataclass(frozen=True)
class OverlayPicture:
    """A picture of `draw_overlay`: the case, the file, and what is shown."""

    case: str
    path: Path
    differences: Sequence[Difference]


def short_section(comparisons: Comparisons) -> Section:
    """The answer in a few sentences, and what a reader must know before believing it."""
    a, b = (escaped(results.name) for results in (comparisons.a, comparisons.b))
    count = len(comparisons.a.rows)
    parts = [
        paragraph_of(
            f"{model_mark('A')} is {a}, {model_mark('B')} is {b}. Both were scored on the same "
            f"{count} {'case' if count == 1 else 'cases'}, against the same reference contours."
        ),
        box(paragraph(_verdict(comparisons, structure)) for structure in comparisons.structures),
    ]
    warnings = list(_warnings(comparisons))
    if warnings:
        parts.append(box([paragraph(line) for line in warnings], is_warning=True))
    parts.append(
        paragraph(
            "If the interval of a difference holds 0, these cases do not show which of both is better; they do not "
            "show either that both are equally good. The result holds for cases like these and for this training of "
            "each model: another training of the same recipe would differ too, which this page does not measure.",
            split_caution([comparisons.a, comparisons.b]),
        )
    )
    return section("short", "In short", *parts)


def _verdict(comparisons: Comparisons, structure: Structure) -> str:
    metric = next(metric for metric in comparisons.metrics if metric.column == "dice")
    c = comparisons.by_structure[structure.key]["dice"]
    d = c.difference
    if c.n < 2:
        return f"{structure.name}: too few pairs ({c.n}) to compare."
    counts = f"A is better in {c.a_better}, B in {c.b_better} of {c.n} cases"
    counts += f", {c.equal} are the same" if c.equal else ""
    test = f"{p_words(c.signed_ranks.p)} (signed ranks)"
    if d.ci95_low > 0.0 or d.ci95_high < 0.0:
        better, sign = ("A", 1.0) if d.mean > 0.0 else ("B", -1.0)
        ends = sorted((sign * d.ci95_low, sign * d.ci95_high))
        said = (
            f"Dice is higher with {better}, by {number(metric, abs(d.mean))} on average (95 % CI "
            f"{number(metric, ends[0])} to {number(metric, ends[1])})"
        )
    else:
        said = (
            f"no clear difference in Dice: A − B is {number(metric, d.mean)} on average (95 % CI {interval(metric, d)})"
        )
    means = f"{number(metric, c.a.mean)} with A, {number(metric, c.b.mean)} with B"
    return f"{structure.name}: {said}; {means}. {counts}; {test}."


def _warnings(comparisons: Comparisons) -> Iterable[str]:
    for letter, results in (("A", comparisons.a), ("B", comparisons.b)):
        swapped = sum(row.swapped for row in results.rows)
        if swapped:
            yield f"{letter} swapped the sides in {swapped} of {len(results.rows)} cases."
        lost = [(s, missed(results.rows, s.key)) for s in results.structures]
        for structure, count in lost:
            if count:
                yield f"{letter} missed the {in_sentence(structure)} in {count} of {len(results.rows)} cases."
    for letter, cases in (("A", comparisons.only_a), ("B", comparisons.only_b)):
        if cases:
            yield f"Only {letter} was evaluated on {', '.join(cases)}: left out here."


def tables_section(comparisons: Comparisons) -> Section:
    """Overlap and distances of A, of B and of A - B, with the tests."""
    overlap = [row for row in rows_of(comparisons) if row[1].column in _OVERLAP]
    distances = [row for row in rows_of(comparisons) if row[1].column not in _OVERLAP]
    return section(
        "tables",
        "A, B and A − B",
        _values_table(overlap, "Overlap with the reference"),
        _tests_table(overlap, "Is the difference in overlap more than chance?"),
        paragraph(
            "A mean hides single bad cases: the cases are listed below. Overlap weighs a large gland's error less than "
            "a small one's; the distances below say how far the surfaces are apart.",
            kind="below",
        ),
        _values_table(distances, "Distances and surface Dice"),
        _tests_table(distances, "Is the difference in distances more than chance?"),
        paragraph(
            "For HD95, MSD and the mean dose error less is better, so a negative A − B is in favour of A. With coarse "
            "voxels a distance below a voxel's edge is not measured well.",
            kind="below",
        ),
    )


_Rows = Sequence[tuple[Structure, Metric, Comparison]]


def _values_table(rows: _Rows, caption: str) -> str:
    cells = [
        [
            titled(structure),
            metric.title,
            str(c.n),
            mean_and_sd(metric, c.a),
            number(metric, c.a.median),
            mean_and_sd(metric, c.b),
            number(metric, c.b.median),
            number(metric, c.difference.mean),
            interval(metric, c.difference),
            number(metric, c.difference.sd),
            number(metric, c.difference.median),
        ]
        for structure, metric, c in rows
    ]
    of_model = ["Mean ± SD", "Median"]
    header = ["Structure", "Metric", "n", *of_model, *of_model, "Mean", "95 % CI", "SD", "Median"]
    groups = [("", 3), ("A", 2), ("B", 2), ("A − B", 4)]
    return table(header, cells, caption=caption, groups=groups, headings=2)


def _tests_table(rows: _Rows, caption: str) -> str:
    is_cut = any(c.undefined or c.infinite for _, _, c in rows)
    cells = [
        [
            titled(structure),
            metric.title,
            f"{c.a_better} / {c.b_better} / {c.equal}",
            p_value(c.signed_ranks.p),
            plain(c.signed_ranks.rank_biserial),
            NOTHING if math.isnan(c.t.t) else f"{signed(c.t.t, 2)} ({c.t.degrees_of_freedom})",
            p_value(c.t.p),
            plain(c.cohen_dz),
            *([str(c.undefined), str(c.infinite)] if is_cut else []),
        ]
        for structure, metric, c in rows
    ]
    header = ["Structure", "Metric", "A / B / equal", "p", "Rank-biserial", "t (df)", "p", "dz"]
    groups = [("", 2), ("Better in", 1), ("Signed ranks", 2), ("Paired t", 3)]
    if is_cut:
        header += ["not drawn", "missed"]
        groups.append(("Pairs left out", 2))
    drawn = table(header, cells, caption=caption, groups=groups, headings=2)
    return drawn if is_cut else drawn + paragraph("No pair is left out.", kind="below")


def pairs_section(comparisons: Comparisons, plot: Path) -> Section:
    """The picture of the paired values."""
    names = ", ".join(in_sentence(structure) for structure in comparisons.structures)
    return section(
        "pairs",
        "Case by case",
        picture(
            plot,
            alt=f"Dice of every case with A and with B, joined by lines, and the differences A minus B; for {names}.",
            caption="Left of each pair: every case is a line from its Dice with A to its Dice with B, the short bars "
            "are the medians. Right: the differences A − B, a dot a case; the diamond is their mean, the bar its 95 % "
            "confidence interval. Lines that cross say that the models find different cases difficult. The scales of "
            "both sides, and of the panels, differ.",
        ),
        _cases_table(comparisons),
    )


def _cases_table(comparisons: Comparisons) -> str:
    metric = next(metric for metric in comparisons.metrics if metric.column == "dice")
    rows = []
    for first, second in zip(comparisons.a.rows, comparisons.b.rows, strict=True):
        cells = []
        for structure in comparisons.structures:
            values = first.scores[structure.key].dice, second.scores[structure.key].dice
            cells += [*(number(metric, value) for value in values), number(metric, values[0] - values[1])]
        rows.append([first.case, *cells, _notes(first, second)])
    groups = [("", 1), *((structure.name, 3) for structure in comparisons.structures), ("", 1)]
    header = ["Case", *(["A", "B", "A − B"] * len(comparisons.structures)), "Notes"]
    places = digits_of(metric)
    return table(header, rows, caption=f"Dice of every case ({places} decimals)", groups=groups)


def _notes(first: CaseScores, second: CaseScores) -> str:
    notes = []
    for letter, row in (("A", first), ("B", second)):
        said = ["sides swapped"] if row.swapped else []
        said += [f"{key} missed" for key, scores in row.scores.items() if scores.missed]
        if said:
            notes.append(f"{letter}: {', '.join(said)}")
    return "; ".join(notes)


def overlay_section(overlays: Sequence[OverlayPicture], shown_of: int) -> Section:
    """The pictures of the cases about which A and B disagree most."""
    parts = [
        paragraph(
            f"The {len(overlays)} of {shown_of} cases in which A and B disagree most (by the volume that one encloses "
            "and the other does not), the largest disagreement first; of each gland the axial slice in which they "
            "differ most.",
            "These are the extremes on purpose: they say nothing about the usual case.",
            "The patient's right (R) is at the left of each view, seen from the feet; A is the front, P the back.",
        )
    ]
    for overlay in overlays:
        where = "; ".join(_where(difference) for difference in overlay.differences)
        parts.append(
            picture(
                overlay.path,
                alt=f"Axial CT slices of {overlay.case} with the boundaries of the reference, of A and of B: {where}.",
                caption=f"{overlay.case}. {where[:1].upper()}{where[1:]}. Yellow: reference; solid orange: A; dashed "
                "green: B. Lines are smoothed between voxels.",
            )
        )
    return section("overlays", "Where A and B differ most", *parts)


def _where(difference: Difference) -> str:
    place = f"{in_sentence(difference.structure)}, z = {in_mm(difference.z)} mm"
    area, volume = f"{difference.area_cm2:.1f} cm²", f"{difference.volume_ml:.1f} mL"
    said = f"A and B differ by {area} in this slice and {volume} in all"
    said = said if difference.volume_ml else "A and B are the same"
    return f"{place}: {said}{'' if difference.in_reference else ', and the reference has nothing here'}"
