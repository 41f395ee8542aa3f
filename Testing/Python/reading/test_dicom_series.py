"""Folders of DICOM files: which series is meant, and whether its slices form a grid."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from made_dicom_faults import store_as
from made_images import (
    CT_IMAGE,
    SERIES_UID,
    cut_short,
    like,
    made_head,
    values,
    write_dicom_series,
    write_dicom_without_pixels,
    write_multiframe,
)
from pydicom.uid import RLELossless
from sentences import refusal

from ParotidSegLib.errors import ImageError
from ParotidSegLib.reading.dicom_series import find_slices
from ParotidSegLib.reading.images import read_image

RESCALE = {"0028|1052": "-1024", "0028|1053": "1"}
LOCALIZER = {"0008|0008": "ORIGINAL\\PRIMARY\\LOCALIZER"}


def refused(folder: Path, series: str | None = None) -> str:
    return refusal(ImageError, read_image, folder, series=series)


def set_instance(path: Path, uid: str) -> None:
    dataset = pydicom.dcmread(path)
    dataset.SOPInstanceUID = uid
    dataset.save_as(path)


def replace(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "Ärzte köpf 頭"


def assert_is_head(image: sitk.Image, head: sitk.Image) -> None:
    assert image.GetPixelID() == sitk.sitkInt16
    assert image.GetOrigin() == pytest.approx(head.GetOrigin(), abs=1e-4)
    assert image.GetSpacing() == pytest.approx(head.GetSpacing(), abs=1e-4)
    assert image.GetDirection() == pytest.approx(head.GetDirection(), abs=1e-5)
    assert np.array_equal(values(image), values(head))


@pytest.mark.parametrize("slices", [16, 20, 33])
def test_a_series_is_read_in_the_order_of_its_positions(folder: Path, slices: int) -> None:
    head = made_head((40, 40, slices))
    write_dicom_series(folder / "deep" / "er", head)
    assert_is_head(read_image(folder), head)


def test_an_oblique_series_keeps_its_grid(folder: Path) -> None:
    head = made_head()
    head.SetDirection([1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8])
    write_dicom_series(folder, head)
    assert_is_head(read_image(folder), head)


def test_a_series_whose_normal_points_to_the_feet_lies_where_it_lay(folder: Path) -> None:
    head = made_head()
    head.SetDirection([1, 0, 0, 0, -1, 0, 0, 0, -1])
    write_dicom_series(folder, head)
    assert_is_head(read_image(folder), head)


def test_the_rescale_is_applied(folder: Path) -> None:
    write_dicom_series(folder, made_head(), tags=RESCALE)
    assert_is_head(read_image(folder), made_head())


def test_a_fractional_rescale_gives_float32(folder: Path) -> None:
    doubled = made_head() * 2 + 1
    for path in write_dicom_series(folder, doubled, tags={"0028|1052": "0", "0028|1053": "1"}):
        replace(path, b"\x28\x00\x53\x10\x02\x00\x00\x001 ", b"\x28\x00\x53\x10\x02\x00\x00\x00.5")
    image = read_image(folder)
    assert image.GetPixelID() == sitk.sitkFloat32
    assert np.array_equal(values(image), values(made_head()) + 0.5)


def test_values_beyond_int16_are_clamped_not_wrapped(folder: Path) -> None:
    array = values(made_head())
    array[3, 3, 3] = 40_000
    write_dicom_series(folder, like(made_head(), array), tags=RESCALE)
    assert np.array_equal(values(read_image(folder)), np.clip(array, -32768, 32767))


def test_a_folder_without_any_dicom_image_is_refused(folder: Path) -> None:
    folder.mkdir()
    assert "holds no DICOM image" in refused(folder)
    (folder / "notes.txt").write_text("Dear colleague", encoding="utf-8")
    write_dicom_without_pixels(folder / "contours.dcm")
    sitk.WriteImage(made_head(), str(folder / "head.nii.gz"))
    assert "holds no DICOM image" in refused(folder)


def test_other_files_in_the_folder_are_passed_over(folder: Path) -> None:
    write_dicom_series(folder, made_head())
    write_dicom_without_pixels(folder / "contours.dcm")
    write_dicom_without_pixels(folder / "DICOMDIR", sop_class="1.2.840.10008.1.3.10")
    write_multiframe(folder / "dose.dcm", made_head(), tags={"0008|0060": "RTDOSE", "0020|000e": "2.25.5"})
    write_dicom_series(folder / "mr", made_head(), uid="2.25.6", tags={"0008|0060": "MR"})
    (folder / "notes.txt").write_text("Dear colleague", encoding="utf-8")
    (folder / "head.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(500))
    assert_is_head(read_image(folder), made_head())


def test_a_series_of_another_modality_alone_is_refused(folder: Path) -> None:
    write_dicom_series(folder, made_head(), tags={"0008|0060": "MR"})
    assert "20 of MR" in refused(folder)


def test_localizers_do_not_count_as_a_series(folder: Path) -> None:
    write_dicom_series(folder, made_head())
    write_dicom_series(folder / "scout", made_head()[:, :, :2], uid="2.25.2")
    write_dicom_series(folder / "more", made_head(), uid="2.25.3", tags=LOCALIZER)
    assert_is_head(read_image(folder), made_head())


def test_a_localizer_within_the_series_is_left_out(folder: Path) -> None:
    write_dicom_series(folder, made_head())
    across = made_head()[:, :, :1]
    across.SetDirection([1, 0, 0, 0, 0, 1, 0, -1, 0])
    write_dicom_series(folder / "scout", across, tags=LOCALIZER)
    assert_is_head(read_image(folder), made_head())


def test_localizers_alone_are_refused(folder: Path) -> None:
    write_dicom_series(folder, made_head()[:, :, :2], tags=LOCALIZER)
    assert "holds no CT series but localizers" in refused(folder)


@pytest.fixture
def two_series(folder: Path) -> Path:
    """Series 2 (seed 1, 20 slices, described) and series 1 (seed 2, 16 slices, not described)."""
    description = {"0008|103e": "Head DOE contrast", "0010|0010": "Doe^Jane"}
    write_dicom_series(folder, made_head(), number=2, tags=description)
    write_dicom_series(folder, made_head((40, 40, 16), seed=2), uid="2.25.2", number=1, tags={"0010|0010": "Doe^Jane"})
    return folder


def test_two_series_are_listed_without_the_name_of_the_patient(two_series: Path) -> None:
    text = refused(two_series)
    assert "holds 2 CT series" in text
    assert "1: no description, 16 slices; 2: Head *** contrast, 20 slices" in text
    assert "choose one with --series NUMBER" in text
    assert "doe" not in text.lower()
    assert "jane" not in text.lower()


@pytest.mark.parametrize("name", ["Doe-Smith^Jane", "O'Smith^Jane", "Doe.Smith^Jane"])
def test_no_part_of_a_compound_name_is_listed(two_series: Path, name: str) -> None:
    tags = {"0010|0010": name, "0008|103e": "Neck Smith"}
    write_dicom_series(two_series, made_head((40, 40, 16), seed=3), uid="2.25.3", number=3, tags=tags)
    assert "3: Neck ***, 16 slices" in refused(two_series)


def test_a_series_is_chosen_by_its_number_or_its_uid(two_series: Path) -> None:
    assert_is_head(read_image(two_series, series="2"), made_head())
    assert_is_head(read_image(two_series, series=SERIES_UID), made_head())
    assert_is_head(read_image(two_series, series="1"), made_head((40, 40, 16), seed=2))
    assert_is_head(read_image(two_series, series="2.25.2"), made_head((40, 40, 16), seed=2))


@pytest.mark.parametrize("series", ["0", "3", "-1", "2.25.9", "Head", ""])
def test_a_series_that_is_not_there_is_refused_with_the_list(two_series: Path, series: str) -> None:
    assert "1: no description, 16 slices; 2: " in refused(two_series, series)


def test_a_description_that_is_not_utf8_can_be_printed(folder: Path) -> None:
    for uid in (SERIES_UID, "2.25.2"):
        for path in write_dicom_series(folder, made_head(), uid=uid, tags={"0008|103e": "Schaedel"}):
            replace(path, b"Schaedel", b"Sch\xe4del ")
    assert "1: Schädel, 20 slices" in refused(folder)


def test_a_missing_slice_is_refused_and_its_place_named(folder: Path) -> None:
    files = write_dicom_series(folder, made_head())
    files[5].unlink()
    assert "missing between the positions 54.0 and 66.0 mm" in refused(folder)


def test_an_uneven_slice_distance_is_refused_and_its_place_named(folder: Path) -> None:
    write_dicom_series(folder, made_head(), shift=lambda index: (0, 0, 1.5 if index >= 10 else 0))
    assert "6.00 mm, but 7.50 mm between the positions 84.0 and 91.5 mm" in refused(folder)


def test_a_distance_that_changes_little_but_for_long_is_refused(folder: Path) -> None:
    head = made_head((40, 40, 60), (5, 5, 1.25))
    write_dicom_series(folder, head, shift=lambda index: (0, 0, 0.1 * max(0, index - 30)))
    assert "distance between slices is not constant" in refused(folder)


def test_positions_rounded_to_a_tenth_of_a_millimetre_are_no_fault(folder: Path) -> None:
    head = made_head((40, 40, 30), (5, 5, 1.25))
    write_dicom_series(folder, head, shift=lambda index: (0, 0, round(1.25 * index, 1) - 1.25 * index))
    assert read_image(folder).GetSpacing()[2] == pytest.approx(1.25, abs=0.005)


def test_another_slice_at_the_place_of_one_is_refused(folder: Path) -> None:
    write_dicom_series(folder, made_head())
    write_dicom_series(folder / "more", made_head(seed=2)[:, :, 5:6])
    set_instance(next((folder / "more").iterdir()), "2.25.77")
    assert "1 slice(s) of the DICOM series lie where another one lies, first at 60.0 mm" in refused(folder)


def test_an_object_that_lies_in_several_files_is_read_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = write_dicom_series(folder, made_head())
    for number, path in enumerate(files):
        shutil.copy(path, folder / f"copy{number}.dcm")
    store_as(folder / "copy3.dcm", RLELossless)  # the same pixels, written in another way
    assert_is_head(read_image(folder), made_head())
    assert "20 file(s) that hold a slice of the series once more" in caplog.text
    assert find_slices(folder).size == (40, 40, 20)


@pytest.mark.parametrize("bits", [0, 17, 65535])
def test_an_absurd_number_of_bits_of_compressed_pixels_is_one_sentence_or_changes_nothing(folder: Path, bits) -> None:
    damaged = write_dicom_series(folder, made_head())[10]
    store_as(damaged, RLELossless)
    dataset = pydicom.dcmread(damaged)
    dataset.BitsStored = bits
    dataset.save_as(damaged)
    try:
        read = read_image(folder)
    except ImageError as error:
        assert "damaged" in str(error) or "cannot be read" in str(error)
    else:
        assert_is_head(read, made_head())


def test_one_object_with_two_contents_is_refused(folder: Path) -> None:
    files = write_dicom_series(folder, made_head())
    write_dicom_series(folder / "more", made_head(seed=2)[:, :, 5:6])
    set_instance(next((folder / "more").iterdir()), f"{SERIES_UID}.6")
    assert "one and the same object" in refused(folder)
    assert files


def test_slices_that_share_an_identifier_by_mistake_are_slices(folder: Path) -> None:
    for path in write_dicom_series(folder, made_head()):
        set_instance(path, "2.25.77")
    assert_is_head(read_image(folder), made_head())


def test_a_tilted_gantry_is_refused_with_its_angle(folder: Path) -> None:
    write_dicom_series(folder, made_head(), shift=lambda index: (0, 6 * index * np.tan(np.radians(12)), 0))
    assert "gantry tilt of about 12 degrees" in refused(folder)


def test_slices_of_different_sizes_are_refused(folder: Path) -> None:
    write_dicom_series(folder, made_head()[:, :, :10])
    write_dicom_series(folder / "more", made_head()[:30, :, 10:])
    assert "rows or columns" in refused(folder)


def test_slices_of_different_spacings_are_refused(folder: Path) -> None:
    head = made_head()
    write_dicom_series(folder, head[:, :, :10])
    head.SetSpacing((5, 5.2, 6))
    write_dicom_series(folder / "more", head[:, :, 10:])
    assert "differ in pixel spacing" in refused(folder)


def test_slices_of_different_orientations_are_refused(folder: Path) -> None:
    head = made_head()
    write_dicom_series(folder, head[:, :, :10])
    head.SetDirection([1, 0, 0, 0, 0.995, -0.0998, 0, 0.0998, 0.995])
    write_dicom_series(folder / "more", head[:, :, 10:])
    assert "differ in orientation" in refused(folder)


def test_slices_without_a_position_are_refused(folder: Path) -> None:
    files = write_dicom_series(folder, made_head())
    replace(files[4], b"\x20\x00\x32\x00", b"\x20\x00\x33\x00")
    assert "lack their position" in refused(folder)


@pytest.mark.parametrize("spacing", [b"0\\0 ", b"5\\-5", b"    ", b"none"])
def test_slices_without_a_true_pixel_spacing_are_refused(folder: Path, spacing: bytes) -> None:
    tag = b"\x28\x00\x30\x00\x04\x00\x00\x00"
    for path in write_dicom_series(folder, made_head()):
        replace(path, tag + b"5\\5 ", tag + spacing)
    assert "pixel spacing (or it is 0)" in refused(folder)


@pytest.mark.parametrize("share", [0.005, 0.5, 0.95])
def test_a_slice_that_is_cut_short_is_refused_even_at_the_end(folder: Path, share: float) -> None:
    files = write_dicom_series(folder, made_head())
    cut_short(files[-1], share)
    assert "1 DICOM CT file(s)" in refused(folder)


def test_an_empty_slice_and_a_ct_object_without_pixels_are_refused(folder: Path) -> None:
    files = write_dicom_series(folder, made_head())
    files[-1].write_bytes(b"")
    write_dicom_without_pixels(folder / "other.dcm", sop_class=CT_IMAGE)
    assert "2 DICOM CT file(s)" in refused(folder)


def test_content_is_checked_too(folder: Path) -> None:
    write_dicom_series(folder, made_head() + 1024)
    assert "Hounsfield" in refused(folder)


def test_no_metadata_of_the_patient_comes_along(folder: Path) -> None:
    write_dicom_series(folder, made_head((40, 40, 12)))
    assert read_image(folder).GetMetaDataKeys() == ()


@pytest.mark.data
def test_a_clinical_series_is_read_as_simpleitk_reads_its_sorted_files(data_root: Path) -> None:
    folder = data_root / "clinical_ct" / "head_neck_1"
    image = read_image(folder)
    assert image.GetSize() == (511, 511, 90)
    assert image.GetSpacing() == pytest.approx((1, 1, 3))
    assert image.GetDirection() == pytest.approx(np.eye(3).ravel())
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    reference = sitk.ReadImage(files)
    assert image.GetOrigin() == pytest.approx(reference.GetOrigin())
    assert np.array_equal(sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(reference))


def test_a_slice_distance_that_changes_is_said_to_change(folder: Path) -> None:
    write_dicom_series(folder, made_head(), shift=lambda index: (0, 0, 6.0 * max(0, index - 12)))
    assert "distance between slices changes, at 102.0 mm from 6.00 to 12.00 mm" in refused(folder)


def test_a_gap_that_is_no_multiple_of_the_distance_is_said_to_be_one(folder: Path) -> None:
    write_dicom_series(folder, made_head(), shift=lambda index: (0, 0, 8.7 * (index > 9)))
    assert "a gap of 14.70 mm between the positions 84.0 and 98.7 mm" in refused(folder)


def test_two_phases_as_single_slices_are_refused_by_name(folder: Path) -> None:
    write_dicom_series(folder / "a", made_head())
    for number, path in enumerate(write_dicom_series(folder / "b", made_head(seed=2))):
        set_instance(path, f"2.25.77.{number}")
    assert "2 slices at each of its 20 positions, as of 2 phases" in refused(folder)


@pytest.mark.data
def test_the_cases_of_copies_and_of_a_changing_distance_come_out_right(data_root: Path) -> None:
    cases = data_root / "cases"
    assert read_image(cases / "11_same_object_twice" / "ct").GetSize() == (68, 66, 58)
    assert "changes, at -19.0 mm from 4.00 to 7.00 mm" in refused(cases / "12_slice_distance_changes" / "ct")
