"""A dose in the scene: a volume as SlicerRT, or Slicer's own reader, makes it of an RTDOSE; checked before it is used.

SlicerRT applies the scaling of the file, and states the unit as an attribute of the study in the subject hierarchy.
Slicer's own reader leaves the stored numbers as they are. So where the DICOM database has the file, the library reads
it too: it says what the values are in Gy, and whose dose it is. Where the dose lies, the scene says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
from slicer.i18n import tr as _

from ....dose.reading import UNITS, Dose, checked_dose, read_dose
from ....errors import DataError
from ...scene.hierarchy import dicom_files, patient_of, series_files
from ...scene.voxels import volume_image

#: SlicerRT's attributes: of a dose volume; and of its study (in older versions of the volume), the unit.
DOSE_VOLUME, DOSE_UNIT = "DicomRtImport.DoseVolume", "DicomRtImport.DoseUnitName"
#: No plan for the head and neck gives so much (Gy); a dose in percent of the prescribed one does.
MOST_LIKELY_PERCENT = 90.0
#: Sums of doses that differ by no more than this share are the same.
_SAME_SHARE = 1e-3
_PERCENT = ("RELATIVE", "%", "PERCENT")


def is_dose(volume_node: Any) -> bool:
    """Whether a volume says of itself that it is a dose."""
    return bool(volume_node.GetAttribute(DOSE_VOLUME) or volume_node.GetAttribute(DOSE_UNIT))


def dose_of(dose_node: Any, volume_node: Any) -> Dose:
    """The dose that a volume holds, in Gy, as it lies in the world.

    Args:
        dose_node: a scalar volume.
        volume_node: the CT that it has to be the dose of.

    Raises:
        DataError: its unit is not that of a dose, its values cannot be Gy, or it is of another patient, on another
            frame of reference or beside the CT.
        ImageError: it has no voxels, or a transform bends it.
    """
    if dose_node is volume_node:
        raise DataError(_("The CT itself is chosen as dose: choose the volume that was loaded from the RTDOSE."))
    patients = {patient_of(node) for node in (dose_node, volume_node)} - {0}
    if len(patients) > 1:
        raise DataError(_("The dose belongs to another patient than the CT: choose the dose of this patient."))
    image = sitk.Cast(volume_image(dose_node, world=True), sitk.sitkFloat32)
    if not _overlap(dose_node, volume_node):
        raise DataError(_("The dose lies beside the CT and does not overlap it: it belongs to another one."))
    unit, file = _unit_of(dose_node), _file_of(dose_node)
    if unit in _PERCENT:
        raise DataError(_("The dose is in percent of a reference dose: export it as an absolute dose in Gy."))
    scales = {name.upper(): scale for name, scale in UNITS.items()}
    if unit and unit not in scales:
        raise DataError(_("The unit of the dose, '{unit}', is not known: a dose in Gy is needed.").format(unit=unit))
    if file is not None:
        read = read_dose(file, scan=dicom_files(volume_node) or series_files(volume_node) or None)
        return checked_dose(image * _scale(read, image), read.remarks)
    return checked_dose(image * scales.get(unit, 1.0), () if unit else (_taken_for_gy(dose_node),))


def _scale(read: Dose, image: sitk.Image) -> float:
    """By what the values of a volume have to be multiplied to be the Gy that its file holds.

    Raises:
        DataError: the volume does not hold what the file holds: somebody has changed it.
    """
    there, here = (sitk.GetArrayViewFromImage(one) for one in (read.image, image))
    scale = read.maximum / max(float(here.max()), 1e-12)
    # Whatever the order of the voxels is, their sum is the same.
    sums = float(here.sum(dtype=np.float64)) * scale, float(there.sum(dtype=np.float64))
    if here.size != there.size or abs(sums[0] - sums[1]) > _SAME_SHARE * sums[1]:
        raise DataError(_("The volume holds other values than the RTDOSE that it was loaded from: load it again."))
    return scale


def _taken_for_gy(dose_node: Any) -> str:
    """A remark on a volume that does not say what its values are.

    Raises:
        DataError: they cannot be told from percent.
    """
    low, high = dose_node.GetImageData().GetScalarRange()
    if low >= 0.0 and high > MOST_LIKELY_PERCENT:
        text = _(
            "The volume does not say its unit, and its values reach {most}: it may be a dose in percent. Load the "
            "RTDOSE itself, or convert the volume to an RT dose volume in Gy (SlicerRT, in the module Data)."
        )
        raise DataError(text.format(most=f"{high:.0f}"))
    return _("The volume does not say its unit: its values, up to {most}, are taken for Gy.").format(most=f"{high:.1f}")


def _unit_of(dose_node: Any) -> str:
    """The unit that SlicerRT states, upper case; empty if none is stated."""
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    item = hierarchy.GetItemByDataNode(dose_node) if hierarchy is not None else 0
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy()
    of_study = hierarchy.GetAttributeFromItemAncestor(item, DOSE_UNIT, level) if item else ""
    return (dose_node.GetAttribute(DOSE_UNIT) or of_study or "").strip().upper()


def _file_of(dose_node: Any) -> Path | None:
    """The one DICOM file of the dose; None if it is not known."""
    files = dicom_files(dose_node) or series_files(dose_node)
    return files[0] if len(files) == 1 else None


def _overlap(one: Any, other: Any) -> bool:
    bounds = []
    for node in (one, other):
        found = [0.0] * 6
        node.GetRASBounds(found)
        bounds.append(np.reshape(found, (3, 2)))
    return bool(np.all(np.minimum(bounds[0][:, 1], bounds[1][:, 1]) > np.maximum(bounds[0][:, 0], bounds[1][:, 0])))
