"""`slicer.dicomDatabase`: the calls of ctkDICOMDatabase that the modules use, over folders of DICOM files.

Beside it `DICOMLib.DICOMUtils`, whose `importDicom` copies files into it.
"""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path
from typing import Any

import pydicom


class DicomDatabase:
    """Patients, studies, series and instances of the files in some folders; indices are lists, as in CTK tuples."""

    def __init__(self, folder: Path) -> None:
        self.isOpen = True
        self._instances: dict[str, tuple[str, Any]] = {}
        self.databaseDirectory = str(folder)
        #: For tests: what the windows that show the database were told; importing tells them nothing.
        self.shown_images = 0

    def addFolder(self, folder: Path) -> None:
        """For tests: take in every DICOM file below a folder."""
        for path in sorted(folder.rglob("*.dcm")):
            header = pydicom.dcmread(path, stop_before_pixels=True)
            self._instances[str(header.SOPInstanceUID)] = (str(path), header)
        self.databaseChanged()

    def databaseChanged(self) -> None:
        """The signal, emitted by calling it, upon which the windows show what there is."""
        self.shown_images = self.imagesCount()

    def imagesCount(self) -> int:
        """The number of instances, images or not."""
        return len(self._instances)

    def take(self, path: Path, *, copy: bool) -> None:
        """What the indexer does with a file: one that is no DICOM, or names no study, is left out without a word."""
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
            study, series, instance = header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID
        except (pydicom.errors.InvalidDicomError, AttributeError):
            return
        if copy:
            target = Path(self.databaseDirectory) / "dicom" / study / series / f"{instance}.dcm"
            target.parent.mkdir(parents=True, exist_ok=True)
            path = Path(shutil.copy(path, target))
        self._instances[str(instance)] = (str(path), header)

    def patients(self) -> tuple[str, ...]:
        """Keys of the patients; a key is no PatientID."""
        return tuple(str(number) for number in range(1, len(self._patient_ids()) + 1))

    def studiesForPatient(self, patient: str) -> tuple[str, ...]:
        """StudyInstanceUIDs."""
        wanted = self._patient_ids()[int(patient) - 1]
        return self._unique("StudyInstanceUID", lambda header: self._patient_id(header) == wanted)

    def seriesForStudy(self, study: str) -> tuple[str, ...]:
        """SeriesInstanceUIDs."""
        return self._unique("SeriesInstanceUID", lambda header: header.StudyInstanceUID == study)

    def filesForSeries(self, series: str) -> tuple[str, ...]:
        """Paths."""
        return tuple(path for path, header in self._instances.values() if header.SeriesInstanceUID == series)

    def fileForInstance(self, instance: str) -> str:
        """The path; empty for an unknown instance."""
        return self._instances.get(instance, ("", None))[0]

    def fileValue(self, path: str, tag: str) -> str:
        """A value of a file by its tag ("0008,0060"); empty if it is absent."""
        group, element = (int(part, 16) for part in tag.split(","))
        header = next(header for known, header in self._instances.values() if known == path)
        return str(header[group, element].value) if (group, element) in header else ""

    @staticmethod
    def _patient_id(header: Any) -> str:
        return str(header.get("PatientID", header.get("PatientName", "")))

    def _patient_ids(self) -> list[str]:
        return sorted({self._patient_id(header) for _, header in self._instances.values()})

    def _unique(self, attribute: str, wanted: Any) -> tuple[str, ...]:
        headers = [header for _, header in self._instances.values() if wanted(header)]
        return tuple(dict.fromkeys(str(getattr(header, attribute)) for header in headers))


def importDicom(dicomDataDir: str, dicomDatabase: Any = None, copyFiles: bool = False) -> bool:
    """Import the DICOM files of a folder; waits in an event loop, in which timers go on. True whatever was taken."""
    import slicer
    from PySide6.QtCore import QCoreApplication

    database = slicer.dicomDatabase if dicomDatabase is None else dicomDatabase
    for path in sorted(Path(dicomDataDir).rglob("*")):
        if path.is_file():
            database.take(path, copy=copyFiles)
    QCoreApplication.processEvents()
    return True


def install_dicom_lib() -> None:
    """Make `from DICOMLib import DICOMUtils` work, as where Slicer's DICOM module is loaded."""
    utils = types.ModuleType("DICOMLib.DICOMUtils")
    utils.importDicom = importDicom  # type: ignore[attr-defined]
    package = types.ModuleType("DICOMLib")
    package.DICOMUtils = utils  # type: ignore[attr-defined]
    sys.modules.update({"DICOMLib": package, "DICOMLib.DICOMUtils": utils})
