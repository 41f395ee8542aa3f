"""Reading DICOM structure sets (RTSTRUCT) with pydicom.

Each region is read when it is asked for, so that one that is broken does not condemn the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ..dicom.objects import Belonging, belonging_of, is_whole, lenient

#: Contours that enclose something; points and open lines do not.
_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "CLOSED_PLANAR_XOR")
#: The smallest polygon has three points of three coordinates.
_FEWEST_NUMBERS = 9
#: No scanner has coordinates beyond this; damaged ones would overflow.
_FARTHEST_MM = 1e6


@dataclass(frozen=True)
class RegionContours:
    """Contours of one region.

    Attributes:
        closed: points of each, (n, 3), mm, LPS.
        others: how many points and open lines there are beside them, which enclose nothing.
    """

    closed: tuple[np.ndarray, ...]
    others: int

    def remarks(self, name: str) -> list[str]:
        """What was passed over, in a sentence, for the region of this name."""
        return [f"{self.others} point(s) or open line(s) of '{name}' enclose nothing."] if self.others else []


@dataclass(frozen=True)
class Region:
    """One region of interest that has contours.

    Attributes:
        name: as the planning system has it.
        item: its item of the ROIContourSequence.
    """

    name: str
    item: Any = field(repr=False, compare=False)


@dataclass(frozen=True)
class StructureSet:
    """What a structure set holds of use here.

    Attributes:
        regions: those that have contours, whether or not these can be read.
        empty: names of those that have none.
        of: whose contours these are.
    """

    regions: tuple[Region, ...]
    empty: tuple[str, ...] = ()
    of: Belonging = field(default_factory=Belonging)

    @property
    def names(self) -> list[str]:
        """Names of the regions that have contours."""
        return [region.name for region in self.regions]

    def contours_of(self, name: str) -> RegionContours:
        """Contours of the first region of this name; KeyError if there is none.

        Raises:
            DataError: a coordinate of it is no number, or one is missing.
        """
        item = {region.name: region.item for region in reversed(self.regions)}[name]
        with lenient():
            try:
                return _contours(item)
            except Exception as error:  # pydicom raises errors of many kinds at damaged values
                raise DataError("Its coordinates are damaged or incomplete: export the structure set again.") from error


def read_structure_set(path: Path) -> StructureSet:
    """Read the regions of an RTSTRUCT file.

    Raises:
        DataError: the file is damaged or holds no structure set.
        ParotidSegError: pydicom is missing.
    """
    with lenient() as package:
        try:
            dataset = package.dcmread(path)
            if not is_whole(dataset):
                raise ValueError("cut short")
            names = _names(dataset.StructureSetROISequence)
            regions = [
                Region(names[number], item)
                for item in dataset.ROIContourSequence or ()
                if (number := _number(item, "ReferencedROINumber")) in names and _has_contours(item)
            ]
            drawn = {region.name for region in regions}
            empty = tuple(name for name in names.values() if name not in drawn)
            of = belonging_of(dataset)
        except package.errors.InvalidDicomError as error:
            raise DataError("The structure set is no DICOM file: export it again.") from error
        except Exception as error:  # pydicom raises errors of many kinds at damaged files, RecursionError among them
            raise DataError("The structure set is damaged or incomplete: export it again.") from error
    return StructureSet(tuple(regions), empty, of)


def _names(items: Any) -> dict[int | None, str]:
    """Name of each region by its number; what has no number or no name cannot be asked for."""
    found: dict[int | None, str] = {}
    for item in items:
        number = _number(item, "ROINumber")
        try:
            found[number] = str(item.get("ROIName") or "").strip()
        except Exception:  # a name in bytes that are no text
            continue
    return {number: name for number, name in found.items() if number is not None and name}


def _number(item: Any, keyword: str) -> int | None:
    try:
        return int(item.get(keyword))
    except Exception:  # missing, empty, or no number
        return None


def _has_contours(item: Any) -> bool:
    """Whether a region has closed contours, without reading their coordinates; a broken one has."""
    try:
        return any(_is_closed(contour) and _counted(contour) >= _FEWEST_NUMBERS for contour in _sequence(item))
    except Exception:
        return True


def _sequence(item: Any) -> Any:
    return item.get("ContourSequence") or ()


def _is_closed(contour: Any) -> bool:
    return contour.get("ContourGeometricType", "CLOSED_PLANAR") in _CLOSED


def _counted(contour: Any) -> int:
    """How many coordinates a contour has."""
    if "ContourData" not in contour:
        return 0
    value = contour.get_item("ContourData").value  # as bytes, unless someone has read it before
    if isinstance(value, bytes):
        return value.count(b"\\") + 1 if value.strip() else 0
    return len(value or ()) if isinstance(value, list | tuple) or hasattr(value, "__len__") else 1


def _contours(item: Any) -> RegionContours:
    """The contours of a region; ValueError if coordinates are cut off or no numbers."""
    closed, others = [], 0
    for contour in _sequence(item):
        if not _is_closed(contour) or _counted(contour) < _FEWEST_NUMBERS:
            others += 1
            continue
        numbers = np.array([float(number) for number in contour.ContourData])
        if not np.isfinite(numbers).all() or numbers.size % 3 or np.abs(numbers).max() > _FARTHEST_MM:
            raise ValueError("coordinates")
        closed.append(numbers.reshape(-1, 3))
    return RegionContours(tuple(closed), others)
