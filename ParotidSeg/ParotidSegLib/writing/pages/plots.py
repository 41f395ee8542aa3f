"""What plots have in common: a white canvas, ink, the two colours of a comparison, saving."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import OutputError
from ...files.atomic import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET = "#1c2329", "#66727d"
#: Colours of the models A and B, red, green and blue (Okabe and Ito's palette), never those of a parotid gland.
COLOUR_A, COLOUR_B = (213, 94, 0), (0, 158, 115)

#: Structures side by side in a plot; more of them go below.
COLUMNS = 2

_DPI = 150


def new_plot(width: int, height: int) -> Figure:
    """An empty white figure of this size in pixels, with a canvas of its own.

    Neither pyplot nor rcParams: a program that embeds this keeps its own figures and settings.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def cells_of(count: int, cell: tuple[int, int]) -> tuple[int, int]:
    """Size in pixels of a plot that has a cell for each structure, `COLUMNS` side by side."""
    return min(COLUMNS, count) * cell[0], -(-count // COLUMNS) * cell[1]


def axes_in_cell(figure: Figure, place: int, count: int, box: tuple[float, float, float, float]) -> Axes:
    """Axes in one of the cells of a plot.

    Args:
        figure: of the size that `cells_of` gives.
        place: number of the cell, row by row.
        count: number of cells.
        box: left edge, bottom edge, width and height, as shares of the cell.
    """
    columns, rows = min(COLUMNS, count), -(-count // COLUMNS)
    row, column = divmod(place, COLUMNS)
    left, bottom, width, height = box
    return figure.add_axes(
        ((column + left) / columns, (rows - 1 - row + bottom) / rows, width / columns, height / rows)
    )


def save_plot(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, whole or not at all.

    Raises:
        OutputError: the path does not end with .png, or the file cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise OutputError(f"A plot cannot be written as '{target.name}': let the name end with .png.")
    with atomic_path(target) as temporary:
        figure.savefig(temporary, dpi=figure.dpi, facecolor=figure.get_facecolor(), metadata={"Software": "ParotidSeg"})
    return target


def signed(value: float, digits: int) -> str:
    """A number with a true minus sign; no "-0.00"."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\N{MINUS SIGN}")
