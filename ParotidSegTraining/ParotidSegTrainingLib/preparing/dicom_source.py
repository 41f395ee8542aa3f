"""A tree of DICOM files: which CT series has which structure set or segmentation, whatever the folders and names are.

Headers are read once, with pydicom and without pixels. What a case is read from stays in memory: nothing of the patient
is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ParotidSegLib.errors import DataError
from ParotidSegLib.files.walking import files_below
from ParotidSegLib.reading.contours.label_rules import SourceLabels
from ParotidSegLib.reading.contours.reader import CONTOUR_MODALITIES, Contours, read_dicom_contours
from ParotidSegLib.reading.dicom.objects import belonging_of, lenient
from ParotidSegLib.reading.images import read_series

#: A series with fewer images is a localizer.
FEWEST_IMAGES = 4
#: Files that have to be DICOM.
_DICOM_SUFFIXES = (".dcm", ".ima")
_TAGS = (
    "SOPInstanceUID",
    "NumberOfFrames",
    "SOPClassUID",
    "Modality",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "FrameOfReferenceUID",
    "PatientID",
    "ImageType",
    "ReferencedFrameOfReferenceSequence",
    "ReferencedSeriesSequence",
    "StructureSetDate",
    "StructureSetTime",
    "ContentDate",
    "ContentTime",
    "InstanceCreationDate",
    "InstanceCreationTime",
)


@dataclass(frozen=True)
class ScanSeries:
    """A CT series.

    Attributes:
        uid: SeriesInstanceUID.
        frame: FrameOfReferenceUID, or "".
        patient: PatientID, or the study's UID where that is empty.
        files: in no order.
    """

    uid: str
    frame: str
    patient: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class StructureFile:
    """A structure set, or a segmentation (SEG).

    Attributes:
        path: the file.
        modality: "RTSTRUCT" or "SEG".
        series: SeriesInstanceUIDs that it refers to.
        frames: FrameOfReferenceUIDs that it refers to.
        date: when it was made, as digits that can be compared; "" if it does not say.
    """

    path: Path
    modality: str
    series: frozenset[str]
    frames: frozenset[str]
    date: str


@dataclass(frozen=True)
class DicomCase:
    """A CT series with the structure sets that were drawn on it; segmentations (SEG) if there are none."""

    scan: ScanSeries
    structure_sets: tuple[StructureFile, ...]

    def read(
        self, labels: SourceLabels, *, allow_missing: bool = False, newest: bool = False
    ) -> tuple[sitk.Image, Contours]:
        """The scan (int16, HU), and its labels.

        Args:
            labels: what the names of regions become.
            allow_missing: take a case that lacks structures.
            newest: of several structure sets take the one made last.

        Raises:
            ImageError: the series is damaged, forms no regular grid, or is no CT of a head.
            DataError: there are several structure sets, a side is not clear, or a contour is not of this scan.
            ParotidSegError: pydicom is missing.
        """
        drawn = self._structure_set(newest=newest)
        image = read_series(self.scan.files)
        return image, read_dicom_contours(drawn.path, drawn.modality, image, labels, allow_missing=allow_missing)

    def _structure_set(self, *, newest: bool) -> StructureFile:
        if len(self.structure_sets) == 1:
            return self.structure_sets[0]
        ordered = sorted(self.structure_sets, key=lambda one: one.date)
        if not newest or ordered[-1].date == ordered[-2].date:
            raise DataError(
                f"{len(ordered)} structure sets belong to the CT series: keep the one to be used, or take the one made "
                "last with --newest (if they have dates)."
            )
        return ordered[-1]


def find_dicom_cases(root: Path) -> tuple[list[DicomCase], list[str]]:
    """The CT series with structure sets of a tree, by patient and UID; and remarks on what belongs to none.

    A structure set belongs to the series that it refers to; if that is not there, to the one CT series of the same
    frame of reference.

    Raises:
        DataError: there is no CT series with a structure set.
        ParotidSegError: pydicom is missing.
    """
    scans, structure_sets, damaged = _index(root)
    by_scan: dict[str, list[StructureFile]] = defaultdict(list)
    orphans = 0
    for structures in structure_sets:
        uid = _scan_of(structures, scans)
        if uid is None:
            orphans += 1
        else:
            by_scan[uid].append(structures)
    cases = [DicomCase(scan, _preferred(by_scan[scan.uid])) for scan in scans if scan.uid in by_scan]
    if not cases:
        raise DataError(
            f"A source holds no CT series with a structure set ({len(scans)} CT series, {len(structure_sets)} "
            "structure sets): export the CT series together with the RTSTRUCT that was drawn on it."
        )
    remarks = []
    if damaged:
        remarks.append(f"{damaged} file(s) named .dcm are damaged or no DICOM: a series they belong to lacks them.")
    if orphans:
        remarks.append(f"{orphans} structure set(s) belong to no single CT series of the source and were left out.")
    if len(scans) > len(cases):
        remarks.append(f"{len(scans) - len(cases)} CT series without a structure set were left out.")
    return sorted(cases, key=lambda case: (case.scan.patient, case.scan.uid)), remarks


def _preferred(structure_sets: Sequence[StructureFile]) -> tuple[StructureFile, ...]:
    """The structure sets; a segmentation beside one is the same thing in another format, as a rule."""
    contours = tuple(one for one in structure_sets if one.modality == "RTSTRUCT")
    return contours or tuple(structure_sets)


def _scan_of(structures: StructureFile, scans: Sequence[ScanSeries]) -> str | None:
    named = [scan.uid for scan in scans if scan.uid in structures.series]
    if not named:
        named = [scan.uid for scan in scans if scan.frame and scan.frame in structures.frames]
    return named[0] if len(named) == 1 else None


def _index(root: Path) -> tuple[list[ScanSeries], list[StructureFile], int]:
    """All CT series and structure sets of a tree, and how many files that should be DICOM are not."""
    groups: dict[str, list[tuple[Path, Any]]] = defaultdict(list)
    structure_sets: dict[str, StructureFile] = {}
    damaged = 0
    for path, header in _headers(root):
        if "SOPClassUID" not in header:
            damaged += path.suffix.lower() in _DICOM_SUFFIXES
            continue
        modality = str(header.get("Modality", "")).upper()
        if modality in CONTOUR_MODALITIES:
            # Copies of one object, in two folders, are one structure set.
            structure_sets.setdefault(str(header.get("SOPInstanceUID", path)), _structure_file(path, header))
        elif modality == "CT" and "LOCALIZER" not in str(header.get("ImageType", "")).upper():
            groups[str(header.get("SeriesInstanceUID", ""))].append((path, header))
    scans = []
    for uid, members in groups.items():
        header = members[0][1]
        if len(members) >= FEWEST_IMAGES or "NumberOfFrames" in header:
            patient = str(header.get("PatientID", "") or header.get("StudyInstanceUID", "") or uid)
            frame = str(header.get("FrameOfReferenceUID", "") or "")
            scans.append(ScanSeries(uid, frame, patient, tuple(path for path, _ in members)))
    return scans, list(structure_sets.values()), damaged


def _headers(root: Path) -> Iterator[tuple[Path, Any]]:
    with lenient() as package:
        damage = (OSError, EOFError, ValueError, AttributeError, KeyError, RecursionError)
        for path in files_below(root):
            try:
                header = package.dcmread(
                    path,
                    stop_before_pixels=True,
                    specific_tags=list(_TAGS),
                    force=path.suffix.lower() in _DICOM_SUFFIXES,
                )
            except (package.errors.InvalidDicomError, *damage):
                header = {}
            yield path, header


def _structure_file(path: Path, header: Any) -> StructureFile:
    of = belonging_of(header)
    kinds = ("StructureSet", "Content", "InstanceCreation")
    kind = next((kind for kind in kinds if header.get(f"{kind}Date", "")), "")
    date = f"{header.get(f'{kind}Date')}{header.get(f'{kind}Time', '') or ''}" if kind else ""
    return StructureFile(path, str(header.get("Modality", "")).upper(), of.series, of.frames, date)
