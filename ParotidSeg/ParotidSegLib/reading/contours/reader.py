"""Contours of any origin onto the voxels of a scan: structure sets, DICOM segmentations, label maps, 3D Slicer's files.

One reader for all who need contours: the review, the preparation of training data. What is lost on the way is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ...errors import DataError
from ...files.file_names import LABEL_SUFFIXES, check_name, ending
from ...files.walking import files_below
from ...structures import PAROTIDS, Structure
from ..dicom.objects import Belonging, belonging_of_scan, check_belonging, modality_of
from ..dicom_series import find_files
from .drawing import draw
from .label_rules import SourceLabels
from .named_masks import Contours, Named, from_named_masks
from .origins.label_files import read_label_files
from .origins.placing import Placing
from .origins.segments import read_segments
from .structure_sets import read_structure_set

__all__ = ["Contours", "read_contours", "read_dicom_contours"]

#: Modalities of the DICOM objects that hold contours.
CONTOUR_MODALITIES = ("RTSTRUCT", "SEG")


def read_contours(
    path: str | Path,
    image: sitk.Image,
    *,
    scan: str | Path | Sequence[Path] | None = None,
    series: str | None = None,
    structures: Sequence[Structure] = PAROTIDS,
) -> Contours:
    """The contours of a file on the voxels of a scan.

    Args:
        path: an RTSTRUCT or SEG file, a label map (NIfTI, NRRD, MetaImage), a segmentation of 3D Slicer (.seg.nrrd), or
            a folder that holds one of these, or one mask file a structure.
        image: the scan; its geometry alone is used.
        scan: the folder, the files or the file that the image was read from. Where it is DICOM, contours of another
            patient or on another frame of reference are refused; without it nothing of that is checked.
        series: which series of the folder the image is, as for `read_image`.
        structures: those that are looked for, by code, name or label value.

    Returns:
        `labels` on exactly the grid of the image: 0 background, then the structures' labels; their own `names`; and
        `remarks` on what was lost or is doubtful.

    Raises:
        DataError: there are no contours or several, none of a structure (the names that there are are listed), they are
            empty, damaged, of another patient, on another frame of reference or outside the scan, a side is not clear,
            or structures overlap.
        ImageError: a path is not UTF-8, or the scan cannot be found again.
        ParotidSegError: pydicom is missing.
    """
    files = _files_of(Path(path))
    labels = replace(SourceLabels.plain(structures), ways="")
    if len(files) == 1 and (modality := modality_of(files[0])):
        of_scan = _belonging_of(scan, series)
        contours = read_dicom_contours(files[0], modality, image, labels, allow_missing=True, scan=of_scan)
    else:
        contours = read_label_files(files, image, labels, allow_missing=True, resample=True)
    present = set(np.unique(sitk.GetArrayViewFromImage(contours.labels)).tolist())
    if not present & {structure.label for structure in structures}:
        raise DataError("The contours are empty: no voxel belongs to a structure; draw them or export them again.")
    return contours


def read_dicom_contours(
    path: Path,
    modality: str,
    image: sitk.Image,
    labels: SourceLabels,
    *,
    allow_missing: bool = False,
    scan: Belonging | None = None,
) -> Contours:
    """The contours of one DICOM object.

    Args:
        path: the file.
        modality: what it is: one of `CONTOUR_MODALITIES`.
        image: the scan.
        labels: what names and codes become.
        allow_missing: take contours that lack a structure.
        scan: whose the scan is; None if that need not be checked.

    Raises:
        DataError, ParotidSegError: as `read_contours`; also for an object of another modality.
    """
    if modality == "RTSTRUCT":
        return _of_structure_set(path, image, labels, allow_missing=allow_missing, scan=scan)
    if modality == "SEG":
        return _of_segmentation(path, image, labels, allow_missing=allow_missing, scan=scan)
    raise DataError(f"The DICOM file holds no contours (its modality is '{modality}'): give an RTSTRUCT or a SEG.")


def _of_structure_set(
    path: Path, image: sitk.Image, labels: SourceLabels, *, allow_missing: bool, scan: Belonging | None
) -> Contours:
    regions = read_structure_set(path)
    remarks = check_belonging(regions.of, scan, "The structure set") if scan else []

    def mask(name: str, key: str) -> np.ndarray:
        try:
            contours = regions.contours_of(name)
            drawn = draw(contours.closed, image)
        except DataError as error:
            raise DataError(f"The region '{name}' cannot be used: {error}") from error
        remarks.extend([*contours.remarks(name), *drawn.remarks(name)])
        return drawn.mask

    named = Named(regions.names, mask, empty=regions.empty)
    found = from_named_masks(named, image, labels, allow_missing=allow_missing)
    return replace(found, remarks=(*remarks, *found.remarks))


def _of_segmentation(
    path: Path, image: sitk.Image, labels: SourceLabels, *, allow_missing: bool, scan: Belonging | None
) -> Contours:
    segmentation = read_segments(path, labels.structures)
    remarks = check_belonging(segmentation.of, scan, "The segmentation") if scan else []
    place = Placing(image, resample=True)
    numbers: dict[str, int] = {}
    codes: dict[str, str] = {}
    for segment in segmentation.segments:
        name = segment.name
        if name in numbers and not segment.code:
            raise DataError(f"Several segments are named '{name}': give each a name of its own.")
        if name in numbers:  # told apart by their codes
            name = f"{name} ({segment.number})"
        numbers[name] = segment.number
        if segment.code:
            codes[name] = segment.code

    def mask(name: str, key: str) -> np.ndarray:
        return place(segmentation.mask(numbers[name]), segmentation.frames.grid, key)

    found = from_named_masks(Named(list(numbers), mask, codes), image, labels, allow_missing=allow_missing)
    return replace(found, remarks=(*remarks, *segmentation.remarks(), *place.remarks, *found.remarks))


def _files_of(path: Path) -> list[Path]:
    """The file of contours, or the mask files, that a path means."""
    check_name(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"{path.name!r} does not exist: give a file of contours, or a folder that holds one.")
    found = list(files_below(path, hidden=False))
    dicom = [one for one in found if modality_of(one) in CONTOUR_MODALITIES]
    files = [one for one in found if ending(one, LABEL_SUFFIXES[:-2])]
    if len(dicom) + bool(files) != 1:
        held = f"{len(dicom)} DICOM object(s) with contours and {len(files)} label map(s)"
        raise DataError(f"The folder {path.name!r} holds {held}: give the one file that is meant.")
    return dicom or files


def _belonging_of(scan: str | Path | Sequence[Path] | None, series: str | None) -> Belonging | None:
    """Whose the scan is; None if it is no DICOM."""
    if scan is None:
        return None
    files = find_files(Path(scan) if isinstance(scan, str | Path) else scan, series)
    return belonging_of_scan(files) if files else None
