"""Flat views of a scan in patient space, with contours: what every picture of a scan is drawn with.

A view follows the radiological convention: the patient's right is at its left, axial views are seen from the feet,
coronal ones from the front. The orientation in which a scan is stored changes nothing in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ...geometry.grids import Grid, physical_bounds
from ...geometry.sampling import sample
from .canvas import INK, Canvas, Colour

#: Soft tissue, in HU: black and white.
WINDOW = (-160.0, 240.0)
#: Axes of the patient that a view can be seen along.
CORONAL, AXIAL = 1, 2
#: Width of a contour in pixels, how far its dark edge reaches beyond it on both sides together, and how dark that is.
CONTOUR, _EDGE, _EDGE_OPACITY = 2.8, 2.2, 0.55

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


@dataclass(frozen=True)
class Panel:
    """A view in its place on a canvas.

    Attributes:
        canvas: what is drawn on.
        view: what is shown.
        left, top: pixel of the canvas at the view's upper left corner.
    """

    canvas: Canvas
    view: View
    left: int
    top: int

    def draw_scan(self, image: sitk.Image, window: tuple[float, float] = WINDOW) -> None:
        """The scan between black and white, with the letters of the patient's sides, the caption and a scale bar."""
        view, (black, white) = self.view, window
        values = sample(image, view.grid).squeeze(axis=2 - view.normal)
        grey = np.clip((values - black) * (256.0 / (white - black)), 0.0, 255.0).astype(np.uint8)
        # Rows rise with the patient's axis: anterior is up in an axial view, as y grows towards the back.
        self.canvas.paste(grey if view.normal == AXIAL else grey[::-1], self.left, self.top)
        self.canvas.frame(self.left, self.top, view.pixels, view.pixels, _FRAME)
        for letter, (right, up) in zip(_LETTERS[view.normal], _PLACES, strict=True):
            self.write(right, up, letter, size=21.0, bold=True, anchor="mm")
        if view.caption:
            self.write(0.025, 0.965, view.caption, size=15.0)
        self._draw_scale()

    def draw_contour(
        self,
        mask: sitk.Image,
        colour: Colour,
        *,
        width: float = CONTOUR,
        dashes: tuple[float, float] | None = None,
    ) -> None:
        """The line where the mask, interpolated smoothly between its voxels, passes one half, if it is in view.

        Args:
            mask: of `smooth_mask`.
            colour: of the line.
            width, dashes: of the line, in pixels, see `Canvas.line`.
        """
        lines = _contour_lines(mask, self.view)
        for line in lines:
            self.canvas.line(self.places(line), "black", width + _EDGE, opacity=_EDGE_OPACITY, dashes=dashes)
        for line in lines:
            self.canvas.line(self.places(line), colour, width, dashes=dashes)

    def places(self, points: np.ndarray) -> np.ndarray:
        """Pixels of the canvas (x, y) of points (n, 2) in mm, along the patient axes across and up the view."""
        grid, vertical = self.view.grid, self.view.vertical_axis
        x = (points[:, 0] - grid.origin[0]) / grid.spacing[0] + 0.5
        y = (points[:, 1] - grid.origin[vertical]) / grid.spacing[vertical] + 0.5
        if self.view.normal != AXIAL:
            y = self.view.pixels - y
        return np.stack([self.left + x, self.top + y], axis=1)

    def write(self, right: float, up: float, text: str, **style: Any) -> None:
        """Light text with a dark outline at a place given as shares of the view; `style` as `Canvas.text` takes it."""
        x, y = self.left + right * self.view.pixels, self.top + (1.0 - up) * self.view.pixels
        self.canvas.text(x, y, text, outlined=True, **style)

    def _draw_scale(self) -> None:
        """A bar at the lower left."""
        pixels = self.view.pixels
        start, length = 0.025 * pixels, self.view.scale / self.view.field * pixels
        y = self.top + 0.97 * pixels
        for colour, width in (("black", 6.0), (INK, 3.5)):
            self.canvas.line([(self.left + start, y), (self.left + start + length, y)], colour, width)
        self.write(0.025 + length / 2.0 / pixels, 0.045, f"{self.view.scale:g} mm", size=12.5, anchor="ms")


def smooth_mask(mask: sitk.Image) -> sitk.Image:
    """A binary mask as `Panel.draw_contour` wants it: coefficients of its cubic B-spline, made once for all views, on a
    grid with a margin so that contours close at its edge."""
    return sitk.BSplineDecomposition(sitk.Cast(sitk.ConstantPad(mask, (3, 3, 3), (3, 3, 3), 0), sitk.sitkFloat32))


def _contour_lines(mask: sitk.Image, view: View) -> list[np.ndarray]:
    """Where the mask of `smooth_mask` passes one half in a view: lines of points (n, 2), mm across and up the view."""
    from contourpy import LineType, contour_generator

    grid = _part_with(mask, view)
    if grid is None:
        return []
    inside = sitk.Resample(mask, grid.size, sitk.Transform(), sitk.sitkBSplineResampler, grid.origin, grid.spacing)
    values = sitk.GetArrayFromImage(inside).squeeze(axis=2 - view.normal)
    if values.max() <= 0.5 or min(values.shape) < 2:
        return []
    across, up = (
        grid.origin[axis] + grid.spacing[axis] * np.arange(grid.size[axis]) for axis in (0, view.vertical_axis)
    )
    return list(contour_generator(across, up, values, line_type=LineType.Separate).lines(0.5))


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


def signed(millimetres: float) -> str:
    """One decimal, with a true minus sign; no "-0.0"."""
    return f"{round(millimetres, 1) + 0.0:.1f}".replace("-", "\N{MINUS SIGN}")


def rgb(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    """A colour of 0..255 as matplotlib takes it."""
    red, green, blue = colour
    return red / 255.0, green / 255.0, blue / 255.0
