"""Writing results: label maps (NIfTI, NRRD, MetaImage), 3D Slicer segmentations (.seg.nrrd) and JSON.

Every file appears under its final name only when it is complete and was read back unchanged: the NIfTI writer reports
no error when the disk fills up.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import OutputError
from ..files.atomic import atomic_path
from ..files.file_names import SLICER_SUFFIX, SUFFIXES
from ..structures import PAROTIDS, CodedConcept, Structure

#: DICOM results, which refer to the slices of the scan: `dicom_export` writes them.
RTSTRUCT_SUFFIX, SEG_SUFFIX = DICOM_SUFFIXES = (".rtstruct.dcm", ".seg.dcm")

#: Names of our terminology (category, type and laterality) and of DICOM's list of anatomic regions.
TERMINOLOGY_CONTEXT = "Segmentation category and type - ParotidSeg"
ANATOMIC_CONTEXT = "Anatomic codes - DICOM master list"

_BINARY_LABELMAP = "Binary labelmap"
_NO_CODE = "^^"
_EMPTY_EXTENT = "0 -1 0 -1 0 -1"


def segmentation_suffix(path: str | Path) -> str:
    """The suffix, one of `SUFFIXES` or `DICOM_SUFFIXES`, that decides the format of this path.

    Lower case only: readers of NIfTI refuse "scan.Nii", so a file of that name would be of no use.

    Raises:
        OutputError: the path ends with none of them.
    """
    name = Path(path).name
    suffixes = (*SUFFIXES, *DICOM_SUFFIXES)
    for suffix in suffixes:
        if name.endswith(suffix):
            return suffix
    known = ", ".join(sorted(suffixes))
    raise OutputError(f"A segmentation cannot be written as '{name}': let the name end with one of {known}.")


def is_dicom(path: str | Path) -> bool:
    """Whether the suffix of this path names a DICOM result."""
    return Path(path).name.endswith(DICOM_SUFFIXES)


def write_segmentation(labels: sitk.Image, path: str | Path, *, structures: Sequence[Structure] = PAROTIDS) -> Path:
    """Write a label map in the format that the suffix of `path` names, on the grid of `labels`.

    NRRD and MetaImage keep the geometry to the last bit or two; NIfTI stores it in single precision. Only voxels,
    geometry and the structures' names, codes and colours are written, none of the image's metadata.

    Args:
        labels: 3D label map, values 0..255 (0 background; the structures' label values).
        path: .nii, .nii.gz, .nrrd or .mha for a plain label map; .seg.nrrd for a segmentation of 3D Slicer.
        structures: what the .seg.nrrd names; a structure without a voxel becomes an empty segment.

    Returns:
        The path.

    Raises:
        OutputError: unknown suffix or that of a DICOM result, or the file cannot be written in full.
    """
    target = Path(path)
    suffix = segmentation_suffix(target)
    if is_dicom(target):
        raise OutputError(f"'{target.name}' needs the CT that it refers to: write it with export_dicom.")
    # The cast makes a new image without the keys that a reader attached (a DICOM header holds the patient).
    plain = sitk.Cast(labels, sitk.sitkUInt8)
    if suffix == SLICER_SUFFIX:
        for key, value in _slicer_fields(plain, structures).items():
            plain.SetMetaData(key, value)
    with atomic_path(target) as temporary:
        try:
            sitk.WriteImage(plain, str(temporary), useCompression=True)
            complete = _same_voxels(plain, sitk.ReadImage(str(temporary)))
        except RuntimeError as error:
            raise _incomplete(target) from error
        if not complete:
            raise _incomplete(target)
    return target


def write_json(data: Any, path: str | Path) -> Path:
    """Write data as indented JSON, UTF-8, keys in the order given.

    JSON has no NaN and no infinity: both become null. numpy scalars and arrays become numbers and lists, paths text.

    Raises:
        OutputError: the file cannot be written.
        TypeError: the data holds something that JSON cannot express.
    """
    target = Path(path)
    text = json.dumps(_plain(data), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return target


def write_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], path: str | Path) -> Path:
    """Write rows as CSV, UTF-8, with these columns; what a row lacks stays empty.

    Raises:
        OutputError: the file cannot be written.
    """
    target = Path(path)
    with atomic_path(target) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return target


def terminology_tag(structure: Structure) -> str:
    """The structure's codes as 3D Slicer serialises a terminology entry.

    Seven parts separated by "~": name of the terminology, category, type, modifier of the type (the laterality, empty
    if there is none), name of the list of anatomic regions, region and modifier of the region (both empty). A code is
    three texts separated by "^".
    """
    return "~".join(
        (
            TERMINOLOGY_CONTEXT,
            _code(structure.category),
            _code(structure.type),
            _code(structure.laterality) if structure.laterality else _NO_CODE,
            ANATOMIC_CONTEXT,
            _NO_CODE,
            _NO_CODE,
        )
    )


def _code(concept: CodedConcept) -> str:
    return f"{concept.scheme}^{concept.value}^{concept.meaning}"


def _incomplete(target: Path) -> OutputError:
    return OutputError(f"'{target.name}' could not be written in full: look whether the disk is full or protected.")


def _same_voxels(written: sitk.Image, read: sitk.Image) -> bool:
    return np.array_equal(sitk.GetArrayViewFromImage(written), sitk.GetArrayViewFromImage(read))


def _slicer_fields(labels: sitk.Image, structures: Sequence[Structure]) -> dict[str, str]:
    """The private header fields of Slicer's segmentation format, in its documented order.

    Both names of the source representation are written: Slicer called it "master" before 5.2, and other readers
    still look for that.
    """
    fields = {
        "Segmentation_ContainedRepresentationNames": f"{_BINARY_LABELMAP}|",
        "Segmentation_ConversionParameters": (
            f"Reference image geometry|{_geometry(labels)}|"
            "Geometry of the labelmaps that are created from other representations: the grid of the scan.&"
        ),
        "Segmentation_MasterRepresentation": _BINARY_LABELMAP,
        "Segmentation_SourceRepresentation": _BINARY_LABELMAP,
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }
    extent = _extent(labels, structures)
    for index, structure in enumerate(structures):
        segment = {
            "ID": structure.key,
            "Name": structure.name,
            "NameAutoGenerated": "0",
            "Color": " ".join(f"{channel / 255:.6g}" for channel in structure.colour),
            "ColorAutoGenerated": "0",
            "LabelValue": str(structure.label),
            "Layer": "0",
            "Extent": extent,
            "Tags": f"TerminologyEntry:{terminology_tag(structure)}|",
        }
        fields.update({f"Segment{index}_{name}": value for name, value in segment.items()})
    return fields


def _extent(labels: sitk.Image, structures: Sequence[Structure]) -> str:
    """First and last index along i, j and k of the box around all structures together.

    Slicer writes the shared extent of a layer for each of its segments, and older versions cut the layer to the extent
    of its *first* segment when they read it: extents of the single segments would lose the second gland.
    """
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.ComputePerimeterOff()
    shapes.Execute(labels)
    boxes = [shapes.GetBoundingBox(s.label) for s in structures if shapes.HasLabel(s.label)]
    if not boxes:
        return _EMPTY_EXTENT
    firsts = np.min([box[:3] for box in boxes], axis=0)
    lasts = np.max([np.add(box[:3], box[3:]) - 1 for box in boxes], axis=0)
    return " ".join(f"{first} {last}" for first, last in zip(firsts, lasts, strict=True))


def _geometry(image: sitk.Image) -> str:
    """The grid as Slicer serialises it: the 4x4 matrix from index to RAS (mm), row by row, then the extent."""
    index_to_ras = np.eye(4)
    index_to_ras[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    index_to_ras[:3, 3] = image.GetOrigin()
    index_to_ras[:2] *= -1.0
    # Adding zero turns "-0.0" into "0.0".
    numbers = [repr(value) for value in (index_to_ras + 0.0).ravel().tolist()]
    numbers += [f"0;{size - 1}" for size in image.GetSize()]
    return ";".join(numbers) + ";"


def _plain(data: Any) -> Any:
    """The same data with nothing in it that JSON lacks; unknown kinds are left for the encoder to refuse."""
    if isinstance(data, Mapping):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, np.ndarray | np.generic):
        return _plain(data.tolist())
    if isinstance(data, list | tuple):
        return [_plain(value) for value in data]
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return str(data) if isinstance(data, Path) else data
