"""DICOM results of either kind, by the suffix of the path: what the command line and the Slicer panel call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import SimpleITK as sitk

from ..errors import OutputError
from ..structures import PAROTIDS, Structure
from .dicom_reference import AUTOMATIC, DicomReference, Origin
from .dicom_rtstruct import write_rtstruct
from .dicom_seg import write_seg
from .export import RTSTRUCT_SUFFIX, is_dicom, segmentation_suffix


def export_dicom(
    labels: sitk.Image,
    path: str | Path,
    *,
    dicom: str | Path | Sequence[Path],
    series: str | None = None,
    modality: str = "CT",
    structures: Sequence[Structure] = PAROTIDS,
    origin: Origin = AUTOMATIC,
) -> list[Structure]:
    """Write a label map, as it was computed or as a person corrected it, as DICOM that refers to its CT.

    Args:
        labels: label map in patient space (LPS, mm) on the voxels of the CT; its axes may run in another order or
            direction, and it may be a part of the grid alone.
        path: ends with .rtstruct.dcm (contours) or .seg.dcm (segmentation).
        dicom: the CT: a DICOM folder, or all files of the series.
        series, modality: which series of the folder, as for `read_image`.
        structures: names, codes and colours of the labels; other labels are passed over.
        origin: how the contours came about; Origin(edited=True) once a person has corrected them.

    Returns:
        The structures that were written; one without a voxel is left out.

    Raises:
        ImageError: the series is not clear or not regular, or the label map does not lie on its voxels.
        OutputError: another suffix, no DICOM folder, none of the structures is there, the packages that write DICOM
            are not installed, or the file cannot be written.
    """
    _check_suffix(path)
    reference = DicomReference.open(dicom, series, modality)
    return write_dicom(labels, path, reference, structures=structures, origin=origin)


def write_dicom(
    labels: sitk.Image,
    path: str | Path,
    reference: DicomReference,
    *,
    structures: Sequence[Structure] = PAROTIDS,
    origin: Origin = AUTOMATIC,
) -> list[Structure]:
    """As `export_dicom`, for a series whose headers have been read."""
    _check_suffix(path)
    write = write_rtstruct if segmentation_suffix(path) == RTSTRUCT_SUFFIX else write_seg
    return write(labels, path, reference, structures=structures, origin=origin)


def _check_suffix(path: str | Path) -> None:
    if not is_dicom(path):
        raise OutputError(
            f"'{Path(path).name}' has no ending of a DICOM result: let the name end with .rtstruct.dcm (contours) or "
            ".seg.dcm (voxels)."
        )
