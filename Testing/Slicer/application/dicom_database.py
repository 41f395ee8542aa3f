"""`slicer.dicomDatabase`: the calls of ctkDICOMDatabase that the modules use, over folders of DICOM files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom


class DicomDatabase:
    """Patients, studies, series and instances of the files in some folders; indices are lists, as in CTK tuples."""

    def __init__(self) -> None:
        self.isOpen = True
        self._instances: dict[str, tuple[str, Any]] = {}

    def addFolder(self, folder: Path) -> None:
        """For tests: take in every DICOM file below a folder."""
        for path in sorted(folder.rglob("*.dcm")):
            header = pydicom.dcmread(path, stop_before_pixels=True)
            self._instances[str(header.SOPInstanceUID)] = (str(path), header)

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
