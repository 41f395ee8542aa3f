"""The contours as they are now, and the review, as files. MRML only, no Qt; DICOM is in `dicom_job`."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from ..errors import ImageError, OutputError
from ..files.atomic import atomic_path
from ..structures import Structure
from ..writing.export import DICOM_SUFFIXES, write_segmentation
from .running.dicom_job import DicomJob
from .scene.results import report_of
from .scene.reviewed import review_mark
from .scene.scene import gland_labels, gland_table

STEM = "parotids"
#: Columns of the review: what is unusual about the contours (an empty cell is no clean bill of health), and the day on
#: which a person marked the contour as reviewed (empty: not, or it was changed since).
REMARKS, REVIEWED = "contour_remarks", "reviewed"
_LABEL_SUFFIXES = (".seg.nrrd", ".nii.gz")


def export(
    segmentation: Any,
    volume: Any,
    folder: str | Path,
    *,
    suffix: str,
    structures: Sequence[Structure],
    dicom_folder: str | Path | None = None,
) -> list[Path]:
    """Write the contours, or the review, in one format.

    Args:
        segmentation: the node with the contours; segments without a structure are not written.
        volume: the node of their CT.
        folder: where the files go; those of the same name are replaced.
        suffix: ".rtstruct.dcm", ".seg.dcm", ".seg.nrrd", ".nii.gz", ".stl" or ".csv".
        structures: what to write.
        dicom_folder: the CT's DICOM files, for a volume that was not loaded from Slicer's DICOM database.

    Returns:
        The files that were written.

    Raises:
        OutputError: unknown suffix, nothing to write, a package or the DICOM files are missing, or a file cannot be
            written.
        ImageError: the volume's geometry cannot be expressed, or does not fit its DICOM files.
    """
    target = files_of(folder, suffix, structures)[0]
    if suffix == ".csv":
        return [write_review(segmentation, volume, target, structures)]
    if suffix == ".stl":
        return write_surfaces(segmentation, Path(folder).absolute(), structures)
    if suffix in _LABEL_SUFFIXES:
        labels = gland_labels(segmentation, volume, structures)
        return [write_segmentation(labels, target, structures=structures)]
    if suffix in DICOM_SUFFIXES:
        job = DicomJob(segmentation, volume, target, structures=structures, dicom_folder=dicom_folder)
        try:
            return [job.wait()]
        finally:
            job.close()
    raise OutputError(_("The contours cannot be written as '{suffix}': choose another format.").format(suffix=suffix))


def files_of(folder: str | Path, suffix: str, structures: Sequence[Structure]) -> list[Path]:
    """The files that an export in this format may write."""
    names = [f"{STEM}_{structure.key}" for structure in structures] if suffix == ".stl" else [STEM]
    return [Path(folder).absolute() / f"{name}{suffix}" for name in names]


# --- surfaces --------------------------------------------------------------------------------------------------------


def write_surfaces(segmentation: Any, folder: Path, structures: Sequence[Structure]) -> list[Path]:
    """Write the surface of each segment that has voxels as <folder>/parotids_<key>.stl: LPS, mm, as the scene shows it.

    Raises:
        OutputError: there is nothing to write, or a file cannot be written.
    """
    surfaces = {structure.key: _surface(segmentation, structure.key) for structure in structures}
    surfaces = {key: surface for key, surface in surfaces.items() if surface is not None}
    if not surfaces:
        raise OutputError(_("There is no contour to make a surface of: segment the CT first."))
    written = []
    for key, surface in surfaces.items():
        target = folder / f"{STEM}_{key}.stl"
        with atomic_path(target) as temporary:
            writer = vtk.vtkSTLWriter()
            writer.SetInputData(surface)
            writer.SetFileName(str(temporary))
            writer.SetFileTypeToBinary()
            writer.SetHeader("ParotidSeg SPACE=LPS")
            if not writer.Write() or not temporary.is_file():
                text = _("{name} cannot be written: look whether the disk is full.")
                raise OutputError(text.format(name=target.name))
        written.append(target)
    return written


def _surface(segmentation: Any, key: str) -> Any:
    """The closed surface of a segment in LPS and the world's mm; None without a voxel. The node stays as it is."""
    source = segmentation.GetSegmentation()
    if source.GetSegment(key) is None:
        return None
    copy = slicer.vtkSegmentation()
    copy.SetSourceRepresentationName(source.GetSourceRepresentationName())
    copy.CopySegmentFromSegmentation(source, key)
    closed = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    if not copy.CreateRepresentation(closed):
        return None
    surface = copy.GetSegment(key).GetRepresentation(closed)
    if surface is None or not surface.GetNumberOfPolys():
        return None
    to_world = vtk.vtkGeneralTransform()
    if segmentation.GetParentTransformNode() is not None:
        slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(segmentation.GetParentTransformNode(), None, to_world)
    to_world.PostMultiply()
    to_world.Scale(-1.0, -1.0, 1.0)
    moved = vtk.vtkTransformPolyDataFilter()
    moved.SetInputData(surface)
    moved.SetTransform(to_world)
    moved.Update()
    return moved.GetOutput()


# --- review ----------------------------------------------------------------------------------------------------------


def write_review(segmentation: Any, volume: Any, path: Path, structures: Sequence[Structure]) -> Path:
    """Write the review as CSV: a row per gland as it is now, beside what the model measured and found; one for both.

    Raises:
        OutputError: the file cannot be written.
        ImageError: the volume's geometry cannot be expressed.
    """
    report = report_of(segmentation)
    automatic = report.get("structures", {})
    origin = report.get("provenance", {})
    model = origin.get("bundle", {})
    common = {"model": f"{model['name']} {model['version']}" if model else "", "engine": origin.get("engine", "")}
    rows: list[dict[str, Any]] = []
    for row in gland_table(segmentation, volume, structures):
        key = row.structure.key
        measured = automatic.get(key, {})
        rows.append(
            {
                "structure": key,
                "name": row.structure.name,
                "volume_ml": _number(row.volume_ml, 2),
                "mean_hu": _number(row.mean_hu, 1),
                "automatic_volume_ml": _number(measured.get("volume_ml"), 2),
                "automatic_mean_hu": _number(measured.get("mean_hu"), 1),
                REMARKS: _remarks(report, key),
                REVIEWED: _reviewed(segmentation, key, volume),
                **common,
            }
        )
    if not rows:
        raise ImageError(_("There is nothing to review: segment the CT first."))
    if _remarks(report, None):
        rows.append(dict.fromkeys(rows[0], "") | {"name": _("both"), REMARKS: _remarks(report, None)} | common)
    # With a mark at the beginning, by which spreadsheets know UTF-8.
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _reviewed(segmentation: Any, key: str, volume: Any) -> str:
    mark = review_mark(segmentation, key, volume)
    return mark.date if mark is not None and mark.holds else ""


def _remarks(report: dict[str, Any], key: str | None) -> str:
    found = report.get("findings", ())
    return " ".join(f"{entry['severity']}: {entry['message']}" for entry in found if entry.get("structure") == key)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"
