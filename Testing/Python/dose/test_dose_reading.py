"""Doses are read where they lie, in Gy; what is no dose of this patient's whole plan is refused with one sentence."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from made_dicom_results import made_scan, write_ct
from made_doses import made_dose, made_grid, points_of, write_rtdose
from sentences import refusal

from ParotidSegLib.dose.reading import read_dose
from ParotidSegLib.errors import DataError

#: Columns and rows may run either way; the normal then points down or up.
DIRECTIONS = {
    "head first supine": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "head first prone": (-1, 0, 0, 0, -1, 0, 0, 0, 1),
    "feet first": (-1, 0, 0, 0, 1, 0, 0, 0, -1),
}


def slope(points: np.ndarray) -> np.ndarray:
    """Different along every axis, so that no two of them can be confused."""
    return 30.0 + points @ np.array([0.2, 0.05, 0.1])


def a_dose(direction=DIRECTIONS["head first supine"]) -> sitk.Image:
    return made_dose(made_grid((16, 14, 12), (4.0, 5.0, 3.0), (-30.0, -25.0, 40.0), direction), slope)


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("bits", [16, 32])
def test_an_rtdose_is_read_where_it_lies_whichever_way_its_planes_are_stated(bits, absolute, direction, tmp_path):
    dose = a_dose(direction)
    path = write_rtdose(tmp_path / "dose.dcm", dose, absolute=absolute, bits=bits, scaling=1e-3 if bits == 16 else 1e-6)
    read = read_dose(path)
    assert read.image.GetPixelID() == sitk.sitkFloat32
    array = sitk.GetArrayFromImage(read.image)
    np.testing.assert_allclose(array, slope(points_of(read.image)), atol=1.1e-3 if bits == 16 else 1e-4)
    assert read.maximum == pytest.approx(float(sitk.GetArrayFromImage(dose).max()), abs=2e-3)
    assert read.remarks == ()


def test_planes_that_are_stated_from_above_are_turned(tmp_path):
    """Offsets that fall: the first plane is the uppermost one."""
    dose = a_dose()
    flipped = sitk.GetImageFromArray(sitk.GetArrayFromImage(dose)[::-1].copy())
    flipped.CopyInformation(dose)
    top = dose.TransformIndexToPhysicalPoint((0, 0, dose.GetDepth() - 1))
    offsets = [f"{-3.0 * k:.4f}" for k in range(dose.GetDepth())]
    path = write_rtdose(tmp_path / "d.dcm", flipped, ImagePositionPatient=list(top), GridFrameOffsetVector=offsets)
    read = read_dose(path).image
    np.testing.assert_allclose(sitk.GetArrayFromImage(read), slope(points_of(read)), atol=1e-3)


def test_images_are_taken_in_the_unit_that_is_named(tmp_path):
    dose = a_dose()
    sitk.WriteImage(dose, str(tmp_path / "gy.nii.gz"))
    sitk.WriteImage(sitk.Cast(dose * 100.0, sitk.sitkUInt16), str(tmp_path / "hundredths.nrrd"))
    in_gy = sitk.GetArrayFromImage(read_dose(tmp_path / "gy.nii.gz").image)
    in_cgy = sitk.GetArrayFromImage(read_dose(tmp_path / "hundredths.nrrd", unit="cGy").image)
    np.testing.assert_allclose(in_gy, sitk.GetArrayFromImage(dose), rtol=1e-6)
    np.testing.assert_allclose(in_cgy, in_gy, atol=0.011)
    assert "in cGy" in refusal(DataError, read_dose, tmp_path / "hundredths.nrrd")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"DoseUnits": "RELATIVE"}, "in percent of a reference dose"),
        ({"DoseUnits": None}, "without a unit"),
        ({"DoseSummationType": "BEAM"}, "a single beam"),
        ({"DoseSummationType": "FRACTION"}, "a single fraction"),
        ({"DoseType": "ERROR"}, "uncertainty"),
        ({"DoseGridScaling": None}, "DoseGridScaling"),
        ({"DoseGridScaling": "0"}, "DoseGridScaling"),
        ({"Modality": "CT"}, "modality is 'CT'"),
        ({"DoseGridScaling": "0.01"}, "more than any treatment gives"),
        ({"GridFrameOffsetVector": None}, "cannot be read"),
        ({"PixelData": b"\0" * 100}, "damaged"),
    ],
)
def test_what_is_no_dose_of_a_whole_plan_in_gy_gets_one_sentence(changes, said, tmp_path):
    path = write_rtdose(tmp_path / "dose.dcm", a_dose(), **changes)
    assert said in refusal(DataError, read_dose, path)


def test_what_is_doubtful_is_remarked(tmp_path):
    path = write_rtdose(tmp_path / "a.dcm", a_dose(), DoseSummationType="MULTI_PLAN", DoseType="EFFECTIVE")
    remarks = read_dose(path).remarks
    assert "the sum of several plans" in remarks[0]
    assert "biological effect" in remarks[1]


def test_a_dose_belongs_to_the_scan_that_it_was_planned_on(tmp_path):
    scan, _ = made_scan()
    write_ct(tmp_path / "ct", scan)
    dose = made_dose(scan, slope)
    path = write_rtdose(tmp_path / "dose.dcm", dose)
    assert read_dose(path, scan, scan=tmp_path / "ct").remarks == ()
    other = write_rtdose(tmp_path / "other.dcm", dose, PatientID="ID-9999")
    said = refusal(DataError, read_dose, other, scan, scan=tmp_path / "ct")
    assert "another patient" in said
    assert not [number for number in ("9999", "4711") if number in said]
    elsewhere = write_rtdose(tmp_path / "elsewhere.dcm", dose, FrameOfReferenceUID="2.25.77")
    assert "another frame of reference" in refusal(DataError, read_dose, elsewhere, scan, scan=tmp_path / "ct")
    unsaid = write_rtdose(tmp_path / "unsaid.dcm", dose, FrameOfReferenceUID=None)
    assert "frame of reference" in read_dose(unsaid, scan, scan=tmp_path / "ct").remarks[0]
    far = sitk.Image(dose)
    far.SetOrigin([900.0, 0.0, 0.0])
    beside = write_rtdose(tmp_path / "far.dcm", far)
    assert "does not overlap" in refusal(DataError, read_dose, beside, scan, scan=tmp_path / "ct")


def test_a_folder_holds_one_dose(tmp_path):
    path = write_rtdose(tmp_path / "plan" / "dose.dcm", a_dose())
    assert read_dose(tmp_path / "plan").maximum > 30.0
    shutil.copy(path, tmp_path / "plan" / "again.dcm")
    assert "holds 2 doses" in refusal(DataError, read_dose, tmp_path / "plan")
    assert "does not exist" in refusal(DataError, read_dose, tmp_path / "none")


def test_values_that_are_no_dose_are_refused(tmp_path):
    dose = a_dose()
    for name, image, said in (
        ("difference", dose - 40.0, "below 0"),
        ("nothing", dose * 0.0, "0 everywhere"),
        ("plane", dose[:, :, :1], "single plane"),
    ):
        sitk.WriteImage(image, str(tmp_path / f"{name}.nrrd"))
        assert said in refusal(DataError, read_dose, tmp_path / f"{name}.nrrd")
