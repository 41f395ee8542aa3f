"""What one DICOM image says of itself: which series it belongs to, where its frames lie, how its values are stored."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from .damage import is_damaged_image
from .geometry import SliceGeometry
from .walk import NATIVE, DamagedDicomError, DicomWalk, NotDicomError, walk

#: More frames than any CT has.
MOST_FRAMES = 2**16
_CAPTURE = re.compile(r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.7(\..*)?")

_IMAGE_TYPE, _CLASS, _INSTANCE, _MODALITY = 0x00080008, 0x00080016, 0x00080018, 0x00080060
_DESCRIPTION, _PATIENT_NAME, _PATIENT_ID = 0x0008103E, 0x00100010, 0x00100020
_SERIES, _NUMBER = 0x0020000E, 0x00200011
_POSITION, _ORIENTATION, _SPACING, _BETWEEN = 0x00200032, 0x00200037, 0x00280030, 0x00180088
_OFFSETS, _PHASE = 0x3004000C, 0x00209128
_SAMPLES, _FRAMES, _ROWS, _COLUMNS = 0x00280002, 0x00280008, 0x00280010, 0x00280011
_ALLOCATED, _STORED, _HIGH_BIT, _SIGNED = 0x00280100, 0x00280101, 0x00280102, 0x00280103
_INTERCEPT, _SLOPE, _DOSE_SCALING = 0x00281052, 0x00281053, 0x3004000E
_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"


@dataclass(frozen=True)
class Rescale:
    """From stored values to Hounsfield units: slope and intercept."""

    slope: float = 1.0
    intercept: float = 0.0

    @property
    def is_fractional(self) -> bool:
        """Whether rescaled values need not be whole."""
        return not (self.slope.is_integer() and self.intercept.is_integer())


@dataclass(frozen=True)
class Frame:
    """One slice: where it lies (None if that is not stated in full), and how its values are rescaled."""

    geometry: SliceGeometry | None
    rescale: Rescale


@dataclass(frozen=True)
class StoredPixels:
    """How pixels are stored.

    Attributes:
        allocated, stored: bits of each.
        is_signed: two's complement.
        samples: values of each pixel; more than one is a colour.
        is_native: uncompressed, of the length that rows, columns and frames demand.
        is_plain: native, and the whole file was followed and found sound: safe for a library in C.
    """

    allocated: int
    stored: int
    is_signed: bool
    samples: int
    is_native: bool
    is_plain: bool


@dataclass(frozen=True)
class Header:
    """What is needed of one DICOM image.

    Attributes:
        path: the file.
        instance, kind: SOPInstanceUID and SOPClassUID.
        series, number, description: of its series; the description without words of the patient's name.
        image_type: values of ImageType, upper case.
        size: columns and rows.
        frames: one or many.
        pixels: how they are stored.
    """

    path: Path
    instance: str
    kind: str
    series: str
    number: int | None
    description: str
    modality: str
    image_type: tuple[str, ...]
    size: tuple[int, int]
    frames: tuple[Frame, ...]
    pixels: StoredPixels

    @property
    def is_localizer(self) -> bool:
        """A scout."""
        return any("LOCALIZER" in word for word in self.image_type)

    @property
    def is_capture(self) -> bool:
        """A picture of a screen or a page, by its class."""
        return _CAPTURE.fullmatch(self.kind) is not None

    @property
    def is_secondary(self) -> bool:
        """Not made by the scanner as one of its slices: pages, captures, reformats."""
        return "SECONDARY" in self.image_type[1:2]

    @property
    def is_fractional(self) -> bool:
        """Whether rescaled values need not be whole."""
        return any(frame.rescale.is_fractional for frame in self.frames)

    @cached_property
    def has_geometry(self) -> bool:
        """Whether every frame states where it lies, and its pixel spacing."""
        return all(frame.geometry is not None for frame in self.frames)


@dataclass(frozen=True)
class DamagedFile:
    """A file that claims to be an image of the modality but cannot be followed; its series, "" if it is not known."""

    path: Path
    series: str


def read_header(path: Path, modality: str = "OT") -> Header | DamagedFile | None:
    """The header of a DICOM image.

    Args:
        path: a file.
        modality: which images are missed if they are damaged; "OT" is any.

    Returns:
        None for what is no DICOM image, or a damaged one of another modality.
    """
    try:
        found = walk(path)
        if not found.has_pixels:
            return DamagedFile(path, _Reader(found).text(_SERIES)) if is_damaged_image(path, modality) else None
        return _header(path, found)
    except (NotDicomError, OSError):
        return DamagedFile(path, "") if is_damaged_image(path, modality) else None
    except DamagedDicomError as error:
        series = _Reader(error.walk).text(_SERIES)
    except ValueError:  # numbers that are none where no image can do without them
        series = _Reader(found).text(_SERIES)
    return DamagedFile(path, series) if is_damaged_image(path, modality) else None


class _Reader:
    """Values of a walk as text and numbers."""

    def __init__(self, found: DicomWalk) -> None:
        self._found = found

    def text(self, tag: int) -> str:
        return _decoded(self._found.values.get(tag, b"")).strip()

    def whole(self, tag: int, default: int | None = None) -> int:
        """An unsigned number of two bytes; ValueError if there is none and no default."""
        raw = self._found.values.get(tag, b"")
        if len(raw) != 2:
            if default is None or raw:
                raise ValueError(f"{tag:08x} is no number")
            return default
        return int.from_bytes(raw, "big" if self._found.is_big_endian else "little")

    def of_frame(self, tag: int, frame: int) -> bytes:
        """A value that belongs to a frame, to all frames, or to the file."""
        found = self._found
        own = found.by_frame[frame] if frame < len(found.by_frame) else {}
        return own.get(tag) or found.shared.get(tag) or found.values.get(tag, b"")


def _header(path: Path, found: DicomWalk) -> Header:
    read = _Reader(found)
    columns, rows = read.whole(_COLUMNS), read.whole(_ROWS)
    count = max(1, int(read.text(_FRAMES) or 1))
    if not columns or not rows or count > MOST_FRAMES:
        raise ValueError("no pixels")
    number = read.text(_NUMBER)
    frames = tuple(Frame(geometry, _rescale(read, i)) for i, geometry in enumerate(_geometries(found, read, count)))
    return Header(
        path=path,
        instance=read.text(_INSTANCE),
        kind=read.text(_CLASS),
        series=read.text(_SERIES),
        number=int(number) if re.fullmatch(r"-?\d{1,12}", number) else None,
        description=without_names(read.text(_DESCRIPTION), read.text(_PATIENT_NAME), read.text(_PATIENT_ID)),
        modality=read.text(_MODALITY).upper(),
        image_type=tuple(word.strip() for word in read.text(_IMAGE_TYPE).upper().split("\\")),
        size=(columns, rows),
        frames=frames,
        pixels=_stored(found, read, columns * rows * count),
    )


def _stored(found: DicomWalk, read: _Reader, pixels: int) -> StoredPixels:
    samples, allocated = read.whole(_SAMPLES, 1), read.whole(_ALLOCATED)
    stored = read.whole(_STORED, allocated)
    is_usual = allocated in (8, 16, 32) and 0 < stored <= allocated and read.whole(_HIGH_BIT, stored - 1) == stored - 1
    length = pixels * samples * allocated // 8
    if found.pixels and found.pixels[1] < length:
        raise ValueError("pixels are missing")
    is_native = (
        found.pixels is not None and found.syntax in ("", *NATIVE) and is_usual and found.pixels[1] <= length + 1
    )
    is_plain = is_native and found.is_sound and samples == 1
    return StoredPixels(allocated, stored, read.whole(_SIGNED, 0) == 1, samples, is_native, is_plain)


def _geometries(found: DicomWalk, read: _Reader, count: int) -> list[SliceGeometry | None]:
    """Where each frame lies."""
    if found.by_frame and len(found.by_frame) != count:
        return [None] * count
    each = [_geometry(read, frame) for frame in range(count)]
    if count == 1 or found.by_frame or each[0] is None:
        return each
    # No functional groups: the file says where its first frame lies, and how the others follow.
    offsets = _numbers(found.values.get(_OFFSETS, b""))
    if len(offsets) == count:
        # Of a dose: distances along the normal, from 0; or the z of each plane, whichever way the normal points.
        turned = -1.0 if offsets[0] != 0.0 and each[0].axes[2, 2] < 0.0 else 1.0
        steps: np.ndarray = turned * (np.array(offsets) - offsets[0])
    else:
        between = _numbers(found.values.get(_BETWEEN, b""))
        if len(between) != 1 or between[0] <= 0:
            return [None] * count
        steps = between[0] * np.arange(count)
    first = each[0]
    return [SliceGeometry(first.origin + step * first.axes[:, 2], first.spacing, first.axes) for step in steps]


def _geometry(read: _Reader, frame: int) -> SliceGeometry | None:
    position, orientation, spacing = (
        _numbers(read.of_frame(tag, frame)) for tag in (_POSITION, _ORIENTATION, _SPACING)
    )
    if len(position) != 3 or len(orientation) != 6 or len(spacing) != 2 or min(spacing) <= 0:
        return None
    cosines = np.array(orientation, np.float64).reshape(2, 3)
    lengths = np.linalg.norm(cosines, axis=1)
    if not ((lengths > 0.9) & (lengths < 1.1)).all():
        return None
    row, column = cosines / lengths[:, np.newaxis]
    if abs(row @ column) > 0.1:  # no plane, or not even nearly at right angles
        return None
    axes = np.column_stack([row, column, np.cross(row, column)])
    # DICOM has the distance between rows first.
    return SliceGeometry(np.array(position, np.float64), (spacing[1], spacing[0]), axes)


def _rescale(read: _Reader, frame: int) -> Rescale:
    if read.text(_CLASS) == _DOSE:
        scaling = _numbers(read.of_frame(_DOSE_SCALING, frame))
        return Rescale(scaling[0] if scaling and scaling[0] else 1.0)
    slope, intercept = (_numbers(read.of_frame(tag, frame)) for tag in (_SLOPE, _INTERCEPT))
    return Rescale(slope[0] if slope and slope[0] else 1.0, intercept[0] if intercept else 0.0)


def _numbers(raw: bytes) -> list[float]:
    """A DICOM list of decimals; empty if one is no finite number."""
    try:
        numbers = [float(number) for number in raw.decode("ascii").strip("\0 ").split("\\")]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def _decoded(raw: bytes) -> str:
    """Text of a header; bytes that are no UTF-8 are taken as Latin-1; what cannot be printed is left out."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return "".join(character if character.isprintable() else " " for character in text)


def without_names(description: str, *identifying: str) -> str:
    """The description, at most 40 characters, without any word of the patient's name or identifier."""
    for word in re.split(r"[\W_]+", " ".join(identifying)):
        if len(word) > 1:
            description = re.sub(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", "***", description, flags=re.IGNORECASE)
    return description[:40]
