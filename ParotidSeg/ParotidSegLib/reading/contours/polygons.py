"""Closed lines in one plane as pixels: which are the same line, which are holes, which belong together.

A line that is there twice counts once, one within another is a hole, one within a hole is filled again, and lines that
overlap are taken together. (By exclusive or, as many programs have it, a region that was stored twice is gone.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import DataError

#: Two lines that lie nowhere farther apart than this, in pixels, are one line: it was stored twice, perhaps rounded.
_SAME = 1.0
#: Lines that touch from within count as within; in pixels.
_TOUCHING = 0.1
#: How finely a line is followed, in pixels; and into how many steps the longest edge is cut at most.
_STEP, _MOST_STEPS = 0.5, 2048
#: A hole this large, as a share of what it lies in, is worth a look: it may be a second outline of the same thing.
_LARGE_HOLE = 0.5
#: Pairs of a corner and an edge that are looked at in one go.
_PAIRS = 500_000
#: No organ has so many pieces in a slice; every line is compared with every other one.
MOST_LINES = 200
#: Matplotlib leaves open what becomes of points on the line of a polygon. They count as inside: four points about a
#: centre, this far from it in pixels and along no edge that contours have, ask for both sides of any line.
_ABOUT = 1e-5 * np.array([(0.93, 0.37), (-0.93, -0.37), (-0.37, 0.93), (0.37, -0.93)])


@dataclass(frozen=True)
class Plane:
    """What lines in one plane enclose.

    Attributes:
        mask: bool (y, x).
        lines: how many there are.
        twice: how many are there again.
        overlapping: how many overlap others without lying within them.
        thin: how many enclose no pixel's centre, though they lie on the grid.
        cut: how many reach beyond the grid.
        hollow: how many have a hole of more than half their area.
    """

    mask: np.ndarray
    lines: int
    twice: int
    overlapping: int
    thin: int
    cut: int
    hollow: int


def enclosed(polygons: Sequence[np.ndarray], shape: tuple[int, int]) -> Plane:
    """The pixels within the lines of one plane; a pixel is inside if its centre is, or lies on a line.

    Args:
        polygons: corners (n, 2; x, y in pixels from the centre of the first one) of each closed line.
        shape: of the grid, (y, x).

    Raises:
        DataError: there are more than `MOST_LINES`.
    """
    if len(polygons) > MOST_LINES:
        raise DataError(f"It has {len(polygons)} contours in one slice, as no organ has: draw it again.")
    masks = [_inside(polygon, shape) for polygon in polygons]
    cut = sum(bool((p.min() < -0.5) or (p.max(axis=0) > np.array(shape[::-1]) - 0.5).any()) for p in polygons)
    thin = sum(not mask.any() and _on_grid(polygon, shape) for mask, polygon in zip(masks, polygons, strict=True))
    lines, fills, twice = _distinct(polygons, masks)
    within = [[a != b and _is_within(lines[a], lines[b]) for b in range(len(lines))] for a in range(len(lines))]
    overlapping = sum(
        any(a != b and not within[a][b] and not within[b][a] and (fills[a] & fills[b]).any() for b in range(len(lines)))
        for a in range(len(lines))
    )
    mask, hollow = np.zeros(shape, bool), 0
    known: dict[int, np.ndarray] = {}

    def filled(line: int) -> np.ndarray:
        """A line without its holes, and with what lies in them."""
        if line not in known:
            inner = [other for other in range(len(lines)) if within[other][line]]
            holes = [one for one in inner if not any(within[one][other] for other in inner)]
            known[line] = fills[line] & ~np.logical_or.reduce([filled(hole) for hole in holes], initial=False)
        return known[line]

    for line in range(len(lines)):
        if not any(within[line]):
            mask |= filled(line)
        hollow += int(filled(line).sum() < (1.0 - _LARGE_HOLE) * fills[line].sum())
    return Plane(mask, len(polygons), twice, overlapping, thin, cut, hollow)


def _distinct(
    polygons: Sequence[np.ndarray], masks: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray], int]:
    """The lines that differ, what each encloses together with its copies, and how many copies there were."""
    lines: list[np.ndarray] = []
    fills: list[np.ndarray] = []
    for polygon, mask in zip(polygons, masks, strict=True):
        same = next((number for number, line in enumerate(lines) if _are_same(polygon, line)), None)
        if same is None:
            lines.append(polygon)
            fills.append(mask)
        else:
            fills[same] = fills[same] | mask
    return lines, fills, len(polygons) - len(lines)


def _are_same(one: np.ndarray, other: np.ndarray) -> bool:
    for bound in (np.min, np.max):
        if np.abs(bound(one, axis=0) - bound(other, axis=0)).max() > _SAME:
            return False
    return bool(_distances(one, other).max() <= _SAME and _distances(other, one).max() <= _SAME)


def _is_within(inner: np.ndarray, outer: np.ndarray) -> bool:
    """Whether a line lies within another, which it may touch but not cross."""
    if _area(inner) >= _area(outer):
        return False
    if (inner.min(axis=0) < outer.min(axis=0) - _TOUCHING).any():
        return False
    if (inner.max(axis=0) > outer.max(axis=0) + _TOUCHING).any():
        return False
    # Not its corners alone: a line can leave another between two of them.
    along = _stepped(inner)
    outside = along[~_holds(outer, along)]
    return not (len(outside) and _distances(outside, outer).max() > _TOUCHING)


def _stepped(polygon: np.ndarray) -> np.ndarray:
    """Points along the line of a polygon, in steps of at most half a pixel; all its corners are among them."""
    way = np.roll(polygon, -1, axis=0) - polygon
    parts = np.ceil(np.abs(way).max(axis=1) / _STEP).clip(1, _MOST_STEPS).astype(int)
    edge = np.repeat(np.arange(len(polygon)), parts)
    number = np.arange(len(edge)) - np.repeat(np.cumsum(parts) - parts, parts)
    return polygon[edge] + (number / parts[edge])[:, np.newaxis] * way[edge]


def _area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2.0


def _distances(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """How far each of the points (n, 2) lies from the line of a polygon (m, 2)."""
    way = np.roll(polygon, -1, axis=0) - polygon
    length = np.maximum((way**2).sum(axis=1), 1e-12)

    def of(some: np.ndarray) -> np.ndarray:
        offset = some[:, np.newaxis] - polygon
        along = np.clip((offset * way).sum(axis=2) / length, 0.0, 1.0)
        return np.sqrt(((offset - along[..., np.newaxis] * way) ** 2).sum(axis=2)).min(axis=1)

    # In parts: of two lines with 10,000 corners each the pairs would take gigabytes.
    return np.concatenate([of(some) for some in np.array_split(points, len(points) * len(polygon) // _PAIRS + 1)])


def _holds(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    from matplotlib.path import Path as Polygon

    return Polygon(np.concatenate([polygon, polygon[:1]]), closed=True).contains_points(points)


def _first_and_last(polygon: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The pixels (x, y) that a polygon spans on the grid, both included; none if the first lies behind the last."""
    # Clipped before it becomes a whole number: a damaged coordinate may be too large for one.
    ends = np.array(shape[::-1])
    first = np.clip(np.ceil(polygon.min(axis=0) - 0.5), 0, ends).astype(int)
    return first, np.clip(np.floor(polygon.max(axis=0) + 0.5), -1, ends - 1).astype(int)


def _on_grid(polygon: np.ndarray, shape: tuple[int, int]) -> bool:
    first, last = _first_and_last(polygon, shape)
    return bool((first <= last).all())


def _inside(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Which pixels (y, x) of this shape have their centre in the polygon or on its line."""
    inside = np.zeros(shape, bool)
    if not _on_grid(polygon, shape):
        return inside
    first, last = _first_and_last(polygon, shape)
    columns, rows = np.arange(first[0], last[0] + 1), np.arange(first[1], last[1] + 1)
    centres = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    hits = np.logical_or.reduce([_holds(polygon, centres + shift) for shift in _ABOUT])
    inside[first[1] : last[1] + 1, first[0] : last[0] + 1] = hits.reshape(len(rows), len(columns))
    return inside
