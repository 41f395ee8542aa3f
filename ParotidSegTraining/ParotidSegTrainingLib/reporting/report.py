"""One self-contained HTML page of one or several evaluations, or of a comparison of two models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ParotidSegLib.files.atomic import atomic_path
from ParotidSegLib.writing.pages.html_page import page

from ..judging.comparison import Comparisons
from ..judging.comparison_table import DOSE_PLOTS
from ..judging.overview import Overview
from ..judging.results import Results, has_doses
from .report_comparison import OverlayPicture, overlay_section, pairs_section, short_section, tables_section
from .report_data import overview_section
from .report_doses import doses_section
from .report_evaluation import cases_section, scores_section
from .report_sections import (
    Section,
    curves_section,
    definitions_section,
    provenance_section,
    volumes_section,
)


@dataclass(frozen=True)
class Extras:
    """What a page may hold besides scores.

    Attributes:
        overlays: pictures of single cases.
        curves: picture of the training curves, or None.
        runs: name of a run -> what `describe_run` found.
        overview: of the data set, or None.
        overview_plot: its picture.
        dose_plots: of single evaluations, the picture of the mean doses of each; there where any has doses.
    """

    overlays: Sequence[OverlayPicture] = ()
    curves: Path | None = None
    runs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    overview: Overview | None = None
    overview_plot: Path | None = None
    dose_plots: Sequence[Path] = ()


def write_comparison_page(
    comparisons: Comparisons,
    path: Path,
    *,
    pictures: Path,
    extras: Extras,
    made: Mapping[str, object],
) -> Path:
    """Write the page that compares A and B.

    Args:
        comparisons: what is compared.
        path: the .html to write.
        pictures: the folder with those of `draw_comparison`.
        extras: what else there is.
        made: of `provenance`: how the page came about.

    Returns:
        The path.

    Raises:
        DataError: a picture is missing or damaged.
        OutputError: the page cannot be written.
    """
    a, b = comparisons.a, comparisons.b
    sections = [
        short_section(comparisons),
        tables_section(comparisons),
        pairs_section(comparisons, pictures / "comparison.png"),
        *([overlay_section(extras.overlays, len(a.rows))] if extras.overlays else []),
        volumes_section([("A", a, pictures / "volumes_a.png"), ("B", b, pictures / "volumes_b.png")]),
        *(
            [doses_section([("A", a, pictures / DOSE_PLOTS[0]), ("B", b, pictures / DOSE_PLOTS[1])])]
            if comparisons.has_doses
            else []
        ),
        *_extra_sections(extras, a),
        definitions_section(a, is_comparison=True),
        provenance_section([("A", a), ("B", b)], made),
    ]
    return _write(path, f"{a.name} (A) against {b.name} (B)", _lead(a, "Two models compared"), sections)


def write_evaluation_page(
    judged: Sequence[tuple[Results, Path]], path: Path, *, extras: Extras, made: Mapping[str, object]
) -> Path:
    """Write the page of single evaluations; `judged` holds results and the picture of `draw_bland_altman` of each.

    Returns, raises: as `write_comparison_page`.
    """
    everything = [results for results, _ in judged]
    sections = [
        scores_section(everything),
        volumes_section([("", results, plot) for results, plot in judged]),
        *_dose_sections(judged, extras),
        cases_section(everything),
        *_extra_sections(extras, everything[0]),
        definitions_section(everything[0], is_comparison=False),
        provenance_section([("", results) for results in everything], made),
    ]
    title = ", ".join(results.name for results in everything)
    return _write(path, title, _lead(everything[0], "Contours judged against a reference"), sections)


def _dose_sections(judged: Sequence[tuple[Results, Path]], extras: Extras) -> list[Section]:
    """The section on the mean doses of those evaluations that have them."""
    if not extras.dose_plots:
        return []
    pairs = zip(judged, extras.dose_plots, strict=True)
    shown = [("", results, plot) for (results, _), plot in pairs if has_doses(results.rows)]
    return [doses_section(shown)] if shown else []


def _extra_sections(extras: Extras, results: Results) -> list[Section]:
    sections = []
    if extras.curves:
        sections.append(curves_section(extras.curves, extras.runs))
    if extras.overview and extras.overview_plot:
        sections.append(overview_section(extras.overview, extras.overview_plot, results.structures))
    return sections


def _lead(results: Results, what: str) -> str:
    parts = [what, f"{len(results.rows)} cases"]
    split = results.about.get("split")
    if split:
        parts.append(f"split: {split}")
    excluded = results.about.get("excluded")
    if excluded:
        parts.append(f"left out: {', '.join(map(str, excluded))}")
    return "; ".join(parts) + ". For research; not a medical device."


def _write(path: Path, title: str, lead: str, sections: Sequence[Section]) -> Path:
    with atomic_path(path) as temporary:
        temporary.write_text(page(title, lead, sections), encoding="utf-8")
    return path
