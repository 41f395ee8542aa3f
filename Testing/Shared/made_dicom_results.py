"""A made CT series with glands in it, and readers of DICOM results that share no code with the library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from made_images import like, made_head, write_dicom_series
from orientations import rotation

from ParotidSegLib.structures import ANATOMICAL_STRUCTURE, CodedConcept, Structure

STUDY, FRAME, PATIENT = "2.25.1000", "2.25.1002", "Doe^Jane"
#: What a sound CT has and the made series lacks.
TAGS = {
    "0008|0020": "20200102",
    "0008|0030": "101112",
    "0008|0050": "A17",
    "0010|0020": "ID-4711",
    "0010|0030": "19501231",
    "0010|0040": "F",
    "0020|0010": "7",
    "0020|0052": FRAME,
}
#: A structure of another kind, which has no side.
MANDIBLE = Structure(
    label=2,
    key="Bone_Mandible",
    name="Mandible",
    category=ANATOMICAL_STRUCTURE,
    type=CodedConcept("SCT", "91609006", "Mandible"),
    colour=(0, 158, 115),
)
#: Rows, columns and slices of a series run along the patient's axes in these ways (direction matrices, row by row).
DIRECTIONS = {
    "axial": [1, 0, 0, 0, 1, 0, 0, 0, 1],
    "rows and slices reversed": [-1, 0, 0, 0, 1, 0, 0, 0, -1],
    "columns and slices reversed": [1, 0, 0, 0, -1, 0, 0, 0, -1],
    "rows and columns reversed": [-1, 0, 0, 0, -1, 0, 0, 0, 1],
    "rows and columns swapped": [0, 1, 0, 1, 0, 0, 0, 0, -1],
    "sagittal": [0, 0, 1, 1, 0, 0, 0, 1, 0],
    "coronal": [1, 0, 0, 0, 0, 1, 0, -1, 0],
    "oblique": rotation(12, -7, 20),
}


def made_scan(direction: str = "axial") -> tuple[sitk.Image, sitk.Image]:
    """A small CT (int16) in one of `DIRECTIONS`, and its labels: 1 towards the patient's right, 2 towards the left.

    Both glands are ellipsoids of different sizes; the right one has a hole on some slices.
    """
    scan = made_head((28, 24, 20), (2.0, 2.5, 3.0), origin=(-40.5, -45.0, 30.25))
    scan.SetDirection(DIRECTIONS[direction])
    index = np.stack(np.meshgrid(*(np.arange(n) for n in scan.GetSize()), indexing="ij"), axis=-1)
    matrix = np.reshape(scan.GetDirection(), (3, 3)) * np.array(scan.GetSpacing())
    points = (index @ matrix.T).transpose(2, 1, 0, 3)
    across = points[..., 0] - points[..., 0].mean()
    middle = points.reshape(-1, 3).mean(axis=0)
    reach = np.abs(across).max()

    def ball(shift: float, radius: float) -> np.ndarray:
        return np.linalg.norm(points - middle - [shift * reach, 0, 0], axis=-1) < radius

    labels = np.zeros(across.shape, np.uint8)
    labels[ball(-0.5, 12.0) & ~ball(-0.5, 5.0)] = 1
    labels[ball(0.5, 10.0)] = 2
    return scan, like(scan, labels)


def write_ct(folder: Path, scan: sitk.Image, tags: Mapping[str, str] | None = None) -> list[Path]:
    """Write a scan as a DICOM series with all that a result refers to; the files in the order of the slices."""
    return write_dicom_series(folder, scan, tags={**TAGS, **(tags or {})})


def change(files: list[Path], **values: Any) -> None:
    """Set attributes in the headers of DICOM files; None takes them away."""
    for path in files:
        with pydicom.config.disable_value_validation():
            dataset = pydicom.dcmread(path)
            for keyword, value in values.items():
                if value is not None:
                    setattr(dataset, keyword, value)
                elif keyword in dataset:
                    delattr(dataset, keyword)
            dataset.save_as(path)


def headers(folder: Path) -> dict[str, pydicom.Dataset]:
    """The CT slices of a folder by SOPInstanceUID."""
    found = (pydicom.dcmread(path, stop_before_pixels=True, force=True) for path in folder.rglob("*.dcm"))
    return {header.SOPInstanceUID: header for header in found if header.Modality == "CT"}


def expected(labels: sitk.Image, label: int, folder: Path) -> dict[str, np.ndarray]:
    """Which pixels (y, x) of each CT slice have a label, looked up in the patient's space; the grids cover the same."""
    voxels = sitk.GetArrayViewFromImage(labels)
    to_index = np.linalg.inv(np.reshape(labels.GetDirection(), (3, 3)) * np.array(labels.GetSpacing()))
    masks = {}
    for uid, header in headers(folder).items():
        along_row, along_column = np.reshape([float(v) for v in header.ImageOrientationPatient], (2, 3))
        between_rows, between_columns = map(float, header.PixelSpacing)
        rows, columns = np.indices((header.Rows, header.Columns))[..., None]
        points = columns * between_columns * along_row + rows * between_rows * along_column
        points = points + np.array([float(v) for v in header.ImagePositionPatient]) - labels.GetOrigin()
        x, y, z = np.moveaxis(np.rint(points @ to_index.T).astype(int), -1, 0)
        masks[uid] = voxels[z, y, x] == label
    return masks


def contours_of(dataset: pydicom.Dataset, name: str) -> list[pydicom.Dataset]:
    """The contours of the region of this name in a structure set."""
    (number,) = (roi.ROINumber for roi in dataset.StructureSetROISequence if roi.ROIName == name)
    (item,) = (item for item in dataset.ROIContourSequence if item.ReferencedROINumber == number)
    return list(item.ContourSequence)


def points_of(contour: pydicom.Dataset) -> np.ndarray:
    """Corners of a contour, (n, 3) in mm."""
    return np.array(contour.ContourData, float).reshape(-1, 3)


def filled_contours(
    dataset: pydicom.Dataset, name: str, folder: Path, *, combine: np.ufunc = np.logical_xor
) -> dict[str, np.ndarray]:
    """The pixels whose centres lie in the contours of a region, by SOPInstanceUID of the slice they refer to.

    Every contour must lie in the plane of that slice.
    """
    from matplotlib.path import Path as Polygon

    slices = headers(folder)
    masks = {uid: np.zeros((header.Rows, header.Columns), bool) for uid, header in slices.items()}
    for contour in contours_of(dataset, name):
        (image,) = contour.ContourImageSequence
        header = slices[image.ReferencedSOPInstanceUID]
        assert image.ReferencedSOPClassUID == header.SOPClassUID
        along_row, along_column = np.reshape([float(v) for v in header.ImageOrientationPatient], (2, 3))
        between_rows, between_columns = map(float, header.PixelSpacing)
        from_first = points_of(contour) - np.array([float(v) for v in header.ImagePositionPatient])
        assert np.abs(from_first @ np.cross(along_row, along_column)).max() < 1e-3
        polygon = np.stack([from_first @ along_row / between_columns, from_first @ along_column / between_rows], -1)
        rows, columns = np.indices((header.Rows, header.Columns))
        centres = np.stack([columns, rows], axis=-1).reshape(-1, 2)
        inside = Polygon(np.vstack([polygon, polygon[:1]]), closed=True).contains_points(centres)
        mask = masks[header.SOPInstanceUID]
        combine(mask, inside.reshape(mask.shape), out=mask)
    return masks


def frames_of(dataset: pydicom.Dataset, number: int) -> Iterator[tuple[str, np.ndarray, list[float]]]:
    """The frames of a segment of a SEG: SOPInstanceUID of the slice they refer to, pixels (y, x), position in mm."""
    pixels = dataset.pixel_array
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    (shared,) = dataset.SharedFunctionalGroupsSequence  # what is the same for all frames
    for frame, groups in zip(pixels, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        (segment,) = (groups if "SegmentIdentificationSequence" in groups else shared).SegmentIdentificationSequence
        if segment.ReferencedSegmentNumber == number:
            source = groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
            position = [float(v) for v in groups.PlanePositionSequence[0].ImagePositionPatient]
            yield source, frame.astype(bool), position
