"""What the panel remembers, in a node of the scene: it is saved and loaded with the scene."""

from __future__ import annotations

import enum
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper

SHIPPED_BUNDLE = "parotid-ct"


class EngineChoice(enum.Enum):
    """What runs the model; the values are those of the command line."""

    AUTO = "auto"
    OPENVINO = "openvino"
    KERAS = "keras"

    def label(self) -> str:
        """What the selector shows."""
        return {
            EngineChoice.AUTO: _("Automatic"),
            EngineChoice.OPENVINO: _("OpenVINO (small and fast)"),
            EngineChoice.KERAS: _("TensorFlow"),
        }[self]


class DeviceChoice(enum.Enum):
    """Where the model runs."""

    AUTO = "auto"
    CPU = "cpu"

    def label(self) -> str:
        """What the selector shows."""
        return {DeviceChoice.AUTO: _("Automatic"), DeviceChoice.CPU: _("Processor only")}[self]


class ExportFormat(enum.Enum):
    """What can be written; the values are the ends of the file names."""

    RTSTRUCT = ".rtstruct.dcm"
    DICOM_SEG = ".seg.dcm"
    SLICER = ".seg.nrrd"
    NIFTI = ".nii.gz"
    STL = ".stl"
    CSV = ".csv"

    def label(self) -> str:
        """What the selector shows."""
        return {
            ExportFormat.RTSTRUCT: _("DICOM RTSTRUCT (planning)"),
            ExportFormat.DICOM_SEG: _("DICOM SEG"),
            ExportFormat.SLICER: _("Slicer segmentation"),
            ExportFormat.NIFTI: _("NIfTI label map (.nii.gz)"),
            ExportFormat.STL: _("Surfaces (.stl)"),
            ExportFormat.CSV: _("Review as a table (.csv)"),
        }[self]

    @property
    def is_dicom(self) -> bool:
        """Whether the CT's DICOM files are needed."""
        return self in (ExportFormat.RTSTRUCT, ExportFormat.DICOM_SEG)


@parameterNodeWrapper
class ParotidSegParameters:
    """The choices of the panel.

    Attributes:
        inputVolume: the CT.
        outputSegmentation: where the contours go; None: a new segmentation.
        bundle: name of a model that ships, or path of the user's own; empty while that is being chosen.
        engine, device, mirror: how the model runs.
        uncertainty: whether a volume shows where the model was unsure.
        carryOnAfterStroke: whether corrections are carried on after every stroke, without the button.
        referenceSegmentation: what the contours are compared with.
        referenceSegments: which of its segments a person chose as which gland: IDs by the structure's key, as JSON.
        doseVolume: the dose that is looked at.
        showDifferences: whether the slice views show where contours and reference differ.
        exportFormat, exportFolder, dicomFolder: what is written, where, and where the CT's DICOM files are.
    """

    inputVolume: slicer.vtkMRMLScalarVolumeNode
    outputSegmentation: slicer.vtkMRMLSegmentationNode
    bundle: str = SHIPPED_BUNDLE
    engine: EngineChoice = EngineChoice.AUTO
    device: DeviceChoice = DeviceChoice.AUTO
    mirror: bool = True
    uncertainty: bool = False
    carryOnAfterStroke: bool = False
    referenceSegmentation: slicer.vtkMRMLSegmentationNode
    doseVolume: slicer.vtkMRMLScalarVolumeNode
    referenceSegments: str = ""
    showDifferences: bool = True
    exportFormat: ExportFormat = ExportFormat.RTSTRUCT
    exportFolder: str = ""
    dicomFolder: str = ""


def run_options(parameters: ParotidSegParameters) -> dict[str, Any]:
    """What the panel says about how to run, as arguments of the logic's `start`."""
    return {
        "bundle": parameters.bundle,
        "engine": parameters.engine.value,
        "device": parameters.device.value,
        "mirror": parameters.mirror,
        "uncertainty": parameters.uncertainty,
    }
