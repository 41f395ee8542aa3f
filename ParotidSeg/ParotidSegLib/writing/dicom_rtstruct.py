"""Contours as a DICOM structure set (RTSTRUCT), the format that treatment planning systems read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from ..geometry.contours import outlines
from ..structures import PAROTIDS, Structure
from .dicom_reference import (
    AUTOMATIC,
    SOFTWARE,
    DicomReference,
    Origin,
    algorithm_items,
    code_item,
    dicom_packages,
    filled,
    lenient,
    type_item,
)

#: Far from the numbers that scanners give.
SERIES_NUMBER = 9001
_RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
#: A retired class, which the reference to the study still names in practice.
_DETACHED_STUDY = "1.2.840.10008.3.1.2.3.1"
#: Coordinates to a tenth of a micrometre; a DICOM decimal holds 16 characters.
_DECIMALS = 4


def write_rtstruct(
    labels: sitk.Image,
    path: str | Path,
    reference: DicomReference,
    *,
    structures: Sequence[Structure] = PAROTIDS,
    origin: Origin = AUTOMATIC,
) -> list[Structure]:
    """Write a label map as an RTSTRUCT that refers to a CT series.

    Each piece of a structure on a slice is one closed contour in the plane of that slice, a hole joined to its outline
    by a channel (see `outlines`). Structures without a voxel are left out.

    Args:
        labels: a label map on the voxels of the series, see `DicomReference.voxels`.
        path: where to.
        reference: the CT series.
        structures: names, codes and colours of the labels; other labels are passed over.
        origin: how the contours came about.

    Returns:
        The structures that were written.

    Raises:
        ImageError: the label map does not lie on the voxels of the series.
        OutputError: it holds none of the structures, or the file cannot be written.
    """
    voxels = reference.voxels(labels)
    present = filled(voxels, structures)
    with lenient() as (_, highdicom):
        dataset = _empty_set(reference, highdicom)
        _describe(dataset, reference, present, origin)
        dataset.ROIContourSequence = [
            _roi_contour(number, structure, voxels, reference) for number, structure in enumerate(present, start=1)
        ]
    reference.write(dataset, Path(path))
    return present


def _empty_set(reference: DicomReference, highdicom: Any) -> Any:
    """A structure set without structures, in the study of the CT."""
    first = reference.headers[0]
    dataset = highdicom.base.SOPClass(
        sop_class_uid=_RT_STRUCTURE_SET,
        modality="RTSTRUCT",
        study_instance_uid=first.StudyInstanceUID,
        # Implicit VR, highdicom's default, is what every system reads, and it has no limit on the points of a contour.
        transfer_syntax_uid="1.2.840.10008.1.2",
        **reference.identity(SERIES_NUMBER, f"{SOFTWARE} contours"),
    )
    dataset.copy_patient_and_study_information(first)
    dataset.OperatorsName = ""
    dataset.ApprovalStatus = "UNAPPROVED"
    now = datetime.now()
    dataset.StructureSetLabel = SOFTWARE
    dataset.StructureSetDescription = "To be reviewed by a clinician before use"
    dataset.StructureSetDate = f"{now:%Y%m%d}"
    dataset.StructureSetTime = f"{now:%H%M%S}"
    dataset.FrameOfReferenceUID = first.FrameOfReferenceUID
    dataset.PositionReferenceIndicator = first.get("PositionReferenceIndicator", "")
    dataset.ReferencedFrameOfReferenceSequence = [_referenced_frame(reference)]
    return dataset


def _item(**attributes: Any) -> Any:
    """An item of a sequence with these attributes."""
    pydicom, _ = dicom_packages()
    item = pydicom.Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def _image_item(header: Any) -> Any:
    return _item(ReferencedSOPClassUID=header.SOPClassUID, ReferencedSOPInstanceUID=header.SOPInstanceUID)


def _referenced_frame(reference: DicomReference) -> Any:
    first = reference.headers[0]
    series = _item(
        SeriesInstanceUID=first.SeriesInstanceUID,
        ContourImageSequence=[_image_item(header) for header in reference.headers],
    )
    study = _item(
        ReferencedSOPClassUID=_DETACHED_STUDY,
        ReferencedSOPInstanceUID=first.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    return _item(FrameOfReferenceUID=first.FrameOfReferenceUID, RTReferencedStudySequence=[study])


def _describe(dataset: Any, reference: DicomReference, structures: Sequence[Structure], origin: Origin) -> None:
    """Add what the structures are."""
    dataset.StructureSetROISequence = [
        _item(
            ROINumber=number,
            ReferencedFrameOfReferenceUID=reference.headers[0].FrameOfReferenceUID,
            ROIName=structure.key,
            ROIDescription=structure.name,
            ROIGenerationAlgorithm=origin.kind,
            ROIDerivationAlgorithmIdentificationSequence=algorithm_items(origin),
        )
        for number, structure in enumerate(structures, start=1)
    ]
    dataset.RTROIObservationsSequence = [
        _item(
            ObservationNumber=number,
            ReferencedROINumber=number,
            SegmentedPropertyCategoryCodeSequence=[code_item(structure.category)],
            RTROIIdentificationCodeSequence=[type_item(structure)],
            RTROIInterpretedType="ORGAN",
            ROIInterpreter="",
        )
        for number, structure in enumerate(structures, start=1)
    ]


def _roi_contour(number: int, structure: Structure, voxels: npt.NDArray[np.uint8], reference: DicomReference) -> Any:
    """The contours of one structure, from the first slice to the last."""
    contours: list[Any] = []
    for header, plane, labels in zip(reference.headers, reference.planes, voxels, strict=True):
        for outline in outlines(labels == structure.label):
            points = plane.in_space(outline)
            contours.append(
                _item(
                    ContourImageSequence=[_image_item(header)],
                    ContourGeometricType="CLOSED_PLANAR",
                    NumberOfContourPoints=len(points),
                    ContourNumber=len(contours) + 1,
                    ContourData=[f"{value:.10g}" for value in points.round(_DECIMALS).ravel()],
                )
            )
    return _item(ReferencedROINumber=number, ROIDisplayColor=list(structure.colour), ContourSequence=contours)
