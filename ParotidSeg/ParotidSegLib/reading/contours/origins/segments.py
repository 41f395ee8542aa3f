"""DICOM segmentations (SEG): the segments, and the voxels of each on a grid of its own, whoever wrote them.

Frames may come in any order, leave out empty slices, lie in any orientation and hold one bit, eight or sixteen a voxel
(after PS3.3, C.8.20 of the standard).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ....errors import DataError
from ....structures import Structure, has_code
from ...dicom.objects import Belonging, belonging_of, lenient, read_object, text_of
from ..mask_values import THRESHOLD

_SURFACE = "1.2.840.10008.5.1.4.1.1.66.5"
#: Uncompressed, and runs of equal values: no library in C is needed for these.
_SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5")
_RUNS = "1.2.840.10008.1.2.5"
#: No scan of a head has more slices, no segmentation more voxels.
_MOST_SLICES, _MOST_VOXELS = 4096, 2**31
#: Frames lie above one another to this share of a pixel, and at whole multiples of their distance to this share.
_ASIDE, _BETWEEN = 0.1, 0.1
_COSINES = 1e-3


@dataclass(frozen=True)
class Segment:
    """One segment: its number, its label as it stands, and the key of the structure that its codes name, or ""."""

    number: int
    name: str
    code: str


@dataclass(frozen=True)
class Frames:
    """Where frames lie.

    Attributes:
        slices: index of the slice of each frame.
        numbers: of the segment that each frame shows; 0 where a frame shows all (a label map).
        grid: an image without values whose voxels are those of all frames together, gaps filled.
    """

    slices: tuple[int, ...]
    numbers: tuple[int, ...]
    grid: sitk.Image


@dataclass(frozen=True)
class DicomSegmentation:
    """A SEG that was read.

    Attributes:
        segments: in the order of the file.
        of: whose it is.
        frames: where they lie.
        kind: "BINARY", "FRACTIONAL" or "LABELMAP".
    """

    segments: tuple[Segment, ...]
    of: Belonging
    frames: Frames
    kind: str
    _dataset: Any

    @cached_property
    def _values(self) -> np.ndarray:
        with lenient():
            return _pixels(self._dataset, self.kind)

    def mask(self, number: int) -> np.ndarray:
        """The voxels of a segment on `frames.grid`, bool (z, y, x).

        Raises:
            DataError: the pixels are damaged or compressed.
        """
        mask = np.zeros(self.frames.grid.GetSize()[::-1], bool)
        for frame, (k, shown) in enumerate(zip(self.frames.slices, self.frames.numbers, strict=True)):
            if self.kind == "LABELMAP":
                mask[k] |= self._values[frame] == number
            elif shown == number:
                mask[k] |= self._values[frame] > 0
        return mask

    def remarks(self) -> list[str]:
        """A sentence if the voxels hold fractions."""
        if self.kind != "FRACTIONAL":
            return []
        return [f"The segmentation holds fractions: what is at least {THRESHOLD:g} is inside."]


def read_segments(path: Path, structures: Sequence[Structure]) -> DicomSegmentation:
    """Read a SEG; pixels are decoded when a mask is asked for.

    Args:
        path: the file.
        structures: those whose codes are looked for.

    Raises:
        DataError: it is damaged, a surface, does not say where its frames lie, or these form no regular grid.
        ParotidSegError: pydicom is missing.
    """
    dataset = read_object(path, "segmentation")
    with lenient():
        if text_of(dataset, "SOPClassUID") == _SURFACE:
            raise DataError("The segmentation holds surfaces and no voxels: export it as a binary segmentation.")
        try:
            kind = text_of(dataset, "SegmentationType").upper() or "BINARY"
            segments = tuple(_segment(item, structures) for item in dataset.SegmentSequence)
            frames = _frames(dataset, kind)
        except DataError:
            raise
        except Exception as error:  # pydicom raises errors of many kinds at damaged values
            raise DataError("The segmentation is damaged or incomplete: export it again.") from error
        return DicomSegmentation(segments, belonging_of(dataset), frames, kind, dataset)


def _segment(item: Any, structures: Sequence[Structure]) -> Segment:
    number = int(item.SegmentNumber)
    name = str(item.get("SegmentLabel", "") or "").strip() or f"segment {number}"
    pairs = [
        *_codes(item, "SegmentedPropertyTypeCodeSequence", "SegmentedPropertyTypeModifierCodeSequence"),
        *_codes(item, "AnatomicRegionSequence", "AnatomicRegionModifierSequence"),
    ]
    keys = [s.key for s in structures for kind, side in pairs if has_code(s, kind, side)]
    return Segment(number, name, keys[0] if len(set(keys)) == 1 else "")


def _codes(item: Any, kind: str, modifier: str) -> list[tuple[str, str]]:
    """Code values of a type and of its side; the side stands within the type's item, as a rule, or beside it."""
    found = []
    for code in item.get(kind) or ():
        sides = [str(one.get("CodeValue", "")) for one in (code.get(modifier) or item.get(modifier) or ())]
        found += [(str(code.get("CodeValue", "")), side) for side in sides or [""]]
    return found


def _frames(dataset: Any, kind: str) -> Frames:
    count, rows, columns = int(dataset.NumberOfFrames), int(dataset.Rows), int(dataset.Columns)
    own: Sequence[Any] = list(dataset.get("PerFrameFunctionalGroupsSequence") or ())
    shared: Any = next(iter(dataset.get("SharedFunctionalGroupsSequence") or ()), {})
    if len(own) != count or count < 1:
        raise ValueError("frames")
    positions, numbers = [], []
    orientation = _group(own[0], shared, "PlaneOrientationSequence")
    measures = _group(own[0], shared, "PixelMeasuresSequence")
    if orientation is None or measures is None or _group(own[0], shared, "PlanePositionSequence") is None:
        raise DataError("The segmentation does not say where its frames lie in the patient: export it again.")
    cosines = np.array(orientation.ImageOrientationPatient, float).reshape(2, 3)
    for frame in own:
        turned = _group(frame, shared, "PlaneOrientationSequence")
        if not np.allclose(np.array(turned.ImageOrientationPatient, float).reshape(2, 3), cosines, atol=_COSINES):
            raise DataError("The frames of the segmentation lie in several orientations: export it again.")
        positions.append(np.array(_group(frame, shared, "PlanePositionSequence").ImagePositionPatient, float))
        shown = _group(frame, shared, "SegmentIdentificationSequence")
        numbers.append(0 if kind == "LABELMAP" or shown is None else int(shown.ReferencedSegmentNumber))
    spacing = [float(value) for value in measures.PixelSpacing]
    slices, grid = _stacked(np.array(positions), cosines, spacing, measures, (columns, rows))
    return Frames(tuple(slices), tuple(numbers), grid)


def _group(frame: Mapping[str, Any], shared: Mapping[str, Any], keyword: str) -> Any:
    """The item of a functional group of a frame, or of all of them; None if there is none."""
    found = frame.get(keyword) or shared.get(keyword)
    return found[0] if found else None


def _stacked(
    positions: np.ndarray, cosines: np.ndarray, spacing: Sequence[float], measures: Any, size: tuple[int, int]
) -> tuple[list[int], sitk.Image]:
    """Which slice each frame is, and the grid of all of them; DataError if they form none."""
    row, column = cosines / np.linalg.norm(cosines, axis=1)[:, np.newaxis]
    normal = np.cross(row, column)
    if not np.isfinite(positions).all() or min(spacing) <= 0.0 or abs(row @ column) > _COSINES:
        raise ValueError("geometry")
    heights = positions @ normal
    aside = (positions - positions[0]) @ np.stack([row / spacing[1], column / spacing[0]], axis=1)
    if np.abs(aside).max() > _ASIDE:
        raise DataError("The frames of the segmentation do not lie above one another: export it again.")
    step = _step(np.sort(heights), measures)
    places = (heights - heights.min()) / step
    slices = np.rint(places).astype(int)
    if np.abs(places - slices).max() > _BETWEEN:
        raise DataError("The frames of the segmentation lie at irregular distances: export it again.")
    count = int(slices.max()) + 1
    if count > _MOST_SLICES or count * size[0] * size[1] > _MOST_VOXELS:
        raise DataError("The segmentation claims more voxels than any scan has: check the file.")
    grid = sitk.Image([*size, count], sitk.sitkUInt8)
    grid.SetOrigin(positions[int(heights.argmin())].tolist())
    grid.SetSpacing([float(spacing[1]), float(spacing[0]), step])  # DICOM has the distance between rows first
    grid.SetDirection(np.column_stack([row, column, normal]).ravel().tolist())
    return slices.tolist(), grid


def _step(heights: np.ndarray, measures: Any) -> float:
    """The distance of slices in mm: what the file states if all frames lie at multiples of it, else the smallest."""
    gaps = np.diff(heights)
    gaps = gaps[gaps > 1e-3]
    smallest = float(gaps.min()) if gaps.size else 0.0
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        stated = abs(float(measures.get(keyword) or 0.0))
        multiples = gaps / stated if stated else gaps
        if stated and np.abs(multiples - np.rint(multiples)).max(initial=0.0) <= _BETWEEN / max(1, len(gaps)):
            return stated
    return smallest or 1.0


def _pixels(dataset: Any, kind: str) -> np.ndarray:
    """All frames (n, y, x): labels, or what is above 0 inside."""
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", _SYNTAXES[0]))
    if syntax not in _SYNTAXES:
        raise DataError("The segmentation is compressed in a way that is not read: export it without compression.")
    count, rows, columns = int(dataset.NumberOfFrames), int(dataset.Rows), int(dataset.Columns)
    allocated = int(dataset.BitsAllocated)
    try:
        if syntax == _RUNS:
            values = np.asarray(dataset.pixel_array).reshape(count, rows, columns)
        elif allocated == 1:
            needed = count * rows * columns
            bits = np.unpackbits(np.frombuffer(dataset.PixelData, np.uint8), bitorder="little", count=needed)
            values = bits.reshape(count, rows, columns)
        else:
            order = "<" if dataset.original_encoding[1] in (True, None) else ">"
            stored = np.frombuffer(dataset.PixelData, f"{order}u{allocated // 8}", count * rows * columns)
            values = stored.reshape(count, rows, columns)
        if kind == "FRACTIONAL":
            return values >= THRESHOLD * float(dataset.MaximumFractionalValue)
    except Exception as error:
        raise DataError("The pixels of the segmentation are damaged or incomplete: export it again.") from error
    return values
