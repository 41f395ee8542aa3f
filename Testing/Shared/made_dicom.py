"""DICOM series with structure sets, made with pydicom: heads whose glands are drawn as contours in patient space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import made_training as made
import numpy as np
import pydicom
import SimpleITK as sitk
from made_images import CONTOURS, write_dicom_series
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

NAME, IDENTIFIER = "Doe^Jane", "MRN-4711"
Contours = list[np.ndarray]


def ellipsoid_contours(image: sitk.Image, centre: Sequence[float], axes: Sequence[float], points: int = 90) -> Contours:
    """Where an ellipsoid (half axes in mm along x, y, z) is cut by the slices of an image: (n, 3) in mm, LPS."""
    direction = np.reshape(image.GetDirection(), (3, 3))
    across, down, normal = direction.T
    angles = np.linspace(0.0, 2.0 * np.pi, points, endpoint=False)
    ways = np.cos(angles)[:, np.newaxis] * across + np.sin(angles)[:, np.newaxis] * down
    contours = []
    for index in range(image.GetDepth()):
        slice_origin = np.array(image.TransformIndexToPhysicalPoint((0, 0, index)))
        foot = np.array(centre) + ((slice_origin - np.array(centre)) @ normal) * normal
        start = (foot - centre) / axes
        if start @ start >= 1.0:
            continue
        step = ways / np.array(axes)
        a, b, c = (step**2).sum(axis=1), step @ start, start @ start - 1.0
        contours.append(foot + ((-b + np.sqrt(b**2 - a * c)) / a)[:, np.newaxis] * ways)
    return contours


def gland_contours(image: sitk.Image, middle: Sequence[float] = (0.0, 0.0, 0.0)) -> dict[str, Contours]:
    """Contours of both glands of `made.head_with_glands`, as a clinic names them."""
    return {
        "Parotid_R": ellipsoid_contours(image, np.array(middle) + made.RIGHT, made.GLAND),
        "Parotid_L": ellipsoid_contours(image, np.array(middle) + made.LEFT, made.GLAND),
    }


def write_structure_set(
    path: Path,
    regions: Mapping[str, Contours] | Sequence[tuple[str, Contours]],
    *,
    series: str = "",
    frame: str = "",
    uid: str = "2.25.5000",
    date: str = "20240101",
    kind: str = "CLOSED_PLANAR",
) -> Path:
    """Write an RTSTRUCT file.

    Args:
        path: the file.
        regions: contours by name.
        series, frame: what it refers to; "" for nothing.
        uid, date: of the structure set.
        kind: ContourGeometricType.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CONTOURS, uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = CONTOURS, uid, "RTSTRUCT"
    dataset.PatientName, dataset.PatientID = NAME, IDENTIFIER
    dataset.StructureSetLabel, dataset.StructureSetDate, dataset.StructureSetTime = "Plan", date, "120000"
    referenced = Dataset()
    referenced.FrameOfReferenceUID = frame or "2.25.9"
    if series:
        one, study = Dataset(), Dataset()
        one.SeriesInstanceUID = series
        study.RTReferencedSeriesSequence = [one]
        referenced.RTReferencedStudySequence = [study]
    dataset.ReferencedFrameOfReferenceSequence = [referenced]
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    pairs = regions.items() if isinstance(regions, Mapping) else regions
    for number, (name, contours) in enumerate(pairs, start=1):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name, referenced.FrameOfReferenceUID
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = [_contour(points, kind) for points in contours]
        dataset.StructureSetROISequence.append(roi)
        dataset.ROIContourSequence.append(drawn)
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


def _contour(points: np.ndarray, kind: str) -> Dataset:
    contour = Dataset()
    contour.ContourGeometricType, contour.NumberOfContourPoints = kind, len(points)
    contour.ContourData = [f"{value:.4f}" for value in points.ravel()]
    return contour


def write_patient(
    folder: Path,
    number: int,
    *,
    names: Mapping[str, str] | None = None,
    patient: str = "",
    direction: Sequence[float] = made.IDENTITY,
    middle: Sequence[float] = (0.0, 0.0, 0.0),
) -> tuple[sitk.Image, sitk.Image]:
    """Write a CT series and its structure set; give the image and the label map that was drawn.

    Args:
        folder: gets CT/ and RS.dcm.
        number: decides UIDs and noise.
        names: what the regions Parotid_R and Parotid_L are called.
        patient: PatientID.
        direction, middle: of the head.
    """
    image, labels = made.head_with_glands(middle, direction, number)
    uid = f"2.25.{1000 + number}"
    identifier = patient or f"{IDENTIFIER}-{number}"
    tags = {"0010|0010": NAME, "0010|0020": identifier, "0020|0052": f"{uid}.9", "0020|000d": f"{uid}.8"}
    write_dicom_series(folder / "CT", image, uid=uid, number=number, tags=tags)
    regions = {(names or {}).get(key, key): drawn for key, drawn in gland_contours(image, middle).items()}
    write_structure_set(folder / "RS.dcm", regions, series=uid, frame=f"{uid}.9", uid=f"{uid}.7")
    return image, labels
