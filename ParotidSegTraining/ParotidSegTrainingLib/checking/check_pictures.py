"""Pictures of a data set's check: a sheet of views of each suspicious case, and an overview of what was measured."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.geometry.grids import physical_bounds
from ParotidSegLib.structures import Structure
from ParotidSegLib.writing.drawing.canvas import INK, Canvas, Colour
from ParotidSegLib.writing.drawing.views import AXIAL, CORONAL, WINDOW, Panel, View, rgb, signed, smooth_mask
from ParotidSegLib.writing.pages import plots

from ..data.case_findings import CODES, DataFinding
from ..data.case_measures import CaseMeasures, StructureMeasures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Edge of a view in pixels, space between, and height of a line of text.
_EDGE, _GAP, _LINE = 400, 16, 24
_VIEWS = 4
#: Edge of what a view shows in mm: about the structures, with this margin, within these bounds.
_MARGIN_MM, _SMALLEST_MM, _LARGEST_MM = 60.0, 160.0, 520.0
_ERROR, _WARNING = "#ff8a80", "#ffd180"
_TEXT_WIDTH = 150
#: Codes whose points are marked in the overview, by the measure that they are about.
_MEASURES: tuple[tuple[str, str, str, Callable[[StructureMeasures], float]], ...] = (
    ("Volume in mL", "log", "volume-outlier", lambda one: one.volume_ml),
    ("Height in mm", "log", "height-outlier", lambda one: one.height),
    ("Mean value", "linear", "value-outlier", lambda one: one.mean),
)
#: More names than this in one row of the overview cannot be read.
_MOST_NAMES = 6


def draw_case(
    image: sitk.Image,
    labels: sitk.Image,
    structures: Sequence[Structure],
    findings: Sequence[DataFinding],
    path: Path,
    *,
    is_ct: bool = True,
) -> Path:
    """Write a sheet of a suspicious case: axial views where the findings point to, a coronal one, and the findings.

    Args:
        image, labels: of the case; they may lie on different grids.
        structures: what the labels mean.
        findings: of the case, at least one.
        path: the .png.
        is_ct: whether the image is in HU; otherwise its own range of values is shown.

    Raises:
        OutputError: the file cannot be written.
    """
    image, labels = sitk.DICOMOrient(image, "LPS"), sitk.DICOMOrient(labels, "LPS")
    if not is_ct:
        image = _in_window(image)
    views = _views(image, labels, [finding.point for finding in findings if finding.point])
    lines = [line for finding in findings for line in _lines(finding)]
    width = _VIEWS * _EDGE + (_VIEWS + 1) * _GAP
    height = _EDGE + 3 * _GAP + _LINE * (len(lines) + 2)
    canvas = Canvas(width, height)
    masks = {s: smooth_mask(mask) for s in structures if (mask := _cut_out(labels, s.label)) is not None}
    for number, view in enumerate(views):
        panel = Panel(canvas, view, _GAP + number * (_EDGE + _GAP), _GAP)
        panel.draw_scan(image)
        for structure, mask in masks.items():
            panel.draw_contour(mask, structure.colour)
    top = _EDGE + 2 * _GAP + _LINE / 2

    def write(line: int, text: str, x: float, colour: Colour) -> None:
        canvas.text(x, top + _LINE * line, text, size=15.0, colour=colour)

    write(0, f"{findings[0].case}   {findings[0].split}", _GAP, INK)
    for number, structure in enumerate(structures[:8]):
        write(0, structure.name, 300 + number * 165, structure.colour)
    for number, (text, colour) in enumerate(lines, start=1):
        write(number, text, _GAP, colour)
    return canvas.write(path)


def _lines(finding: DataFinding) -> list[tuple[str, str]]:
    colour = _ERROR if finding.severity == "error" else _WARNING
    text = f"{finding.code}: {finding.message}"
    wrapped = textwrap.wrap(text, _TEXT_WIDTH, subsequent_indent="    ", max_lines=3, placeholder=" …")
    return [(line, colour) for line in wrapped]


def _in_window(image: sitk.Image) -> sitk.Image:
    """The image's own range of values spread over the window that views show."""
    low, high = np.percentile(sitk.GetArrayViewFromImage(image), (1.0, 99.0))
    scale = (WINDOW[1] - WINDOW[0]) / max(float(high - low), 1e-6)
    return sitk.Cast((sitk.Cast(image, sitk.sitkFloat32) - float(low)) * scale + WINDOW[0], sitk.sitkFloat32)


def _cut_out(labels: sitk.Image, label: int) -> sitk.Image | None:
    """The structure's part of the label map; None if it has no voxel."""
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.ComputePerimeterOff()
    shapes.Execute(labels)
    if not shapes.HasLabel(label):
        return None
    box = shapes.GetBoundingBox(label)
    return sitk.RegionOfInterest(labels, box[3:], box[:3]) == label


def _views(image: sitk.Image, labels: sitk.Image, points: Sequence[tuple[float, float, float]]) -> list[View]:
    """Axial views at the heights of the points, then at quarters of the structures' extent; last a coronal one."""
    low, high = physical_bounds(image)
    drawn = _cut_out(sitk.Cast(labels != 0, sitk.sitkUInt8), 1)
    inner = physical_bounds(drawn) if drawn is not None else (low, high)
    centre = (inner[0] + inner[1]) / 2.0
    field = float(np.clip((inner[1] - inner[0])[:2].max() + 2 * _MARGIN_MM, _SMALLEST_MM, _LARGEST_MM))
    x, y = float(centre[0]), float(centre[1])
    is_slice = image.GetDepth() == 1
    quarters = [float(inner[0][2] + share * (inner[1][2] - inner[0][2])) for share in (0.5, 0.75, 0.25)]
    heights: list[float] = []
    for z in [point[2] for point in points] + quarters:
        if all(abs(z - other) >= image.GetSpacing()[2] for other in heights):
            heights.append(z)
    heights = heights[: 1 if is_slice else _VIEWS - 1]
    views = [View(f"z = {signed(z)} mm", AXIAL, (x, y, z), field, _EDGE) for z in sorted(heights, reverse=True)]
    if not is_slice:
        middle = (x, y, float(centre[2]))
        views.append(View(f"y = {signed(y)} mm", CORONAL, middle, field, _EDGE))
    return views


def draw_overview(
    measures: Sequence[CaseMeasures], structures: Sequence[Structure], findings: Sequence[DataFinding], path: Path
) -> Path:
    """Write one picture of the whole data set: findings by code, measures of the structures with the odd ones named.

    Raises:
        OutputError: the file cannot be written.
    """
    codes = Counter(finding.code for finding in findings)
    rows = max(len(structures), math.ceil(len(codes) / 2), 2)
    figure = plots.new_plot(2400, 500 + 110 * rows)
    grid = figure.subplots(2, 2)
    _draw_codes(grid[0][0], codes, {finding.code for finding in findings if finding.severity == "error"})
    for axes, (title, scale, code, value) in zip(list(grid.ravel())[1:], _MEASURES, strict=True):
        _draw_measure(axes, measures, structures, [f for f in findings if f.code == code], value)
        axes.set_xscale(scale)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("{x:g}" if scale == "log" else "")
        axes.tick_params(which="minor", labelsize=6, colors=plots.QUIET)
        axes.set_title(title, size=9, color=plots.INK, loc="left")
    cases = len({finding.case for finding in findings})
    title = f"{len(measures)} cases, {len(findings)} findings in {cases} of them"
    figure.suptitle(title, size=11, color=plots.INK, x=0.02, ha="left")
    figure.subplots_adjust(left=0.14, right=0.98, top=0.90, bottom=0.07, wspace=0.28, hspace=0.32)
    return plots.save_plot(figure, path)


def _draw_codes(axes: Axes, codes: Counter[str], errors: set[str]) -> None:
    shown = [code for code in reversed(CODES) if code in codes]
    colours = ["#c62828" if code in errors else "#ef8f00" for code in shown]
    bars = axes.barh(shown, [codes[code] for code in shown], color=colours, height=0.65)
    axes.bar_label(bars, size=8, padding=3, color=plots.INK)
    axes.set_title("Findings by code (red: with errors)", size=9, color=plots.INK, loc="left")
    _quiet(axes)


def _draw_measure(
    axes: Axes,
    measures: Sequence[CaseMeasures],
    structures: Sequence[Structure],
    odd: Sequence[DataFinding],
    value: Callable[[StructureMeasures], float],
) -> None:
    """A row of dots a structure, a dot a case; the odd ones are dark and named."""
    spread = np.random.default_rng(1).uniform(-0.22, 0.22, len(measures))
    for row, structure in enumerate(structures):
        names = {finding.case for finding in odd if finding.structure == structure.key}
        dots = [
            (value(case.structures[structure.key]), row + float(shift), case.case)
            for case, shift in zip(measures, spread, strict=True)
            if structure.key in case.structures
        ]
        usual, unusual = ([dot for dot in dots if (dot[2] in names) == is_odd] for is_odd in (False, True))
        axes.plot(
            [x for x, _, _ in usual], [y for _, y, _ in usual], "o", color=rgb(structure.colour), ms=2.5, alpha=0.6
        )
        axes.plot([x for x, _, _ in unusual], [y for _, y, _ in unusual], "o", color="#c62828", ms=4)
        for x, y, name in unusual[:_MOST_NAMES]:
            axes.annotate(name, (x, y), (0, 5), textcoords="offset points", size=6, color=plots.INK, ha="center")
    axes.set_yticks(range(len(structures)), [structure.name for structure in structures])
    axes.set_ylim(len(structures) - 0.5, -0.5)
    axes.margins(x=0.08)
    _quiet(axes)


def _quiet(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=plots.INK)
