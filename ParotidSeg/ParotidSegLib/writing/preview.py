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
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..geometry.grids import Box, physical_bounds
from ..geometry.surfaces import joint_bounding_box
from ..glands.anatomy import TYPICAL_DISTANCE_MM
from ..structures import PAROTID_GLAND, PAROTIDS, Structure
from .drawing.canvas import INK, Canvas
from .drawing.views import AXIAL, CORONAL, WINDOW, Panel, View, signed, smooth_mask

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
    #: As `Panel.draw_contour` wants it.
    mask: sitk.Image


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
    drawn = _drawn_part(labels)
    glands = [gland for structure in structures if (gland := _gland(drawn, structure)) is not None]
    canvas = Canvas(*SIZE)
    _draw_views(canvas, image, glands, window)
    _draw_sidebar(canvas, glands, structures, window, title)
    return canvas.write(path)


def _drawn_part(labels: sitk.Image) -> sitk.Image:
    """The part of the label map that holds all labels; one voxel if it is empty."""
    anything = sitk.GetArrayViewFromImage(labels) != 0
    within = Box.of_slices(joint_bounding_box(anything, anything))
    return (within if min(within.size) else Box((0, 0, 0), (1, 1, 1))).crop(labels)


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


def _views(image: sitk.Image, glands: Sequence[_Gland]) -> list[View]:
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
        caption = f"{number}   Axial   z = {signed(z)} mm"
        views.append(View(caption, AXIAL, (x, y, z), field, _PIXELS))
    middle = (x, y, (lowest + highest) / 2.0)
    views.append(View(f"Coronal   y = {signed(y)} mm", CORONAL, middle, field, _PIXELS))
    return views


def _middle(glands: Sequence[_Gland]) -> np.ndarray:
    """Middle between both glands (x, y, z); with one gland, where it would lie if the other were there."""
    middle = np.mean([gland.centroid for gland in glands], axis=0)
    if len(glands) == 1 and glands[0].structure.type == PAROTID_GLAND:
        towards_left = 1.0 if glands[0].structure.side == "right" else -1.0
        middle[0] += towards_left * TYPICAL_DISTANCE_MM / 2.0
    return middle


def _draw_views(canvas: Canvas, image: sitk.Image, glands: Sequence[_Gland], window: tuple[float, float]) -> None:
    views = _views(image, glands)
    for view, (left, top, _, _) in zip(views, PANELS.values(), strict=True):
        panel = Panel(canvas, view, left, top)
        panel.draw_scan(image, window)
        for gland in glands:
            panel.draw_contour(gland.mask, gland.structure.colour)
        if view.normal == CORONAL:
            _draw_levels(panel, [other.centre[2] for other in views if other.normal == AXIAL])


def _draw_levels(panel: Panel, heights: Sequence[float]) -> None:
    """Where the axial slices cut the coronal one, numbered; the lines leave the side letters free."""
    view = panel.view
    from_x, to_x = (view.centre[0] + share * view.field for share in (-0.42, 0.42))
    for number, z in enumerate(heights, start=1):
        ends = panel.places(np.array([(from_x, z), (to_x, z)]))
        panel.canvas.line(ends, INK, 1.1, opacity=0.45, dashes=(6.5, 5.5))
        x, y = ends[1].tolist()
        panel.canvas.text(x, y - 4.0, str(number), size=14.0, anchor="rs", outlined=True)


def _draw_sidebar(
    canvas: Canvas,
    glands: Sequence[_Gland],
    structures: Sequence[Structure],
    window: tuple[float, float],
    title: str,
) -> None:
    top = 56
    for line in textwrap.wrap(title, _TITLE_WIDTH, max_lines=4, placeholder=" …"):
        _note(canvas, top, line, size=23.5, bold=True)
        top += 34
    top += 24
    found = {gland.structure.label: gland for gland in glands}
    # Twelve organs fit as well as two glands.
    step = min(120, (_LEGEND_END - top) // len(structures))
    for structure in structures:
        _draw_legend_entry(canvas, top, structure, found.get(structure.label), step)
        top += step
    notes = [
        "The patient's right is at the left of each view.",
        "Axial views are seen from the feet.",
        f"Window {signed(window[0])[:-2]} to {signed(window[1])[:-2]}{' HU' if window == WINDOW else ''}",
        "Positions in DICOM patient coordinates",
    ]
    for line, place in zip(notes, (968, 996, 1034, 1062), strict=True):
        _note(canvas, place, line, size=15.0, colour=_QUIET_TEXT)


def _draw_legend_entry(canvas: Canvas, top: int, structure: Structure, gland: _Gland | None, step: int) -> None:
    ends = [(_SIDEBAR, top), (_SIDEBAR + 44, top)]
    canvas.line(ends, structure.colour, 7.0, opacity=1.0 if gland else 0.35)
    _note(canvas, top, structure.name, size=22.0, indent=64)
    if gland:
        below, size, text, colour = 42, 30.5, f"{gland.volume_ml:.1f} mL", INK
    else:
        below, size, text, colour = 42, 19.5, "empty: no voxel has this label", _WARNING
    if step < 2 * below:
        below, size = step // 2, 15.0
    _note(canvas, top + below, text, size=size, colour=colour, indent=64)


def _note(canvas: Canvas, top: int, line: str, *, indent: int = 0, **style: Any) -> None:
    """A line of the side bar; `top` and `indent` in pixels."""
    canvas.text(_SIDEBAR + indent, top, line, **style)
