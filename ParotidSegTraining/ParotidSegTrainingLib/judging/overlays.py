"""Where do two models differ? The scan with the boundaries of A, of B and of the reference, where they differ most.

Every structure has a view of its own: the axial slice in which the contours of A and B enclose the most different
areas. Views are those of `ParotidSegLib.writing.views`: the patient's right at the left, seen from the feet, in
patient space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.structures import PAROTIDS, Structure
from ParotidSegLib.writing.views import (
    AXIAL,
    INK,
    WINDOW,
    View,
    draw_contour,
    draw_view,
    new_figure,
    rgb,
    signed,
    smooth_mask,
)

from ..plots import COLOUR_A, COLOUR_B, save_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Colour of the reference's boundary: nothing in a CT is yellow, and A and B are other colours.
COLOUR_REFERENCE = (240, 228, 66)
#: Edge of a view in pixels; at most so many structures are shown, two side by side.
PIXELS, MOST_VIEWS, COLUMNS = 640, 4, 2

#: Gap between views, height of the title, of what stands above a view, and of the legend below, in pixels.
_GAP, _TITLE, _CAPTION, _LEGEND = 16, 52, 48, 64
#: Smallest field of a view, and what is shown around the contours, in mm.
_SMALLEST_FIELD, _MARGIN = 90.0, 25.0
_DASHES: tuple[float, tuple[float, float]] = (0.0, (4.0, 2.0))


@dataclass(frozen=True)
class Difference:
    """Where A and B differ about one structure.

    Attributes:
        structure: which.
        volume_ml: what one of both encloses and the other does not, in all.
        area_cm2: the same in the slice that is shown.
        z: height of that slice in mm, LPS.
        in_reference: whether the reference has the structure in that slice.
        centre, field: middle (x, y, z) and edge of the part of it that holds all contours, in mm.
    """

    structure: Structure
    volume_ml: float
    area_cm2: float
    z: float
    in_reference: bool
    centre: tuple[float, float, float]
    field: float


def disagreement_ml(a: sitk.Image, b: sitk.Image, structures: Sequence[Structure] = PAROTIDS) -> float:
    """What A and B do not agree about, over all structures, in mL; two label maps on one grid."""
    first, second = sitk.GetArrayViewFromImage(a), sitk.GetArrayViewFromImage(b)
    voxels = sum(np.count_nonzero((first == s.label) != (second == s.label)) for s in structures)
    return float(voxels * np.prod(a.GetSpacing()) / 1000.0)


def find_difference(reference: sitk.Image, a: sitk.Image, b: sitk.Image, structure: Structure) -> Difference | None:
    """The slice in which A and B differ most about a structure; where they agree, one in which it is largest.

    Args:
        reference, a, b: label maps on one grid.
        structure: which.

    Returns:
        None if none of the three has the structure.
    """
    masks = [sitk.GetArrayViewFromImage(image) == structure.label for image in (reference, a, b)]
    anywhere = masks[0] | masks[1] | masks[2]
    if not anywhere.any():
        return None
    differing = masks[1] != masks[2]
    agree = not differing.any()
    points = _points(a, anywhere if agree else differing)
    thickness, lowest = _thickness(a), points[:, 2].min()
    # From the lowest one on, so that the heights of slices do not fall on the edge between two levels.
    levels = np.round((points[:, 2] - lowest) / thickness).astype(int)
    level, count = max(zip(*np.unique(levels, return_counts=True), strict=True), key=lambda found: found[1])
    z = float(points[levels == level, 2].mean())
    voxel_ml = float(np.prod(a.GetSpacing())) / 1000.0
    everything = _points(a, anywhere)
    low, high = everything.min(axis=0), everything.max(axis=0)
    x, y, _ = (low + high) / 2.0
    return Difference(
        structure=structure,
        volume_ml=float(np.count_nonzero(differing)) * voxel_ml,
        # What a slice holds in mL, over its thickness in cm.
        area_cm2=0.0 if agree else float(count) * voxel_ml / (thickness / 10.0),
        z=z,
        in_reference=bool((np.round((_points(a, masks[0])[:, 2] - lowest) / thickness) == level).any()),
        centre=(float(x), float(y), z),
        field=max(_SMALLEST_FIELD, float((high - low)[:2].max()) + 2.0 * _MARGIN),
    )


def draw_overlay(
    image: sitk.Image,
    labels: Mapping[str, sitk.Image],
    path: str | Path,
    *,
    title: str,
    names: tuple[str, str] = ("A", "B"),
    structures: Sequence[Structure] = PAROTIDS,
    window: tuple[float, float] = WINDOW,
) -> list[Difference]:
    """Draw a PNG of the slices in which A and B differ most, a view for each of the structures that differ most.

    Args:
        image: the scan, as a rule CT in HU.
        labels: the label maps "reference", "a" and "b", on the grid of the image.
        path: the .png to write.
        title: printed above: the name of the case.
        names: of A and B, for the legend.
        structures: what is compared.
        window: the values that are black and white.

    Returns:
        What is shown, view by view, in label order.

    Raises:
        OutputError: the path does not end with .png, or the file cannot be written.
    """
    reference, a, b = (labels[name] for name in ("reference", "a", "b"))
    found = [difference for s in structures if (difference := find_difference(reference, a, b, s))]
    found = sorted(found, key=lambda difference: -difference.volume_ml)[:MOST_VIEWS]
    found.sort(key=lambda difference: difference.structure.label)
    columns, rows = COLUMNS, max(1, -(-len(found) // COLUMNS))
    width = columns * (PIXELS + _GAP) + _GAP
    height = _TITLE + rows * (_CAPTION + PIXELS + _GAP) + _LEGEND
    figure = new_figure(width, height)
    field = max((difference.field for difference in found), default=_SMALLEST_FIELD)
    for place, difference in enumerate(found):
        row, column = divmod(place, columns)
        left, top = _GAP + column * (PIXELS + _GAP), _TITLE + row * (_CAPTION + PIXELS + _GAP) + _CAPTION
        axes = figure.add_axes((left / width, 1.0 - (top + PIXELS) / height, PIXELS / width, PIXELS / height))
        view = View("", AXIAL, difference.centre, field, PIXELS, scale=20.0)
        draw_view(axes, image, view, window)
        # Beside the view, not on it: nothing there stays readable on bone, and the letters keep their places.
        up = 1.0 - (top - _CAPTION / 2.0) / height
        figure.text(left / width, up, _caption(difference), size=12, color=INK, va="center", parse_math=False)
        for labelled, colour, style, line in (
            (reference, COLOUR_REFERENCE, "solid", 1.8),
            (a, COLOUR_A, "solid", 2.4),
            (b, COLOUR_B, _DASHES, 2.4),
        ):
            mask = _mask(labelled, difference.structure)
            if mask is not None:
                draw_contour(axes, mask, view, colour, width=line, style=style)
    _draw_texts(figure, title, names, is_empty=not found)
    save_plot(figure, path)
    return found


def _caption(difference: Difference) -> str:
    amount = f"differ by {difference.area_cm2:.1f} cm² here, {difference.volume_ml:.1f} mL in all"
    said = f"A and B {amount}" if difference.volume_ml else "A and B are the same"
    said += "" if difference.in_reference else "; no reference here"
    return f"{difference.structure.name}   z = {signed(difference.z)} mm\n{said}"


def _draw_texts(figure: Figure, title: str, names: tuple[str, str], *, is_empty: bool) -> None:
    from matplotlib.lines import Line2D

    width, height = figure.get_size_inches() * figure.dpi
    # Without mathematics: a "$" in a name is a dollar.
    style: dict[str, Any] = {"color": INK, "va": "center", "parse_math": False}
    figure.text(_GAP / width, 1.0 - _TITLE / 2.0 / height, title, size=17, weight="bold", **style)
    if is_empty:
        figure.text(0.5, 0.5, "Neither contour nor reference holds any structure.", size=14, ha="center", **style)
    entries: tuple[tuple[str, tuple[int, int, int], Any], ...] = (
        ("reference", COLOUR_REFERENCE, "solid"),
        (f"A: {names[0]}", COLOUR_A, "solid"),
        (f"B: {names[1]}", COLOUR_B, _DASHES),
    )
    share = 1.0 / len(entries)
    for place, (text, colour, line) in enumerate(entries):
        left, up = place * share + _GAP / width, _LEGEND / 2.0 / height
        sample = Line2D([left, left + 46 / width], [up] * 2, color=rgb(colour), linewidth=3.0, linestyle=line)
        figure.add_artist(sample)
        shown = text if len(text) <= 38 else f"{text[:37]}…"
        figure.text(left + 58 / width, up, shown, size=13, **style)


def _mask(labels: sitk.Image, structure: Structure) -> sitk.Image | None:
    """The structure, cut out of the label map, as `draw_contour` wants it; None if it is empty."""
    indices = np.argwhere(sitk.GetArrayViewFromImage(labels) == structure.label)[:, ::-1]
    if not len(indices):
        return None
    first, last = indices.min(axis=0), indices.max(axis=0)
    cut = sitk.RegionOfInterest(labels, (last - first + 1).tolist(), first.tolist())
    return smooth_mask(cut == structure.label)


def _points(image: sitk.Image, mask: np.ndarray) -> np.ndarray:
    """Middles of the voxels of a mask (z, y, x) in mm, LPS, shape (n, 3)."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    indices = np.argwhere(mask)[:, ::-1]
    return np.array(image.GetOrigin()) + (indices * np.array(image.GetSpacing())) @ direction.T


def _thickness(image: sitk.Image) -> float:
    """Distance of two slices of the scan along the patient's z, in mm."""
    along_z = np.abs(np.array(image.GetDirection()).reshape(3, 3)[2])
    return float(image.GetSpacing()[int(along_z.argmax())])
