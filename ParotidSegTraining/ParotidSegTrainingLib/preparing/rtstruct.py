"""Contours of a DICOM structure set (RTSTRUCT) as masks on the voxels of the scan that they were drawn on.

pydicom reads the file, matplotlib says which points lie in a polygon. A voxel belongs to a region if its centre lies in
its contours or on them. Contours in one plane are combined by exclusive or, so that an inner one is a hole.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.errors import DataError, ParotidSegError

#: Contours are closed and planar; points and open lines enclose nothing.
_CLOSED = ("CLOSED_PLANAR", "CLOSED_PLANAR_XOR", "CLOSEDPLANAR_XOR")
#: A contour lies in a plane if its points differ by less, in slices.
_FLAT = 0.5
#: A contour this near to a slice, in slices, was drawn on it.
_ON_SLICE = 0.25
#: Slices between two drawn ones are filled if those lie no farther apart than this.
LARGEST_GAP_MM = 10.5
#: Matplotlib leaves open what becomes of points on the line of a polygon. They count as inside: four points about a
#: centre, this far from it in voxels and along no edge that contours have, ask for both sides of any line.
_ABOUT = 1e-5 * np.array([(0.93, 0.37), (-0.93, -0.37), (-0.37, 0.93), (0.37, -0.93)])


@dataclass(frozen=True)
class Region:
    """One region of interest.

    Attributes:
        name: as the planning system has it.
        contours: points of each closed contour, (n, 3), mm, LPS.
    """

    name: str
    contours: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class StructureSet:
    """What a structure set holds of use here.

    Attributes:
        regions: those that have contours.
    """

    regions: tuple[Region, ...]

    @property
    def names(self) -> list[str]:
        """Names of the regions that have contours."""
        return [region.name for region in self.regions]

    def contours_of(self, name: str) -> tuple[np.ndarray, ...]:
        """Contours of the first region of this name; KeyError if there is none."""
        return {region.name: region.contours for region in reversed(self.regions)}[name]


@dataclass(frozen=True)
class Drawn:
    """A region on the voxels of a scan.

    Attributes:
        mask: bool (z, y, x).
        filled: how many slices without a contour were interpolated between their neighbours.
        outside: how many contours lie beyond the first or the last slice of the scan.
    """

    mask: np.ndarray
    filled: int
    outside: int


def pydicom() -> Any:
    """The package that reads DICOM objects without pixels.

    Raises:
        ParotidSegError: it is not installed.
    """
    try:
        import pydicom as package
    except ImportError as error:
        raise ParotidSegError("Structure sets are read with pydicom: pip install 'pydicom>=3.0.1,<4'.") from error
    return package


@contextmanager
def lenient() -> Iterator[Any]:
    """pydicom without its warnings: real files break rules that do not matter here, and it would quote them."""
    package = pydicom()
    logger = logging.getLogger(package.__name__)
    level = logger.level
    try:
        logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings(), package.config.disable_value_validation():
            warnings.simplefilter("ignore")
            yield package
    finally:
        logger.setLevel(level)


def read_structure_set(path: Path) -> StructureSet:
    """Read the regions of an RTSTRUCT file.

    Raises:
        DataError: the file is damaged or holds no structure set.
        ParotidSegError: pydicom is missing.
    """
    with lenient() as package:
        try:
            dataset = package.dcmread(path)
            names = {int(roi.ROINumber): str(roi.ROIName).strip() for roi in dataset.StructureSetROISequence}
            regions = [
                Region(names[int(item.ReferencedROINumber)], contours)
                for item in dataset.get("ROIContourSequence") or ()
                if int(item.ReferencedROINumber) in names and (contours := _contours(item))
            ]
        except (OSError, AttributeError, ValueError, TypeError, KeyError, EOFError, RecursionError) as error:
            raise DataError("The structure set is damaged or incomplete: export it again.") from error
        except package.errors.InvalidDicomError as error:
            raise DataError("The structure set is no DICOM file: export it again.") from error
    return StructureSet(tuple(regions))


def _contours(item: Any) -> tuple[np.ndarray, ...]:
    """The closed contours of one ROIContourSequence item; ValueError if coordinates are cut off or no numbers."""
    contours = []
    for contour in item.get("ContourSequence") or ():
        numbers = np.array([float(number) for number in contour.get("ContourData") or ()])
        if contour.get("ContourGeometricType", "CLOSED_PLANAR") not in _CLOSED or numbers.size < 9:
            continue
        if not np.isfinite(numbers).all():
            raise ValueError("coordinates")
        contours.append(numbers.reshape(-1, 3))
    return tuple(contours)


def draw(contours: Sequence[np.ndarray], image: sitk.Image) -> Drawn:
    """The voxels within the contours of one region.

    Slices between two drawn ones, not more than `LARGEST_GAP_MM` apart, are interpolated by their signed distances: a
    region that was drawn on every second slice is whole, and so is one that was drawn on another slice distance.

    Args:
        contours: points (n, 3), mm, LPS.
        image: the scan; its geometry alone is used.

    Raises:
        DataError: a contour does not lie in a slice of the scan, or all lie outside it.
    """
    planes, outside = _planes(contours, image)
    if not planes:
        raise DataError("All its contours lie outside the scan: they belong to another one.")
    mask = np.zeros(image.GetSize()[::-1], bool)
    heights = np.array(sorted(planes))
    distances = _distance_maps(planes, image)
    filled = 0
    for k in range(len(mask)):
        nearest = float(heights[np.abs(heights - k).argmin()])
        if abs(nearest - k) <= _ON_SLICE:
            mask[k] = planes[nearest]
            continue
        below, above = heights[heights < k], heights[heights > k]
        if below.size and above.size:
            low, high = float(below[-1]), float(above[0])
            if (high - low) * image.GetSpacing()[2] <= LARGEST_GAP_MM:
                share = (k - low) / (high - low)
                mask[k] = (1.0 - share) * distances(low) + share * distances(high) > 0.0
                filled += 1
        elif abs(nearest - k) <= 0.5:  # the last contour of a region that was drawn between the slices
            mask[k] = planes[nearest]
    return Drawn(mask, filled, outside)


def _planes(contours: Sequence[np.ndarray], image: sitk.Image) -> tuple[dict[float, np.ndarray], int]:
    """What is drawn at each height (in slices), bool (y, x); and how many contours lie above or below the scan."""
    index_to_mm = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    planes: dict[float, np.ndarray] = {}
    outside = 0
    for points in contours:
        index = (points - np.array(image.GetOrigin())) @ np.linalg.inv(index_to_mm).T
        if np.ptp(index[:, 2]) > _FLAT:
            raise DataError("Its contours do not lie in the slices of the scan: export them as axial contours.")
        height = float(index[:, 2].mean())
        if not -0.5 <= height <= image.GetDepth() - 0.5:
            outside += 1
            continue
        # Rounding of coordinates must not part the contours of one slice.
        height = next((known for known in planes if abs(known - height) < 0.05), height)
        inside = _inside(index[:, :2], (image.GetHeight(), image.GetWidth()))
        planes[height] = planes[height] ^ inside if height in planes else inside
    return {height: plane for height, plane in planes.items() if plane.any()}, outside


def _inside(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Which pixels (y, x) of this shape have their centre in the polygon (n, 2; x, y in pixels) or on its line."""
    from matplotlib.path import Path as Polygon

    inside = np.zeros(shape, bool)
    first = np.clip(np.ceil(polygon.min(axis=0) - 0.5).astype(int), 0, None)
    last = np.minimum(np.floor(polygon.max(axis=0) + 0.5).astype(int), [shape[1] - 1, shape[0] - 1])
    columns, rows = np.arange(first[0], last[0] + 1), np.arange(first[1], last[1] + 1)
    if not columns.size or not rows.size:
        return inside
    centres = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    closed = Polygon(np.concatenate([polygon, polygon[:1]]), closed=True)
    hits = np.logical_or.reduce([closed.contains_points(centres + shift) for shift in _ABOUT])
    inside[first[1] : last[1] + 1, first[0] : last[0] + 1] = hits.reshape(len(rows), len(columns))
    return inside


def _distance_maps(planes: dict[float, np.ndarray], image: sitk.Image) -> Callable[[float], np.ndarray]:
    """Signed distance to the outline at a height, positive inside, in mm; each is computed once."""
    known: dict[float, np.ndarray] = {}

    def at(height: float) -> np.ndarray:
        if height not in known:
            plane = sitk.GetImageFromArray(planes[height].astype(np.uint8))
            plane.SetSpacing(image.GetSpacing()[:2])
            distances = sitk.SignedMaurerDistanceMap(
                plane, insideIsPositive=True, squaredDistance=False, useImageSpacing=True
            )
            # It measures to the outermost voxels within; the outline lies half a voxel farther out.
            known[height] = sitk.GetArrayFromImage(distances) + min(plane.GetSpacing()) / 2.0
        return known[height]

    return at
