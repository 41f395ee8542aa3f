"""What ITK lets pass in NIfTI files without a word: no orientation or spacing, a missing rest, damage, NaN."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import numpy as np

from ...errors import ImageError

#: NIfTI's code of a type of voxel, for the two types that ITK silently cleans of NaN and infinite values.
_FLOATS = {"16": "f4", "64": "f8"}
#: Bits of a voxel by NIfTI's code of its type; of single numbers.
DATA_TYPES = {2: 8, 4: 16, 8: 32, 16: 32, 64: 64, 256: 8, 512: 16, 768: 32, 1024: 64, 1280: 64}
#: The two transforms of a header may differ by what rounding makes of them, as a share of the smallest voxel edge.
FORMS_TOLERANCE = 0.1
#: Bytes read at once, a multiple of every type's size.
_CHUNK = 2**20
#: Bytes of the header. NIfTI-2 has a longer one, but ITK does not read that.
HEADER_BYTES = 348


class Reader(Protocol):
    """What has read the header: one of SimpleITK, or one in another process."""

    def HasMetaDataKey(self, key: str) -> bool: ...

    def GetMetaData(self, key: str) -> str: ...


def is_nifti(reader: Reader) -> bool:
    """Whether the header that this reader has read is one of NIfTI."""
    return bool(reader.HasMetaDataKey("nifti_type"))


def check_nifti_header(path: Path, reader: Reader) -> None:
    """Refuse a pair of files, and a header that leaves left and right or the spacing to a guess.

    Args:
        path: the file.
        reader: has read its header.

    Raises:
        ImageError: one of these.
    """
    if reader.GetMetaData("nifti_type") != "1":
        raise ImageError(f"{path.name!r} is a pair of header and data file: save it as one .nii.gz file.")
    if reader.GetMetaData("qform_code") == reader.GetMetaData("sform_code") == "0":
        raise ImageError(
            f"{path.name!r} states no orientation (qform_code and sform_code are 0), so that left and right cannot be "
            "told apart: convert it from DICOM again."
        )
    with _content(path) as file:
        spacing = _stated_spacing(file.read(HEADER_BYTES))
    if not all(math.isfinite(step) and step != 0 for step in spacing):
        listed = " x ".join(f"{step:g}" for step in spacing)
        raise ImageError(
            f"{path.name!r} states an impossible voxel spacing ({listed} mm): convert it from DICOM again."
        )


def check_nifti_forms(path: Path) -> None:
    """Refuse a header whose two transforms (qform and sform) place the voxels differently; readers take either.

    Args:
        path: a NIfTI file whose header is whole.

    Raises:
        ImageError: they do.
    """
    with _content(path) as file:
        header = file.read(HEADER_BYTES)
    order = byte_order(header)
    qform_code, sform_code = struct.unpack_from(order + "2h", header, 252)
    if qform_code <= 0 or sform_code <= 0:
        return
    size = struct.unpack_from(order + "3h", header, 42)
    sform = np.array(struct.unpack_from(order + "12f", header, 280), float).reshape(3, 4)
    qform = _qform(header, order)
    corners = np.array([[i, j, k, 1] for i in (0, size[0] - 1) for j in (0, size[1] - 1) for k in (0, size[2] - 1)])
    apart = np.linalg.norm(corners @ (qform - sform).T, axis=1).max()
    if not apart <= FORMS_TOLERANCE * np.linalg.norm(qform[:, :3], axis=0).min():
        raise ImageError(
            f"The two transforms in the header of {path.name!r}, qform ({_axes(qform)}) and sform ({_axes(sform)}), "
            f"place voxels up to {apart:.1f} mm apart, so that the sides of the patient are not certain: convert it "
            "from DICOM again, or correct the one that is out of date."
        )


def _qform(header: bytes, order: str) -> np.ndarray:
    """The matrix (3, 4) from voxels to mm (RAS) that the quaternion states; as the standard of NIfTI-1 has it."""
    b, c, d, *offset = struct.unpack_from(order + "6f", header, 256)
    factor, *steps = struct.unpack_from(order + "4f", header, 76)
    a = math.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
    length = math.sqrt(a * a + b * b + c * c + d * d)
    a, b, c, d = a / length, b / length, c / length, d / length
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    scale = np.abs(steps) * [1, 1, -1 if factor < 0 else 1]
    return np.column_stack([rotation * scale, offset])


def _axes(matrix: np.ndarray) -> str:
    """The directions of the voxel axes as letters, such as RAS: towards right, anterior and superior."""
    letters = ("LR", "PA", "IS")
    largest = [int(np.abs(column).argmax()) for column in matrix[:, :3].T]
    return "".join(letters[row][int(matrix[row, axis] > 0)] for axis, row in enumerate(largest))


def check_nifti_voxels(path: Path, reader: Reader) -> None:
    """Refuse a file that ends early or late, is damaged (checksum of .nii.gz), or holds NaN or infinite values.

    ITK reads the first three without an error, the lost voxels being arbitrary, and makes NaN 0. Bytes that were put in
    on the way (ends of lines "converted", for one) move all voxels behind them. Hence this pass over the file, which
    takes about as long as decompressing it, and little memory.

    Args:
        path: the file.
        reader: has read its header.

    Raises:
        ImageError: one of these.
    """
    voxels = math.prod(max(1, int(reader.GetMetaData(f"dim[{axis}]"))) for axis in range(1, 8))
    missing = math.ceil(voxels * int(reader.GetMetaData("bitpix")) / 8)
    real = _FLOATS.get(reader.GetMetaData("datatype"))
    with _content(path) as file:
        start = file.read(max(HEADER_BYTES, int(float(reader.GetMetaData("vox_offset")))))
        while chunk := file.read(_CHUNK):
            voxel_bytes = chunk[: max(0, missing)]
            missing -= len(chunk)
            if real and not _all_finite(voxel_bytes, np.dtype(byte_order(start) + real)):
                raise ImageError(
                    f"Some voxels of {path.name!r} hold no number (NaN or infinite): replace them, for instance by "
                    "-1024, and try again."
                )
    if missing > 0:
        raise ImageError(_damaged(path))
    if missing < 0:
        raise ImageError(too_long(path))


@contextmanager
def _content(path: Path) -> Iterator[BinaryIO]:
    """The file, decompressed if it is compressed; what is wrong with it as a file becomes an ImageError."""
    try:
        with path.open("rb") as file:
            is_compressed = file.read(2) == b"\x1f\x8b"
        with cast(BinaryIO, gzip.open(path)) if is_compressed else path.open("rb") as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:
        raise ImageError(_damaged(path)) from error


def too_long(path: Path) -> str:
    """What to say of a file with more bytes than its header states: put in on the way, they move all behind them."""
    what = f"{path.name!r} is longer than its header states, so that its voxels may have moved"
    return f"{what}: copy or export it again."


def _damaged(path: Path) -> str:
    return f"{path.name!r} is damaged or cut short: copy or export it again."


def byte_order(header: bytes) -> str:
    """As numpy and struct write it: a header begins with its own length."""
    return "<" if int.from_bytes(header[:4], "little") == HEADER_BYTES else ">"


def _stated_spacing(header: bytes) -> tuple[float, ...]:
    """The spacing (x, y, z) that the header states, for which ITK takes 1 mm if it is 0 or NaN."""
    return struct.unpack_from(byte_order(header) + "3f", header, 80)


def _all_finite(voxel_bytes: bytes, kind: np.dtype) -> bool:
    whole = len(voxel_bytes) // kind.itemsize  # a file that is cut short may end within a number
    return bool(np.isfinite(np.frombuffer(voxel_bytes, kind, whole)).all())
