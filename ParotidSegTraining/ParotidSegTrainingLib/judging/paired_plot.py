"""A picture of a comparison: one metric, case by case, with A and with B, and the differences."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ParotidSegLib.structures import Structure
from ParotidSegLib.writing.drawing.views import rgb
from ParotidSegLib.writing.pages.plots import (
    COLOUR_A,
    COLOUR_B,
    INK,
    QUIET,
    axes_in_cell,
    cells_of,
    new_plot,
    save_plot,
    signed,
)

from .comparison import Comparison, Comparisons
from .results import Metric, column_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Width and height in pixels of what one structure has of the picture.
CELL = (900, 780)

#: Left edge, bottom edge, width and height of the values and of the differences, as shares of a cell.
_VALUES, _DIFFERENCES = (0.12, 0.13, 0.36, 0.73), (0.66, 0.13, 0.3, 0.73)


def draw_pairs(comparisons: Comparisons, path: str | Path, *, column: str = "dice") -> Path:
    """Draw a PNG: for each structure the values of A and B joined case by case, and the differences beside them.

    Args:
        comparisons: both evaluations.
        path: the .png to write.
        column: which metric.

    Returns:
        The path.

    Raises:
        OutputError: the path does not end with .png, or the file cannot be written.
    """
    metric = next(metric for metric in comparisons.metrics if metric.column == column)
    structures = comparisons.structures
    count = len(structures)
    figure = new_plot(*cells_of(count, CELL))
    for place, structure in enumerate(structures):
        pairs = np.array([column_of(both.rows, structure.key, column) for both in (comparisons.a, comparisons.b)])
        pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
        comparison = comparisons.by_structure[structure.key][column]
        values, differences = (axes_in_cell(figure, place, count, box) for box in (_VALUES, _DIFFERENCES))
        _draw_values(values, structure, metric, pairs, comparison)
        _draw_differences(differences, metric, pairs[0] - pairs[1], comparison)
    return save_plot(figure, path)


def _draw_values(axes: Axes, structure: Structure, metric: Metric, pairs: np.ndarray, comparison: Comparison) -> None:
    axes.set_title(f"{structure.name} (n = {comparison.n})", color=INK, size=11, weight="bold", loc="left", pad=12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.plot([0, 1], pairs, color=QUIET, linewidth=0.7, alpha=0.55, zorder=1)
    for across, (values, colour) in enumerate(zip(pairs, (COLOUR_A, COLOUR_B), strict=True)):
        axes.scatter(np.full(len(values), across), values, s=22, color=[rgb(colour)], linewidths=0, zorder=2)
    for across, summary, side in ((0, comparison.a, -1), (1, comparison.b, 1)):
        if math.isfinite(summary.median):
            axes.plot(np.array([0.06, 0.2]) * side + across, [summary.median] * 2, color=INK, linewidth=2.6, zorder=3)
    axes.set_xlim(-0.35, 1.35)
    axes.set_xticks([0, 1], ["A", "B"], size=12, weight="bold")
    axes.set_ylabel(metric.title, color=INK)


def _draw_differences(axes: Axes, metric: Metric, differences: np.ndarray, comparison: Comparison) -> None:
    """Every difference as a dot, pushed sideways where they would cover each other; the mean with its interval."""
    summary = comparison.difference
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.axhline(0.0, color=QUIET, linewidth=1.0, zorder=1)
    axes.scatter(_spread(differences), differences, s=22, color=INK, alpha=0.55, linewidths=0, zorder=2)
    if math.isfinite(summary.ci95_low):
        axes.plot([0.75] * 2, [summary.ci95_low, summary.ci95_high], color=INK, linewidth=2.2, zorder=3)
    if math.isfinite(summary.mean):
        axes.plot(0.75, summary.mean, marker="D", color=INK, markersize=7, zorder=4)
        digits = 3 if metric.form.endswith("3f}") else 2
        axes.set_title(f"mean {signed(summary.mean, digits)}", color=INK, size=10, loc="right", pad=12)
    axes.set_xlim(-0.6, 1.0)
    axes.set_xticks([])
    axes.set_ylabel(f"A \N{MINUS SIGN} B, {metric.title}", color=INK)
    better = "A" if metric.higher_is_better else "B"
    axes.set_xlabel(f"above 0: {better} is better", color=INK)


def _spread(values: np.ndarray) -> np.ndarray:
    """Places across, so that dots of nearly equal height lie side by side."""
    across = np.zeros(len(values))
    height = float(np.ptp(values)) / 24.0 if len(values) else 0.0
    if height > 0.0:
        rows = np.round(values / height)
        for row in np.unique(rows):
            members = np.flatnonzero(rows == row)
            across[members] = (np.arange(len(members)) - (len(members) - 1) / 2.0) * 0.1
    return across
