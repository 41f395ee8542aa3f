"""The voxels of DICOM slices, in Hounsfield units: each frame with its own rescale.

Uncompressed pixels are plain numbers at a known place of the file; no library in C is asked for them. Compressed ones
are decoded by GDCM, in a process of its own (`guarded`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from ...errors import ImageError
from ..guarded import GuardedReader
from .header import Header, Rescale
from .walk import DamagedDicomError, NotDicomError, stamp_of, walk

INT16_RANGE = (-32768, 32767)
#: Slices that are put into the image at once: wide types never exist for a whole scan.
SLAB = 8
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
            source.put(header, frame, slab[index])
        whole[:, :, first : first + len(part)] = sitk.GetImageFromArray(slab)
    return whole


class _Source:
    """Frames of files; the file that was asked for last stays at hand, because its frames are asked for in turn."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._frames: npt.NDArray[np.number] = np.empty(0)
        self._is_rescaled = False

    def put(self, header: Header, frame: int, target: npt.NDArray[Any]) -> None:
        """Put rescaled values into an array (y, x), float32 or int16; values that do not fit into int16 are clamped."""
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
        rescale = Rescale() if self._is_rescaled else header.frames[frame].rescale
        _put_rescaled(self._frames[frame], rescale, target)


def _put_rescaled(stored: npt.NDArray[np.number], rescale: Rescale, target: npt.NDArray[Any]) -> None:
    if target.dtype != np.int16:
        target[...] = stored if rescale == Rescale() else stored.astype(np.float64) * rescale.slope + rescale.intercept
        return
    slope, intercept = int(rescale.slope), int(rescale.intercept)
    ends = [int(stored.min()), int(stored.max())]
    reached = [slope, intercept, *ends, *(end * slope for end in ends), *(end * slope + intercept for end in ends)]
    if INT16_RANGE[0] <= min(reached) and max(reached) <= INT16_RANGE[1]:  # nothing overflows on the way
        np.copyto(target, stored, casting="unsafe")
        target *= np.int16(slope)
        target += np.int16(intercept)
    else:
        target[...] = np.clip(stored.astype(np.int64) * slope + intercept, *INT16_RANGE)


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
    pixels, (columns, rows) = header.pixels, header.size
    size = pixels.allocated // 8
    kind = np.dtype(f"{'>' if pixels.is_big_endian else '<'}{'i' if pixels.is_signed else 'u'}{size}")
    count = columns * rows * len(header.frames)
    content = _native_bytes(header, count * size)
    values = np.frombuffer(content, kind, count).reshape(len(header.frames), rows, columns)
    unused = pixels.allocated - pixels.stored
    if unused:  # above the bits of the value there may be others: shifted out, the sign comes back with the number
        values = (values << unused) >> unused
    return values


def _native_bytes(header: Header, length: int) -> bytes:
    """So many bytes of pixels, from the place where the walk over the file has found them."""
    pixels = header.pixels
    if pixels.place is None:  # deflated: there are none before the whole file is inflated
        found = walk(header.path)
        if found.pixels is None or found.stamp != pixels.stamp:
            raise ValueError("the file has changed")
        return found.content[found.pixels[0] : found.pixels[0] + length]
    with header.path.open("rb") as file:
        file.seek(pixels.place[0])
        content = file.read(length)
        if stamp_of(file) != pixels.stamp or len(content) < length:
            raise ValueError("the file has changed")
    return content


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
