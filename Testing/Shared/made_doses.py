"""Made doses: images in Gy, and RTDOSE files of them as planning systems write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def points_of(image: sitk.Image) -> np.ndarray:
    """Centres of all voxels in mm, (z, y, x, 3)."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in image.GetSize()), indexing="ij"), axis=-1)
    matrix = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    return (index @ matrix.T + np.array(image.GetOrigin())).transpose(2, 1, 0, 3)


def made_grid(
    size: Sequence[int], spacing: Sequence[float], origin: Sequence[float], direction: Sequence[float] = IDENTITY
) -> sitk.Image:
    grid = sitk.Image(list(size), sitk.sitkUInt8)
    grid.SetSpacing(spacing)
    grid.SetOrigin(origin)
    grid.SetDirection(direction)
    return grid


def made_dose(grid: sitk.Image, gy: Callable[[np.ndarray], np.ndarray]) -> sitk.Image:
    """A dose, float32, of points (…, 3) in mm."""
    dose = sitk.GetImageFromArray(gy(points_of(grid)).astype(np.float32))
    dose.CopyInformation(grid)
    return dose


def write_rtdose(
    path: Path, dose: sitk.Image, *, absolute: bool = False, bits: int = 32, scaling: float = 1e-5, **changes: Any
) -> Path:
    """Write an RTDOSE file.

    Args:
        path: the file.
        dose: Gy.
        absolute: GridFrameOffsetVector as z of each plane, not as distance from the first one.
        bits: of a stored value.
        scaling: Gy of a stored unit.
        changes: attributes; None takes one away.
    """
    array = sitk.GetArrayFromImage(dose)
    axes = np.reshape(dose.GetDirection(), (3, 3))
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = DOSE, "2.25.6000"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = DOSE, "2.25.6000", "RTDOSE"
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "ID-4711"
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = (
        "2.25.6",
        "2.25.1000",
        "2.25.1002",
    )
    dataset.DoseUnits, dataset.DoseType, dataset.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    dataset.DoseGridScaling = f"{scaling:.6g}"
    dataset.ImagePositionPatient = [f"{value:.4f}" for value in dose.GetOrigin()]
    dataset.ImageOrientationPatient = [f"{value:.6f}" for value in axes[:, :2].T.ravel()]
    dataset.PixelSpacing = [str(dose.GetSpacing()[1]), str(dose.GetSpacing()[0])]
    offsets = np.arange(len(array)) * dose.GetSpacing()[2]
    if absolute:
        offsets = dose.GetOrigin()[2] + axes[2, 2] * offsets
    dataset.GridFrameOffsetVector = [f"{offset:.4f}" for offset in offsets]
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = array.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelData = np.rint(array / scaling).astype(f"<u{bits // 8}").tobytes()
    for keyword, value in changes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path
