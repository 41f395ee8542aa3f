"""Several contours over axial slices of a scan, side by side, each line with its name in a legend.

Views are those of `views`: the patient's right at the left, seen from the feet, in patient space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ...structures import Structure
from ..drawing.canvas import Canvas
from ..drawing.views import AXIAL, WINDOW, Panel, View, smooth_mask
from .plots import COLOUR_A, COLOUR_B

#: Smallest field of a view, and what is shown around the contours, in mm.
SMALLEST_FIELD, _MARGIN = 90.0, 25.0
#: Gap between views, height of the title, of what stands above a view, and of the legend below, in pixels.
_GAP, _TITLE, _CAPTION, _LEGEND = 16, 52, 48, 64
#: Width of a character in the legend, and of what stands before a name, in pixels.
_CHARACTER, _SAMPLE = 9.8, 70
_DASHES = (13.0, 6.5)


@dataclass(frozen=True)
class Line:
    """One set of contours, as a picture draws it.

    Attributes:
        name: for the legend.
        labels: a label map on the grid of the scan.
        colour: red, green and blue, 0..255.
        width: of the line, in pixels.
        dashes: length of a dash and of a gap in pixels; None for an unbroken line.
    """

    name: str
    labels: sitk.Image
    colour: tuple[int, int, int]
    width: float = 3.3
    dashes: tuple[float, float] | None = None


def line_a(name: str, labels: sitk.Image) -> Line:
    """How A is drawn."""
    return Line(f"A: {name}", labels, COLOUR_A)


def line_b(name: str, labels: sitk.Image) -> Line:
    """How B is drawn: dashed, so that both are seen where they are the same."""
    return Line(f"B: {name}", labels, COLOUR_B, dashes=_DASHES)


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
    canvas = Canvas(width, height)
    field = max((view.field for view in views), default=SMALLEST_FIELD)
    for place, shown in enumerate(views):
        row, column = divmod(place, columns)
        left, top = _GAP + column * (pixels + _GAP), _TITLE + row * (_CAPTION + pixels + _GAP) + _CAPTION
        panel = Panel(canvas, View("", AXIAL, shown.centre, field, pixels, scale=20.0), left, top)
        panel.draw_scan(image, window)
        # Beside the view, not on it: nothing there stays readable on bone, and the letters keep their places.
        canvas.text(left, top - _CAPTION / 2.0, shown.caption, size=16.5)
        for line in lines:
            mask = _mask(line.labels, shown.structure)
            if mask is not None:
                panel.draw_contour(mask, line.colour, width=line.width, dashes=line.dashes)
    _draw_texts(canvas, (width, height), title, lines, "" if views else if_empty)
    return canvas.write(path)


def _draw_texts(canvas: Canvas, size: tuple[int, int], title: str, lines: Sequence[Line], said: str) -> None:
    width, height = size
    canvas.text(_GAP, _TITLE / 2.0, title, size=23.5, bold=True)
    if said:
        canvas.text(width / 2.0, height / 2.0, said, size=19.5, anchor="mm")
    longest = int((width / len(lines) - _SAMPLE) / _CHARACTER)
    for place, line in enumerate(lines):
        left, top = place * width / len(lines) + _GAP, height - _LEGEND / 2.0
        canvas.line([(left, top), (left + 46, top)], line.colour, 4.2, dashes=line.dashes)
        shown = line.name if len(line.name) <= longest else f"{line.name[: longest - 1]}…"
        canvas.text(left + 58, top, shown, size=18.0)


def _mask(labels: sitk.Image, structure: Structure) -> sitk.Image | None:
    """The structure, cut out of the label map, as `Panel.draw_contour` wants it; None if it is empty."""
    indices = np.argwhere(sitk.GetArrayViewFromImage(labels) == structure.label)[:, ::-1]
    if not len(indices):
        return None
    first, last = indices.min(axis=0), indices.max(axis=0)
    cut = sitk.RegionOfInterest(labels, (last - first + 1).tolist(), first.tolist())
    return smooth_mask(cut == structure.label)
