"""A folder of planned doses, one a case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from ParotidSegLib.dose.reading import Dose, read_dose
from ParotidSegLib.errors import DataError, ImageError
from ParotidSegLib.files.file_names import SUFFIXES, ending, stem

_SUFFIXES = (*SUFFIXES[1:], ".dcm")


@dataclass(frozen=True)
class DoseFolder:
    """Doses by case.

    Attributes:
        root: the folder.
        files: case -> its file, or a folder that holds one RTDOSE.
        unit: of files that are no DICOM, "Gy" or "cGy".
    """

    root: Path
    files: dict[str, Path]
    unit: str = "Gy"

    @classmethod
    def open(cls, root: Path, unit: str = "Gy") -> DoseFolder:
        """List the doses of a folder: CASE.nii.gz (.nrrd, .mha, .dcm), or a folder CASE; no image is read yet.

        Raises:
            DataError: there is no such folder, no dose in it, or a case has two.
        """
        if not root.is_dir():
            raise DataError(f"{root} is no folder: give a folder of doses, one a case.")
        files: dict[str, Path] = {}
        for path in sorted(path for path in root.iterdir() if not path.name.startswith(".")):
            if not (path.is_dir() or ending(path, _SUFFIXES)):
                continue
            case = path.name if path.is_dir() else stem(path, _SUFFIXES)
            if case in files:
                raise DataError(f"The case {case} has two doses in {root}: keep one.")
            files[case] = path
        if not files:
            raise DataError(f"{root} holds no doses: it needs one for each case ({', '.join(_SUFFIXES)}).")
        return cls(root, files, unit)

    def require(self, cases: Sequence[str]) -> None:
        """Raise a DataError unless each of these cases has a dose."""
        lacking = [case for case in cases if case not in self.files]
        if lacking:
            more = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
            raise DataError(
                f"The case {lacking[0]}{more} has no dose in {self.root}: add it, or leave the case out with --exclude."
            )

    def file_of(self, case: str) -> list[Path]:
        """The files of a case's dose."""
        path = self.files[case]
        return sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]

    def read(self, case: str, image: sitk.Image) -> Dose:
        """The dose of a case.

        Args:
            case: its name.
            image: the scan or the contours of the case, which the dose has to overlap.

        Raises:
            DataError: it cannot be used; the sentence names the case.
        """
        try:
            return read_dose(self.files[case], image, unit=self.unit)
        except (DataError, ImageError) as error:
            raise DataError(f"The dose of the case {case} cannot be used: {error}") from error
