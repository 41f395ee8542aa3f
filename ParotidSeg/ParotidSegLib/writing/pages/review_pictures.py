"""Pictures of a review: the slices in which A and B differ most, and the dose-volume histograms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from ...dose.function import LIMIT_GY
from ...geometry.grids import voxel_middles
from ...measuring.differing_slices import DifferingSlice
from ...reviewing.review import Review
from ...structures import PAROTIDS, Structure
from ..drawing.views import rgb, signed
from .contour_pictures import ContourView, around, draw_contours, line_a, line_b
from .plots import COLOUR_A, COLOUR_B, INK, QUIET, axes_in_cell, cells_of, new_plot, save_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Edge of a view of a slice, in pixels.
PIXELS = 480
#: Width and height in pixels of what one gland has of the histograms, and its axes as shares of that.
CELL = (900, 640)
_AXES = (0.12, 0.14, 0.82, 0.74)
_STYLES = {"A": (COLOUR_A, "solid"), "B": (COLOUR_B, (0.0, (4.0, 2.0)))}


def draw_slices(image: sitk.Image, review: Review, structure: Structure, path: Path) -> list[DifferingSlice]:
    """Draw a PNG of the slices in which A and B differ most about a gland, from head to foot.

    Args:
        image: the CT in HU.
        review: of A and B.
        structure: the gland.
        path: the .png to write; nothing is written where they do not differ.

    Returns:
        What is shown, from left to right.

    Raises:
        OutputError: the file cannot be written.
    """
    slices = sorted(review.comparisons[structure.key].slices, key=lambda one: -one.z)
    if not slices:
        return []
    a, b = (side.contours for side in review.sides)
    drawn = [sitk.GetArrayViewFromImage(contours.labels) == structure.label for contours in (a, b)]
    (x, y), field = around(voxel_middles(image, drawn[0] | drawn[1]))
    draw_contours(
        image,
        [ContourView(structure, (x, y, one.z), field, _caption(one)) for one in slices],
        [line_a(a.name, a.labels), line_b(b.name, b.labels)],
        path,
        title=structure.name,
        columns=len(slices),
        pixels=PIXELS,
    )
    return slices


def _caption(one: DifferingSlice) -> str:
    return f"z = {signed(one.z)} mm\nA alone {one.only_a_cm2:.1f} cm², B alone {one.only_b_cm2:.1f} cm²"


def draw_histograms(review: Review, path: Path) -> Path:
    """Draw a PNG of the cumulative dose-volume histograms, a panel a gland.

    Raises:
        OutputError: the file cannot be written.
    """
    count = len(PAROTIDS)
    figure = new_plot(*cells_of(count, CELL))
    last = max(dose.maximum for side in review.sides for dose in side.doses.values())
    for place, structure in enumerate(PAROTIDS):
        axes = axes_in_cell(figure, place, count, _AXES)
        _draw_frame(axes, structure, max(last, LIMIT_GY) * 1.03)
        for side in review.sides:
            dose = side.doses.get(structure.key)
            if dose is None:
                continue
            colour, style = _STYLES[side.letter]
            percent = 100.0 * dose.histogram.volumes_ml / dose.volume_ml
            axes.plot(
                dose.histogram.edges_gy,
                percent,
                color=rgb(colour),
                linestyle=style,
                linewidth=2.2,
                label=f"{side.letter}: mean {dose.mean:.1f} Gy",
            )
            axes.plot(dose.mean, 0.0, marker="^", markersize=9, color=rgb(colour), clip_on=False, zorder=4)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="best", frameon=False, fontsize=11)
    return save_plot(figure, path)


def _draw_frame(axes: Axes, structure: Structure, last: float) -> None:
    axes.set_title(structure.name, color=INK, size=11, weight="bold", loc="left", pad=12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.axvline(LIMIT_GY, color=QUIET, linewidth=1.2, linestyle=":", zorder=1)
    axes.text(LIMIT_GY, 101.0, f"{LIMIT_GY:g} Gy", color=QUIET, size=9, ha="center", va="bottom")
    axes.set_xlim(0.0, last)
    axes.set_ylim(0.0, 100.0)
    axes.set_xticks(np.arange(0.0, last, 10.0))
    axes.set_xlabel("dose, Gy", color=INK)
    axes.set_ylabel("volume that receives at least as much, %", color=INK)
