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

from ..errors import OutputError
from ..files.atomic import atomic_path
from ..geometry.grids import Box, physical_bounds
from ..geometry.surfaces import joint_bounding_box
from ..glands.anatomy import TYPICAL_DISTANCE_MM
from ..structures import PAROTID_GLAND, PAROTIDS, Structure
from .views import (
    AXIAL,
    CORONAL,
    INK,
    WINDOW,
    View,
    draw_contour,
    draw_view,
    new_figure,
    outline,
    rgb,
    save_picture,
    signed,
    smooth_mask,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Width and height of the picture in pixels.
SIZE = (1600, 1100)
#: Left edge, top edge, width and height in pixels of the four views.
PANELS: dict[str, tuple[int, int, int, int]] = {
    "axial 1": (20, 20, 520, 520),
    "axial 2": (560, 20, 520, 520),
    "axial 3": (20, 560, 520, 520),
    "coronal": (560, 560, 520, 520),
}

_PIXELS = 520
#: Edge of the part of the patient that a view shows, in mm: a head fits in; without glands, up to the second.
_FIELD, _LARGEST_FIELD = 260.0, 520.0
#: Where the axial slices cut the joint extent of the glands from below to above.
_AXIAL_LEVELS = (0.75, 0.5, 0.25)
_DPI = 100
_QUIET_TEXT, _WARNING = "#9aa7b4", "#ff8a80"
#: Left edge of the side bar in pixels, and how many characters of a title it holds.
_SIDEBAR = 1116
_TITLE_WIDTH = 26
#: Where the legend ends at the latest, in pixels from the top.
_LEGEND_END = 930


@dataclass(frozen=True)
class _Gland:
    """A structure that has voxels; lengths in mm, patient coordinates (x, y, z)."""

    structure: Structure
    volume_ml: float
    centroid: tuple[float, float, float]
    lowest: float
    highest: float
    #: As `draw_contour` wants it.
    mask: sitk.Image


@dataclass(frozen=True)
class _Panel:
    """A view and the panel of the picture that it fills."""

    name: str
    view: View


def draw_preview(
    image: sitk.Image,
    labels: sitk.Image,
    path: str | Path,
    *,
    structures: Sequence[Structure] = PAROTIDS,
    window: tuple[float, float] = WINDOW,
    title: str = "",
) -> Path:
    """Draw a PNG of 1600 x 1100 pixels that shows where the contours lie.

    Args:
        image: 3D image, as a rule CT in HU.
        labels: integer label map on the same grid; any structure may be empty.
        path: the .png to write.
        structures: what the labels mean.
        window: the values that are black and white.
        title: printed at the top of the side bar.

    Returns:
        The path.

    Raises:
        OutputError: the path does not end with .png, or the file cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise OutputError(f"A preview cannot be written as '{target.name}': let the name end with .png.")
    glands = [gland for structure in structures if (gland := _gland(labels, structure)) is not None]
    figure = _figure(image, glands, _panels(image, glands), window)
    _draw_sidebar(figure, glands, structures, window, title)
    with atomic_path(target) as temporary:
        save_picture(figure, temporary)
    return target


def _gland(labels: sitk.Image, structure: Structure) -> _Gland | None:
    """The structure's voxels, cut out of the label map; None if there are none."""
    everywhere = sitk.GetArrayViewFromImage(labels) == structure.label
    within = joint_bounding_box(everywhere, everywhere)
    inside = everywhere[within]
    if not inside.size:
        return None
    mask = Box.of_slices(within).place(inside.astype(np.uint8), labels)
    voxels = np.argwhere(inside)[:, ::-1]
    index_to_z = np.array(mask.GetDirection()[6:]) * np.array(mask.GetSpacing())
    heights = mask.GetOrigin()[2] + voxels @ index_to_z
    return _Gland(
        structure=structure,
        volume_ml=len(voxels) * float(np.prod(mask.GetSpacing())) / 1000.0,
        centroid=mask.TransformContinuousIndexToPhysicalPoint(voxels.mean(axis=0).tolist()),
        lowest=float(heights.min()),
        highest=float(heights.max()),
        mask=smooth_mask(mask),
    )


def _panels(image: sitk.Image, glands: Sequence[_Gland]) -> list[_Panel]:
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
    panels = []
    for number, level in enumerate(_AXIAL_LEVELS, start=1):
        z = lowest + level * (highest - lowest)
        caption = f"{number}   Axial   z = {signed(z)} mm"
        panels.append(_Panel(f"axial {number}", View(caption, AXIAL, (x, y, z), field, _PIXELS)))
    middle = (x, y, (lowest + highest) / 2.0)
    panels.append(_Panel("coronal", View(f"Coronal   y = {signed(y)} mm", CORONAL, middle, field, _PIXELS)))
    return panels


def _middle(glands: Sequence[_Gland]) -> np.ndarray:
    """Middle between both glands (x, y, z); with one gland, where it would lie if the other were there."""
    middle = np.mean([gland.centroid for gland in glands], axis=0)
    if len(glands) == 1 and glands[0].structure.type == PAROTID_GLAND:
        towards_left = 1.0 if glands[0].structure.side == "right" else -1.0
        middle[0] += towards_left * TYPICAL_DISTANCE_MM / 2.0
    return middle


def _figure(
    image: sitk.Image, glands: Sequence[_Gland], panels: Sequence[_Panel], window: tuple[float, float]
) -> Figure:
    width, height = SIZE
    figure = new_figure(width, height, dpi=_DPI)
    for panel in panels:
        left, top, across, down = PANELS[panel.name]
        axes = figure.add_axes((left / width, 1.0 - (top + down) / height, across / width, down / height))
        draw_view(axes, image, panel.view, window)
        for gland in glands:
            draw_contour(axes, gland.mask, panel.view, gland.structure.colour)
        if panel.view.normal == CORONAL:
            _draw_levels(axes, panel.view, [p.view.centre[2] for p in panels if p.view.normal == AXIAL])
    return figure


def _draw_levels(axes: Axes, view: View, heights: Sequence[float]) -> None:
    """Where the axial slices cut the coronal one, numbered; the lines leave the side letters free."""
    from_x, to_x = (view.centre[0] + share * view.field for share in (-0.42, 0.42))
    for number, z in enumerate(heights, start=1):
        axes.plot([from_x, to_x], [z, z], color=INK, linewidth=0.8, alpha=0.45, linestyle=(0, (6, 5)))
        outline(axes.text(to_x, z, str(number), color=INK, size=10, ha="right", va="bottom"))


def _draw_sidebar(
    figure: Figure,
    glands: Sequence[_Gland],
    structures: Sequence[Structure],
    window: tuple[float, float],
    title: str,
) -> None:
    top = 56
    for line in textwrap.wrap(title, _TITLE_WIDTH, max_lines=4, placeholder=" …"):
        _note(figure, top, line, size=17, color=INK, weight="bold")
        top += 34
    top += 24
    found = {gland.structure.label: gland for gland in glands}
    # Twelve organs fit as well as two glands.
    step = min(120, (_LEGEND_END - top) // len(structures))
    for structure in structures:
        _draw_legend_entry(figure, top, structure, found.get(structure.label), step)
        top += step
    notes = [
        "The patient's right is at the left of each view.",
        "Axial views are seen from the feet.",
        f"Window {signed(window[0])[:-2]} to {signed(window[1])[:-2]}{' HU' if window == WINDOW else ''}",
        "Positions in DICOM patient coordinates",
    ]
    for line, place in zip(notes, (968, 996, 1034, 1062), strict=True):
        _note(figure, place, line, size=11, color=_QUIET_TEXT)


def _draw_legend_entry(figure: Figure, top: int, structure: Structure, gland: _Gland | None, step: int) -> None:
    from matplotlib.lines import Line2D

    width, height = SIZE
    across, up = [_SIDEBAR / width, (_SIDEBAR + 44) / width], [1.0 - top / height] * 2
    colour = (*rgb(structure.colour), 1.0 if gland else 0.35)
    figure.add_artist(Line2D(across, up, color=colour, linewidth=5, transform=figure.transFigure))
    _note(figure, top, structure.name, size=16, color=INK, indent=64)
    if gland:
        below, size, text, colour_of_text = 42, 22, f"{gland.volume_ml:.1f} mL", INK
    else:
        below, size, text, colour_of_text = 42, 14, "empty: no voxel has this label", _WARNING
    if step < 2 * below:
        below, size = step // 2, 11
    _note(figure, top + below, text, size=size, color=colour_of_text, indent=64)


def _note(figure: Figure, top: int, line: str, *, indent: int = 0, **style: Any) -> None:
    """A line of the side bar; `top` and `indent` in pixels."""
    width, height = SIZE
    # Without mathematics: a "$" in a title is a dollar.
    figure.text((_SIDEBAR + indent) / width, 1.0 - top / height, line, va="center", parse_math=False, **style)
