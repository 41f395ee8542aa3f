"""What ITK lets pass in NIfTI files without a word: no orientation or spacing, a missing rest, damage, NaN."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import SimpleITK as sitk

from ..errors import ImageError

#: NIfTI's code of a type of voxel, for the two types that ITK silently cleans of NaN and infinite values.
_FLOATS = {"16": "f4", "64": "f8"}
#: Bytes read at once, a multiple of every type's size.
_CHUNK = 2**20
#: Bytes of the header. NIfTI-2 has a longer one, but ITK does not read that.
_HEADER = 348


def is_nifti(reader: sitk.ImageFileReader) -> bool:
    """Whether the header that this reader has read is one of NIfTI."""
    return bool(reader.HasMetaDataKey("nifti_type"))


def check_nifti_header(path: Path, reader: sitk.ImageFileReader) -> None:
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
        spacing = _stated_spacing(file.read(_HEADER))
    if not all(math.isfinite(step) and step != 0 for step in spacing):
        listed = " x ".join(f"{step:g}" for step in spacing)
        raise ImageError(
            f"{path.name!r} states an impossible voxel spacing ({listed} mm): convert it from DICOM again."
        )


def check_nifti_voxels(path: Path, reader: sitk.ImageFileReader) -> None:
    """Refuse a file that ends early or late, is damaged (checksum of .nii.gz), or holds NaN or infinite values.

    ITK reads the first three without an error, the lost voxels being arbitrary, and makes NaN 0. Bytes that were put in
    on the way (ends of lines "converted", for one) move all voxels behind them; zeros at the end are padding. Hence
    this pass over the file, which takes about as long as decompressing it, and little memory.

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
        start = file.read(max(_HEADER, int(float(reader.GetMetaData("vox_offset")))))
        while chunk := file.read(_CHUNK):
            voxel_bytes = chunk[: max(0, missing)]
            if any(chunk[max(0, missing) :]):
                raise ImageError(
                    f"{path.name!r} is longer than its header states, so that its voxels may have moved: copy or "
                    "export it again."
                )
            missing -= len(chunk)
            if real and not _all_finite(voxel_bytes, np.dtype(_byte_order(start) + real)):
                raise ImageError(
                    f"Some voxels of {path.name!r} hold no number (NaN or infinite): replace them, for instance by "
                    "-1024, and try again."
                )
    if missing > 0:
        raise ImageError(_damaged(path))


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


def _damaged(path: Path) -> str:
    return f"{path.name!r} is damaged or cut short: copy or export it again."


def _byte_order(header: bytes) -> str:
    """As numpy and struct write it: a header begins with its own length."""
    return "<" if int.from_bytes(header[:4], "little") == _HEADER else ">"


def _stated_spacing(header: bytes) -> tuple[float, ...]:
    """The spacing (x, y, z) that the header states, for which ITK takes 1 mm if it is 0 or NaN."""
    return struct.unpack_from(_byte_order(header) + "3f", header, 80)


def _all_finite(voxel_bytes: bytes, kind: np.dtype) -> bool:
    whole = len(voxel_bytes) // kind.itemsize  # a file that is cut short may end within a number
    return bool(np.isfinite(np.frombuffer(voxel_bytes, kind, whole)).all())
