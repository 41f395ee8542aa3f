"""Do two contours agree in a gland's volume, or in its mean dose? Bland-Altman statistics, table and picture.

The method is that of Bland and Altman, "Measuring agreement in method comparison studies", Statistical Methods in
Medical Research 8 (1999) 135-160.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ParotidSegLib.errors import ParotidSegError
from ParotidSegLib.structures import PAROTIDS, Structure
from ParotidSegLib.writing.drawing.views import rgb
from ParotidSegLib.writing.pages.plots import INK, QUIET, axes_in_cell, cells_of, new_plot, save_plot, signed

from ..data.structure_sets import title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The limits of agreement lie this many standard deviations from the bias.
LIMIT_FACTOR = 1.96
#: Width and height in pixels of what one structure has of the picture.
CELL = (900, 800)

#: Left edge, bottom edge, width and height of a panel, as shares of its cell; what is left holds the labels.
_PANEL = (0.15, 0.13, 0.59, 0.73)
#: Labels of lines lie at least this far apart, as a share of the panel's height.
_LABEL_DISTANCE = 0.115


@dataclass(frozen=True)
class Quantity:
    """What is compared: its name at the beginning of a sentence, in the plural, and its unit."""

    name: str
    unit: str


VOLUME = Quantity("Volumes", "mL")


@dataclass(frozen=True)
class Estimate:
    """A value with the two ends of its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class BlandAltman:
    """How a candidate's values agree with those of the reference, in the unit of the values.

    Attributes:
        n: pairs.
        bias: mean of the differences candidate - reference.
        sd: their standard deviation (ddof = 1).
        lower, upper: limits of agreement, bias - 1.96 SD and bias + 1.96 SD.
        slope: of the least-squares line of the differences on the means of the pairs: proportional bias.
        slope_p: two-sided p-value of a slope of zero.

    What too few pairs cannot give is NaN: all but the bias from one pair, the p-value from two, the slope where all
    means are the same.
    """

    n: int
    bias: Estimate
    sd: float
    lower: Estimate
    upper: Estimate
    slope: float
    slope_p: float


def require_statistics() -> ModuleType:
    """scipy.stats, loaded at first use.

    Raises:
        ParotidSegError: SciPy is not installed.
    """
    try:
        from scipy import stats
    except ImportError as error:
        raise ParotidSegError(
            "SciPy, which the Bland-Altman statistics need, is missing: pip install scipy."
        ) from error
    return stats


def bland_altman(reference: ArrayLike, candidate: ArrayLike) -> BlandAltman:
    """Bland-Altman statistics of paired values, such as volumes in mL.

    With d the differences candidate - reference, s their standard deviation (ddof = 1) and t the 97.5 % quantile of
    Student's distribution with n - 1 degrees of freedom, the 95 % confidence intervals are those of Bland and Altman
    (1999), section 2.1:

        bias:    mean(d) ± t s sqrt(1 / n)
        limits:  mean(d) ± 1.96 s, each ± t s sqrt(1 / n + 1.96² / (2 (n - 1)))

    (not their rounding of the latter to ± t s sqrt(3 / n)). The slope is that of the ordinary least-squares line of d
    on (candidate + reference) / 2, its p-value that of Student's test with n - 2 degrees of freedom.

    Args:
        reference, candidate: values, shape (n,), in the same order.

    Raises:
        ValueError: the shapes differ or have more than one axis, or a value is not finite.
        ParotidSegError: SciPy is not installed.
    """
    means, differences = _means_and_differences(reference, candidate)
    n, stats = len(differences), require_statistics()
    bias = float(differences.mean()) if n else math.nan
    sd = float(differences.std(ddof=1)) if n > 1 else math.nan
    quantile = float(stats.t.ppf(0.975, n - 1)) if n > 1 else math.nan
    of_bias = quantile * sd * math.sqrt(1 / n) if n > 1 else math.nan
    of_limits = quantile * sd * math.sqrt(1 / n + LIMIT_FACTOR**2 / (2 * (n - 1))) if n > 1 else math.nan
    slope, slope_p = math.nan, math.nan
    if n > 1 and np.ptp(means) > 0.0:
        line = stats.linregress(means, differences)
        slope = float(line.slope)
        slope_p = float(line.pvalue) if n > 2 else math.nan
    return BlandAltman(
        n=n,
        bias=_estimate(bias, of_bias),
        sd=sd,
        lower=_estimate(bias - LIMIT_FACTOR * sd, of_limits),
        upper=_estimate(bias + LIMIT_FACTOR * sd, of_limits),
        slope=slope,
        slope_p=slope_p,
    )


def _estimate(value: float, half_width: float) -> Estimate:
    return Estimate(value, value - half_width, value + half_width)


def _means_and_differences(reference: ArrayLike, candidate: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    first, second = (np.asarray(volumes, dtype=np.float64) for volumes in (reference, candidate))
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"two lists of values of one length are needed, not {first.shape} and {second.shape}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("every value must be finite")
    return (first + second) / 2.0, second - first


# The table


def agreement_table(
    agreements: Mapping[str, BlandAltman],
    *,
    candidate: str = "automatic",
    structures: Sequence[Structure] = PAROTIDS,
    quantity: Quantity = VOLUME,
) -> str:
    """The statistics as a Markdown table with a line that says how to read it.

    Args:
        agreements: statistics by structure key.
        candidate: what the reference is compared with, as a word.
        structures: the rows.
        quantity: what is compared.
    """
    unit = quantity.unit
    lines = [
        f"| structure | n | bias {unit} (95 % CI) | SD {unit} | lower limit {unit} (95 % CI) | upper limit {unit} "
        "(95 % CI) | slope | p |",
        "|" + "---|" * 8,
    ]
    for structure in structures:
        a = agreements[structure.key]
        lines.append(
            f"| {title_of(structure)} | {a.n} | {_interval(a.bias)} | {a.sd:.2f} | {_interval(a.lower)} | "
            f"{_interval(a.upper)} | {a.slope:.3f} | {_p_value(a.slope_p)} |"
        )
    lines += [
        "",
        f"{quantity.name}: difference = {candidate} - reference; limits of agreement = bias ± {LIMIT_FACTOR} SD; slope "
        "of the difference on the mean of both, with its p-value.",
    ]
    return "\n".join(lines)


def _interval(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


# The picture


def draw_bland_altman(
    values: Mapping[str, tuple[ArrayLike, ArrayLike]],
    path: str | Path,
    *,
    candidate: str = "automatic",
    structures: Sequence[Structure] = PAROTIDS,
    beside: Sequence[Mapping[str, tuple[ArrayLike, ArrayLike]]] = (),
    quantity: Quantity = VOLUME,
) -> Path:
    """Draw a PNG of the differences over the means: a panel of 900 x 800 pixels a structure, two side by side.

    Bias and limits are lines with their 95 % confidence intervals as bars beside the panel, the least-squares line is
    dotted; all panels have the same axes.

    Args:
        values: (reference, candidate) by structure key, shape (n,) each; n may be 0.
        path: the .png to write.
        candidate: what the reference is compared with, as a word.
        structures: the panels, row by row.
        beside: the values of other pictures that a reader will look at together with this one: its axes fit them, too.
        quantity: what is compared.

    Returns:
        The path.

    Raises:
        OutputError: the path does not end with .png, or the file cannot be written.
        ValueError, ParotidSegError: as `bland_altman`.
    """
    return save_plot(_figure(values, candidate, structures, beside, quantity), path)


def _figure(
    values: Mapping[str, tuple[ArrayLike, ArrayLike]],
    candidate: str,
    structures: Sequence[Structure],
    beside: Sequence[Mapping[str, tuple[ArrayLike, ArrayLike]]],
    quantity: Quantity,
) -> Figure:
    figure = new_plot(*cells_of(len(structures), CELL))
    statistics = {structure.key: bland_altman(*values[structure.key]) for structure in structures}
    points = {structure.key: _means_and_differences(*values[structure.key]) for structure in structures}
    pairs = [shown[structure.key] for shown in (values, *beside) for structure in structures]
    drawn = [(*_means_and_differences(*pair), bland_altman(*pair)) for pair in pairs]
    across = _range([value for means, _, _ in drawn for value in means])
    ends = [end for _, _, a in drawn for end in (a.lower.low, a.upper.high)]
    up = _range([0.0, *ends, *(value for _, differences, _ in drawn for value in differences)])
    for place, structure in enumerate(structures):
        axes = axes_in_cell(figure, place, len(structures), _PANEL)
        axes.set_xlim(*across)
        axes.set_ylim(*up)
        _draw_panel(axes, structure, points[structure.key], statistics[structure.key])
        axes.set_xlabel(f"Mean of {candidate} and reference, {quantity.unit}", color=INK)
        axes.set_ylabel(f"{candidate.capitalize()} \N{MINUS SIGN} reference, {quantity.unit}", color=INK)
    return figure


def _range(values: list[float]) -> tuple[float, float]:
    """Lowest and highest finite value with a margin; 0 to 1 if there is none."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    margin = 0.08 * (max(finite) - min(finite)) or 1.0
    return min(finite) - margin, max(finite) + margin


def _draw_panel(axes: Axes, structure: Structure, points: tuple[np.ndarray, np.ndarray], a: BlandAltman) -> None:
    axes.set_title(f"{structure.name} (n = {a.n})", color=INK, size=11, weight="bold", loc="left", pad=20)
    axes.spines[["top", "right"]].set_visible(False)
    axes.axhline(0.0, color=QUIET, linewidth=0.8, zorder=1)
    lines: list[tuple[str, Estimate, Any]] = [
        (f"+{LIMIT_FACTOR} SD", a.upper, (0, (5, 3))),
        ("bias", a.bias, "solid"),
        (f"\N{MINUS SIGN}{LIMIT_FACTOR} SD", a.lower, (0, (5, 3))),
    ]
    for _, estimate, style in lines:
        if math.isfinite(estimate.value):
            axes.axhline(estimate.value, color=INK, linewidth=1.3, linestyle=style, zorder=3)
    _label_lines(axes, [(name, estimate) for name, estimate, _ in lines])
    axes.scatter(*points, s=34, color=[rgb(structure.colour)], edgecolors=INK, linewidths=0.8, zorder=4)
    note = f"slope {signed(a.slope, 3)}, p {_p_value(a.slope_p) if a.slope_p < 0.001 else f'= {a.slope_p:.3f}'}"
    if math.isfinite(a.slope):
        ends = np.array([points[0].min(), points[0].max()])
        line = a.bias.value + a.slope * (ends - points[0].mean())
        axes.plot(ends, line, color=QUIET, linewidth=1.3, linestyle="dotted", zorder=2)
    else:
        note = "too few pairs for a slope"
    axes.text(0.0, 1.02, note, transform=axes.transAxes, color=QUIET, size=9, va="bottom", ha="left")


def _label_lines(axes: Axes, lines: list[tuple[str, Estimate]]) -> None:
    """Interval, name and value of each line, upper, middle and lower, at the right of the panel, kept apart."""
    bottom, top = axes.get_ylim()
    heights = [(estimate.value - bottom) / (top - bottom) for _, estimate in lines]
    heights[0] = max(heights[0], heights[1] + _LABEL_DISTANCE)
    heights[2] = min(heights[2], heights[1] - _LABEL_DISTANCE)
    # Side by side: with few pairs the intervals overlap.
    for (name, estimate), height, across in zip(lines, heights, (1.045, 1.03, 1.015), strict=True):
        if math.isfinite(estimate.value):
            text = f"{name}  {signed(estimate.value, 2)}"
            if math.isfinite(estimate.low):
                ends, beside = [estimate.low, estimate.high], axes.get_yaxis_transform()
                axes.plot([across] * 2, ends, transform=beside, clip_on=False, color=INK, linewidth=1.2, marker="_")
                text += f"\n({signed(estimate.low, 2)} to {signed(estimate.high, 2)})"
            axes.text(1.065, height, text, transform=axes.transAxes, color=INK, size=9, va="center", ha="left")
