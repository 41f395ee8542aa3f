"""Slices of a scan in one plane, whatever way the scan is stored, and the part of it that holds the glands."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..errors import ImageError
from ..geometry.grids import Box
from ..geometry.surfaces import joint_bounding_box
from ..structures import Structure

#: Patient axes, in the order of coordinates (x, y, z), and the planes that lie across them.
SAGITTAL, CORONAL, AXIAL = range(3)
PLANES = ("sagittal", "coronal", "axial")
#: So far beyond what is drawn a gland may grow, mm.
MARGIN_MM = 15.0
#: Corrected slices by the key of the structure: numbers (from 0) along the image axis across the plane.
Slices = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class View:
    """Slices of one plane in a part of a scan: arrays (slice, row, column) along the patient's axes.

    Attributes:
        axes: the array's axis (z, y, x) for each of the view's: across the slices, then the other two, of which the
            patient's later axis comes first.
        flipped: which of the view's axes run against the patient's.
        spacing: mm along the view's axes.
        first: number, along the image's own axis, of the part's first slice.
        count: slices of the part.
        whole: slices of the whole scan.
    """

    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]
    spacing: tuple[float, float, float]
    first: int
    count: int
    whole: int

    @classmethod
    def of(cls, image: sitk.Image, plane: int, box: Box | None = None) -> View:
        """The view of slices in a plane (`AXIAL` …) of an image, or of a box of it; its axes may be oblique."""
        box = box or Box((0, 0, 0), image.GetSize())
        direction = np.reshape(image.GetDirection(), (3, 3))
        order = max(
            itertools.permutations(range(3)), key=lambda p: sum(abs(direction[row, p[row]]) for row in range(3))
        )
        across, down, along = patient_axes = (plane, *sorted({0, 1, 2} - {plane}, reverse=True))
        flips = [bool(direction[axis, order[axis]] < 0) for axis in patient_axes]
        edges = [float(image.GetSpacing()[order[axis]]) for axis in patient_axes]
        return cls(
            axes=(2 - order[across], 2 - order[down], 2 - order[along]),
            flipped=(flips[0], flips[1], flips[2]),
            spacing=(edges[0], edges[1], edges[2]),
            first=box.index[order[across]],
            count=box.size[order[across]],
            whole=image.GetSize()[order[across]],
        )

    def __call__(self, array: np.ndarray) -> np.ndarray:
        """The view of an array (z, y, x); nothing is copied, so what is written into it is written into the array."""
        turned = np.transpose(array, self.axes)
        return turned[tuple(slice(None, None, -1 if flip else None) for flip in self.flipped)]

    def place_in_array(self, place: Sequence[float], shape: Sequence[int]) -> tuple[float, float, float]:
        """Index (z, y, x) in an array of this shape of a place in its view."""
        index = [0.0, 0.0, 0.0]
        for axis, flip, at in zip(self.axes, self.flipped, place, strict=True):
            index[axis] = shape[axis] - 1 - at if flip else at
        return index[0], index[1], index[2]

    def number_of(self, index: int) -> int:
        """The scan's own number of a slice of the view."""
        return self.first + (self.count - 1 - index if self.flipped[0] else index)

    def indices_of(self, slices: Slices, structures: Sequence[Structure]) -> dict[int, np.ndarray]:
        """The view's indices of slices of the scan, ascending, by label; those beyond the part are left out.

        Raises:
            ImageError: the scan has no such slice, or there is no such structure.
        """
        known = {structure.key: structure.label for structure in structures}
        found = {}
        for key, numbers in slices.items():
            if key not in known:
                raise ImageError(f"There is no structure '{key}': name one of {', '.join(known)}.")
            for number in numbers:
                if not 0 <= number < self.whole:
                    raise ImageError(f"There is no slice {number} in the scan: its slices are 0 to {self.whole - 1}.")
            inside = np.array([number - self.first for number in numbers if 0 <= number - self.first < self.count], int)
            found[known[key]] = np.unique(self.count - 1 - inside if self.flipped[0] else inside)
        return found


def plane_number(name: str) -> int:
    """The plane of this name; ImageError if there is none."""
    if name not in PLANES:
        raise ImageError(f"There is no plane '{name}': name one of {', '.join(PLANES)}.")
    return PLANES.index(name)


def box_of_glands(labels: Sequence[sitk.Image]) -> Box | None:
    """The box around everything that is drawn in label maps of one grid, with `MARGIN_MM`; None if nothing is."""
    boxes = []
    for image in {id(image): image for image in labels}.values():  # some may be one and the same
        drawn = sitk.GetArrayViewFromImage(image) != 0
        box = joint_bounding_box(drawn, drawn)
        if box[0].stop > box[0].start:
            boxes.append([(part.start, part.stop) for part in reversed(box)])
    if not boxes:
        return None
    first, stop = np.min(boxes, axis=0)[:, 0], np.max(boxes, axis=0)[:, 1]
    margin = np.ceil(MARGIN_MM / np.array(labels[0].GetSpacing())).astype(int)
    first = np.maximum(first - margin, 0)
    size = np.minimum(stop + margin, labels[0].GetSize()) - first
    return Box(tuple(first.tolist()), tuple(size.tolist()))
