"""Surface distances of two masks, in millimetres, with sub-voxel surface elements.

As the `surface-distance` package defines them (Nikolov et al., arXiv 1809.04430): every corner of the voxel grid whose
eight voxels are not all alike carries a surface element. Its area is that of the marching-cubes surface between those
eight voxels; its distance is that to the nearest such corner of the other mask.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
Point = tuple[int, int, int]

# The eight voxels (z, y, x) around a corner of the voxel grid, in the order of their bits in a neighbour code.
_CORNERS: tuple[Point, ...] = tuple((z, y, x) for z in (0, 1) for y in (0, 1) for x in (0, 1))


@dataclass(frozen=True)
class SurfaceDistances:
    """The surface elements of two masks: how far each lies from the other's surface (mm), and its area (mm²).

    If exactly one mask is empty, its arrays are empty and the distances of the other one are infinite; if both are, all
    arrays are empty and every metric is NaN.
    """

    reference_distances: Floats
    reference_areas: Floats
    candidate_distances: Floats
    candidate_areas: Floats

    def hd95(self) -> float:
        """The larger of the two directed, area-weighted 95th percentiles, mm."""
        if not (self.reference_areas.size and self.candidate_areas.size):
            return self._without_both_surfaces()
        return max(
            _percentile(self.reference_distances, self.reference_areas, 0.95),
            _percentile(self.candidate_distances, self.candidate_areas, 0.95),
        )

    def msd(self) -> float:
        """The mean of the two directed, area-weighted mean distances, mm."""
        if not (self.reference_areas.size and self.candidate_areas.size):
            return self._without_both_surfaces()
        there = np.average(self.reference_distances, weights=self.reference_areas)
        back = np.average(self.candidate_distances, weights=self.candidate_areas)
        return float((there + back) / 2.0)

    def nsd(self, tolerance: float) -> float:
        """Normalised surface Dice: the share of the area of both surfaces within `tolerance` mm of the other one."""
        total = self.reference_areas.sum() + self.candidate_areas.sum()
        if total == 0.0:
            return math.nan
        within = self.reference_areas[self.reference_distances <= tolerance].sum()
        within += self.candidate_areas[self.candidate_distances <= tolerance].sum()
        return float(within / total)

    def _without_both_surfaces(self) -> float:
        return math.inf if self.reference_areas.size or self.candidate_areas.size else math.nan


def surface_distances(reference: Mask, candidate: Mask, spacing_zyx: Sequence[float]) -> SurfaceDistances:
    """Find the surface elements of two masks (z, y, x) and their distances to the other one's, `spacing_zyx` in mm.

    Raises ValueError if the masks are not boolean, three-dimensional and of one shape, or a spacing is not positive.
    """
    require_masks(reference, candidate)
    spacing = np.asarray(spacing_zyx, dtype=np.float64)
    if reference.ndim != 3 or spacing.shape != (3,) or not np.all(spacing > 0):
        raise ValueError(f"three-dimensional masks and three positive spacings are needed, not {spacing_zyx}")
    box = joint_bounding_box(reference, candidate)
    codes = [_neighbour_codes(mask[box]) for mask in (reference, candidate)]
    surfaces = [(code > 0) & (code < 255) for code in codes]
    area_of_code = _areas_by_code(spacing)
    areas = [area_of_code[code[surface]] for code, surface in zip(codes, surfaces, strict=True)]
    there = distances_to_nearest(surfaces[0], surfaces[1], spacing)
    back = distances_to_nearest(surfaces[1], surfaces[0], spacing)
    return SurfaceDistances(there, areas[0], back, areas[1])


def facing_surface(reference: Mask, candidate: Mask, spacing_zyx: Floats) -> tuple[Floats, Floats, Floats]:
    """The surface of the reference: how far the candidate goes beyond it, and where it faces.

    Elements without a direction (two voxels that touch at a corner alone, say) are left out.

    Args:
        reference, candidate: boolean masks (z, y, x) of one shape, neither empty.
        spacing_zyx: mm.

    Returns:
        Of each surface element: the distance (mm) to the candidate's surface, positive if the element lies within the
        candidate, negative if outside, (n,); the area (mm²), (n,); the unit vector that points out of the reference, in
        the axes of the array (z, y, x), (n, 3).
    """
    require_masks(reference, candidate)
    here, there = _neighbour_codes(reference), _neighbour_codes(candidate)
    normals = _outward_by_code() / spacing_zyx
    surface = np.linalg.norm(normals, axis=1)[here] > 0.0
    distances = distances_to_nearest(surface, (there > 0) & (there < 255), spacing_zyx)
    codes = here[surface]
    outward = normals[codes]
    beyond = np.where(there[surface] == 0, -distances, distances)
    return beyond, _areas_by_code(spacing_zyx)[codes], outward / np.linalg.norm(outward, axis=1, keepdims=True)


@lru_cache(maxsize=1)
def _outward_by_code() -> Floats:
    """From the full to the empty ones of the eight voxels of each neighbour code, in voxels: (256, 3) in (z, y, x)."""
    offsets = np.array(_CORNERS) - 0.5
    full = (np.arange(256)[:, np.newaxis] >> np.arange(8)) & 1
    return np.asarray((1.0 - 2.0 * full) @ offsets)


def require_masks(a: Mask, b: Mask) -> None:
    """Raise ValueError unless both are boolean and of one shape."""
    if a.dtype != np.bool_ or b.dtype != np.bool_ or a.shape != b.shape:
        raise ValueError(f"boolean masks of one shape are needed, not {a.dtype} {a.shape} and {b.dtype} {b.shape}")


def joint_bounding_box(a: Mask, b: Mask) -> tuple[slice, ...]:
    """The smallest box around both masks; empty slices if both are empty."""
    box = [slice(None)] * a.ndim
    for axis in range(a.ndim):
        others = tuple(other for other in range(a.ndim) if other != axis)
        # Each axis is searched only within what the axes before it have left: the first one is the fastest to search.
        filled = np.flatnonzero(a[tuple(box)].any(axis=others) | b[tuple(box)].any(axis=others))
        box[axis] = slice(int(filled[0]), int(filled[-1]) + 1) if filled.size else slice(0, 0)
    return tuple(box)


def _neighbour_codes(mask: Mask) -> NDArray[np.uint8]:
    """For each corner of the voxel grid, one more per axis than voxels: bit 4z + 2y + x is its neighbour (z, y, x)."""
    padded = np.pad(mask, 1).astype(np.uint8)
    depth, height, width = (size + 1 for size in mask.shape)
    codes = np.zeros((depth, height, width), dtype=np.uint8)
    for bit, (z, y, x) in enumerate(_CORNERS):
        codes |= padded[z : z + depth, y : y + height, x : x + width] << bit
    return codes


def distances_to_nearest(queries: Mask, targets: Mask, spacing: Floats) -> Floats:
    """Exact Euclidean distances, mm, from every query voxel to the nearest target; infinite if there is no target.

    One axis after the other, as in Saito and Toriwaki, Pattern Recognition 27 (1994), in double precision: SimpleITK's
    distance maps hold 32-bit numbers, too coarse to tell whether a distance equals a tolerance.
    """
    depth = targets.shape[0]
    row_z, row_y = np.nonzero(targets.any(axis=2))
    along_x = _distances_along(targets[row_z, row_y]) * spacing[2]
    query_z, query_y, query_x = np.nonzero(queries)
    nearest = np.full(query_z.size, np.inf)
    for y in np.unique(row_y):
        rows = row_y == y
        along_z = (np.arange(depth)[:, np.newaxis] - row_z[rows]) * spacing[0]
        in_plane = (along_z[:, :, np.newaxis] ** 2 + along_x[rows] ** 2).min(axis=1)
        np.minimum(nearest, in_plane[query_z, query_x] + ((query_y - y) * spacing[1]) ** 2, out=nearest)
    return np.sqrt(nearest)


def _distances_along(rows: Mask) -> Floats:
    """The distance of every voxel to the nearest filled one of its row, in voxels."""
    columns = np.arange(rows.shape[1], dtype=np.float64)
    before = np.maximum.accumulate(np.where(rows, columns, -np.inf), axis=1)
    after = np.minimum.accumulate(np.where(rows, columns, np.inf)[:, ::-1], axis=1)[:, ::-1]
    return np.minimum(columns - before, after - columns)


def _percentile(distances: Floats, areas: Floats, share: float) -> float:
    """The smallest distance within which at least `share` of the area lies."""
    order = np.lexsort((areas, distances))
    cumulative = np.cumsum(areas[order])
    position = np.searchsorted(cumulative / cumulative[-1], share)
    return float(distances[order][min(int(position), distances.size - 1)])


# The area of the surface between eight voxels


def _areas_by_code(spacing: Floats) -> Floats:
    """The area (mm²) of the surface element of each of the 256 neighbour codes."""
    # A component of a triangle's area vector is the area of its shadow along that axis: it grows with the other two.
    shadows = _area_vectors() * (np.prod(spacing) / spacing)
    return np.asarray(np.linalg.norm(shadows, axis=2).sum(axis=1))


@lru_cache(maxsize=1)
def _area_vectors() -> Floats:
    """Area vectors, for voxels of side 1, of the at most four triangles of each neighbour code: (256, 4, 3).

    The surface passes through the middles of the cut edges; where that is ambiguous, it cuts off each group of the
    rarer kind of voxel by itself. Of the triangulations of an outline, the one with the largest area at cubic voxels
    counts: that is the choice which the `surface-distance` package tabulates. Those that tie differ in the diagonals of
    flat pieces or in the signs of area vectors: they agree at any spacing.
    """
    table = np.zeros((256, 4, 3))
    for code in range(256):
        rarer = code if code.bit_count() <= 4 else 255 - code
        pieces = [max(_triangulations(outline), key=_total_length) for outline in _outlines(rarer)]
        for row, vector in enumerate(itertools.chain.from_iterable(pieces)):
            table[code, row] = vector
    return table / 8.0  # coordinates were doubled, and a triangle is half of its edges' cross product


def _outlines(code: int) -> Iterator[list[Point]]:
    """The closed lines of the surface on the faces of the cube, as corners in doubled coordinates."""
    neighbours: dict[Point, list[Point]] = {}
    for face in _faces():
        inside = [bool(code >> _CORNERS.index(corner) & 1) for corner in face]
        for first in range(4):
            if inside[first] and not inside[first - 1]:
                # A run of inside corners: the surface passes from the edge before it to the edge after it.
                last = next(corner for corner in range(first, first + 3) if not inside[(corner + 1) % 4])
                start = _doubled_middle(face[first - 1], face[first])
                end = _doubled_middle(face[last % 4], face[(last + 1) % 4])
                neighbours.setdefault(start, []).append(end)
                neighbours.setdefault(end, []).append(start)
    while neighbours:
        outline: list[Point] = []
        point: Point | None = next(iter(neighbours))
        while point is not None:
            outline.append(point)
            point = next((ahead for ahead in neighbours.pop(point) if ahead in neighbours), None)
        yield outline


def _faces() -> Iterator[list[Point]]:
    """The six faces of the cube: four corners each, in the order of going round."""
    for axis, side in itertools.product(range(3), (0, 1)):
        around = [[first, second] for first, second in ((0, 0), (0, 1), (1, 1), (1, 0))]
        for corner in around:
            corner.insert(axis, side)
        yield [(z, y, x) for z, y, x in around]


def _doubled_middle(a: Point, b: Point) -> Point:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def _triangulations(outline: list[Point]) -> Iterator[list[Point]]:
    """Every way to cut an outline into triangles, each as the list of the triangles' area vectors (times eight)."""
    if len(outline) < 3:
        yield []
        return
    for apex in range(1, len(outline) - 1):
        triangle = _cross(outline[0], outline[apex], outline[-1])
        for left in _triangulations(outline[: apex + 1]):
            for right in _triangulations(outline[apex:]):
                yield [*left, triangle, *right]


def _cross(a: Point, b: Point, c: Point) -> Point:
    """The cross product of the edges a-b and a-c."""
    (p, q, r), (s, t, u) = ((v[0] - a[0], v[1] - a[1], v[2] - a[2]) for v in (b, c))
    return (q * u - r * t, r * s - p * u, p * t - q * s)


def _total_length(vectors: list[Point]) -> float:
    return sum(math.hypot(*vector) for vector in vectors)
