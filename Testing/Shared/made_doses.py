"""Doses of a plan, made: an RTDOSE of any dose in the patient's space, and what it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTDoseStorage, generate_uid

#: Steps of the stored dose, Gy.
SCALING = 0.001


def write_rtdose(
    path: Path,
    dose: Callable[[np.ndarray], np.ndarray],
    *,
    origin: tuple[float, float, float],
    spacing: tuple[float, float, float],
    size: tuple[int, int, int],
    of: pydicom.Dataset | None = None,
    **changes: Any,
) -> Path:
    """Write an RTDOSE whose planes lie across the patient's z axis.

    Args:
        path: the file.
        dose: Gy at points (…, 3; x, y, z in mm, LPS).
        origin, spacing, size: of its grid, (x, y, z).
        of: header of a CT slice, whose patient and frame of reference it gets.
        changes: of single attributes; None leaves one out.
    """
    columns, rows, planes = size
    z, y, x = np.meshgrid(
        *(o + s * np.arange(n) for o, s, n in zip(origin[::-1], spacing[::-1], size[::-1], strict=True)), indexing="ij"
    )
    stored = np.rint(dose(np.stack([x, y, z], axis=-1)) / SCALING).astype(np.uint32)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = RTDoseStorage, generate_uid(entropy_srcs=["dose"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    attributes: dict[str, Any] = {
        "SOPClassUID": meta.MediaStorageSOPClassUID,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "RTDOSE",
        "StudyInstanceUID": "2.25.2000",
        "SeriesInstanceUID": "2.25.2001",
        "Rows": rows,
        "Columns": columns,
        "NumberOfFrames": planes,
        "FrameIncrementPointer": 0x3004000C,
        "GridFrameOffsetVector": [spacing[2] * number for number in range(planes)],
        "ImagePositionPatient": list(origin),
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [spacing[1], spacing[0]],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 32,
        "BitsStored": 32,
        "HighBit": 31,
        "PixelRepresentation": 0,
        "DoseUnits": "GY",
        "DoseType": "PHYSICAL",
        "DoseSummationType": "PLAN",
        "DoseGridScaling": SCALING,
        "PixelData": stored.tobytes(),
    }
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "FrameOfReferenceUID", "StudyInstanceUID"):
        if of is not None and keyword in of:
            attributes[keyword] = of[keyword].value
    for keyword, value in {**attributes, **changes}.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)
    return path
