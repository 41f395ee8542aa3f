"""The table of a comparison, model A, model B and A - B: as CSV, as Markdown, and written with all statistics."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ParotidSegLib.files.atomic import atomic_path
from ParotidSegLib.structures import Structure
from ParotidSegLib.writing.export import write_json

from ..data.structure_sets import title_of
from .agreement import draw_bland_altman
from .comparison import Comparison, Comparisons
from .dose_agreement import dose_table
from .paired_plot import draw_pairs
from .results import Metric, draw_doses, volumes

#: What `write_comparison` writes.
FILES = ("comparison.csv", "comparison.json", "comparison.md", "comparison.png", "volumes_a.png", "volumes_b.png")
#: And besides where both have doses.
DOSE_PLOTS = ("doses_a.png", "doses_b.png")


def rows_of(comparisons: Comparisons) -> Iterator[tuple[Structure, Metric, Comparison]]:
    """Every row of the table: structure by structure, metric by metric."""
    for structure in comparisons.structures:
        for metric in comparisons.metrics:
            yield structure, metric, comparisons.by_structure[structure.key][metric.column]


def flat(comparison: Comparison) -> dict[str, Any]:
    """One comparison as the columns of comparison.csv."""
    values: dict[str, Any] = {"n": comparison.n}
    for name in ("a", "b", "difference"):
        summary = getattr(comparison, name)
        values |= {f"{name}_mean": summary.mean, f"{name}_sd": summary.sd, f"{name}_median": summary.median}
    return values | {
        "difference_ci95_low": comparison.difference.ci95_low,
        "difference_ci95_high": comparison.difference.ci95_high,
        "signed_ranks_p": comparison.signed_ranks.p,
        "signed_ranks_method": comparison.signed_ranks.method,
        "signed_ranks_n": comparison.signed_ranks.n,
        "signed_ranks_zeros": comparison.signed_ranks.zeros,
        "rank_biserial": comparison.signed_ranks.rank_biserial,
        "t": comparison.t.t,
        "t_degrees_of_freedom": comparison.t.degrees_of_freedom,
        "t_p": comparison.t.p,
        "cohen_dz": comparison.cohen_dz,
        "a_better": comparison.a_better,
        "b_better": comparison.b_better,
        "equal": comparison.equal,
        "left_out_undefined": comparison.undefined,
        "left_out_infinite": comparison.infinite,
    }


def p_value(p: float) -> str:
    """A p-value as text; a dash where there was nothing to test."""
    if math.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def markdown(comparisons: Comparisons) -> str:
    """The table as Markdown, for a terminal."""
    lines = [
        f"A: {comparisons.a.name}; B: {comparisons.b.name}; {len(comparisons.a.rows)} cases.",
        "",
        "| structure | metric | n | A mean ± SD, median | B mean ± SD, median | A − B mean (95 % CI) | SD | median "
        "| p | rank-biserial | dz |",
        "|" + "---|" * 11,
    ]
    for structure, metric, c in rows_of(comparisons):
        write, d = metric.write, c.difference
        of_models = " | ".join(f"{write(s.mean)} ± {write(s.sd)}, {write(s.median)}" for s in (c.a, c.b))
        lines.append(
            f"| {title_of(structure)} | {metric.title} | {c.n} | {of_models} | {write(d.mean)} ({write(d.ci95_low)} to "
            f"{write(d.ci95_high)}) | {write(d.sd)} | {write(d.median)} | {p_value(c.signed_ranks.p)} | "
            f"{c.signed_ranks.rank_biserial:.2f} | {c.cohen_dz:.2f} |"
        )
    lines += ["", *_dose_lines(comparisons)]
    lines += [
        "p: Wilcoxon's signed-rank test; intervals: percentile bootstrap; n: pairs in which both values are finite.",
    ]
    return "\n".join(lines)


def _dose_lines(comparisons: Comparisons) -> list[str]:
    """How the mean doses of A and of B agree with those of the reference; nothing without doses."""
    if not comparisons.has_doses:
        return []
    tables = (
        dose_table([row.doses for row in results.rows], letter, comparisons.structures)
        for letter, results in (("A", comparisons.a), ("B", comparisons.b))
    )
    return [line for text in tables for line in (text, "")]


def write_comparison(comparisons: Comparisons, output: Path) -> list[Path]:
    """Write `FILES` (and `DOSE_PLOTS`) into a folder: the table, all statistics, and the pictures.

    Raises:
        OutputError: a file cannot be written.
    """
    csv_path, markdown_path = output / "comparison.csv", output / "comparison.md"
    lines = [
        {"structure": structure.key, "metric": metric.column, **flat(comparison)}
        for structure, metric, comparison in rows_of(comparisons)
    ]
    with atomic_path(csv_path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    with atomic_path(markdown_path) as temporary:
        temporary.write_text(f"{markdown(comparisons)}\n", encoding="utf-8")
    return [
        csv_path,
        write_json(comparisons.figures(), output / "comparison.json"),
        markdown_path,
        *draw_comparison(comparisons, output),
    ]


def draw_comparison(comparisons: Comparisons, output: Path) -> list[Path]:
    """Draw comparison.png (Dice, case by case), volumes_a.png and volumes_b.png (on the same axes), doses alike.

    Raises:
        OutputError: a file cannot be written.
    """
    structures = comparisons.structures
    a, b = (volumes(results.rows, structures) for results in (comparisons.a, comparisons.b))
    return [
        draw_pairs(comparisons, output / "comparison.png"),
        draw_bland_altman(a, output / "volumes_a.png", candidate="A", structures=structures, beside=[b]),
        draw_bland_altman(b, output / "volumes_b.png", candidate="B", structures=structures, beside=[a]),
        *(_draw_doses(comparisons, output) if comparisons.has_doses else []),
    ]


def _draw_doses(comparisons: Comparisons, output: Path) -> list[Path]:
    """The mean doses of A and of B, on the same axes."""
    of_a, of_b = comparisons.a.rows, comparisons.b.rows
    return [
        draw_doses(rows, output / name, letter, comparisons.structures, beside=[other])
        for rows, other, letter, name in ((of_a, of_b, "A", DOSE_PLOTS[0]), (of_b, of_a, "B", DOSE_PLOTS[1]))
    ]
