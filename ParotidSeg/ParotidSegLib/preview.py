"""One picture of a result: three axial slices and a coronal one with the contours of both glands.

The picture follows the radiological convention (the patient's right is at its left, axial slices are seen from the
feet) and shows patient space, so the orientation in which a scan is stored changes nothing in it. It holds nothing
that identifies the patient; what the caller passes as a title is the caller's choice.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from .atomic import atomic_path
from .errors import OutputError
from .preprocessing import Grid, physical_bounds, sample
from .structures import PAROTIDS, Structure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

#: Width and height of the picture in pixels.
SIZE = (1600, 1100)
#: Left edge, top edge, width and height in pixels of the four views.
PANELS: dict[str, tuple[int, int, int, int]] = {
    "axial 1": (20, 20, 520, 520),
    "axial 2": (560, 20, 520, 520),
    "axial 3": (20, 560, 520, 520),
    "coronal": (560, 560, 520, 520),
}
#: Soft tissue, in HU: black and white.
WINDOW = (-160.0, 240.0)

_PIXELS = 520
#: Edge of the part of the patient that a view shows, in mm: a head fits in; without glands, up to the second.
_FIELD, _LARGEST_FIELD = 260.0, 520.0
#: Mean distance of the centroids of both glands, in mm (28 patients): says where the head is if one gland is missing.
_GLAND_DISTANCE = 118.0
#: Where the axial slices cut the joint extent of the glands from below to above.
_AXIAL_LEVELS = (0.75, 0.5, 0.25)
_DPI = 100
_BACKGROUND, _FRAME = "#101418", "#39424c"
_TEXT, _QUIET_TEXT, _WARNING = "#eef2f5", "#9aa7b4", "#ff8a80"
#: Left edge of the side bar in pixels, and how many characters of a title it holds.
_SIDEBAR = 1116
_TITLE_WIDTH = 26


@dataclass(frozen=True)
class _Gland:
    """A structure that has voxels; lengths in mm, patient coordinates (x, y, z)."""

    structure: Structure
    volume_ml: float
    centroid: tuple[float, float, float]
    lowest: float
    highest: float
    #: 1 inside, 0 outside, float32, with a margin of zeros.
    mask: sitk.Image


@dataclass(frozen=True)
class _View:
    """One panel: `normal` is the axis that it is seen along (1 for coronal, 2 for axial)."""

    panel: str
    caption: str
    normal: int
    centre: tuple[float, float, float]
    field: float
    letters: str

    @property
    def grid(self) -> Grid:
        """Pixels of the view, one voxel thick."""
        size_zyx = [1 if axis == self.normal else _PIXELS for axis in (2, 1, 0)]
        return Grid.centred(self.centre, [self.field / _PIXELS] * 3, size_zyx)

    @property
    def vertical_axis(self) -> int:
        """The patient axis that runs along the picture's height."""
        return 3 - self.normal


def draw_preview(image: sitk.Image, labels: sitk.Image, path: str | Path, *, title: str = "") -> Path:
    """Draw a PNG of 1600 x 1100 pixels that shows where the contours lie.

    Args:
        image: 3D CT in HU.
        labels: integer label map; 1 is the right, 2 the left gland; either may be empty.
        path: the .png to write.
        title: printed at the top of the side bar.

    Returns:
        The path.

    Raises:
        OutputError: the path does not end with .png, or the file cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise OutputError(f"A preview cannot be written as '{target.name}': let the name end with .png.")
    glands = [gland for structure in PAROTIDS if (gland := _gland(labels, structure)) is not None]
    views = _views(image, glands)
    figure = _figure(image, glands, views, title)
    with atomic_path(target) as temporary:
        figure.savefig(temporary, dpi=_DPI, facecolor=_BACKGROUND, metadata={"Software": "ParotidSeg"})
    return target


def _gland(labels: sitk.Image, structure: Structure) -> _Gland | None:
    """The structure's voxels, cut out of the label map; None if there are none."""
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.ComputePerimeterOff()
    shapes.Execute(labels)
    if not shapes.HasLabel(structure.label):
        return None
    box = shapes.GetBoundingBox(structure.label)
    mask = sitk.RegionOfInterest(labels, box[3:], box[:3]) == structure.label
    voxels = np.argwhere(sitk.GetArrayViewFromImage(mask))[:, ::-1]
    index_to_z = np.array(mask.GetDirection()[6:]) * np.array(mask.GetSpacing())
    heights = mask.GetOrigin()[2] + voxels @ index_to_z
    return _Gland(
        structure=structure,
        volume_ml=len(voxels) * float(np.prod(mask.GetSpacing())) / 1000.0,
        centroid=shapes.GetCentroid(structure.label),
        lowest=float(heights.min()),
        highest=float(heights.max()),
        # The margin lets the contour close where the gland touches the edge of the scan.
        mask=sitk.Cast(sitk.ConstantPad(mask, (3, 3, 3), (3, 3, 3), 0), sitk.sitkFloat32),
    )


def _views(image: sitk.Image, glands: Sequence[_Gland]) -> list[_View]:
    """Three axial views from above to below, and a coronal one through the middle of the glands."""
    if glands:
        centre = _middle(glands)
        lowest, highest = min(g.lowest for g in glands), max(g.highest for g in glands)
        field = _FIELD
    else:
        low, high = physical_bounds(image)
        centre = (low + high) / 2.0
        lowest, highest = low[2], high[2]
        field = float(np.clip((high - low).max(), _FIELD, _LARGEST_FIELD))
    x, y = float(centre[0]), float(centre[1])
    views = []
    for number, level in enumerate(_AXIAL_LEVELS, start=1):
        z = lowest + level * (highest - lowest)
        caption = f"{number}   Axial   z = {_signed(z)} mm"
        views.append(_View(f"axial {number}", caption, 2, (x, y, z), field, "RLAP"))
    middle = (x, y, (lowest + highest) / 2.0)
    views.append(_View("coronal", f"Coronal   y = {_signed(y)} mm", 1, middle, field, "RLSI"))
    return views


def _middle(glands: Sequence[_Gland]) -> np.ndarray:
    """Middle between both glands (x, y, z); with one gland, where it would lie if the other were there."""
    middle = np.mean([gland.centroid for gland in glands], axis=0)
    if len(glands) == 1:
        towards_left = 1.0 if glands[0].structure.side == "right" else -1.0
        middle[0] += towards_left * _GLAND_DISTANCE / 2.0
    return middle


def _signed(millimetres: float) -> str:
    """One decimal, with a true minus sign; no "-0.0"."""
    return f"{round(millimetres, 1) + 0.0:.1f}".replace("-", "\N{MINUS SIGN}")


def _figure(image: sitk.Image, glands: Sequence[_Gland], views: Sequence[_View], title: str) -> Figure:
    # Neither pyplot nor rcParams: a program that embeds this keeps its own figures and settings.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = SIZE
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=_BACKGROUND)
    FigureCanvasAgg(figure)
    for view in views:
        left, top, across, down = PANELS[view.panel]
        axes = figure.add_axes((left / width, 1.0 - (top + down) / height, across / width, down / height))
        _draw_view(axes, image, glands, view)
        if view.normal == 1:
            _draw_levels(axes, view, [v.centre[2] for v in views if v.normal == 2])
    _draw_sidebar(figure, glands, title)
    return figure


def _draw_view(axes: Axes, image: sitk.Image, glands: Sequence[_Gland], view: _View) -> None:
    grid = view.grid
    x, y = grid.origin[0], grid.origin[view.vertical_axis]
    half = view.field / _PIXELS / 2.0
    edges = (x - half, x - half + view.field, y - half, y - half + view.field)
    pixels = sample(image, grid).squeeze(axis=2 - view.normal)
    axes.imshow(pixels, "gray", interpolation="nearest", vmin=WINDOW[0], vmax=WINDOW[1], origin="lower", extent=edges)
    for gland in glands:
        _draw_contour(axes, gland, view)
    axes.set_xlim(edges[0], edges[1])
    # Anterior is up in an axial view (y grows towards the back), superior in a coronal one.
    axes.set_ylim(*((edges[3], edges[2]) if view.normal == 2 else (edges[2], edges[3])))
    axes.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
    axes.spines[:].set_color(_FRAME)
    places = ((0.03, 0.5), (0.97, 0.5), (0.5, 0.955), (0.5, 0.035))
    for letter, (right, up) in zip(view.letters, places, strict=True):
        _write(axes, right, up, letter, size=15, weight="bold", ha="center", va="center")
    _write(axes, 0.025, 0.965, view.caption, size=11, ha="left", va="center")
    _draw_scale(axes, view.field)


def _draw_contour(axes: Axes, gland: _Gland, view: _View) -> None:
    """The line where the mask, interpolated smoothly between its voxels, passes one half."""
    from matplotlib.patheffects import Normal, Stroke

    grid = view.grid
    inside = sitk.Resample(gland.mask, grid.size, sitk.Transform(), sitk.sitkBSpline, grid.origin, grid.spacing)
    values = sitk.GetArrayFromImage(inside).squeeze(axis=2 - view.normal)
    if values.max() <= 0.5:
        return
    across, down = (grid.origin[axis] + grid.spacing[axis] * np.arange(_PIXELS) for axis in (0, view.vertical_axis))
    lines = axes.contour(across, down, values, levels=[0.5], colors=[_rgb(gland.structure)], linewidths=2.0)
    lines.set_path_effects([Stroke(linewidth=3.6, foreground="black", alpha=0.55), Normal()])


def _draw_levels(axes: Axes, view: _View, heights: Sequence[float]) -> None:
    """Where the axial slices cut the coronal one, numbered; the lines leave the side letters free."""
    from_x, to_x = (view.centre[0] + share * view.field for share in (-0.42, 0.42))
    for number, z in enumerate(heights, start=1):
        axes.plot([from_x, to_x], [z, z], color=_TEXT, linewidth=0.8, alpha=0.45, linestyle=(0, (6, 5)))
        _outline(axes.text(to_x, z, str(number), color=_TEXT, size=10, ha="right", va="bottom"))


def _draw_scale(axes: Axes, field: float) -> None:
    """A bar of 50 mm at the lower left."""
    length = 50.0 / field
    for color, linewidth in (("black", 4.5), (_TEXT, 2.5)):
        axes.plot([0.025, 0.025 + length], [0.03, 0.03], transform=axes.transAxes, color=color, linewidth=linewidth)
    _write(axes, 0.025 + length / 2.0, 0.04, "50 mm", size=9, ha="center", va="bottom")


def _draw_sidebar(figure: Figure, glands: Sequence[_Gland], title: str) -> None:
    top = 56
    for line in textwrap.wrap(title, _TITLE_WIDTH, max_lines=4, placeholder=" …"):
        _note(figure, top, line, size=17, color=_TEXT, weight="bold")
        top += 34
    top += 24
    found = {gland.structure.label: gland for gland in glands}
    for structure in PAROTIDS:
        _draw_legend_entry(figure, top, structure, found.get(structure.label))
        top += 120
    notes = [
        "The patient's right is at the left of each view.",
        "Axial views are seen from the feet.",
        f"Window {_signed(WINDOW[0])[:-2]} to {_signed(WINDOW[1])[:-2]} HU",
        "Positions in DICOM patient coordinates",
    ]
    for line, place in zip(notes, (968, 996, 1034, 1062), strict=True):
        _note(figure, place, line, size=11, color=_QUIET_TEXT)


def _draw_legend_entry(figure: Figure, top: int, structure: Structure, gland: _Gland | None) -> None:
    from matplotlib.lines import Line2D

    width, height = SIZE
    across, up = [_SIDEBAR / width, (_SIDEBAR + 44) / width], [1.0 - top / height] * 2
    colour = (*_rgb(structure), 1.0 if gland else 0.35)
    figure.add_artist(Line2D(across, up, color=colour, linewidth=5, transform=figure.transFigure))
    _note(figure, top, structure.name, size=16, color=_TEXT, indent=64)
    if gland:
        _note(figure, top + 42, f"{gland.volume_ml:.1f} mL", size=22, color=_TEXT, indent=64)
    else:
        _note(figure, top + 42, "empty: no voxel has this label", size=14, color=_WARNING, indent=64)


def _note(figure: Figure, top: int, line: str, *, indent: int = 0, **style: Any) -> None:
    """A line of the side bar; `top` and `indent` in pixels."""
    width, height = SIZE
    # Without mathematics: a "$" in a title is a dollar.
    figure.text((_SIDEBAR + indent) / width, 1.0 - top / height, line, va="center", parse_math=False, **style)


def _write(axes: Axes, right: float, up: float, text: str, **style: Any) -> None:
    """White text with a dark outline at a place given as fractions of the view."""
    _outline(axes.text(right, up, text, transform=axes.transAxes, color=_TEXT, **style))


def _outline(text: Text) -> None:
    from matplotlib.patheffects import withStroke

    text.set_path_effects([withStroke(linewidth=2.5, foreground="black", alpha=0.8)])


def _rgb(structure: Structure) -> tuple[float, float, float]:
    red, green, blue = structure.colour
    return red / 255.0, green / 255.0, blue / 255.0
