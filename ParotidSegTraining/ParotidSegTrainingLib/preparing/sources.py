"""What a data set is prepared from: cases that know how to read themselves, whatever the layout of their source."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.errors import DataError, ImageError
from ParotidSegLib.files.file_names import ending
from ParotidSegLib.model.preprocessing import Input
from ParotidSegLib.reading.contours.label_rules import SourceLabels
from ParotidSegLib.reading.contours.origins.label_files import read_label_files
from ParotidSegLib.reading.images import read_image
from ParotidSegLib.structures import PAROTIDS, Structure

from .dicom_source import DicomCase, find_dicom_cases
from .folder_source import FilePair, find_pairs, is_folder_of_files

#: Files without a spacing of their own.
_NO_SPACING = (".png",)


@dataclass(frozen=True)
class Source:
    """A folder to take cases from.

    Attributes:
        name: what the user calls it; it is written into the data set. "" for a source without a name.
        root: the folder.
        labels: what its labels and names become.
    """

    name: str
    root: Path
    labels: SourceLabels


@dataclass(frozen=True)
class Options:
    """How cases are read.

    Attributes:
        inputs: the images of a case; several have names, and only folders of files can have them.
        allow_missing: take cases that lack named structures.
        newest: of several structure sets take the one made last.
        patient_pattern: regular expression that finds the patient in the name of a case of a folder of files.
    """

    inputs: tuple[Input, ...] = (Input(),)
    allow_missing: bool = False
    newest: bool = False
    patient_pattern: str = ""


@dataclass(frozen=True)
class CaseData:
    """A case in memory.

    Attributes:
        images: in the order of the inputs.
        labels: uint8 label map.
        remarks: each a sentence.
        regions: by structure key, what its regions are called in the source.
    """

    images: tuple[sitk.Image, ...]
    labels: sitk.Image
    remarks: tuple[str, ...]
    regions: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class SourceCase:
    """A case that can be read.

    Attributes:
        source: name of its source.
        patient: who it is of; private, like `place` and `file_name`.
        place: where it lies; unique.
        file_name: what its files are called; "" in DICOM.
        read: reads it; raises a ParotidSegError of one sentence.
    """

    source: str
    patient: str
    place: str
    file_name: str
    read: Callable[[], CaseData] = field(compare=False)


def find_cases(sources: Sequence[Source], options: Options) -> tuple[list[SourceCase], list[str]]:
    """All cases of the sources, in order; and remarks on what was left out.

    Raises:
        DataError: a folder is not there or holds no case, or the pattern of patients is wrong.
        ParotidSegError: pydicom is missing.
    """
    cases: list[SourceCase] = []
    remarks: list[str] = []
    for number, source in enumerate(sources, start=1):
        if not source.root.is_dir():
            raise DataError(f"The source {source.root} is no folder: check the path.")
        name = source.name or f"source_{number}"
        if is_folder_of_files(source.root):
            pairs = find_pairs(source.root, [i.name for i in options.inputs] if len(options.inputs) > 1 else ())
            cases += [_file_case(pair, name, source.labels, options) for pair in pairs]
        else:
            if options.inputs != (Input(),):
                raise DataError("DICOM series are read as CT alone: give other inputs as NIfTI or NRRD files.")
            found, more = find_dicom_cases(source.root)
            cases += [_dicom_case(case, name, source.labels, options) for case in found]
            remarks += more
    return cases, remarks


def _dicom_case(case: DicomCase, name: str, labels: SourceLabels, options: Options) -> SourceCase:
    def read() -> CaseData:
        image, found = case.read(labels, allow_missing=options.allow_missing, newest=options.newest)
        return CaseData((as_int16(image),), found.labels, found.remarks, found.regions)

    # One PatientID in two sources may be one patient: kept together, it does no harm if it is not.
    return SourceCase(
        name, f"DICOM {case.scan.patient}", f"{case.scan.files[0].parent.resolve()} {case.scan.uid}", "", read
    )


def _file_case(pair: FilePair, name: str, labels: SourceLabels, options: Options) -> SourceCase:
    patient = pair.name
    if options.patient_pattern:
        found = _searched(options.patient_pattern, pair.name)
        if found is None:
            raise DataError(
                f"The pattern of patients '{options.patient_pattern}' does not fit every name of a case: correct it."
            )
        patient = found.group(1) if found.re.groups else found.group(0)
    place = str(pair.images[0].resolve()) if pair.images else f"{name} {pair.name}"
    return SourceCase(name, f"{name} {patient}", place, pair.name, partial(_read_files, pair, labels, options))


def _searched(pattern: str, text: str) -> re.Match[str] | None:
    try:
        return re.search(pattern, text)
    except re.error as error:
        raise DataError(f"The pattern of patients '{pattern}' is no regular expression ({error}).") from error


def _read_files(pair: FilePair, labels: SourceLabels, options: Options) -> CaseData:
    if len(pair.images) < len(options.inputs):
        raise DataError("An image of it is missing: add it, or name the inputs that there are.")
    if not pair.masks:
        raise DataError("It has no mask: add one, or take the image away.")
    whole_head = is_of_head(labels.structures)
    images = []
    for path, wanted in zip(pair.images, options.inputs, strict=True):
        image = _read_image(path, wanted.modality, whole_head=whole_head)
        images.append(as_int16(image) if wanted.modality == "CT" else image)
    remarks = []
    if any(ending(path, _NO_SPACING) for path in pair.images):
        remarks.append("Its .png states no spacing: 1 mm is taken.")
    found = read_label_files(pair.masks, images[0], labels, allow_missing=options.allow_missing)
    return CaseData(tuple(images), found.labels, (*remarks, *found.remarks), found.regions)


def _read_image(path: Path, modality: str, *, whole_head: bool) -> sitk.Image:
    """`read_image`, but that what it says does not name the file, which may be called after a patient."""
    try:
        return read_image(path, modality=modality, whole_head=whole_head)
    except ImageError as error:
        text = str(error).replace(repr(path.name), "its image")
        raise ImageError(text[:1].upper() + text[1:]) from None


def is_of_head(structures: Sequence[Structure]) -> bool:
    """Whether scans have to show a whole head, as those of the parotid glands do."""
    return tuple(structures) == PAROTIDS


def as_int16(image: sitk.Image) -> sitk.Image:
    """A CT as int16: fractional HU are rounded."""
    if image.GetPixelIDValue() == sitk.sitkInt16:
        return image
    array = sitk.GetArrayViewFromImage(image)
    rounded = sitk.GetImageFromArray(np.clip(np.rint(array), -32768, 32767).astype(np.int16))
    rounded.CopyInformation(image)
    return rounded
