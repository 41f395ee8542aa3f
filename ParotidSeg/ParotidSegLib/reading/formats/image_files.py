"""Opening an image file that is no DICOM: by the reader of its format alone, in this process if its header is plain."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
import SimpleITK as sitk

from ...errors import ImageError
from ..guarded import GuardedReader
from .file_formats import NRRD, PICTURE, FileFormat, format_of, nrrd_direction
from .nifti_checks import check_nifti_forms, check_nifti_header, check_nifti_voxels, is_nifti

#: The axes of an NRRD file after ITK has turned them.
_SPACE, _LPS = "NRRD_space", "left-posterior-superior"
Reader: TypeAlias = "sitk.ImageFileReader | GuardedReader"


def opened(path: Path, *, pictures: bool = False) -> Reader:
    """A reader that has read the header of a NIfTI, NRRD or MetaImage file that states orientation and spacing.

    Args:
        path: a file that is there.
        pictures: also a PNG file, which states neither.

    Raises:
        ImageError: another format, a damaged file, or one that leaves left and right or the spacing to a guess.
    """
    try:
        found = format_of(path)
    except OSError as error:
        raise ImageError(f"{path.name!r} cannot be opened ({error.strerror}): check that you may read it.") from error
    if found is None:
        raise _no_image(path)
    reader = _with_header(path, found)
    if is_nifti(reader):
        check_nifti_header(path, reader)
        check_nifti_forms(path)
    if found.reader == NRRD and (pictures or reader.GetDimension() > 2):  # else it is refused as a slice
        _check_nrrd_space(path, reader)
    if found.reader == PICTURE and not pictures:
        _refuse_picture(path, reader)
    return reader


def read_plainly(path: Path, *, pictures: bool = False) -> sitk.Image:
    """The image of a file that `opened` opens, as it is, whole and undamaged; RuntimeError if it cannot be read."""
    reader = opened(path, pictures=pictures)
    if is_nifti(reader):
        check_nifti_voxels(path, reader)
    return reader.Execute()


def _with_header(path: Path, found: FileFormat) -> Reader:
    reader = sitk.ImageFileReader() if found.is_plain else GuardedReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(found.reader)
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        if "orthonormal" in str(error):
            raise ImageError(
                f"The axes of {path.name!r} are not at right angles (sheared, as by a tilted gantry): resample it to a "
                "grid with right angles, or convert it from DICOM again."
            ) from error
        raise _no_image(path) from error
    return reader


def _no_image(path: Path) -> ImageError:
    return ImageError(
        f"{path.name!r} is no image in a format that states orientation and spacing, or it is damaged: give a DICOM "
        "folder or a NIfTI, NRRD or MetaImage file."
    )


def _refuse_picture(path: Path, reader: Reader) -> None:
    if reader.GetDimension() == 2:
        raise ImageError(f"{path.name!r} is a picture of a single slice: give the whole CT.")
    raise _no_image(path)


def _check_nrrd_space(path: Path, reader: Reader) -> None:
    """Refuse an NRRD header that leaves left and right to a guess; ITK takes its axes for those of the patient."""
    if not reader.HasMetaDataKey(_SPACE) or reader.GetMetaData(_SPACE) != _LPS:
        raise ImageError(
            f"{path.name!r} states no orientation (no 'space' of the patient in its header), so that left and right "
            "cannot be told apart: convert it from DICOM again."
        )
    # ITK up to 5.4.5 turns left-anterior-superior the wrong way about, which makes right of left.
    stated = nrrd_direction(path) if reader.GetDimension() == 3 else None
    if stated is not None and not np.allclose(stated, np.reshape(reader.GetDirection(), (3, 3)), atol=1e-3):
        raise ImageError(
            f"{path.name!r} states axes in a space that the installed SimpleITK turns the wrong way, so that left "
            "and right would change places: save it in the space 'left-posterior-superior'."
        )
