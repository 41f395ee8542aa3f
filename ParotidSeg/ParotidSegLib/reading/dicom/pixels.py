"""The voxels of DICOM slices, in Hounsfield units: each frame with its own rescale.

Uncompressed pixels are plain numbers at a known place of the file; no library in C is asked for them. Compressed ones
are decoded by GDCM, in a process of its own (`guarded`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from ...errors import ImageError
from ..guarded import GuardedReader
from .header import Header, Rescale
from .walk import DamagedDicomError, NotDicomError, walk

INT16_RANGE = (-32768, 32767)
#: Slices that are put into the image at once: wide types never exist for a whole scan.
SLAB = 16
_SLOPE = 0x00281053

#: A slice: the image that it is a frame of, and which frame.
Slice = tuple[Header, int]


def read_pixels(slices: Sequence[Slice]) -> sitk.Image:
    """The voxels of slices of one size, in this order; int16 (clamped), or float32 if a rescale is fractional.

    The image has no geometry of its own.

    Raises:
        ImageError: pixels are damaged or compressed in an unknown way.
    """
    is_fractional = any(header.frames[frame].rescale.is_fractional for header, frame in slices)
    pixel_type, kind = (sitk.sitkFloat32, np.float32) if is_fractional else (sitk.sitkInt16, np.int16)
    columns, rows = slices[0][0].size
    whole = sitk.Image([columns, rows, len(slices)], pixel_type)
    source = _Source()
    for first in range(0, len(slices), SLAB):
        part = slices[first : first + SLAB]
        slab = np.empty((len(part), rows, columns), kind)
        for index, (header, frame) in enumerate(part):
            values = source.values(header, frame)
            slab[index] = values if is_fractional else np.clip(values, *INT16_RANGE)
        whole[:, :, first : first + len(part)] = sitk.GetImageFromArray(slab)
    return whole


class _Source:
    """Frames of files; the file that was asked for last stays at hand, because its frames are asked for in turn."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._frames: npt.NDArray[np.number] = np.empty(0)
        self._is_rescaled = False

    def values(self, header: Header, frame: int) -> npt.NDArray[np.number]:
        """Rescaled values (y, x): wide enough for any rescale."""
        if header.path != self._path:
            self._path = None
            try:
                self._frames, self._is_rescaled = _decoded(header)
            except (RuntimeError, OSError, ValueError, NotDicomError, DamagedDicomError) as error:
                raise ImageError(
                    "The pixels of the DICOM series cannot be read because a file is damaged or compressed in an "
                    "unknown way: copy or export the series again."
                ) from error
            self._path = header.path
        stored, rescale = self._frames[frame], header.frames[frame].rescale
        if self._is_rescaled:
            return stored
        if rescale.is_fractional:
            return stored.astype(np.float64) * rescale.slope + rescale.intercept
        return stored.astype(np.int64) * int(rescale.slope) + int(rescale.intercept)


def _decoded(header: Header) -> tuple[npt.NDArray[np.number], bool]:
    """All frames (n, y, x) of a file, and whether they are rescaled already."""
    if header.pixels.samples != 1:
        raise ValueError("colours")
    if header.pixels.is_plain:
        return _native(header), False
    if len({frame.rescale for frame in header.frames}) > 1:
        return _stored_by_gdcm(header), False
    return _by_gdcm(header, header.path), True


def _native(header: Header) -> npt.NDArray[np.number]:
    found, pixels = walk(header.path), header.pixels
    if found.pixels is None:
        raise ValueError("the file has changed")
    columns, rows = header.size
    size = pixels.allocated // 8
    kind = np.dtype(f"{'>' if found.is_big_endian else '<'}{'i' if pixels.is_signed else 'u'}{size}")
    count = columns * rows * len(header.frames)
    if found.pixels[1] < count * size:
        raise ValueError("the file has changed")
    values = np.frombuffer(found.content, kind, count, found.pixels[0])
    values = values.reshape(len(header.frames), rows, columns)
    unused = pixels.allocated - pixels.stored
    if unused:  # above the bits of the value there may be others: shifted out, the sign comes back with the number
        values = (values << unused) >> unused
    return values


def _by_gdcm(header: Header, path: Path) -> npt.NDArray[np.number]:
    reader = GuardedReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("GDCMImageIO")
    narrow = sitk.sitkInt16 if _fits_int16(header) else sitk.sitkInt32
    reader.SetOutputPixelType(sitk.sitkFloat32 if header.is_fractional else narrow)
    columns, rows = header.size
    return reader.values().reshape(len(header.frames), rows, columns)


def _fits_int16(header: Header) -> bool:
    """Whether no value that the stored bits can hold leaves int16 when rescaled: half as much is handed over then."""
    pixels = header.pixels
    if not 0 < pixels.stored <= 16:  # a damaged header may state any number of bits
        return False
    lowest = -(2 ** (pixels.stored - 1)) if pixels.is_signed else 0
    ends = (lowest, lowest + 2**pixels.stored - 1)
    rescales = {frame.rescale for frame in header.frames} | {Rescale()}
    reached = [end * rescale.slope + rescale.intercept for end in ends for rescale in rescales]
    return min(reached) >= INT16_RANGE[0] and max(reached) <= INT16_RANGE[1]


def _stored_by_gdcm(header: Header) -> npt.NDArray[np.number]:
    """Stored values of a file whose frames have several rescales, of which GDCM knows one: a copy without any."""
    found = walk(header.path)
    content = bytearray(header.path.read_bytes())
    for tag, position, length in found.places:
        content[position : position + length] = (b"1" if tag == _SLOPE else b"0").ljust(length)
    handle, name = tempfile.mkstemp(prefix="parotidseg-", suffix=".dcm")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        return _by_gdcm(header, Path(name))
    finally:
        os.unlink(name)
