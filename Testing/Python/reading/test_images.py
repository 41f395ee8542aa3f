"""Reading and writing of single files; folders of DICOM files are in test_dicom_series.py."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from full_disk import files_limited_to
from made_images import (
    cut_short,
    like,
    made_head,
    values,
    write_dicom_series,
    write_dicom_without_pixels,
    write_multiframe,
)
from sentences import refusal

from ParotidSegLib.errors import ImageError, OutputError
from ParotidSegLib.reading.images import read_image, write_image

FORMATS = ["nii", "nii.gz", "nrrd", "mha"]
#: Where a NIfTI header holds the codes of its two forms, the rows of the affine one, the rescale and the spacing.
FORM_CODES, AFFINE_ROWS, RESCALE, SPACING = 252, 280, 112, 80


def refused(path: Path, **options: str) -> str:
    return refusal(ImageError, read_image, path, **options)


def same_grid(one: sitk.Image, other: sitk.Image) -> bool:
    def numbers(image: sitk.Image) -> list[float]:
        return [*image.GetSize(), *image.GetSpacing(), *image.GetOrigin(), *image.GetDirection()]

    return np.allclose(numbers(one), numbers(other), atol=1e-5)


def changed_header(path: Path, position: int, form: str, *numbers: float) -> None:
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, position, *numbers)
    path.write_bytes(content)


@pytest.fixture
def a_nifti_file(tmp_path: Path) -> Path:
    path = tmp_path / "head.nii"
    sitk.WriteImage(made_head(), str(path))
    return path


@pytest.mark.parametrize("ending", [*FORMATS, "mhd"])
def test_a_sound_file_of_each_format_is_read_as_it_was(tmp_path: Path, ending: str) -> None:
    folder = tmp_path / "Ärzte köpf 頭" / ("long " * 30)
    folder.mkdir(parents=True)
    head = made_head()
    head.SetDirection([0, 1, 0, 0, 0, -1, -1, 0, 0])
    sitk.WriteImage(head, str(folder / f"scan 1.{ending}"))
    image = read_image(folder / f"scan 1.{ending}")
    assert image.GetPixelID() == sitk.sitkInt16
    assert same_grid(image, head)
    assert np.array_equal(values(image), values(head))


@pytest.mark.parametrize("pixel_type", [sitk.sitkInt32, sitk.sitkInt64, sitk.sitkFloat32, sitk.sitkFloat64])
def test_whole_values_come_as_int16_clamped_to_its_range(tmp_path: Path, pixel_type: int) -> None:
    array = values(made_head())
    array[0, 0, :2] = 60_000, -60_000
    sitk.WriteImage(sitk.Cast(like(made_head(), array), pixel_type), str(tmp_path / "head.nrrd"))
    image = read_image(tmp_path / "head.nrrd")
    assert image.GetPixelID() == sitk.sitkInt16
    assert np.array_equal(values(image), np.clip(array, -32768, 32767))


@pytest.mark.parametrize("pixel_type", [np.float32, np.float64])
def test_fractional_values_come_as_float32(tmp_path: Path, pixel_type: type) -> None:
    array = (values(made_head()) + 0.25).astype(pixel_type)
    sitk.WriteImage(like(made_head(), array), str(tmp_path / "head.mha"))
    image = read_image(tmp_path / "head.mha")
    assert image.GetPixelID() == sitk.sitkFloat32
    assert np.array_equal(values(image), array)


def test_the_rescale_of_a_nifti_header_is_applied(tmp_path: Path) -> None:
    path = tmp_path / "head.nii"
    sitk.WriteImage(made_head() + 1024, str(path))
    changed_header(path, RESCALE, "<2f", 1.0, -1024.0)
    image = read_image(path)
    assert image.GetPixelID() == sitk.sitkInt16
    assert np.array_equal(values(image), values(made_head()))


def test_a_fourth_dimension_of_length_one_is_dropped(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.JoinSeries([made_head()]), str(tmp_path / "head.nii.gz"))
    image = read_image(tmp_path / "head.nii.gz")
    assert same_grid(image, made_head())
    assert np.array_equal(values(image), values(made_head()))


def test_no_metadata_comes_along(tmp_path: Path) -> None:
    write_multiframe(tmp_path / "head.dcm", made_head(), tags={"0010|0010": "Doe^Jane"})
    assert read_image(tmp_path / "head.dcm").GetMetaDataKeys() == ()


def test_a_multi_frame_dicom_file_is_read(tmp_path: Path) -> None:
    write_multiframe(tmp_path / "head.dcm", made_head())
    image = read_image(tmp_path / "head.dcm")
    assert np.array_equal(values(image), values(made_head()))
    assert image.GetSpacing() == pytest.approx((5, 5, 6))


def test_a_path_where_nothing_is_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "none.nii.gz")
    (tmp_path / "file").touch()
    assert "cannot be opened" in refused(tmp_path / "file" / "head.nii.gz")


@pytest.mark.parametrize("name", [*(f"head.{ending}" for ending in FORMATS), "head.dcm", "head"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert "empty" in refused(tmp_path / name)


@pytest.mark.parametrize("name", ["notes.txt", "head.nii", "head.nii.gz", "head.nrrd", "head.dcm", "report.pdf"])
@pytest.mark.parametrize("content", [b"Dear colleague,\n" * 100, b"%PDF-1.7\n1 0 obj\n" * 100])
def test_text_and_pdf_are_refused_under_any_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert "is no image" in refused(tmp_path / name)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, ending: str, compressed: bool, share: float) -> None:
    path = tmp_path / f"head.{ending}"
    sitk.WriteImage(made_head(), str(path), compressed)
    cut_short(path, share)
    assert "damaged" in refused(path)


def test_a_compressed_nifti_with_one_wrong_byte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "head.nii.gz"
    sitk.WriteImage(made_head(), str(path))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert "damaged" in refused(path)


def test_a_header_whose_data_file_is_missing_or_short_is_refused(tmp_path: Path) -> None:
    sitk.WriteImage(made_head(), str(tmp_path / "head.mhd"))
    cut_short(tmp_path / "head.raw")
    assert "damaged" in refused(tmp_path / "head.mhd")
    (tmp_path / "head.raw").unlink()
    assert "damaged" in refused(tmp_path / "head.mhd")


def test_a_dicom_file_that_is_cut_short_or_has_no_pixels_is_refused(tmp_path: Path) -> None:
    write_multiframe(tmp_path / "head.dcm", made_head())
    cut_short(tmp_path / "head.dcm")
    assert "damaged" in refused(tmp_path / "head.dcm")
    write_dicom_without_pixels(tmp_path / "contours.dcm")
    assert "no image" in refused(tmp_path / "contours.dcm")


def test_a_dicom_file_of_another_modality_is_refused(tmp_path: Path) -> None:
    write_multiframe(tmp_path / "head.dcm", made_head(), tags={"0008|0060": "MR"})
    assert "'MR'" in refused(tmp_path / "head.dcm")


def test_one_file_of_a_dicom_series_is_refused_and_the_folder_asked_for(tmp_path: Path) -> None:
    files = write_dicom_series(tmp_path, made_head())
    assert "give the folder" in refused(files[0])


def test_a_series_cannot_be_chosen_in_a_file(a_nifti_file: Path) -> None:
    assert "only be chosen in a DICOM folder" in refused(a_nifti_file, series="1")


def test_images_of_other_kinds_are_refused(tmp_path: Path) -> None:
    head, path = made_head(), tmp_path / "other.nii.gz"
    real = sitk.Cast(head, sitk.sitkFloat32)
    for image, problem in (
        (sitk.JoinSeries([head, head]), "4 dimensions (40 x 40 x 20 x 2)"),
        (sitk.Compose([head, head, head]), "colours or vectors"),
        (sitk.RealAndImaginaryToComplex(real, real), "complex"),
        (head[:, :, :1], "single slice"),
        (head + 1024, "Hounsfield"),
    ):
        sitk.WriteImage(image, str(path))
        assert problem in refused(path)
    sitk.WriteImage(sitk.Cast(head[:, :, 3] > 0, sitk.sitkUInt8), str(tmp_path / "photo.png"))
    assert "single slice" in refused(tmp_path / "photo.png")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("pixel_type", [np.float32, np.float64])
@pytest.mark.parametrize("ending", FORMATS)
def test_values_that_are_no_numbers_are_refused(tmp_path: Path, ending: str, pixel_type: type, bad: float) -> None:
    array = values(made_head()).astype(pixel_type)
    array[-1, -1, -1] = bad
    sitk.WriteImage(like(made_head(), array), str(tmp_path / f"head.{ending}"))
    assert "NaN or infinite" in refused(tmp_path / f"head.{ending}")


@pytest.mark.parametrize("bad", [None, np.nan])
def test_a_nifti_of_the_other_byte_order_is_understood(tmp_path: Path, bad: float | None) -> None:
    path = tmp_path / "head.nii"
    array = values(made_head()).astype(np.float32)
    if bad is not None:
        array[5, 5, 5] = bad
    sitk.WriteImage(like(made_head(), array), str(path))
    path.write_bytes(big_endian(path.read_bytes()))
    if bad is None:
        assert np.array_equal(values(read_image(path)), values(made_head()))
    else:
        assert "NaN or infinite" in refused(path)


def big_endian(nifti: bytes) -> bytes:
    """A little-endian NIfTI file of float32, turned around: the fields of its header, then the voxels."""
    fields = "i10s18sihcB8h3f4h8f3fhBB4fii80s24s2h6f4f4f4f16s4s4s"
    header = struct.pack(">" + fields, *struct.unpack_from("<" + fields, nifti))
    return header + np.frombuffer(nifti, "<f4", offset=352).astype(">f4").tobytes()


def test_a_sheared_nifti_is_refused(a_nifti_file: Path) -> None:
    changed_header(a_nifti_file, FORM_CODES, "<2h", 0, 1)
    changed_header(a_nifti_file, AFFINE_ROWS, "<12f", 5, 1.5, 0, 0, 0, 5, 0, 0, 0, 1, 6, 0)
    assert "right angles" in refused(a_nifti_file)


def test_a_nifti_without_orientation_is_refused_because_left_and_right_are_unknown(a_nifti_file: Path) -> None:
    changed_header(a_nifti_file, FORM_CODES, "<2h", 0, 0)
    assert "left and right" in refused(a_nifti_file)


@pytest.mark.parametrize("spacing", [0.0, float("nan")])
def test_a_nifti_that_states_no_spacing_is_refused(a_nifti_file: Path, spacing: float) -> None:
    changed_header(a_nifti_file, SPACING, "<3f", 5, 5, spacing)
    assert "impossible voxel spacing" in refused(a_nifti_file)


def test_a_pair_of_nifti_files_is_refused(tmp_path: Path) -> None:
    sitk.WriteImage(made_head(), str(tmp_path / "head.hdr"))
    assert "one .nii.gz file" in refused(tmp_path / "head.hdr")


def nrrd_header(sizes: str, first_axis: str) -> bytes:
    return (
        f"NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: {sizes}\n"
        f"space directions: {first_axis} (0,5,0) (0,0,6)\nkinds: domain domain domain\nendian: little\n"
        "encoding: raw\nspace origin: (0,0,0)\n\n"
    ).encode("ascii")


@pytest.mark.parametrize("space", ["", "space dimension: 3\n", "space: scanner-xyz\n", "space: 3D-right-handed\n"])
def test_an_nrrd_header_that_leaves_left_and_right_to_a_guess_is_refused(tmp_path: Path, space: str) -> None:
    path = tmp_path / "head.nrrd"
    header = nrrd_header("40 40 20", "(5,0,0)").replace(b"space: left-posterior-superior\n", space.encode())
    if not space:  # nor any way to state one
        header = header.replace(b"space directions: (5,0,0) (0,5,0) (0,0,6)\n", b"spacings: 5 5 6\n")
        header = header.replace(b"space origin: (0,0,0)\n", b"")
    path.write_bytes(header + values(made_head()).astype("<i2").tobytes())
    assert "states no orientation" in refused(path)


@pytest.mark.parametrize(
    ("space", "signs"),
    [("left-posterior-superior", (1, 1, 1)), ("RAS", (-1, -1, 1)), ("left-anterior-superior", (1, -1, 1))],
)
def test_an_nrrd_file_in_any_space_of_the_patient_is_read(tmp_path: Path, space: str, signs: tuple[int, ...]) -> None:
    path = tmp_path / "head.nrrd"
    header = nrrd_header("40 40 20", "(5,0,0)").replace(b"left-posterior-superior", space.encode())
    path.write_bytes(header + values(made_head()).astype("<i2").tobytes())
    try:
        direction = read_image(path).GetDirection()
    except ImageError as error:  # of SimpleITK 2.5.5, which Slicer brings
        assert space == "left-anterior-superior"
        assert "and right would change places" in str(error)
    else:
        assert np.reshape(direction, (3, 3)) == pytest.approx(np.diag(signs))


@pytest.mark.parametrize("direction", [(-1, 0, 0, 0, 1, 0, 0, 0, 1), (0, 0, 1, 0, 1, 0, -1, 0, 0)])
def test_an_nrrd_file_that_the_reader_turns_otherwise_than_it_states_is_refused(tmp_path, monkeypatch, direction):
    path = tmp_path / "head.nrrd"
    path.write_bytes(nrrd_header("40 40 20", "(5,0,0)") + values(made_head()).astype("<i2").tobytes())
    assert read_image(path).GetSize() == (40, 40, 20)
    monkeypatch.setattr(sitk.ImageFileReader, "GetDirection", lambda reader: direction)
    assert "and right would change places" in refused(path)


def test_a_header_with_an_absurd_grid_is_refused_before_any_voxel_is_read(tmp_path: Path) -> None:
    path = tmp_path / "head.nrrd"
    for sizes, first_axis, problem in (
        ("40 40 20", "(0,0,0)", "spacing is impossible"),
        ("40 40 20", "(25,0,0)", "spacing is impossible"),
        ("40 40 20", "(5,0,1)", "right angles"),
        ("20000 20000 20000", "(1,0,0)", "more than any CT has"),
    ):
        path.write_bytes(nrrd_header(sizes, first_axis) + b"abc")
        assert problem in refused(path)


def test_the_warning_switch_of_itk_is_left_as_it_was(a_nifti_file: Path) -> None:
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    try:
        for switch in (True, False):
            sitk.ProcessObject.SetGlobalWarningDisplay(switch)
            read_image(a_nifti_file)
            refused(a_nifti_file.with_name("none.nii"))
            assert sitk.ProcessObject.GetGlobalWarningDisplay() == switch
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)


@pytest.mark.parametrize("ending", FORMATS)
def test_what_was_written_is_read_again_and_replaces_what_was_there(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "Ärzte köpf 頭" / f"head.{ending}"
    write_image(made_head(seed=2), path)
    write_image(made_head(), path)
    assert np.array_equal(values(read_image(path)), values(made_head()))
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["head", "head.txt", "head.mhd", "head.gz"])
def test_an_ending_without_a_format_of_one_file_is_refused(tmp_path: Path, name: str) -> None:
    assert ".nii.gz" in refusal(OutputError, write_image, made_head(), tmp_path / name)


def test_a_place_where_nothing_can_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is not a folder" in refusal(OutputError, write_image, made_head(), tmp_path / "file" / "head.nii.gz")


def test_an_image_that_the_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    image = sitk.Cast(made_head() > 0, sitk.sitkLabelUInt8)
    assert "cannot be written" in refusal(OutputError, write_image, image, tmp_path / "head.nrrd")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", FORMATS)
def test_a_full_disk_is_one_sentence_and_leaves_no_half_file(tmp_path: Path, ending: str) -> None:
    with files_limited_to(20_000):
        sentence = refusal(OutputError, write_image, made_head(), tmp_path / f"head.{ending}")
    assert "space" in sentence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_bytes_that_were_put_into_a_file_are_refused(suffix, tmp_path):
    path = tmp_path / f"ct{suffix}"
    sitk.WriteImage(made_head(), str(path))
    is_packed = suffix == ".nii.gz"
    plain = gzip.decompress(path.read_bytes()) if is_packed else path.read_bytes()
    longer = plain[:5000] + bytes(512) + plain[5000:]
    path.write_bytes(gzip.compress(longer) if is_packed else longer)
    assert "longer than its header states" in refusal(ImageError, read_image, path)


@pytest.mark.data
@pytest.mark.parametrize("case", ["pt_2", "pt_78", "pt_239"])
def test_real_planning_scans_are_read_as_they_are(data_root: Path, case: str) -> None:
    path = data_root / "openkbp" / "images" / f"{case}.nii.gz"
    image = read_image(path)
    assert image.GetPixelID() == sitk.sitkInt16
    assert sitk.Hash(image) == sitk.Hash(sitk.ReadImage(str(path)))
