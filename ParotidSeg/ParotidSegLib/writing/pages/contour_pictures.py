"""Several contours over axial slices of a scan, side by side, each line with its name in a legend.

Views are those of `views`: the patient's right at the left, seen from the feet, in patient space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from ...structures import Structure
from ..views import AXIAL, INK, WINDOW, View, draw_contour, draw_view, new_figure, rgb, smooth_mask
from .plots import COLOUR_A, COLOUR_B, save_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Smallest field of a view, and what is shown around the contours, in mm.
SMALLEST_FIELD, _MARGIN = 90.0, 25.0
#: Gap between views, height of the title, of what stands above a view, and of the legend below, in pixels.
_GAP, _TITLE, _CAPTION, _LEGEND = 16, 52, 48, 64
#: Width of a character in the legend, and of what stands before a name, in pixels.
_CHARACTER, _SAMPLE = 9.8, 70
_DASHES: tuple[float, tuple[float, float]] = (0.0, (4.0, 2.0))


@dataclass(frozen=True)
class Line:
    """One set of contours, as a picture draws it.

    Attributes:
        name: for the legend.
        labels: a label map on the grid of the scan.
        colour: red, green and blue, 0..255.
        width, style: of the line, as matplotlib takes them.
    """

    name: str
    labels: sitk.Image
    colour: tuple[int, int, int]
    width: float = 2.4
    style: Any = "solid"


def line_a(name: str, labels: sitk.Image) -> Line:
    """How A is drawn."""
    return Line(f"A: {name}", labels, COLOUR_A)


def line_b(name: str, labels: sitk.Image) -> Line:
    """How B is drawn: dashed, so that both are seen where they are the same."""
    return Line(f"B: {name}", labels, COLOUR_B, style=_DASHES)


@dataclass(frozen=True)
class ContourView:
    """A view of one structure: the middle (x, y, z) and the edge of what is shown, in mm, and what stands above it."""

    structure: Structure
    centre: tuple[float, float, float]
    field: float
    caption: str


def around(points: np.ndarray) -> tuple[tuple[float, float], float]:
    """Middle (x, y) and edge in mm of the field of axial views that hold all these points (n, 3; x, y, z)."""
    low, high = points.min(axis=0), points.max(axis=0)
    x, y, _ = ((low + high) / 2.0).tolist()
    return (x, y), max(SMALLEST_FIELD, float((high - low)[:2].max()) + 2.0 * _MARGIN)


def draw_contours(
    image: sitk.Image,
    views: Sequence[ContourView],
    lines: Sequence[Line],
    path: str | Path,
    *,
    title: str,
    columns: int = 2,
    pixels: int = 640,
    if_empty: str = "",
    window: tuple[float, float] = WINDOW,
) -> Path:
    """Draw a PNG of views of a scan, all in one scale, with the lines of each view's structure.

    Args:
        image: the scan, as a rule CT in HU.
        views: what is shown, row by row.
        lines: whose contours, the later ones above.
        path: the .png to write.
        title: printed above.
        columns, pixels: how many views stand side by side, and their edge.
        if_empty: printed where there is no view.
        window: the values that are black and white.

    Returns:
        The path.

    Raises:
        OutputError: the path does not end with .png, or the file cannot be written.
    """
    rows = max(1, -(-len(views) // columns))
    width = columns * (pixels + _GAP) + _GAP
    height = _TITLE + rows * (_CAPTION + pixels + _GAP) + _LEGEND
    figure = new_figure(width, height)
    field = max((view.field for view in views), default=SMALLEST_FIELD)
    for place, shown in enumerate(views):
        row, column = divmod(place, columns)
        left, top = _GAP + column * (pixels + _GAP), _TITLE + row * (_CAPTION + pixels + _GAP) + _CAPTION
        axes = figure.add_axes((left / width, 1.0 - (top + pixels) / height, pixels / width, pixels / height))
        view = View("", AXIAL, shown.centre, field, pixels, scale=20.0)
        draw_view(axes, image, view, window)
        # Beside the view, not on it: nothing there stays readable on bone, and the letters keep their places.
        up = 1.0 - (top - _CAPTION / 2.0) / height
        figure.text(left / width, up, shown.caption, size=12, color=INK, va="center", parse_math=False)
        for line in lines:
            mask = _mask(line.labels, shown.structure)
            if mask is not None:
                draw_contour(axes, mask, view, line.colour, width=line.width, style=line.style)
    _draw_texts(figure, title, lines, "" if views else if_empty)
    return save_plot(figure, path)


def _draw_texts(figure: Figure, title: str, lines: Sequence[Line], said: str) -> None:
    from matplotlib.lines import Line2D

    width, height = figure.get_size_inches() * figure.dpi
    # Without mathematics: a "$" in a name is a dollar.
    style: dict[str, Any] = {"color": INK, "va": "center", "parse_math": False}
    figure.text(_GAP / width, 1.0 - _TITLE / 2.0 / height, title, size=17, weight="bold", **style)
    if said:
        figure.text(0.5, 0.5, said, size=14, ha="center", **style)
    share = 1.0 / len(lines)
    longest = int((share * width - _SAMPLE) / _CHARACTER)
    for place, line in enumerate(lines):
        left, up = place * share + _GAP / width, _LEGEND / 2.0 / height
        ends = [left, left + 46 / width]
        figure.add_artist(Line2D(ends, [up] * 2, color=rgb(line.colour), linewidth=3.0, linestyle=line.style))
        shown = line.name if len(line.name) <= longest else f"{line.name[: longest - 1]}…"
        figure.text(left + 58 / width, up, shown, size=13, **style)


def _mask(labels: sitk.Image, structure: Structure) -> sitk.Image | None:
    """The structure, cut out of the label map, as `draw_contour` wants it; None if it is empty."""
    indices = np.argwhere(sitk.GetArrayViewFromImage(labels) == structure.label)[:, ::-1]
    if not len(indices):
        return None
    first, last = indices.min(axis=0), indices.max(axis=0)
    cut = sitk.RegionOfInterest(labels, (last - first + 1).tolist(), first.tolist())
    return smooth_mask(cut == structure.label)
