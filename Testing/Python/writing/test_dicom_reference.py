"""Which CT a DICOM result refers to, which label maps lie on it, and what is refused with one sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from made_dicom_results import DIRECTIONS, change, headers, made_scan, write_ct
from made_images import SERIES_UID, like, write_multiframe
from orientations import all_orientations
from sentences import refusal

from ParotidSegLib.errors import ImageError, OutputError
from ParotidSegLib.reading.images import read_image
from ParotidSegLib.writing.dicom_reference import DicomReference, check_dicom_input


@pytest.fixture(scope="module")
def ct(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "ct"
    write_ct(folder, made_scan()[0])
    return folder


@pytest.fixture(scope="module")
def reference(ct) -> DicomReference:
    return DicomReference.open(ct)


@pytest.fixture
def labels() -> sitk.Image:
    return made_scan()[1]


@pytest.mark.parametrize("direction", ["axial", "rows and slices reversed", "oblique"])
def test_the_headers_are_in_the_order_of_the_voxels(tmp_path, direction):
    scan, _ = made_scan(direction)
    write_ct(tmp_path, scan)
    reference = DicomReference.open(tmp_path)
    image = read_image(tmp_path)
    assert reference.slices.size == image.GetSize()
    for index, header in enumerate(reference.headers):
        first = image.TransformIndexToPhysicalPoint((0, 0, index))
        assert [float(v) for v in header.ImagePositionPatient] == pytest.approx(first, abs=1e-3)


def test_a_result_on_the_grid_of_the_scan_is_taken_as_it_is(ct, reference):
    image = read_image(ct)
    array = np.random.default_rng(seed=5).integers(0, 3, tuple(reversed(image.GetSize()))).astype(np.uint8)
    assert np.array_equal(reference.voxels(like(image, array)), array)


def test_any_of_the_48_orientations_gives_the_same_voxels(reference, labels):
    expected = reference.voxels(labels)
    assert {1, 2} <= set(np.unique(expected))
    assert all(np.array_equal(reference.voxels(other), expected) for other in all_orientations(labels))


def test_the_precision_of_nifti_is_enough(tmp_path):
    scan, labels = made_scan("oblique")
    write_ct(tmp_path / "ct", scan)
    sitk.WriteImage(labels, str(tmp_path / "labels.nii.gz"))
    voxels = DicomReference.open(tmp_path / "ct").voxels(sitk.ReadImage(str(tmp_path / "labels.nii.gz")))
    assert np.count_nonzero(voxels) == np.count_nonzero(sitk.GetArrayViewFromImage(labels))


def moved(image: sitk.Image, by: tuple[float, float, float]) -> sitk.Image:
    other = sitk.Image(image)
    other.SetOrigin((np.array(image.GetOrigin()) + by).tolist())
    return other


def spaced(image: sitk.Image, factor: float) -> sitk.Image:
    other = sitk.Image(image)
    other.SetSpacing([length * factor for length in image.GetSpacing()])
    return other


def turned(image: sitk.Image, direction: str) -> sitk.Image:
    other = sitk.Image(image)
    other.SetDirection(DIRECTIONS[direction])
    return other


@pytest.mark.parametrize(
    "change_of",
    [
        lambda image: moved(image, (1.0, 0, 0)),
        lambda image: moved(image, (0, 0, 0.5)),
        lambda image: spaced(image, 0.5),
        lambda image: spaced(image, 2.0),
        lambda image: spaced(image, 1.01),
        lambda image: turned(image, "oblique"),
        lambda image: turned(image, "sagittal"),
    ],
    ids=["half a column", "part of a slice", "finer", "coarser", "a little coarser", "turned", "of unequal sides"],
)
def test_a_label_map_on_other_voxels_is_refused(reference, labels, change_of):
    assert "does not lie on the voxels" in refusal(ImageError, reference.voxels, change_of(labels))


def test_labels_outside_the_scan_are_refused_and_empty_space_is_not(reference, labels):
    wider = sitk.ConstantPad(labels, [3, 0, 2], [0, 4, 1], 0)
    assert np.array_equal(reference.voxels(wider), reference.voxels(labels))
    wider[0, 0, 0] = 1
    assert "outside the DICOM series" in refusal(ImageError, reference.voxels, wider)
    assert "outside the DICOM series" in refusal(ImageError, reference.voxels, moved(labels, (200.0, 0, 0)))


def test_the_series_can_be_chosen(tmp_path):
    scan, _ = made_scan()
    write_ct(tmp_path / "a", scan, {"0020|000e": "2.25.81"})
    write_ct(tmp_path / "b", scan)
    assert "holds 2 CT series" in refusal(ImageError, DicomReference.open, tmp_path)
    chosen = DicomReference.open(tmp_path, SERIES_UID)
    assert {header.SeriesInstanceUID for header in chosen.headers} == {SERIES_UID}


def test_a_series_can_be_given_by_its_files(tmp_path, ct, reference):
    """A database of DICOM files knows those of a series, wherever they lie."""
    given = DicomReference.open(sorted(ct.iterdir(), reverse=True))
    assert [h.SOPInstanceUID for h in given.headers] == [h.SOPInstanceUID for h in reference.headers]
    other = write_ct(tmp_path, made_scan()[0], {"0020|000e": "2.25.81"})
    assert "several series" in refusal(ImageError, DicomReference.open, [*ct.iterdir(), *other])
    assert "not those of a CT series" in refusal(ImageError, DicomReference.open, [])


@pytest.mark.parametrize(
    "values",
    [
        {"FrameOfReferenceUID": None},
        {"FrameOfReferenceUID": ""},
        {"StudyInstanceUID": None},
        {"SOPInstanceUID": "2.25.3"},
        {"FrameOfReferenceUID": ["2.25.3", "2.25.4"]},
        {"SOPClassUID": "1.3.12.2.1107.5.9.1"},
    ],
    ids=[
        "no frame of reference",
        "an empty frame of reference",
        "no study",
        "one for all images",
        "two frames",
        "a private class",
    ],
)
def test_a_series_without_identifiers_is_refused(tmp_path, values):
    files = write_ct(tmp_path, made_scan()[0])
    change(files, **values)
    assert "lack the identifiers" in refusal(ImageError, DicomReference.open, tmp_path)


def test_slices_of_two_frames_of_reference_are_refused(tmp_path):
    files = write_ct(tmp_path, made_scan()[0])
    change(files[:5], FrameOfReferenceUID="2.25.99")
    assert "do not agree" in refusal(ImageError, DicomReference.open, tmp_path)


def test_a_series_of_another_modality_is_taken_where_it_is_asked_for(tmp_path):
    write_ct(tmp_path, made_scan()[0], {"0008|0060": "MR"})
    assert "holds no CT series" in refusal(ImageError, DicomReference.open, tmp_path)
    assert len(DicomReference.open(tmp_path, modality="MR").headers) == 20


def test_a_multi_frame_file_is_refused(tmp_path):
    write_multiframe(tmp_path / "ct.dcm", made_scan()[0])
    assert "single slices" in refusal(ImageError, DicomReference.open, tmp_path)


@pytest.mark.parametrize("name", ["scan.nii.gz", "missing"])
def test_only_a_folder_can_be_referred_to(tmp_path, name):
    sitk.WriteImage(made_scan()[0], str(tmp_path / "scan.nii.gz"))
    assert "must be a DICOM folder" in refusal(OutputError, check_dicom_input, tmp_path / name)
    assert "must be a DICOM folder" in refusal(OutputError, DicomReference.open, tmp_path / name)


@pytest.mark.parametrize("package", ["pydicom", "highdicom"])
def test_a_missing_package_is_named_with_the_way_to_install_it(ct, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert "parotidseg[dicom]" in refusal(OutputError, check_dicom_input, ct)


def test_files_without_the_preamble_of_dicom_are_read(tmp_path):
    for path in write_ct(tmp_path, made_scan()[0]):
        content = path.read_bytes()
        length = int.from_bytes(content[140:144], "little")
        path.write_bytes(content[144 + length :])  # GDCM's files are implicit little endian, the default
    assert len(DicomReference.open(tmp_path).headers) == 20
    assert len(headers(tmp_path)) == 20
