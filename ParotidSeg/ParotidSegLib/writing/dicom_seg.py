"""Label maps as a DICOM segmentation (SEG), written by highdicom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..structures import PAROTIDS, Structure
from .dicom_reference import (
    AUTOMATIC,
    SOFTWARE,
    DicomReference,
    Origin,
    algorithm_items,
    code_item,
    filled,
    lenient,
    type_item,
)

#: Far from the numbers that scanners give.
SERIES_NUMBER = 9002


def write_seg(
    labels: sitk.Image,
    path: str | Path,
    reference: DicomReference,
    *,
    structures: Sequence[Structure] = PAROTIDS,
    origin: Origin = AUTOMATIC,
) -> list[Structure]:
    """Write a label map as a binary SEG that refers to a CT series: one segment a structure, in the given order.

    Structures without a voxel, and frames without one, are left out.

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
    # Segments are numbered from 1 without a gap, whatever the labels.
    number_of = np.zeros(256, np.uint8)
    for number, structure in enumerate(present, start=1):
        number_of[structure.label] = number
    with lenient() as (_, highdicom):
        dataset = highdicom.seg.Segmentation(
            source_images=reference.headers,
            pixel_array=number_of[voxels],
            segmentation_type="BINARY",
            segment_descriptions=[
                _description(number, structure, origin, highdicom) for number, structure in enumerate(present, start=1)
            ],
            content_label=SOFTWARE.upper(),
            content_description="To be reviewed by a clinician before use",
            device_serial_number="none",
            **reference.identity(SERIES_NUMBER, f"{SOFTWARE} segmentation"),
        )
    reference.write(dataset, Path(path))
    return present


def _description(number: int, structure: Structure, origin: Origin, highdicom: Any) -> Any:
    description = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=structure.name,
        segmented_property_category=code_item(structure.category),
        segmented_property_type=code_item(structure.type),
        algorithm_type=origin.kind,
        algorithm_identification=algorithm_items(origin),
        display_color=highdicom.color.CIELabColor.from_rgb(*structure.colour),
    )
    description.SegmentedPropertyTypeCodeSequence = [type_item(structure)]
    description.SegmentDescription = structure.key
    return description
