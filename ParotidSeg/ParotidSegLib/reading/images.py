"""Reading and writing images. What is read is checked: a whole file on a sound grid, and a CT in Hounsfield units."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import ImageError, OutputError
from ..files.atomic import atomic_path
from ..files.file_names import check_name
from .ct_checks import check_grid, check_image, check_kind, slabs
from .dicom.header import DamagedFile, Header, read_header
from .dicom.pixels import INT16_RANGE
from .dicom_series import MOST_VOXELS, read_dicom_files, read_dicom_folder, read_dicom_slice
from .formats.image_files import opened
from .formats.nifti_checks import check_nifti_voxels, is_nifti

__all__ = ["check_image", "read_image", "read_series", "write_image"]

#: Formats that are one file each: a pair (.mhd and .raw) could not be renamed into place at once.
WRITABLE = (".nii.gz", ".nii", ".nrrd", ".mha")
_FLOATS = (sitk.sitkFloat32, sitk.sitkFloat64)


def read_image(
    path: str | Path, *, series: str | None = None, modality: str = "CT", whole_head: bool = True
) -> sitk.Image:
    """Read an image, as a rule a head-and-neck CT, and check it with `check_image`.

    Args:
        path: a file that SimpleITK reads (NIfTI, NRRD, MHA, multi-frame DICOM), or a folder in which, or below which,
            there are the files of a DICOM series. Without `whole_head` also one slice: DICOM, or PNG (pixels of 1 mm).
        series: which series of the folder to take, if it holds several: its SeriesInstanceUID, or its number ("1")
            in the list that the error gives.
        modality: what it has to be, as `preprocessing.Input` has it.
        whole_head: refuse what is too small to show a head, too.

    Returns:
        Three-dimensional scalar image, LPS, mm: int16 (values outside its range are clamped), or float32 if values
        are fractional. It carries no metadata, so nothing of the patient can leak from it into a result.

    Raises:
        ImageError: nothing is there, it is no image, it is damaged, the series is not clear, or `check_image` objects.
    """
    path = Path(path).absolute()  # "." has no name to speak of
    check_name(path)
    with _quiet_itk():
        if path.is_dir():
            image = read_dicom_folder(path, series, modality)
        elif series is not None:
            raise ImageError(f"A series can only be chosen in a DICOM folder, and {path.name!r} is none: leave it out.")
        else:
            image = _read_file(path, modality, whole_head=whole_head)
        check_image(image, modality, whole_head=whole_head)
        return _compact(image)


def read_series(files: Sequence[Path], *, modality: str = "CT", whole_head: bool = True) -> sitk.Image:
    """Read a DICOM series of which the files are known, and check it as `read_image` does.

    Args:
        files: all files of one series, in any order; at least one.
        modality, whole_head: as for `read_image`.

    Returns:
        As `read_image`.

    Raises:
        ImageError: the files are damaged, of several series, no regular grid, or `check_image` objects.
    """
    with _quiet_itk():
        image = read_dicom_files(files, modality)
        check_image(image, modality, whole_head=whole_head)
        return _compact(image)


def write_image(image: sitk.Image, path: str | Path) -> None:
    """Write an image, whole or not at all, compressed where the format can be.

    Args:
        image: any image.
        path: ends in .nii.gz, .nii, .nrrd or .mha; an existing file is replaced.

    Raises:
        OutputError: another ending, or the file cannot be written there (no permission, no space, no folder).
    """
    path = Path(path)
    if not path.name.lower().endswith(WRITABLE):
        raise OutputError(f"{path.name!r} has no ending of an image format: choose one of {', '.join(WRITABLE)}.")
    with atomic_path(path) as temporary, _quiet_itk():
        try:
            sitk.WriteImage(image, str(temporary), useCompression=True)
            if path.name.lower().endswith((".nii", ".nii.gz")):  # ITK does not notice that a disk is full
                check_nifti_voxels(temporary, opened(temporary))
        except (RuntimeError, ImageError) as error:
            raise OutputError(
                f"{path} cannot be written: check that the folder allows it and that there is space left."
            ) from error


@contextmanager
def _quiet_itk() -> Iterator[None]:
    """Without ITK's warnings on the terminal."""
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)


def _read_file(path: Path, modality: str, *, whole_head: bool) -> sitk.Image:
    _check_there(path)
    header = read_header(path, modality)
    if header is not None:
        return _read_dicom_file(path, header, modality, whole_head=whole_head)
    reader = opened(path, pictures=not whole_head)
    size, dimension = reader.GetSize(), reader.GetDimension()
    if any(length != 1 for length in size[3:]):
        raise ImageError(
            f"{path.name!r} has {dimension} dimensions ({' x '.join(map(str, size))}), so it is a time series or a "
            "stack of images: give one three-dimensional CT."
        )
    is_slice = dimension == 2 and not whole_head
    check_kind(3 if is_slice else min(dimension, 3), reader.GetNumberOfComponents(), reader.GetPixelIDValue(), modality)
    if not is_slice:
        direction = np.reshape(reader.GetDirection(), (dimension, -1))[:3, :3]
        check_grid(size[:3], reader.GetSpacing()[:3], direction, whole_head=whole_head)
    _check_count(path, size)
    if is_nifti(reader):
        check_nifti_voxels(path, reader)
    if dimension > 3:
        reader.SetExtractSize([*size[:3], *[0] * (dimension - 3)])
    if reader.GetPixelIDValue() == sitk.sitkFloat64:
        reader.SetOutputPixelType(sitk.sitkFloat32)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise ImageError(f"{path.name!r} is damaged or cut short: copy or export it again.") from error
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    return sitk.JoinSeries(image) if is_slice else image


def _check_count(path: Path, size: Sequence[int]) -> None:
    if math.prod(size) > MOST_VOXELS:
        raise ImageError(
            f"{path.name!r} claims {' x '.join(map(str, size))} voxels, more than any CT has: check the file."
        )


def _check_there(path: Path) -> None:
    try:
        with path.open("rb") as file:
            is_empty = not file.read(1)
    except FileNotFoundError as error:
        raise ImageError(f"{path.name!r} does not exist: check the path.") from error
    except OSError as error:
        raise ImageError(f"{path.name!r} cannot be opened ({error.strerror}): check that you may read it.") from error
    if is_empty:
        raise ImageError(f"{path.name!r} is an empty file: copy or export it again.")


def _read_dicom_file(path: Path, header: Header | DamagedFile, wanted: str, *, whole_head: bool) -> sitk.Image:
    if isinstance(header, DamagedFile):
        raise ImageError(f"{path.name!r} is a DICOM file that is damaged or cut short: copy or export it again.")
    if wanted not in (header.modality, "OT"):
        modality = header.modality or "unknown"
        raise ImageError(f"{path.name!r} is a DICOM image of the modality {modality!r}: give a {wanted}.")
    if header.pixels.samples != 1:
        check_kind(3, header.pixels.samples, sitk.sitkVectorUInt8, wanted)
    if whole_head and len(header.frames) == 1:
        raise ImageError(f"{path.name!r} is one slice of a DICOM series: give the folder that holds the whole series.")
    _check_count(path, (*header.size, len(header.frames)))
    return read_dicom_slice(header) if len(header.frames) == 1 else read_dicom_files([path], wanted)


def _compact(image: sitk.Image) -> sitk.Image:
    """int16 if all values are whole, else float32; values must be finite."""
    pixel_type = image.GetPixelIDValue()
    if pixel_type == sitk.sitkInt16:
        return image
    if pixel_type in _FLOATS and not all(np.array_equal(slab, np.rint(slab)) for slab in slabs(image)):
        return sitk.Cast(image, sitk.sitkFloat32)
    return sitk.Clamp(image, sitk.sitkInt16, *INT16_RANGE)
