"""DICOM objects that are no slices (structure sets, segmentations, doses), read with pydicom; and whose they are."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import DataError, ParotidSegError
from .walk import may_be_dicom

_UNDEFINED = 0xFFFFFFFF
_START = 132


@dataclass(frozen=True)
class Belonging:
    """Which patient's space an object lies in; private: compared, never printed.

    Attributes:
        frames: FrameOfReferenceUIDs that it states.
        series: SeriesInstanceUIDs that it refers to; of a scan its own.
        patient: PatientID, "" if it states none.
    """

    frames: frozenset[str] = frozenset()
    series: frozenset[str] = frozenset()
    patient: str = ""


def pydicom() -> Any:
    """The package that reads DICOM objects that are no slices.

    Raises:
        ParotidSegError: it is not installed.
    """
    try:
        import pydicom as package
    except ImportError as error:
        raise ParotidSegError(
            "Structure sets, segmentations and doses are read with pydicom: pip install 'pydicom>=3.0.1,<4'."
        ) from error
    return package


@contextmanager
def lenient() -> Iterator[Any]:
    """pydicom without its warnings: real files break rules that do not matter here, and it would quote them."""
    package = pydicom()
    logger = logging.getLogger(package.__name__)
    level = logger.level
    try:
        logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings(), package.config.disable_value_validation():
            warnings.simplefilter("ignore")
            yield package
    finally:
        logger.setLevel(level)


def is_whole(dataset: Any) -> bool:
    """Whether no element ends before the length that it states: pydicom would leave out what lies beyond in silence."""
    elements = [dataset.get_item(tag) for tag in list(dataset.keys())]
    return all(
        len(element.value) == element.length
        for element in elements
        if isinstance(getattr(element, "value", None), bytes) and element.length != _UNDEFINED
    )


def read_object(path: Path, what: str, *, pixels: bool = True, tags: Sequence[str] | None = None) -> Any:
    """The pydicom dataset of a file, whole; its values are read when they are asked for, under `lenient`.

    Args:
        path: the file.
        what: what it has to be, for sentences ("structure set").
        pixels: read them, too.
        tags: keywords of the elements that are wanted, if not all.

    Raises:
        DataError: it is no DICOM file, or damaged.
        ParotidSegError: pydicom is missing.
    """
    with lenient() as package:
        try:
            dataset = package.dcmread(path, stop_before_pixels=not pixels, specific_tags=list(tags) if tags else None)
            if not is_whole(dataset):
                raise ValueError("cut short")
        except package.errors.InvalidDicomError as error:
            raise DataError(f"The {what} is no DICOM file: export it again.") from error
        except Exception as error:  # pydicom raises errors of many kinds at damaged files, RecursionError among them
            raise DataError(f"The {what} is damaged or incomplete: export it again.") from error
    return dataset


def modality_of(path: Path) -> str:
    """The modality of a DICOM file, upper case; "" if it is no DICOM file or states none.

    Raises:
        ParotidSegError: pydicom is missing.
    """
    try:
        with path.open("rb") as file:
            if not may_be_dicom(file.read(_START)):
                return ""
        dataset = read_object(path, "file", pixels=False, tags=["Modality"])
        with lenient():
            return text_of(dataset, "Modality").upper()
    except (DataError, OSError, ValueError):
        return ""


def belonging_of(dataset: Any) -> Belonging:
    """Whose space an object lies in, as far as it says so."""
    frames, series = {text_of(dataset, "FrameOfReferenceUID")}, set()
    for frame in _items(dataset, "ReferencedFrameOfReferenceSequence"):
        frames.add(text_of(frame, "FrameOfReferenceUID"))
        for study in _items(frame, "RTReferencedStudySequence"):
            series |= {text_of(one, "SeriesInstanceUID") for one in _items(study, "RTReferencedSeriesSequence")}
    frames |= {text_of(item, "ReferencedFrameOfReferenceUID") for item in _items(dataset, "StructureSetROISequence")}
    series |= {text_of(one, "SeriesInstanceUID") for one in _items(dataset, "ReferencedSeriesSequence")}
    return Belonging(frozenset(frames - {""}), frozenset(series - {""}), text_of(dataset, "PatientID"))


def belonging_of_scan(files: Iterable[Path]) -> Belonging:
    """Whose space the slices of one series lie in, by the first one.

    Raises:
        ParotidSegError: pydicom is missing.
    """
    tags = ("FrameOfReferenceUID", "SeriesInstanceUID", "PatientID")
    for path in files:
        with lenient() as package:
            try:
                header = package.dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(tags))
                series = frozenset({text_of(header, "SeriesInstanceUID")} - {""})
                frames = frozenset({text_of(header, "FrameOfReferenceUID")} - {""})
                return Belonging(frames, series, text_of(header, "PatientID"))
            except Exception:  # as above; a damaged slice says nothing
                continue
    return Belonging()


def check_belonging(of: Belonging, scan: Belonging, what: str) -> list[str]:
    """Refuse an object of another patient, or on another frame of reference than the scan.

    Args:
        of: the object's.
        scan: the scan's.
        what: the object in words, at the beginning of a sentence ("The structure set").

    Returns:
        Sentences on what could not be checked.

    Raises:
        DataError: it is another patient's, or lies in another space; who the patients are is not said.
    """
    if of.patient and scan.patient and of.patient != scan.patient:
        raise DataError(f"{what} is of another patient than the scan: choose the one that belongs to it.")
    if of.series & scan.series or of.frames & scan.frames:
        return []
    if of.frames and scan.frames:
        raise DataError(
            f"{what} lies on another frame of reference than the scan, so that its place in the scan is unknown: "
            "choose the one that was made on this scan, or register both first."
        )
    return [f"{what} or the scan does not state its frame of reference: look whether it lies where it should."]


def _items(dataset: Any, keyword: str) -> Sequence[Any]:
    try:
        return list(dataset.get(keyword) or ())
    except Exception:  # a sequence that is damaged says nothing
        return ()


def text_of(dataset: Any, keyword: str) -> str:
    """A value as text without blanks around it; "" if there is none or it is damaged."""
    try:
        return str(dataset.get(keyword, "") or "").strip()
    except Exception:
        return ""
