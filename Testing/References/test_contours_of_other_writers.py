"""Contours come in where they were drawn, whoever wrote them: plastimatch, dcmqi, highdicom, rt-utils, and ours."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from made_dicom_results import made_scan, write_ct

from ParotidSegLib.reading.contours.reader import read_contours
from ParotidSegLib.reading.images import read_series
from ParotidSegLib.structures import PAROTIDS
from ParotidSegLib.writing.dicom_export import export_dicom

SCANNER = {"0028|1050": "40", "0028|1051": "400", "0018|0050": "3", "0018|0060": "120"}


class Case:
    """A CT as DICOM and as it is read, labels on it, and a folder for what is written."""

    def __init__(self, folder: Path, scan: sitk.Image, labels: sitk.Image) -> None:
        self.folder, self.labels = folder, labels
        self.ct = folder / "ct"
        self.image = read_series(write_ct(self.ct, scan, SCANNER), whole_head=False)

    def dices(self, path: Path) -> list[float]:
        """Dice of both glands with where they started, in the patient's space."""
        found = read_contours(path, self.image, scan=self.ct).labels
        truth = sitk.GetArrayFromImage(sitk.Resample(self.labels, found, sitk.Transform(), sitk.sitkNearestNeighbor))
        array = sitk.GetArrayFromImage(found)
        pairs = [(array == label, truth == label) for label in (1, 2)]
        return [2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)) for a, b in pairs]


@pytest.fixture(scope="module", params=["axial", "oblique", pytest.param("patient", marks=pytest.mark.data)])
def case(request, tmp_path_factory) -> Case:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param != "patient":
        return Case(folder, *made_scan(request.param))
    root = request.getfixturevalue("data_root") / "openkbp"
    return Case(folder, *(sitk.ReadImage(str(root / kind / "pt_203.nii.gz")) for kind in ("images", "masks")))


def program(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*words: object) -> None:
    finished = subprocess.run([*map(str, words)], check=False, capture_output=True, text=True, errors="replace")
    assert finished.returncode == 0, finished.stdout + finished.stderr


def ours(name: str) -> Callable[[Case], Path]:
    def write(case: Case) -> Path:
        export_dicom(case.labels, case.folder / name, dicom=case.ct)
        return case.folder / name

    return write


def plastimatch(case: Case) -> Path:
    output = case.folder / "plastimatch"
    sitk.WriteImage(case.labels, str(case.folder / "labels.nrrd"))
    (case.folder / "names.txt").write_text("0|255 159 0|Parotid_R\n1|86 180 233|Parotid_L\n")
    one_bit_each = sitk.Cast(case.labels, sitk.sitkUInt32)  # plastimatch: a bit a structure; 1 and 2 are bits 0 and 1
    sitk.WriteImage(one_bit_each, str(case.folder / "bits.nrrd"))
    words = ["--input-ss-img", case.folder / "bits.nrrd", "--input-ss-list", case.folder / "names.txt"]
    run(program("plastimatch"), "convert", *words, "--referenced-ct", case.ct, "--output-dicom", output)
    (path,) = (
        one for one in output.iterdir() if pydicom.dcmread(one, specific_tags=["Modality"]).Modality == "RTSTRUCT"
    )
    return path


def dcmqi(case: Case) -> Path:
    segments = []
    for structure in PAROTIDS:
        mask = case.folder / f"{structure.key}.nrrd"
        sitk.WriteImage(sitk.Cast(case.labels == structure.label, sitk.sitkUInt8), str(mask))
        code = {"CodeValue": structure.type.value, "CodingSchemeDesignator": "SCT", "CodeMeaning": "Parotid gland"}
        side = structure.laterality
        segment = {
            "labelID": 1,
            "SegmentDescription": "gland",
            "SegmentAlgorithmType": "MANUAL",
            "SegmentedPropertyCategoryCodeSequence": {
                "CodeValue": "123037004",
                "CodingSchemeDesignator": "SCT",
                "CodeMeaning": "Anatomical Structure",
            },
            "SegmentedPropertyTypeCodeSequence": code,
            "SegmentedPropertyTypeModifierCodeSequence": {
                "CodeValue": side.value,
                "CodingSchemeDesignator": side.scheme,
                "CodeMeaning": side.meaning,
            },
        }
        segments.append([segment])
    about = {"ContentCreatorName": "Reader", "SeriesDescription": "Segmentation", "SeriesNumber": "300"}
    about |= {"InstanceNumber": "1", "BodyPartExamined": "HEAD", "segmentAttributes": segments}
    (case.folder / "meta.json").write_text(json.dumps(about))
    masks = ",".join(str(case.folder / f"{structure.key}.nrrd") for structure in PAROTIDS)
    words = ["--inputImageList", masks, "--inputDICOMDirectory", case.ct, "--inputMetadata", case.folder / "meta.json"]
    run(program("itkimage2segimage"), *words, "--outputDICOM", case.folder / "dcmqi.dcm")
    return case.folder / "dcmqi.dcm"


def highdicom(kind: str) -> Callable[[Case], Path]:
    """Written with highdicom directly, with other options than ours: fractions, a label map, every frame."""

    def write(case: Case) -> Path:
        package = pytest.importorskip("highdicom")
        headers = [pydicom.dcmread(path) for path in case.ct.iterdir()]
        headers.sort(key=lambda header: header.InstanceNumber)
        for header in headers:  # what highdicom asks for and a sparse CT lacks
            header.SpacingBetweenSlices = case.image.GetSpacing()[2]
        voxels = sitk.GetArrayFromImage(
            sitk.Resample(case.labels, case.image, sitk.Transform(), sitk.sitkNearestNeighbor)
        )
        order = np.argsort([header.ImagePositionPatient @ _normal(header) for header in headers])
        pixels = np.empty_like(voxels)
        pixels[order] = voxels
        planes = np.stack([pixels == 1, pixels == 2], axis=-1).astype(np.float32)
        descriptions = [
            package.seg.SegmentDescription(
                segment_number=number,
                segment_label=name,
                segmented_property_category=package.sr.CodedConcept("123037004", "SCT", "Anatomical Structure"),
                segmented_property_type=package.sr.CodedConcept("45289007", "SCT", "Parotid gland"),
                algorithm_type="MANUAL",
            )
            for number, name in enumerate(("Glandula parotis dextra", "Parotis li"), start=1)
        ]
        dataset = package.seg.Segmentation(
            source_images=headers,
            pixel_array=planes if kind == "FRACTIONAL" else pixels,
            segmentation_type=kind,
            segment_descriptions=descriptions,
            series_instance_uid="2.25.91",
            series_number=5,
            sop_instance_uid="2.25.92",
            instance_number=1,
            manufacturer="Somebody",
            manufacturer_model_name="Something",
            software_versions="1",
            device_serial_number="1",
            omit_empty_frames=False,
            **({"max_fractional_value": 200} if kind == "FRACTIONAL" else {}),
        )
        dataset.save_as(case.folder / f"{kind}.dcm")
        return case.folder / f"{kind}.dcm"

    return write


def _normal(header: pydicom.Dataset) -> np.ndarray:
    along_row, along_column = np.reshape([float(value) for value in header.ImageOrientationPatient], (2, 3))
    return np.cross(along_row, along_column)


WITH_RT_UTILS = """
import sys
import numpy as np
from rt_utils import RTStructBuilder

ct, target, *masks = sys.argv[1:]
builder = RTStructBuilder.create_new(dicom_series_path=ct)
for path in masks:
    name = path.rsplit("/", 1)[-1].removesuffix(".npy")
    builder.add_roi(mask=np.load(path).astype(bool), name=name)
builder.save(target)
"""


def rt_utils(case: Case) -> Path:
    if case.image.GetSpacing()[0] != case.image.GetSpacing()[1]:
        pytest.skip("rt-utils takes the distance of rows for that of columns, which only square pixels do not show")
    if subprocess.run([sys.executable, "-c", "import rt_utils"], check=False, capture_output=True).returncode:
        pytest.skip("rt-utils is not installed (pip install rt-utils)")
    voxels = sitk.GetArrayFromImage(sitk.Resample(case.labels, case.image, sitk.Transform(), sitk.sitkNearestNeighbor))
    masks = []
    for structure, name in zip(PAROTIDS, ("Parotide D", "Parotide G"), strict=True):
        masks.append(case.folder / f"{name}.npy")
        np.save(masks[-1], (voxels == structure.label).transpose(1, 2, 0))
    run(sys.executable, "-c", WITH_RT_UTILS, case.ct, case.folder / "rt_utils.dcm", *masks)
    return case.folder / "rt_utils.dcm"


WRITERS = {
    "ours, RTSTRUCT": ours("glands.rtstruct.dcm"),
    "ours, SEG": ours("glands.seg.dcm"),
    "plastimatch, RTSTRUCT": plastimatch,
    "rt-utils, RTSTRUCT": rt_utils,
    "dcmqi, SEG": dcmqi,
    "highdicom, fractions": highdicom("FRACTIONAL"),
    "highdicom, bits": highdicom("BINARY"),
    "highdicom, label map": highdicom("LABELMAP"),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_contours_come_in_where_they_were_drawn(writer, case):
    path = WRITERS[writer](case)
    assert min(case.dices(path)) >= 0.99
