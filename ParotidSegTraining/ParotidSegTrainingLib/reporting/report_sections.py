"""Sections that the page of an evaluation and that of a comparison share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ParotidSegLib.measuring.metrics import Summary
from ParotidSegLib.structures import Structure
from ParotidSegLib.writing.pages.html_page import NOTHING, definitions, paragraph, picture, plain, section, table
from ParotidSegLib.writing.pages.plots import signed

from ..data.structure_sets import in_sentence, title_of
from ..judging.agreement import LIMIT_FACTOR, VOLUME, BlandAltman, Estimate, Quantity
from ..judging.results import Metric, Results, agreements, has_doses

Section = tuple[str, str, str]


def number(metric: Metric, value: float) -> str:
    """A value of a metric, as `plain` writes it."""
    return plain(value, digits_of(metric))


def digits_of(metric: Metric) -> int:
    """Decimal places of a metric."""
    return int(metric.form.partition(".")[2][0])


def mean_and_sd(metric: Metric, summary: Summary) -> str:
    """ "0.794 ± 0.070"."""
    return f"{number(metric, summary.mean)} ± {number(metric, summary.sd)}"


def interval(metric: Metric, summary: Summary) -> str:
    """The 95 % confidence interval of the mean."""
    if math.isnan(summary.ci95_low):
        return NOTHING
    return f"{number(metric, summary.ci95_low)} to {number(metric, summary.ci95_high)}"


def p_words(p: float) -> str:
    """ "p = 0.012"."""
    if math.isnan(p):
        return "nothing to test"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def titled(structure: Structure) -> str:
    """A structure as the first word of a table's row."""
    title = title_of(structure)
    return title[:1].upper() + title[1:]


def split_caution(judged: Sequence[Results]) -> str:
    """What a reader must know of the split: the one that chose the weights flatters them; empty for another one."""
    flattered = [results for results in judged if results.about.get("split") in ("train", "validation")]
    if not flattered or not any(results.about.get("bundle") for results in flattered):
        return ""
    return (
        "These are cases of the validation or training split, on which a model's weights are chosen or learnt: figures "
        "on cases that had no part in the training are usually lower."
    )


def volumes_section(judged: Sequence[tuple[str, Results, Path]]) -> Section:
    """Bland-Altman tables and pictures; `judged` holds a letter or an empty text, results and the picture of each."""
    parts = [
        paragraph(
            "Does a contour hold as much tissue as the reference? The difference is contour − reference in mL. "
            "The bias is the mean difference; about 95 % of the differences are expected between the two "
            "limits of agreement. A slope other than zero says that large and small ones are judged differently.",
            "Equal volumes do not mean that the contours lie at the same place: Dice and the distances say that.",
        )
    ]
    for letter, results, plot in judged:
        found = agreements(results.rows, results.structures)
        parts += agreement_parts(letter, results, plot, found, VOLUME)
    return section("volumes", "Volumes", *parts)


def agreement_parts(
    letter: str, results: Results, plot: Path, found: Mapping[str, BlandAltman], quantity: Quantity
) -> list[str]:
    """The Bland-Altman table of one evaluation, by structure key, and its picture."""
    unit, what = quantity.unit, quantity.name.lower()
    named = f"{letter}: {results.name}" if letter else results.name
    rows = []
    for structure in results.structures:
        a = found[structure.key]
        limits = [estimated(a.lower), estimated(a.upper)]
        slope = NOTHING if math.isnan(a.slope) else f"{signed(a.slope, 3)}, {p_words(a.slope_p)}"
        rows.append([titled(structure), str(a.n), estimated(a.bias), plain(a.sd), *limits, slope])
    header = [
        "Structure",
        "n",
        f"Bias {unit} (95 % CI)",
        f"SD {unit}",
        "Lower limit (95 % CI)",
        "Upper limit (95 % CI)",
    ]
    return [
        table([*header, "Slope"], rows, caption=f"{quantity.name} against the reference, {named}"),
        picture(
            plot,
            alt=f"Bland-Altman plot of {named}: difference of the {what} over their mean, a panel for each of "
            f"{', '.join(in_sentence(structure) for structure in results.structures)}.",
            caption=f"{named}. Each dot is one case. Solid line: bias; dashed lines: limits of agreement (bias ± "
            f"{LIMIT_FACTOR} SD), each with its 95 % confidence interval at the right; dotted: the slope."
            + (" A and B are drawn on the same axes." if letter else ""),
        ),
    ]


def estimated(estimate: Estimate) -> str:
    """A value with its interval."""
    if math.isnan(estimate.low):
        return plain(estimate.value)
    return f"{plain(estimate.value)} ({plain(estimate.low)} to {plain(estimate.high)})"


def curves_section(plot: Path, runs: Mapping[str, Mapping[str, str]]) -> Section:
    """Training curves; `runs` says of each run what `describe_run` found."""
    fields = list(dict.fromkeys(name for described in runs.values() for name in described))
    rows = [[name, *(described.get(name_, NOTHING) for name_ in fields)] for name, described in runs.items()]
    header = ["Run", *(name.capitalize() for name in fields)]
    return section(
        "training",
        "Training",
        table(header, rows, caption="How the models were trained", is_text=True) if fields else "",
        picture(
            plot,
            alt="Training curves: training and validation loss by epoch, a panel a run, and the validation Dice of all "
            f"runs ({', '.join(runs)}).",
            caption="Losses of different kinds have different scales, so each run has its own panel: compare shapes, "
            "not heights. In the last panel the bold line is the mean Dice over the structures, the thin lines the "
            "single ones; the first epochs may lie below it. This Dice is measured on fixed patches while training: it "
            "is not that of the tables, which is of whole scans. The ringed dot is the last epoch whose validation "
            "Dice and loss were both the best so far: those weights are the usual choice.",
        ),
    )


def definitions_section(results: Results, *, is_comparison: bool) -> Section:
    """What every figure of the page means."""
    pairs = [
        ("Reference", "The contours that count as right here. People drew them, and two people never draw the same."),
        (
            "Dice, IoU",
            "Overlap with the reference on the scan's own voxels: twice the common volume over the sum of both "
            "volumes; the common volume over that of both together. 1 is the same contour, 0 is no overlap. A "
            "structure that only one of both has counts as 0; one that neither has is not scored, and counted apart.",
        ),
        (
            "HD95, MSD",
            "Distances of the two surfaces in mm: the larger of the two directed 95th percentiles, and the mean of the "
            "two directed mean distances, weighed by area. A missed structure has an infinite distance: it is left out "
            "of the mean and named as missed.",
        ),
        (
            "NSD",
            "Normalised surface Dice: the share of both surfaces that lies within the stated distance of the other. "
            "Tolerances below the size of a voxel say little.",
        ),
        (
            "SD, CI",
            "Standard deviation with n − 1; 95 % confidence interval of the mean by 10,000 bootstrap resamples.",
        ),
    ]
    if has_doses(results.rows):
        pairs.append(
            (
                "Mean dose error",
                "Size of the difference of the mean doses within the contour and within the reference, Gy, of the plan "
                "as it was given. Each voxel is cut into parts of at most 1 mm, at which the dose is interpolated.",
            )
        )
    if is_comparison:
        pairs += [
            ("A − B", "The difference within each case. n is the number of pairs in which both values are finite."),
            (
                "Signed ranks",
                "Wilcoxon's test that the differences lie evenly about zero, two-sided; differences of exactly zero "
                "are left out; exact up to 50 pairs without ties, otherwise a normal approximation. It asks no normal "
                "distribution, so it is the test to read first. t is Student's test of the mean difference.",
            ),
            (
                "Rank-biserial, dz",
                "Sizes of the effect, above 0 where A has the larger values. Rank-biserial: the share of the rank sum "
                "for A minus that for B, −1 to 1. Cohen's dz: the mean difference in standard deviations of the "
                "differences.",
            ),
            (
                "p",
                "How often chance alone would give differences at least as large. It is no measure of how large or how "
                "useful a difference is, and no p on this page is adjusted for the number of tests.",
            ),
        ]
    limits = paragraph(
        "None of these figures says whether a contour is good enough for a patient: that takes a person who looks."
    )
    return section("definitions", "What the figures mean", definitions(pairs), limits)


def provenance_section(judged: Sequence[tuple[str, Results]], made: Mapping[str, object]) -> Section:
    """Models, options, versions, commands and dates of the results, and of the page."""
    header = ["", *(letter or results.name for letter, results in judged)]
    columns = [_described(results) for _, results in judged]
    fields = list(dict.fromkeys(name for column in columns for name in column))
    rows = [[name, *(column.get(name, NOTHING) for column in columns)] for name in fields]
    return section(
        "provenance",
        "How this came about",
        table(header, rows, caption="The results", is_text=True),
        table(
            ["", "This page"],
            [["Command", str(made["command"] or NOTHING)], ["Date", str(made["date"])], ["Software", _software(made)]],
            caption="The page",
            is_text=True,
        ),
        paragraph(
            "Paths are shortened to their last part. The SHA-256 is that of the model's bundle.json, which holds those "
            "of all its files: it names the exact model.",
            kind="below",
        ),
    )


def _described(results: Results) -> dict[str, str]:
    about = results.about
    bundle = about.get("bundle") or {}
    described = {
        "Name": results.name,
        "Model": f"{bundle['name']} {bundle['version']}" if bundle else "",
        "SHA-256": str(bundle.get("sha256", "")),
        "Engine": str(about.get("engine", "")),
        "Mirrored pass": ("yes" if about.get("mirror") else "no") if bundle else "",
        "Reference": str(about.get("reference", "")),
        "Split": str(about.get("split", "")),
        "Cases": str(len(results.rows)),
        "Left out": ", ".join(map(str, about.get("excluded") or [])),
        "Command": str(about.get("command", "")),
        "Date": str(about.get("date", "")),
        "Software": _software(about),
    }
    return {name: text for name, text in described.items() if text}


def _software(about: Mapping[str, object]) -> str:
    versions = about.get("software")
    return ", ".join(f"{name} {version}" for name, version in versions.items()) if isinstance(versions, Mapping) else ""
