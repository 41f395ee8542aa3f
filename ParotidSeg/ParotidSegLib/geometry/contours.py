"""Closed contours around the pixels of a mask, for formats that know outlines alone (DICOM RTSTRUCT)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]

#: Contours lie by this much of a pixel nearer to the inside than half-way. Programs that round corners to the nearest
#: pixel then all find the inside one, where "half-way" would be rounded upwards on one side of a gland and inwards on
#: the other (a shift of half a pixel). A parotid gland with pixels of 1 mm loses 0.2 % of its volume within the lines.
INSET = 0.01


def outlines(mask: npt.ArrayLike) -> list[Points]:
    """The pixels of one slice as polygons, one for each piece.

    The lines run (but for `INSET`) half-way between the centres of inside and outside pixels and cut the corners, so a
    centre lies inside a polygon exactly if its pixel is set, never on a line: programs that fill polygons give back the
    same mask.

    A hole is joined to its outline by a channel of no width between the centres of pixels (the "keyhole" that DICOM
    describes for closed planar contours): it stays a hole for programs that combine contours by "or", too.

    Args:
        mask: (y, x); what is not 0 is inside.

    Returns:
        Corners (n, 2) of each polygon, in pixels (x, y) from the centre of the first one, not repeated at the end;
        an outer outline turns from x towards y.
    """
    inside = np.asarray(mask) != 0
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not rows.size:
        return []
    from contourpy import FillType, contour_generator

    first = np.array([columns[0], rows[0]])
    # A border of zeros closes the outlines of what touches the edge of the image.
    framed = np.pad(inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float64), 1)
    pieces, all_offsets = contour_generator(z=framed, fill_type=FillType.OuterOffset).filled(0.5 + INSET, np.inf)
    polygons = []
    for points, offsets in zip(pieces, all_offsets, strict=True):
        # Each ring ends with its first point again.
        rings = [points[start : stop - 1] for start, stop in pairwise(offsets)]
        polygons.append(_without_needless_corners(_joined(rings[0], rings[1:])) + (first - 1))
    return polygons


def _joined(outer: Points, holes: list[Points]) -> Points:
    """One polygon of an outline and its holes.

    From the top of each hole a channel runs straight up to the next line. That belongs to the outline or to a hole that
    reaches higher, so that the holes are joined from above. Channels are parallel, so none crosses another.
    """
    polygon = outer
    for ring in sorted(holes, key=lambda ring: float(ring[:, 1].min())):
        hole = np.roll(ring, -int(ring[:, 1].argmin()), axis=0)
        # The top corner lies straight above the centre of a pixel: a channel beside it passes by all centres. So little
        # that its ends, too, are rounded to pixels inside.
        edge = hole[1] - hole[0]
        start = hole[0] + edge * (INSET / 2) / abs(edge[0])
        before, end = _next_line_above(polygon, start)
        polygon = np.concatenate(
            [polygon[: before + 1], [end, start], hole[1:], hole[:1], [start, end], polygon[before + 1 :]]
        )
    return polygon


def _next_line_above(polygon: Points, point: Points) -> tuple[int, Points]:
    """The edge of a polygon (index of its first corner) that lies next above a point within it, and the place there."""
    x, y = point
    following = np.roll(polygon, -1, axis=0)
    edges = np.flatnonzero((polygon[:, 0] < x) != (following[:, 0] < x))
    (x_1, y_1), (x_2, y_2) = polygon[edges].T, following[edges].T
    heights = y_1 + (x - x_1) * (y_2 - y_1) / (x_2 - x_1)
    nearest = int(np.where(heights < y, heights, -np.inf).argmax())
    return int(edges[nearest]), np.array([x, heights[nearest]])


def _without_needless_corners(polygon: Points) -> Points:
    """Without the points on a straight line between their neighbours."""
    before, after = polygon - np.roll(polygon, 1, axis=0), np.roll(polygon, -1, axis=0) - polygon
    is_straight = np.isclose(before[:, 0] * after[:, 1], before[:, 1] * after[:, 0], rtol=0.0, atol=1e-9)
    # The ends of a channel turn back on themselves: those stay.
    return polygon[~(is_straight & ((before * after).sum(axis=1) > 0))]
