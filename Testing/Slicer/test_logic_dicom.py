"""RTSTRUCT and DICOM SEG, through the logic."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Shared"))
from made_dicom_results import expected, filled_contours, made_scan, write_ct
from made_logic import erase_half, volume_of

from ParotidSegLib.errors import OutputError
from ParotidSegLib.structures import PAROTIDS, RIGHT_PAROTID


@pytest.fixture
def from_database(slicer_app: Any, ct: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The CT comes from Slicer's DICOM database; its files lie in a folder with those of another series."""
    folder = tmp_path / "database"
    files = write_ct(folder, made_scan("oblique")[0])
    by_instance = {pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID: str(file) for file in files}
    other = pydicom.dcmread(files[0])
    other.SeriesInstanceUID, other.SOPInstanceUID = "2.25.77", "2.25.77.1"
    other.save_as(folder / "other.dcm")
    ct.SetAttribute("DICOM.instanceUIDs", " ".join(by_instance))
    database = SimpleNamespace(isOpen=True, fileForInstance=lambda uid: by_instance.get(uid, ""))
    monkeypatch.setattr(slicer_app, "dicomDatabase", database, raising=False)
    return folder


@pytest.mark.usefixtures("turned")  # what the scene does to a volume is not what its DICOM files say
@pytest.mark.parametrize("suffix", [".rtstruct.dcm", ".seg.dcm"])
def test_dicom_refers_to_the_files_of_the_database_and_left_is_left(logic, drawn, from_database, tmp_path, suffix):
    ct = volume_of(drawn)
    assert logic.dicomFolder(ct) == from_database
    (file,) = logic.export(drawn, ct, tmp_path / "out", suffix=suffix, dicom_folder=logic.dicomFolder(ct))
    dataset = pydicom.dcmread(file)
    if suffix == ".seg.dcm":
        assert dataset.Modality == "SEG"
        assert [segment.SegmentLabel for segment in dataset.SegmentSequence] == [s.name for s in PAROTIDS]
        return
    labels = made_scan("oblique")[1]
    (from_database / "other.dcm").unlink()
    for structure in PAROTIDS:
        found = filled_contours(dataset, structure.key, from_database)
        masks = {uid: m for uid, m in expected(labels, structure.label, from_database).items() if m.any()}
        assert masks
        assert all(np.array_equal(found[uid], mask) for uid, mask in masks.items())
    assert {item.ROIGenerationAlgorithm for item in dataset.StructureSetROISequence} == {"AUTOMATIC"}


@pytest.mark.usefixtures("from_database")
def test_dicom_of_edited_contours_says_so(logic, slicer_app, drawn, tmp_path):
    erase_half(slicer_app, drawn, RIGHT_PAROTID.key)
    (file,) = logic.export(drawn, volume_of(drawn), tmp_path / "out", suffix=".rtstruct.dcm")
    dataset = pydicom.dcmread(file)
    assert {item.ROIGenerationAlgorithm for item in dataset.StructureSetROISequence} == {"SEMIAUTOMATIC"}


def test_dicom_without_the_files_of_the_ct_says_why_and_a_folder_helps(logic, ct, drawn, tmp_path):
    assert logic.dicomFolder(ct) is None
    with pytest.raises(OutputError, match="not loaded from Slicer's DICOM database"):
        logic.export(drawn, ct, tmp_path, suffix=".rtstruct.dcm")
    write_ct(tmp_path / "ct", made_scan("oblique")[0])
    (file,) = logic.export(drawn, ct, tmp_path, suffix=".rtstruct.dcm", dicom_folder=tmp_path / "ct")
    assert pydicom.dcmread(file).Modality == "RTSTRUCT"


def test_dicom_of_another_ct_is_refused_with_the_librarys_sentence(logic, ct, drawn, tmp_path):
    write_ct(tmp_path / "ct", made_scan("axial")[0])
    with pytest.raises(OutputError) as caught:
        logic.export(drawn, ct, tmp_path, suffix=".seg.dcm", dicom_folder=tmp_path / "ct")
    assert "\n" not in str(caught.value)
    assert "exit code" not in str(caught.value)
    assert not (tmp_path / "parotids.seg.dcm").exists()


def test_dicom_without_its_packages_says_what_to_install(logic, ct, drawn, monkeypatch, tmp_path):
    """Slicer brings the others: the packages of the tests are the same."""
    monkeypatch.setattr("ParotidSegLib.in_slicer.running.dicom_job.missing", lambda name: ["pydicom"])
    monkeypatch.setattr("ParotidSegLib.in_slicer.logic.missing", lambda name: ["pydicom"])
    with pytest.raises(OutputError, match="install contourpy"):
        logic.export(drawn, ct, tmp_path, suffix=".seg.dcm", dicom_folder=tmp_path)
    assert logic.lackingDicomPlan().packages.name == "dicom"
