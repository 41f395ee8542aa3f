"""Does what was found lie in a head? Judged by what lies around a parotid gland: the jaw and the skull base beside it,
a cross-section as wide as a head, with an airway but neither lungs nor bowels.

A network that learnt from heads alone finds glands in flanks and shoulders, too, and is sure of them.

The limits were measured about the 320 glands of the 160 training patients of OpenKBP, and can be measured again with
Testing/Benchmarks/gland_surroundings.py: cross-sections are up to 186 mm wide at the height of the gland and have up to
313 cm², at most 6.6 % of them is air, and at least 4.3 % of what lies beside the gland is bone, but for one patient who
has no jaw there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from ..errors import ImageError
from ..geometry.grids import Grid
from ..geometry.sampling import sample
from ..structures import PAROTIDS, Structure
from .quality import Finding, Measurement

#: The body is looked at on planes of this spacing (x, y, z), so far about the gland; mm.
SPACING_MM = (3.0, 3.0, 12.0)
REACH_MM = (210.0, 210.0, 48.0)
BODY_ABOVE, BONE_ABOVE = -300, 250
#: Where the jaw and the skull base lie, from the middle of the gland: towards the middle of the head, backwards and
#: upwards; mm.
BONE_BOX_MM = ((0.0, 48.0), (-48.0, 33.0), (-36.0, 36.0))
#: Beyond these a measure is odd; beyond the next ones no head has it.
WIDEST_MM, LARGEST_CM2, MOST_AIR, LEAST_BONE = 205.0, 340.0, 0.075, 0.035
IMPOSSIBLE_MM, IMPOSSIBLE_CM2, IMPOSSIBLE_AIR = 250.0, 450.0, 0.12
#: Of a pair of glands one measure may be odd (an operation, a collar); of a gland alone, that is one thing more.
ODD_IN_PAIR, ODD_ALONE = 2, 1
_OUTSIDE = -32000.0


@dataclass(frozen=True)
class Surroundings:
    """What lies around a gland.

    Attributes:
        width_mm: of the body at the height and the depth of the gland, from side to side.
        area_cm2: of the body's cross-section there.
        air: share of air within the body's outline, on all planes.
        bone: share of bone in the box beside the gland; NaN if most of the box lies outside the scan.
    """

    width_mm: float
    area_cm2: float
    air: float
    bone: float

    @classmethod
    def of(cls, image: sitk.Image, centroid: tuple[float, float, float], side: str) -> Surroundings:
        """Measure them.

        Args:
            image: the scan in HU.
            centroid: middle of the gland, mm, LPS.
            side: "right" or "left", the patient's.
        """
        planes = _planes_about(image, centroid)
        if side == "left":
            planes = planes[:, :, ::-1]  # columns now run from the skin towards the middle
        known = planes > _OUTSIDE
        middle, row, column = (length // 2 for length in planes.shape)
        bodies = bodies_on(planes)
        across = np.any(bodies[middle, row - 4 : row + 5], axis=0)
        inside = bodies & known
        beside = planes[
            tuple(
                slice(centre + round(low / step), centre + round(high / step) + 1)
                for centre, (low, high), step in zip(
                    (middle, row, column), reversed(BONE_BOX_MM), reversed(SPACING_MM), strict=True
                )
            )
        ]
        values = beside[beside > _OUTSIDE]
        return cls(
            width_mm=_extent(across) * SPACING_MM[0],
            area_cm2=float(np.median(bodies[middle - 1 : middle + 2].sum(axis=(1, 2)))) * SPACING_MM[0] ** 2 / 100.0,
            air=float((planes[inside] < BODY_ABOVE).mean()) if inside.any() else 0.0,
            bone=float((values > BONE_ABOVE).mean()) if values.size > beside.size / 2 else float("nan"),
        )

    @property
    def oddities(self) -> list[str]:
        """What is unlike a head, in words."""
        odd = []
        if self.width_mm > WIDEST_MM or self.area_cm2 > LARGEST_CM2:
            odd.append(f"the body is {self.width_mm:.0f} mm wide there, with {self.area_cm2:.0f} cm² in cross-section")
        if self.air > MOST_AIR:
            odd.append(f"{self.air:.0%} of the body around it is air")
        if self.bone < LEAST_BONE:
            odd.append("there is no jaw and no skull base beside it")
        return odd

    @property
    def is_impossible(self) -> bool:
        """Whether no head can look like this."""
        return self.width_mm > IMPOSSIBLE_MM or self.area_cm2 > IMPOSSIBLE_CM2 or self.air > IMPOSSIBLE_AIR


def inspect_surroundings(image: sitk.Image, measurements: Mapping[str, Measurement]) -> list[Finding]:
    """An error for each gland that does not lie in a head.

    Args:
        image: the scan in HU.
        measurements: of the glands that were found, by key.

    Raises:
        ImageError: none of them lies in a head.
    """
    least = ODD_IN_PAIR if len(measurements) == len(PAROTIDS) else ODD_ALONE
    found = {}
    for structure in PAROTIDS:
        if structure.key in measurements:
            about = Surroundings.of(image, measurements[structure.key].centroid, structure.side)
            if about.is_impossible or len(about.oddities) >= least:
                found[structure] = about
    if found and len(found) == len(measurements):
        about = next(iter(found.values()))
        raise ImageError(
            "No parotid gland was found in the scan: what looks like one does not lie in a head "
            f"({', and '.join(about.oddities)}): give a CT that shows the head and neck."
        )
    return [_finding(structure, about, measurements[structure.key]) for structure, about in found.items()]


def _finding(structure: Structure, about: Surroundings, measurement: Measurement) -> Finding:
    text = f"The {structure.name.lower()} does not lie in a head: {', and '.join(about.oddities)}."
    return Finding("surroundings-implausible", "error", text, structure.key, measurement.centroid)


def _planes_about(image: sitk.Image, centre: tuple[float, float, float]) -> np.ndarray:
    """HU on axial planes about a point, int16 (z, y, x); `_OUTSIDE` beyond the scan."""
    size = [2 * round(reach / step) + 1 for reach, step in zip(REACH_MM, SPACING_MM, strict=True)]
    return sample(image, Grid.centred(centre, SPACING_MM[::-1], size[::-1]), outside=_OUTSIDE).astype(np.int16)


def bodies_on(planes: np.ndarray) -> np.ndarray:
    """The largest thing on each axial plane that is no air, with what it encloses, without thin shells about it; bool.

    All planes at once: on one of them alone ITK spends its time on starting.
    """
    solid = _opened(planes > BODY_ABOVE)
    holes = _pieces(~solid)
    at_edge = [holes[:, edge] for edge in (0, -1)] + [holes[:, :, edge] for edge in (0, -1)]
    is_open = np.zeros(int(holes.max()) + 1, bool)
    is_open[np.concatenate([edge.ravel() for edge in at_edge])] = True
    is_open[0] = False  # which is the solid
    found = _pieces(~is_open[holes])
    bodies = np.zeros(planes.shape, bool)
    for body, plane in zip(bodies, found, strict=True):
        sizes = np.bincount(plane.ravel())
        if len(sizes) > 1:
            body[:] = plane == 1 + int(sizes[1:].argmax())
    return bodies


def _pieces(mask: np.ndarray) -> np.ndarray:
    """The number of the piece that each pixel of a mask belongs to, 0 outside; pieces lie within one plane (z)."""
    apart = np.zeros((2 * len(mask), *mask.shape[1:]), np.uint8)
    apart[::2] = mask
    return sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(apart)))[::2]


def _opened(mask: np.ndarray) -> np.ndarray:
    """Morphological opening of each plane by 3 x 3 pixels; beyond the edges all is as at the edge."""
    for combine in (np.logical_and, np.logical_or):
        for axis in (1, 2):
            ends = np.take(mask, [0], axis), np.take(mask, [-1], axis)
            wider = np.concatenate([ends[0], mask, ends[1]], axis)
            parts = [np.take(wider, range(start, start + mask.shape[axis]), axis) for start in range(3)]
            mask = combine(combine(parts[0], parts[1]), parts[2])
    return mask


def _extent(row: npt.ArrayLike) -> int:
    found = np.flatnonzero(row)
    return int(found[-1] - found[0] + 1) if found.size else 0
