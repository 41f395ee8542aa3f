"""Flat views of a scan in patient space, with contours: what the preview and the overlays of an evaluation draw with.

A view follows the radiological convention: the patient's right is at its left, axial views are seen from the feet,
coronal ones from the front. The orientation in which a scan is stored changes nothing in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from ..geometry.grids import Grid, physical_bounds
from ..geometry.sampling import sample

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

#: Soft tissue, in HU: black and white.
WINDOW = (-160.0, 240.0)
#: Axes of the patient that a view can be seen along.
CORONAL, AXIAL = 1, 2
#: Ink on the dark ground of a view, and that ground.
INK, BACKGROUND = "#eef2f5", "#101418"

#: Of PNG, 0 to 9: the usual 6 takes four times as long as 1.
_COMPRESSION = 1
_FRAME = "#39424c"
_LETTERS = {AXIAL: "RLAP", CORONAL: "RLSI"}
#: Right, left, upper and lower edge of a view, as shares of its width and height.
_PLACES = ((0.03, 0.5), (0.97, 0.5), (0.5, 0.955), (0.5, 0.035))


@dataclass(frozen=True)
class View:
    """A square view.

    Attributes:
        caption: printed at its upper left.
        normal: the patient axis that it is seen along, AXIAL or CORONAL.
        centre: its middle in mm, LPS, (x, y, z).
        field: its edge in mm.
        pixels: its edge in pixels.
        scale: length of the bar at its lower left, in mm.
    """

    caption: str
    normal: int
    centre: tuple[float, float, float]
    field: float
    pixels: int
    scale: float = 50.0

    @property
    def grid(self) -> Grid:
        """Pixels of the view, one voxel thick."""
        size_zyx = [1 if axis == self.normal else self.pixels for axis in (2, 1, 0)]
        return Grid.centred(self.centre, [self.field / self.pixels] * 3, size_zyx)

    @property
    def vertical_axis(self) -> int:
        """The patient axis that runs along the picture's height."""
        return 3 - self.normal


def new_figure(width: int, height: int, *, dpi: int = 100, background: str = BACKGROUND) -> Figure:
    """An empty figure of this size in pixels, with a canvas of its own.

    Neither pyplot nor rcParams: a program that embeds this keeps its own figures and settings.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi, facecolor=background)
    FigureCanvasAgg(figure)
    return figure


def save_picture(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, at its own size, and let go of what is large in it.

    Its parts refer to one another in circles, which Python looks for by their number and not by their size: in a batch
    the pixels of many pictures would stay in memory.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.savefig(
        path,
        dpi=figure.dpi,
        facecolor=figure.get_facecolor(),
        metadata={"Software": "ParotidSeg"},
        pil_kwargs={"compress_level": _COMPRESSION},
    )
    for axes in figure.axes:
        for artist in (*axes.images, *axes.collections):
            artist.remove()
    if isinstance(figure.canvas, FigureCanvasAgg):
        vars(figure.canvas.get_renderer()).clear()  # the pixels; each text of the figure refers to it


def draw_view(axes: Axes, image: sitk.Image, view: View, window: tuple[float, float] = WINDOW) -> None:
    """The scan, with the letters of the patient's sides, the caption and a scale bar; `window` is black and white."""
    grid = view.grid
    x, y = grid.origin[0], grid.origin[view.vertical_axis]
    half = view.field / view.pixels / 2.0
    edges = (x - half, x - half + view.field, y - half, y - half + view.field)
    pixels = sample(image, grid).squeeze(axis=2 - view.normal)
    axes.imshow(pixels, "gray", interpolation="nearest", vmin=window[0], vmax=window[1], origin="lower", extent=edges)
    axes.set_xlim(edges[0], edges[1])
    # Anterior is up in an axial view (y grows towards the back), superior in a coronal one.
    axes.set_ylim(*((edges[3], edges[2]) if view.normal == AXIAL else (edges[2], edges[3])))
    axes.xaxis.set_visible(False)
    axes.yaxis.set_visible(False)
    axes.spines[:].set_color(_FRAME)
    for letter, (right, up) in zip(_LETTERS[view.normal], _PLACES, strict=True):
        write_on(axes, right, up, letter, size=15, weight="bold", ha="center", va="center")
    write_on(axes, 0.025, 0.965, view.caption, size=11, ha="left", va="center")
    _draw_scale(axes, view)


def smooth_mask(mask: sitk.Image) -> sitk.Image:
    """A binary mask as `draw_contour` wants it: float32, with a margin so that contours close at its edge."""
    return sitk.Cast(sitk.ConstantPad(mask, (3, 3, 3), (3, 3, 3), 0), sitk.sitkFloat32)


def draw_contour(
    axes: Axes,
    mask: sitk.Image,
    view: View,
    colour: tuple[int, int, int],
    *,
    width: float = 2.0,
    style: Any = "solid",
) -> None:
    """The line where the mask, interpolated smoothly between its voxels, passes one half; none if it is not in view.

    Args:
        axes: those of `draw_view`.
        mask: of `smooth_mask`.
        view: what the axes show.
        colour: red, green and blue, 0..255.
        width, style: of the line, as matplotlib takes them.
    """
    from matplotlib.patheffects import Normal, Stroke

    grid = _part_with(mask, view)
    if grid is None:
        return
    inside = sitk.Resample(mask, grid.size, sitk.Transform(), sitk.sitkBSpline, grid.origin, grid.spacing)
    values = sitk.GetArrayFromImage(inside).squeeze(axis=2 - view.normal)
    if values.max() <= 0.5 or min(values.shape) < 2:
        return
    along_x, along_y = (
        grid.origin[axis] + grid.spacing[axis] * np.arange(grid.size[axis]) for axis in (0, view.vertical_axis)
    )
    lines = axes.contour(
        along_x, along_y, values, levels=[0.5], colors=[rgb(colour)], linewidths=width, linestyles=[style]
    )
    lines.set_path_effects([Stroke(linewidth=width + 1.6, foreground="black", alpha=0.55), Normal()])


def _part_with(mask: sitk.Image, view: View) -> Grid | None:
    """The pixels of a view that may show a mask; None if there are none."""
    low, high = physical_bounds(mask)
    grid = view.grid
    first, last = [0, 0, 0], [count - 1 for count in grid.size]
    for axis in {0, 1, 2} - {view.normal}:
        ends = (np.array([low[axis], high[axis]]) - grid.origin[axis]) / grid.spacing[axis]
        first[axis] = max(first[axis], math.floor(ends[0]))
        last[axis] = min(last[axis], math.ceil(ends[1]))
    if not low[view.normal] <= view.centre[view.normal] <= high[view.normal] or any(np.less(last, first)):
        return None
    origin = [start + step * index for start, step, index in zip(grid.origin, grid.spacing, first, strict=True)]
    size = [stop - start + 1 for start, stop in zip(first, last, strict=True)]
    return Grid((origin[0], origin[1], origin[2]), grid.spacing, (size[0], size[1], size[2]))


def _draw_scale(axes: Axes, view: View) -> None:
    """A bar at the lower left."""
    length = view.scale / view.field
    for color, linewidth in (("black", 4.5), (INK, 2.5)):
        axes.plot([0.025, 0.025 + length], [0.03, 0.03], transform=axes.transAxes, color=color, linewidth=linewidth)
    write_on(axes, 0.025 + length / 2.0, 0.04, f"{view.scale:g} mm", size=9, ha="center", va="bottom")


def write_on(axes: Axes, right: float, up: float, text: str, **style: Any) -> None:
    """Light text with a dark outline at a place given as fractions of the view."""
    outline(axes.text(right, up, text, transform=axes.transAxes, **{"color": INK, **style}))


def outline(text: Text) -> None:
    """Give a text a dark outline, so that it is read on any tissue."""
    from matplotlib.patheffects import withStroke

    text.set_path_effects([withStroke(linewidth=2.5, foreground="black", alpha=0.8)])


def signed(millimetres: float) -> str:
    """One decimal, with a true minus sign; no "-0.0"."""
    return f"{round(millimetres, 1) + 0.0:.1f}".replace("-", "\N{MINUS SIGN}")


def rgb(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    """A colour of 0..255 as matplotlib takes it."""
    red, green, blue = colour
    return red / 255.0, green / 255.0, blue / 255.0
