"""Trees of DICOM files: which structure set belongs to which CT series, and what a case becomes."""

from __future__ import annotations

import shutil
from pathlib import Path

import made_training as made
import numpy as np
import pytest
import SimpleITK as sitk
from made_dicom import IDENTIFIER, NAME, gland_contours, write_patient, write_structure_set
from made_images import cut_short, like, write_dicom_series
from orientations import rotation
from sentences import refusal

from ParotidSegLib.errors import DataError, ImageError
from ParotidSegLib.reading.contours.label_rules import SourceLabels
from ParotidSegTrainingLib.preparing.dicom_source import find_dicom_cases

LABELS = SourceLabels.plain()
OBLIQUE = tuple(rotation(4.0, -6.0, 10.0))
UP = np.array([0.0, 0.0, 1.0])


def only_case(root: Path):
    (case,) = find_dicom_cases(root)[0]
    return case


def centroid(labels: sitk.Image, label: int) -> np.ndarray:
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(labels)
    return np.array(shapes.GetCentroid(label))


@pytest.mark.parametrize("direction", [made.IDENTITY, OBLIQUE], ids=["straight", "oblique"])
def test_a_case_becomes_the_scan_and_the_label_map_that_was_drawn(direction, tmp_path):
    image, truth = write_patient(tmp_path, 1, direction=direction, middle=(10.0, -20.0, 300.0))
    read, found = only_case(tmp_path).read(LABELS)
    labels = found.labels
    assert np.array_equal(sitk.GetArrayViewFromImage(read), sitk.GetArrayViewFromImage(image))
    assert read.GetOrigin() == pytest.approx(image.GetOrigin(), abs=1e-3)
    assert labels.GetPixelID() == sitk.sitkUInt8
    assert labels.GetOrigin() == read.GetOrigin()
    differ = (sitk.GetArrayViewFromImage(labels) != sitk.GetArrayViewFromImage(truth)).sum()
    assert differ <= 0.01 * (sitk.GetArrayViewFromImage(truth) > 0).sum()
    for label, place in ((1, made.RIGHT), (2, made.LEFT)):
        assert centroid(labels, label) == pytest.approx(np.array((10.0, -20.0, 300.0)) + place, abs=1.0)
    assert found.remarks == ()
    assert found.regions == {"Parotid_R": ["Parotid_R"], "Parotid_L": ["Parotid_L"]}


def test_names_decide_the_side_not_the_place(tmp_path):
    write_patient(tmp_path, 1, names={"Parotid_R": "Parotid left", "Parotid_L": "Rt Parotid"})
    labels = only_case(tmp_path).read(LABELS)[1].labels
    assert centroid(labels, 1)[0] > centroid(labels, 2)[0]


def test_cases_of_a_flat_folder_are_told_apart(tmp_path):
    write_patient(tmp_path / "tree", 1)
    write_patient(tmp_path / "tree2", 2, middle=(0.0, 0.0, 500.0))
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in [*tmp_path.glob("tree*/CT/*"), *tmp_path.glob("tree*/RS.dcm")]:
        shutil.copy(path, flat / f"{path.parts[-3]}{path.parts[-2]}{path.name}")
    cases, remarks = find_dicom_cases(flat)
    assert [case.scan.uid for case in cases] == ["2.25.1001", "2.25.1002"]
    assert [case.scan.patient for case in cases] == [f"{IDENTIFIER}-1", f"{IDENTIFIER}-2"]
    assert [case.read(LABELS)[0].GetOrigin()[2] for case in cases] == pytest.approx([-69.0, 431.0])
    assert remarks == []


def test_a_structure_set_that_names_no_series_belongs_to_its_frame_of_reference(tmp_path):
    image, _ = write_patient(tmp_path, 1)
    write_structure_set(tmp_path / "RS.dcm", gland_contours(image), frame="2.25.1001.9")
    assert only_case(tmp_path).scan.uid == "2.25.1001"
    # With two series of that frame nobody knows which one.
    write_dicom_series(tmp_path / "again", image, uid="2.25.77", tags={"0020|0052": "2.25.1001.9"})
    assert "no CT series with a structure set (2 CT series, 1 structure sets)" in refusal(
        DataError, find_dicom_cases, tmp_path
    )


def test_what_belongs_to_nothing_is_told(tmp_path):
    image, _ = write_patient(tmp_path, 1)
    write_dicom_series(tmp_path / "other", image, uid="2.25.77")
    write_dicom_series(tmp_path / "scout", image[:, :, :2], uid="2.25.78")
    write_structure_set(tmp_path / "lost.dcm", gland_contours(image), series="2.25.99", uid="2.25.6000")
    (tmp_path / "broken.dcm").write_bytes(b"\0" * 50)
    (tmp_path / "notes.txt").write_text("no DICOM", encoding="utf-8")
    cases, remarks = find_dicom_cases(tmp_path)
    assert len(cases) == 1
    assert len(remarks) == 3
    assert "1 file(s) named .dcm are damaged" in remarks[0]
    assert "1 structure set(s) belong to no single CT series" in remarks[1]
    assert "1 CT series without a structure set" in remarks[2]
    assert not any(NAME[:3] in remark or str(tmp_path) in remark for remark in remarks)


def test_of_several_structure_sets_one_has_to_be_chosen(tmp_path):
    image, _ = write_patient(tmp_path, 1)
    left_out = {"Parotid_R": gland_contours(image)["Parotid_R"], "Parotid_L": []}
    write_structure_set(tmp_path / "old.dcm", left_out, series="2.25.1001", uid="2.25.8", date="20230101")
    shutil.copy(tmp_path / "old.dcm", tmp_path / "copy.dcm")
    case = only_case(tmp_path)
    assert "2 structure sets belong to the CT series" in refusal(DataError, case.read, LABELS)
    labels = case.read(LABELS, newest=True)[1].labels
    assert np.unique(sitk.GetArrayViewFromImage(labels)).tolist() == [0, 1, 2]


def test_a_missing_gland_is_refused_unless_it_may_be_missing(tmp_path):
    image, _ = write_patient(tmp_path, 1)
    regions = {"Rt Parotid": gland_contours(image)["Parotid_R"], "Parotid_L": [], "Body": [np.eye(3) * 10.0]}
    write_structure_set(tmp_path / "RS.dcm", regions, series="2.25.1001")
    said = refusal(DataError, only_case(tmp_path).read, LABELS)
    assert "Without a contour: 'Parotid_L'" in said and "--allow-missing" in said
    assert "'Rt Parotid'" in said
    found = only_case(tmp_path).read(LABELS, allow_missing=True)[1]
    labels, remarks = found.labels, found.remarks
    assert np.unique(sitk.GetArrayViewFromImage(labels)).tolist() == [0, 1]
    assert remarks == ("Without Parotid_L. Passed over: 'Parotid_L'.",)


def test_contours_of_another_scan_are_refused_by_the_name_of_the_region(tmp_path):
    image, _ = write_patient(tmp_path, 1)
    far = {key: [points + UP * 900.0 for points in own] for key, own in gland_contours(image).items()}
    write_structure_set(tmp_path / "RS.dcm", far, series="2.25.1001")
    said = refusal(DataError, only_case(tmp_path).read, LABELS)
    assert "'Parotid_R' cannot be used" in said
    assert "outside the scan" in said


def test_contours_on_every_second_slice_and_beyond_the_scan_are_remarked(tmp_path):
    image, _ = write_patient(tmp_path, 1)
    image.SetSpacing((6.0, 6.0, 3.0))
    shutil.rmtree(tmp_path / "CT")
    write_dicom_series(tmp_path / "CT", image, uid="2.25.1001")
    glands = gland_contours(image)
    above = glands["Parotid_L"][-1] + UP * 200.0
    regions = {"Parotid_R": glands["Parotid_R"][::2], "Parotid_L": [*glands["Parotid_L"], above]}
    write_structure_set(tmp_path / "RS.dcm", regions, series="2.25.1001")
    remarks = only_case(tmp_path).read(LABELS)[1].remarks
    assert len(remarks) == 2
    assert "slice(s) of 'Parotid_R' without a contour were interpolated" in remarks[0]
    assert "1 contour(s) of 'Parotid_L' lie above or below the scan" in remarks[1]


def test_damaged_and_missing_slices_are_refused(tmp_path):
    write_patient(tmp_path, 1)
    files = sorted((tmp_path / "CT").iterdir())
    cut_short(files[3], 0.5)
    assert "1 DICOM CT file(s) in the series are damaged" in refusal(ImageError, only_case(tmp_path).read, LABELS)
    files[3].unlink()
    assert "missing" in refusal(ImageError, only_case(tmp_path).read, LABELS)


@pytest.mark.parametrize("direction", [made.IDENTITY, OBLIQUE], ids=["straight", "oblique"])
def test_contours_that_this_project_exports_come_back_voxel_by_voxel(direction, tmp_path):
    pytest.importorskip("highdicom")
    from ParotidSegLib.writing.dicom_export import export_dicom

    _, labels = write_patient(tmp_path, 1, direction=direction)
    array = sitk.GetArrayFromImage(labels)
    array[11, 16:19, 9:12] = 0  # a hole in the right gland
    assert 0 < (array == 1).sum() < (sitk.GetArrayViewFromImage(labels) == 1).sum()
    (tmp_path / "RS.dcm").unlink()
    export_dicom(like(labels, array), tmp_path / "out.rtstruct.dcm", dicom=tmp_path / "CT")
    found = only_case(tmp_path).read(LABELS)[1]
    assert np.array_equal(sitk.GetArrayViewFromImage(found.labels), array)
    assert found.remarks == ()


def test_a_segmentation_serves_where_there_is_no_structure_set(tmp_path):
    pytest.importorskip("highdicom")
    from ParotidSegLib.writing.dicom_export import export_dicom

    _, labels = write_patient(tmp_path, 1)
    export_dicom(labels, tmp_path / "glands.seg.dcm", dicom=tmp_path / "CT")
    assert [one.modality for one in only_case(tmp_path).structure_sets] == ["RTSTRUCT"]
    (tmp_path / "RS.dcm").unlink()
    case = only_case(tmp_path)
    assert [one.modality for one in case.structure_sets] == ["SEG"]
    found = case.read(LABELS)[1]
    assert np.array_equal(sitk.GetArrayFromImage(found.labels), sitk.GetArrayFromImage(labels))
    assert found.names == {"Parotid_R": "Right parotid gland", "Parotid_L": "Left parotid gland"}
