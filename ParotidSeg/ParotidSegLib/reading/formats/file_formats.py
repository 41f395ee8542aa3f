"""Which format a file has, by its content; and whether its header is so plain that it is safe for a library in C.

Four formats state where their voxels lie in the patient: DICOM, NIfTI, NRRD, MetaImage. No other is read as a scan.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import ImageError
from .nifti_checks import DATA_TYPES, HEADER_BYTES, byte_order, too_long

NIFTI, NRRD, META, PICTURE = "NiftiImageIO", "NrrdImageIO", "MetaImageIO", "PNGImageIO"
#: Headers of text are shorter.
LONGEST_HEADER = 2**18
#: Letters of a plain field in them: three vectors of a direction.
_LONGEST_FIELD = 500
#: Bytes of a voxel, by its name in NRRD and MetaImage files.
_NRRD_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t"), 4),
    **dict.fromkeys(("longlong", "long long", "int64", "int64_t", "ulonglong", "uint64", "uint64_t"), 8),
    "float": 4,
    "double": 8,
}
_META_TYPES = {
    "MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4, "MET_LONG": 8,
    "MET_ULONG": 8, "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_FLOAT": 4, "MET_DOUBLE": 8,
}  # fmt: skip
_NO_ORIENTATION = "so that left and right cannot be told apart: convert it from DICOM again"


@dataclass(frozen=True)
class FileFormat:
    """A format, as ITK names its reader, and whether the header of the file is plain."""

    reader: str
    is_plain: bool


def format_of(path: Path) -> FileFormat | None:
    """The format of a file that is no DICOM; None if it is none of these.

    Raises:
        ImageError: the header of an NRRD or MetaImage file does not state orientation and spacing.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(LONGEST_HEADER)
    if start.startswith(b"NRRD0"):
        return FileFormat(NRRD, _is_plain_nrrd(path, start))
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return FileFormat(PICTURE, False)
    if re.match(rb"\s*(ObjectType|NDims|Comment|ObjectSubType)\s*=", start):
        return FileFormat(META, _is_plain_meta(path, start))
    if start.startswith(b"\x1f\x8b"):
        start = _decompressed_start(path)
    if len(start) >= HEADER_BYTES and HEADER_BYTES in struct.unpack("<i", start[:4]) + struct.unpack(">i", start[:4]):
        return FileFormat(NIFTI, _is_plain_nifti(start))
    return None


def _decompressed_start(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(HEADER_BYTES + 4)
    except (OSError, EOFError, zlib.error):  # the header may be whole all the same: it is read in the child
        machine = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            with path.open("rb") as file:
                return machine.decompress(file.read(LONGEST_HEADER), HEADER_BYTES + 4)
        except zlib.error:
            return b""


def _is_plain_nifti(start: bytes) -> bool:
    """Numbers that mean what they say, and no extension that a library would have to follow.

    Whether all voxels are there is found by `check_nifti_voxels`.
    """
    order = byte_order(start)
    dimensions = struct.unpack_from(order + "8h", start, 40)
    kind, bits = struct.unpack_from(order + "2h", start, 70)
    numbers = struct.unpack_from(order + "8f", start, 76) + struct.unpack_from(order + "3f", start, 108)
    numbers += struct.unpack_from(order + "18f", start, 256)
    offset = numbers[8]
    if not all(map(math.isfinite, numbers)) or start[344:348] != b"n+1\0":
        return False
    size = dimensions[1 : dimensions[0] + 1]
    return (
        1 <= dimensions[0] <= 7
        and all(length > 0 for length in size)
        and DATA_TYPES.get(kind) == bits
        and offset in (0.0, 352.0)
        and start[348:352][:1] in (b"", b"\0")
    )


def _is_plain_nrrd(path: Path, start: bytes) -> bool:
    blank = re.search(rb"\r?\n\r?\n", start)
    if blank is None:
        return False
    header = start[: blank.start()].replace(b"\r\n", b"\n")
    fields: dict[str, str] = {}
    for line in header.decode("latin-1").split("\n")[1:]:
        if line.startswith("#") or ":=" in line:
            continue
        name, separator, value = line.partition(": ")
        # A line that is none of a header, or hundreds of letters long, ends ITK's reader in a crash.
        if not separator or name.lower() in fields or len(line) > _LONGEST_FIELD:
            return False
        fields[name.lower()] = value.strip()
    if "space" in fields and "space directions" not in fields:
        raise ImageError(
            f"{path.name!r} states no orientation (no 'space directions' in its header), {_NO_ORIENTATION}."
        )
    try:
        sizes = [int(size) for size in fields["sizes"].split()]
        voxel = _NRRD_TYPES[fields["type"].lower()]
        is_raw, is_packed = (fields["encoding"].lower() in names for names in (("raw",), ("gzip", "gz")))
        is_dimension = int(fields["dimension"]) == len(sizes) <= 4
        vectors = re.findall(r"\(([^()]*)\)", fields["space directions"])
        numbers = [float(number) for vector in vectors for number in vector.split(",")]
    except (KeyError, ValueError):
        return False
    is_here = not any(name in fields for name in ("data file", "datafile", "line skip", "byte skip", "lineskip"))
    length = math.prod(sizes) * voxel
    stored = path.stat().st_size - blank.end()
    if is_raw and is_here and stored > length > 0:
        raise ImageError(too_long(path))
    is_whole = is_packed or stored >= length
    is_sound = all(size > 0 for size in sizes) and length < 2**34 and len(numbers) == 9 and np.isfinite(numbers).all()
    return bool(is_here and is_dimension and is_sound and (is_raw or is_packed) and is_whole)


#: Signs from an NRRD file's own axes to those of the patient, LPS.
_NRRD_SPACES = {
    "left-posterior-superior": (1.0, 1.0, 1.0),
    "lps": (1.0, 1.0, 1.0),
    "right-anterior-superior": (-1.0, -1.0, 1.0),
    "ras": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0),
    "las": (1.0, -1.0, 1.0),
}


def nrrd_direction(path: Path) -> np.ndarray | None:
    """The direction that an NRRD header states: (3, 3), each column the way of an axis in the patient, LPS.

    Returns:
        None where the header states no space of the patient, or not three ways of axes.
    """
    with path.open("rb") as file:
        header = file.read(LONGEST_HEADER).replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("latin-1")
    fields = dict(re.findall(r"(?im)^(space|space directions): *(.+?) *$", header.lower()))
    signs = _NRRD_SPACES.get(fields.get("space", ""))
    try:
        vectors = [
            [float(number) for number in vector.split(",")]
            for vector in re.findall(r"\(([^()]*)\)", fields.get("space directions", ""))
        ]
        ways = np.array(vectors, float)
    except ValueError:
        return None
    if signs is None or ways.shape != (3, 3) or not np.linalg.norm(ways, axis=1).all():
        return None
    return (ways / np.linalg.norm(ways, axis=1, keepdims=True) * signs).T


def _is_plain_meta(path: Path, start: bytes) -> bool:
    fields: dict[str, str] = {}
    position = 0
    for match in re.finditer(rb"[ \t]*([A-Za-z_]\w*)[ \t]*=([^\n]*)\n", start):
        name = match[1].decode("ascii")
        is_repeated = name in fields
        fields[name] = match[2].decode("latin-1").strip()
        position = match.end()
        if name == "ElementDataFile" or is_repeated:
            break
    _check_meta_grid(path, fields)
    try:
        size = [int(length) for length in fields["DimSize"].split()]
        voxel = _META_TYPES[fields["ElementType"]]
        is_here = fields["ElementDataFile"] in ("LOCAL", "local", "Local")
        is_scalar = int(fields.get("ElementNumberOfChannels", "1")) == 1
        is_dimension = int(fields["NDims"]) == len(size) == 3
        numbers = [float(n) for name in ("TransformMatrix", "ElementSpacing") for n in fields[name].split()]
    except (KeyError, ValueError):
        return False
    length = math.prod(size) * voxel
    is_packed = fields.get("CompressedData", "False").lower() == "true"
    if is_here and not is_packed and path.stat().st_size - position > length > 0:
        raise ImageError(too_long(path))
    is_whole = is_packed or path.stat().st_size - position >= length
    is_sound = all(n > 0 for n in size) and length < 2**34 and len(numbers) == 12 and np.isfinite(numbers).all()
    is_binary = fields.get("BinaryData", "True").lower() == "true" and "HeaderSize" not in fields
    return bool(is_here and is_scalar and is_dimension and is_sound and is_whole and is_binary)


def _check_meta_grid(path: Path, fields: dict[str, str]) -> None:
    """ITK takes the axes of the patient and 1 mm where the header states no others."""
    if not fields.keys() & {"TransformMatrix", "Rotation", "Orientation"}:
        raise ImageError(f"{path.name!r} states no orientation (no TransformMatrix in its header), {_NO_ORIENTATION}.")
    if not fields.keys() & {"ElementSpacing", "ElementSize"}:
        raise ImageError(
            f"{path.name!r} states no voxel spacing (no ElementSpacing in its header): convert it from DICOM again."
        )
