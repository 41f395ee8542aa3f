"""The series, as a rule of CT, that a DICOM result refers to, and what every such result takes over from it.

pydicom and highdicom load at first use. Names and identifiers of the patient pass from header to header, as DICOM
demands, and nowhere else: both packages are kept from printing values that they find odd.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from ..errors import ImageError, OutputError
from ..files.atomic import atomic_path
from ..geometry.lattices import lattice
from ..reading.dicom_series import Slices, find_slices
from ..structures import CodedConcept, Structure
from ..version import __version__

SOFTWARE = "ParotidSeg"
MANUFACTURER = "The ParotidSeg contributors"

#: May be empty, but DICOM wants them to be there.
_TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
_DATES, _TIMES = ("PatientBirthDate", "StudyDate"), ("StudyTime",)


@dataclass(frozen=True)
class Origin:
    """How contours came about.

    Attributes:
        algorithm, version: of what drew them: the name and the version of a bundle, or of this software.
        edited: whether a person corrected them.
    """

    algorithm: str = SOFTWARE
    version: str = __version__
    edited: bool = False

    @property
    def kind(self) -> str:
        """As DICOM has it."""
        return "SEMIAUTOMATIC" if self.edited else "AUTOMATIC"


#: Drawn by this software, and not touched since.
AUTOMATIC = Origin()


@dataclass(frozen=True)
class Plane:
    """Where the pixels of a slice lie, as its own header says: centre of the first one, and steps, (3,), mm, LPS."""

    first: npt.NDArray[np.float64]
    next_column: npt.NDArray[np.float64]
    next_row: npt.NDArray[np.float64]

    @classmethod
    def of(cls, header: Any) -> Plane:
        """From a pydicom dataset."""
        along_row, along_column = np.array(header.ImageOrientationPatient, float).reshape(2, 3)
        between_rows, between_columns = np.array(header.PixelSpacing, float)
        first = np.array(header.ImagePositionPatient, float)
        return cls(first, along_row * between_columns, along_column * between_rows)

    def in_space(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Points (n, 2) in pixels (x, y) as points (n, 3) in mm."""
        return self.first + points[:, :1] * self.next_column + points[:, 1:] * self.next_row


@dataclass(frozen=True)
class DicomReference:
    """The slices of a series, as a rule of CT, in ascending position along their normal.

    Attributes:
        headers: a pydicom dataset without pixels for each, in which nothing is missing that a result needs.
        planes: where each lies.
        slices: their files and grid.
    """

    headers: tuple[Any, ...]
    planes: tuple[Plane, ...]
    slices: Slices

    @classmethod
    def open(
        cls, dicom: str | Path | Sequence[Path], series: str | None = None, modality: str = "CT"
    ) -> DicomReference:
        """Read the headers of a series.

        Args:
            dicom: a folder, or all files of the series.
            series, modality: as for `read_image`.

        Raises:
            OutputError: it is no folder, or pydicom or highdicom is not installed.
            ImageError: the series is not clear or not regular, is a multi-frame file, or lacks identifiers.
        """
        if isinstance(dicom, str | Path):
            check_dicom_input(dicom)
            dicom = Path(dicom).absolute()
        slices = find_slices(dicom, series, modality)
        with lenient() as (pydicom, _):
            try:
                # GDCM, which found the files, also takes those without the preamble of DICOM files.
                headers = [pydicom.dcmread(path, stop_before_pixels=True, force=True) for path in slices.paths]
                _check_identifiers(headers)
                planes = [Plane.of(header) for header in headers]
            except (OSError, ValueError, TypeError) as error:
                raise ImageError("A header of the DICOM series is damaged: copy or export the series again.") from error
            _fill_in(headers[0], pydicom)
            _agree(headers, slices)
        return cls(tuple(headers), tuple(planes), slices)

    def voxels(self, labels: sitk.Image) -> npt.NDArray[np.uint8]:
        """The labels on the voxels of the series.

        Args:
            labels: a label map, values 0..255, that lies on the same voxels in space: its axes may run in another
                order or direction, and it may be a part of the grid alone.

        Returns:
            uint8 (z, y, x), a slice for each header.

        Raises:
            ImageError: it lies on other voxels, or labels lie outside the series.
        """
        plain = sitk.Cast(labels, sitk.sitkUInt8)
        grid = sitk.Image(list(self.slices.size), sitk.sitkUInt8)
        grid.SetOrigin(self.slices.grid.origin)
        grid.SetSpacing(self.slices.grid.spacing)
        grid.SetDirection(self.slices.grid.direction)
        placed = lattice(plain, grid)
        if placed is None:
            raise ImageError(
                "The label map does not lie on the voxels of the DICOM series: export it on the grid of that scan, or "
                "choose its series with --series."
            )
        first, steps = placed
        if plain.GetSize() == grid.GetSize() and not first.any() and np.array_equal(steps, np.eye(3)):
            return sitk.GetArrayFromImage(plain)
        moved = sitk.GetArrayFromImage(sitk.Resample(plain, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0))
        if np.count_nonzero(moved) != np.count_nonzero(sitk.GetArrayViewFromImage(plain)):
            raise ImageError(
                "Labels of the label map lie outside the DICOM series: choose the scan that it was drawn on."
            )
        return moved

    def identity(self, series_number: int, description: str) -> dict[str, Any]:
        """Arguments of highdicom's `SOPClass` for a new object in a series of its own."""
        pydicom, highdicom = dicom_packages()
        now = datetime.now()
        # `write` adds it: highdicom 0.28 would take the CT's and refuse a misspelt one, 0.27 has no such argument.
        knows_it = "specific_character_set" in signature(highdicom.base.SOPClass.__init__).parameters
        character_set = {"specific_character_set": None} if knows_it else {}
        return {
            "series_instance_uid": pydicom.uid.generate_uid(prefix=None),
            "sop_instance_uid": pydicom.uid.generate_uid(prefix=None),
            "series_number": series_number,
            "instance_number": 1,
            "series_description": description,
            "series_date": now.date(),
            "series_time": now.time(),
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": SOFTWARE,
            "software_versions": __version__,
            **character_set,
        }

    def write(self, dataset: Any, path: Path) -> None:
        """Write a new object, whole or not at all, with names in the characters of the CT.

        Raises:
            OutputError: the file cannot be written there.
        """
        with lenient(), atomic_path(path) as temporary:
            if "SpecificCharacterSet" in self.headers[0]:
                dataset.SpecificCharacterSet = self.headers[0].SpecificCharacterSet
            dataset.save_as(temporary, enforce_file_format=True)


def check_dicom_input(source: str | Path) -> None:
    """Refuse, before any work, what no DICOM result can be made of.

    Raises:
        OutputError: the scan is no folder, or pydicom or highdicom is not installed.
    """
    if not Path(source).is_dir():
        raise OutputError(
            "A DICOM result refers to the slices of a DICOM series, so the scan must be a DICOM folder: give the "
            "folder of the scan, or choose another format."
        )
    dicom_packages()


def dicom_packages() -> tuple[ModuleType, ModuleType]:
    """pydicom and highdicom; OutputError if one is not installed."""
    try:
        import highdicom
        import pydicom
    except ImportError as error:
        raise OutputError(
            "DICOM results are written with the packages pydicom and highdicom: install them with pip install "
            "'parotidseg[dicom]'."
        ) from error
    return pydicom, highdicom


@contextmanager
def lenient() -> Iterator[tuple[ModuleType, ModuleType]]:
    """pydicom and highdicom, silent about values that break rules: real headers do, and warnings would quote them."""
    pydicom, highdicom = dicom_packages()
    loggers = [logging.getLogger(package.__name__) for package in (pydicom, highdicom)]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings(), pydicom.config.disable_value_validation():
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield pydicom, highdicom
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def code_item(concept: CodedConcept) -> Any:
    """A code as an item of a DICOM sequence."""
    _, highdicom = dicom_packages()
    return highdicom.sr.CodedConcept(concept.value, concept.scheme, concept.meaning)


def type_item(structure: Structure) -> Any:
    """The type of a structure, with its side where it has one, as an item of a DICOM sequence."""
    item = code_item(structure.type)
    if structure.laterality:
        item.SegmentedPropertyTypeModifierCodeSequence = [code_item(structure.laterality)]
    return item


def algorithm_items(origin: Origin) -> Any:
    """What drew the contours, as a DICOM sequence of one item."""
    _, highdicom = dicom_packages()
    return highdicom.AlgorithmIdentificationSequence(
        name=origin.algorithm,
        family=code_item(CodedConcept("DCM", "123110", "Artificial Intelligence")),
        version=origin.version,
        source=SOFTWARE,
    )


def filled(voxels: npt.NDArray[np.uint8], structures: Sequence[Structure]) -> list[Structure]:
    """The structures that have voxels; OutputError if none has.

    An empty one is left out of DICOM results: planning systems stumble over structures without a contour.
    """
    present = [structure for structure in structures if (voxels == structure.label).any()]
    if not present:
        raise OutputError("No structure has a voxel, so there is nothing to write as DICOM: look at the labels first.")
    return present


def _check_identifiers(headers: Sequence[Any]) -> None:
    uids = {
        keyword: [header.get(keyword, "") for header in headers]
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPClassUID", "SOPInstanceUID")
    }
    # Several values come as a list; a private class of images has no modules to take over.
    is_sound = all(isinstance(uid, str) and uid for values in uids.values() for uid in values)
    is_sound = is_sound and not any(uid.is_private for uid in uids["SOPClassUID"])
    images = uids.pop("SOPInstanceUID")
    if not (is_sound and all(len(set(values)) == 1 for values in uids.values()) and len(set(images)) == len(images)):
        raise ImageError(
            "The slices of the DICOM series lack the identifiers that a DICOM result refers to (of the study, the "
            "frame of reference or the image), or do not agree in them: export the original series."
        )


def _fill_in(header: Any, pydicom: Any) -> None:
    """Add what a header may leave empty but not leave out; make empty what no program could read."""
    for keyword in _TYPE_2:
        if keyword not in header or header[keyword].value is None:
            setattr(header, keyword, "")
    for keyword in ("PatientName", "ReferringPhysicianName"):
        if header[keyword].VM > 1:  # a backslash in a name
            setattr(header, keyword, header[keyword].value[0])
    if header.PatientSex not in ("M", "F", "O"):
        header.PatientSex = ""
    for keywords, parse in ((_DATES, pydicom.valuerep.DA), (_TIMES, pydicom.valuerep.TM)):
        for keyword in keywords:
            try:
                parse(header[keyword].value)
            except (ValueError, TypeError):
                setattr(header, keyword, "")


def _agree(headers: Sequence[Any], slices: Slices) -> None:
    """Give the headers one orientation (they differ by rounding at most), and their distance and thickness.

    highdicom takes no series without these; planes keep what each slice says.
    """
    distance = round(float(slices.grid.spacing[2]), 6)
    for header in headers:
        header.ImageOrientationPatient = list(headers[0].ImageOrientationPatient)
        header.SpacingBetweenSlices = distance
        thickness = header.get("SliceThickness")
        if not (isinstance(thickness, float) and thickness > 0):
            header.SliceThickness = distance
