"""Reading a dose distribution, RTDOSE or an image in Gy, checked: units, what it is the dose of, whose it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import DataError, ImageError
from ..files.file_names import SUFFIXES, check_name, ending
from ..files.walking import files_below
from ..geometry.grids import physical_bounds
from ..reading.dicom.objects import (
    belonging_of,
    belonging_of_scan,
    check_belonging,
    lenient,
    modality_of,
    read_object,
    text_of,
)
from ..reading.dicom_series import find_files
from ..reading.images import read_image

#: What an image without units may hold, and what that is in Gy.
UNITS = {"Gy": 1.0, "cGy": 0.01}
#: No course of external radiotherapy gives a voxel so much; an image that does is in cGy, or no dose.
LARGEST_GY = 200.0
#: Rounding may leave doses a little below 0.
_ROUNDING_GY = 0.01
#: What a dose may be the sum of; all else is a part of the treatment.
_WHOLE = ("PLAN", "MULTI_PLAN")
_PARTS = {
    "FRACTION": "a single fraction",
    "BEAM": "a single beam",
    "BRACHY": "a single source",
    "FRACTION_SESSION": "a single session",
    "BEAM_SESSION": "a beam of a single session",
    "BRACHY_SESSION": "a source of a single session",
    "CONTROL_POINT": "a part of a beam",
    "RECORD": "a record of a part of the treatment",
}


@dataclass(frozen=True)
class Dose:
    """A dose distribution.

    Attributes:
        image: Gy, float32, on its own grid.
        remarks: what is doubtful, each a sentence.
    """

    image: sitk.Image
    remarks: tuple[str, ...] = ()

    @property
    def maximum(self) -> float:
        """The largest dose, Gy."""
        return float(sitk.GetArrayViewFromImage(self.image).max())


def read_dose(
    path: str | Path,
    image: sitk.Image | None = None,
    *,
    scan: str | Path | Sequence[Path] | None = None,
    series: str | None = None,
    unit: str = "Gy",
) -> Dose:
    """Read the dose of a whole plan.

    Args:
        path: an RTDOSE file, a NIfTI, NRRD or MetaImage file, or a folder that holds one of these.
        image: the scan, which the dose has to overlap; None if that need not be checked.
        scan: the folder, the files or the file that the image was read from. Where both are DICOM, a dose of another
            patient or on another frame of reference is refused.
        series: which series of the folder the image is, as for `read_image`.
        unit: of the values of a file that is no DICOM: "Gy" or "cGy" (hundredths of a Gy).

    Raises:
        DataError: there is no dose or several, it is damaged, in percent, of a beam or a fraction alone, an error
            estimate, in another unit, of another patient, on another frame of reference, or beside the scan.
        ImageError: a path is not UTF-8, or the scan cannot be found again.
        ParotidSegError: pydicom is missing.
    """
    file = _file_of(Path(path))
    if modality_of(file):
        scale, remarks = 1.0, _checked_header(file, scan, series)
    else:
        scale, remarks = UNITS[unit], []
    try:
        read = read_image(file, modality="RTDOSE", whole_head=False)
    except ImageError as error:
        text = str(error).replace(repr(file.name), "the dose")
        raise DataError(f"The dose cannot be read: {text[:1].lower()}{text[1:]}") from error
    dose = checked_dose(sitk.Cast(read, sitk.sitkFloat32) * scale, remarks)
    if image is not None:
        _check_overlap(dose.image, image)
    return dose


def checked_dose(image: sitk.Image, remarks: Sequence[str] = ()) -> Dose:
    """A dose that has been read already, in Gy, as a program that shows it holds it; its values are checked.

    Raises:
        DataError: it is a single plane, or no dose in Gy has such values.
    """
    if image.GetDepth() < 2:
        raise DataError("The dose is a single plane: export it in three dimensions.")
    read = image if image.GetPixelID() == sitk.sitkFloat32 else sitk.Cast(image, sitk.sitkFloat32)
    _check_values(read)
    return Dose(read, tuple(remarks))


def _file_of(path: Path) -> Path:
    check_name(path)
    if path.is_file():
        return path
    if not path.is_dir():
        raise DataError(f"{path.name!r} does not exist: give a file of a dose, or a folder that holds one.")
    found = list(files_below(path, hidden=False))
    doses = [one for one in found if modality_of(one) == "RTDOSE"] or [one for one in found if ending(one, SUFFIXES)]
    if len(doses) != 1:
        raise DataError(f"The folder {path.name!r} holds {len(doses)} doses: give the one file that is meant.")
    return doses[0]


def _checked_header(file: Path, scan: str | Path | Sequence[Path] | None, series: str | None) -> list[str]:
    """Refuse what is no dose of a whole plan in Gy; sentences on what is doubtful."""
    dataset = read_object(file, "dose", pixels=False)
    with lenient():
        said = {keyword: text_of(dataset, keyword).upper() for keyword in ("Modality", "DoseUnits", "DoseType")}
        summed = text_of(dataset, "DoseSummationType").upper()
        scaling = _scaling(dataset)
    if said["Modality"] != "RTDOSE":
        raise DataError(f"The DICOM file holds no dose (its modality is '{said['Modality']}'): give an RTDOSE.")
    if said["DoseUnits"] != "GY":
        unit = {"RELATIVE": "in percent of a reference dose", "": "without a unit"}.get(said["DoseUnits"], "not in Gy")
        raise DataError(f"The dose is {unit}: export it as an absolute dose in Gy.")
    if said["DoseType"] == "ERROR":
        raise DataError("The file holds the uncertainty of a dose: give the dose itself.")
    if summed in _PARTS:
        raise DataError(f"The dose is that of {_PARTS[summed]}: export the dose of the whole plan.")
    if not scaling > 0.0:
        raise DataError("The dose does not say what its values are in Gy (no DoseGridScaling): export it again.")
    remarks = []
    if summed != "PLAN":
        what = "the sum of several plans" if summed == "MULTI_PLAN" else f"summed as '{summed}'" if summed else "unsaid"
        remarks.append(f"What the dose is the dose of is {what}: look whether it is the whole treatment.")
    if said["DoseType"] == "EFFECTIVE":
        remarks.append("The dose is weighted for its biological effect, while limits are meant for physical dose.")
    files = find_files(Path(scan) if isinstance(scan, str | Path) else scan, series) if scan is not None else []
    return remarks + (check_belonging(belonging_of(dataset), belonging_of_scan(files), "The dose") if files else [])


def _scaling(dataset: Any) -> float:
    try:
        return float(text_of(dataset, "DoseGridScaling") or 0.0)
    except ValueError:
        return 0.0


def _check_values(dose: sitk.Image) -> None:
    values = sitk.GetArrayViewFromImage(dose)
    low, high = float(values.min()), float(values.max())
    if high > LARGEST_GY:
        raise DataError(
            f"The dose reaches {high:.0f} Gy, more than any treatment gives: export it in Gy, or say that it is in cGy."
        )
    if low < -_ROUNDING_GY:
        raise DataError(f"The dose falls to {low:.1f} Gy, below 0: it is a difference of doses, or no dose at all.")
    if high <= 0.0:
        raise DataError("The dose is 0 everywhere: export it again.")


def _check_overlap(dose: sitk.Image, image: sitk.Image) -> None:
    (low, high), (first, last) = physical_bounds(dose), physical_bounds(image)
    if np.any(np.minimum(high, last) <= np.maximum(low, first)):
        raise DataError("The dose lies beside the scan and does not overlap it: it belongs to another one.")
