"""Files with many frames: each frame lies where it says, and is rescaled as it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from made_dicom_faults import SYNTAXES, write_frames
from made_images import made_head, values, write_multiframe
from pydicom.uid import ExplicitVRLittleEndian, RLELossless
from sentences import refusal

from ParotidSegLib.errors import ImageError
from ParotidSegLib.reading.images import read_image

WAYS = pytest.mark.parametrize("given_as", ["file", "folder"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "scan.dcm"


def read(path: Path, given_as: str):
    return read_image(path if given_as == "file" else path.parent)


def refused(path: Path, given_as: str) -> str:
    return refusal(ImageError, read, path, given_as)


@WAYS
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, SYNTAXES["deflated"], RLELossless])
def test_frames_in_any_order_lie_where_they_say(path: Path, given_as: str, syntax) -> None:
    order = [*range(10, 20), *range(9, -1, -1)]
    write_frames(path, made_head(), order=order, syntax=syntax)
    image = read(path, given_as)
    assert image.GetOrigin() == pytest.approx(made_head().GetOrigin())
    assert image.GetSpacing() == pytest.approx(made_head().GetSpacing())
    assert np.array_equal(values(image), values(made_head()))


@WAYS
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, SYNTAXES["deflated"], RLELossless])
def test_each_frame_has_its_own_rescale(path: Path, given_as: str, syntax) -> None:
    write_frames(path, made_head(), rescales=[(1, -1024), (1, 0), (2, -500)], syntax=syntax)
    wrong = values(read(path, given_as)) - values(made_head())
    assert not wrong[0::3].any()
    assert not wrong[1::3].any()
    assert np.abs(wrong[2::3]).max() == 1  # stored in steps of 2 HU


def test_a_fractional_rescale_of_a_frame_gives_float32(path: Path) -> None:
    write_frames(path, made_head(), rescales=[(1, -1024), (0.5, 0)])
    image = read_image(path)
    assert np.array_equal(values(image), values(made_head()))  # halves of even numbers: int16 again


@WAYS
@pytest.mark.parametrize("mixed", ["one after the other", "in turn"])
def test_two_phases_in_one_file_are_refused_by_name(path: Path, given_as: str, mixed: str) -> None:
    once = list(range(20))
    write_frames(path, made_head(), order=once + once if mixed == "one after the other" else sorted(once + once))
    assert "2 slices at each of its 20 positions, as of 2 phases" in refused(path, given_as)


@WAYS
def test_a_frame_that_comes_twice_is_refused(path: Path, given_as: str) -> None:
    write_frames(path, made_head(), order=[*range(20), 5])
    assert "1 slice(s) of the DICOM series lie where another one lies" in refused(path, given_as)


@WAYS
def test_frames_that_are_missing_are_refused(path: Path, given_as: str) -> None:
    write_frames(path, made_head(), order=[n for n in range(20) if n != 7])
    assert "missing between the positions 66.0 and 78.0 mm" in refused(path, given_as)


@WAYS
@pytest.mark.parametrize("fault", ["one frame too few", "a frame without a position"])
def test_frames_that_do_not_say_where_they_lie_are_refused(path: Path, given_as: str, fault: str) -> None:
    write_frames(path, made_head())
    dataset = pydicom.dcmread(path)
    if fault == "one frame too few":
        del dataset.PerFrameFunctionalGroupsSequence[4]
    else:
        del dataset.PerFrameFunctionalGroupsSequence[4].PlanePositionSequence
    dataset.save_as(path)
    assert "Frames of the DICOM series lack their position" in refused(path, given_as)


def test_frames_with_nothing_but_a_distance_between_them_follow_each_other(path: Path) -> None:
    write_multiframe(path, made_head())
    dataset = pydicom.dcmread(path)
    first = dataset.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    dataset.ImagePositionPatient = first.ImagePositionPatient
    dataset.ImageOrientationPatient, dataset.PixelSpacing = [1, 0, 0, 0, 1, 0], [5, 5]
    del dataset.PerFrameFunctionalGroupsSequence, dataset.SharedFunctionalGroupsSequence
    dataset.save_as(path)
    assert "lack their position" in refused(path, "file")
    dataset.SpacingBetweenSlices = 6
    dataset.save_as(path)
    image = read_image(path)
    assert image.GetSpacing() == pytest.approx((5, 5, 6))
    assert np.array_equal(values(image), values(made_head()))


def test_a_scan_in_two_files_of_many_frames_is_one_scan(path: Path) -> None:
    write_frames(path, made_head(), order=range(12, 20))
    write_frames(path.with_name("b.dcm"), made_head(), order=range(12))
    dataset = pydicom.dcmread(path)
    dataset.SOPInstanceUID = "2.25.77"
    dataset.save_as(path)
    assert np.array_equal(values(read_image(path.parent)), values(made_head()))


@pytest.mark.data
@pytest.mark.parametrize("case", ["06_multiframe_ct_with_two_phases/one_after_the_other"])
def test_the_case_of_two_phases_is_refused_by_name(data_root: Path, case: str) -> None:
    assert "as of 2 phases" in refusal(ImageError, read_image, data_root / "cases" / case)


@pytest.mark.data
def test_the_case_of_a_rescale_by_frame_is_the_scan_of_the_case_of_copies(data_root: Path) -> None:
    cases = data_root / "cases"
    image = read_image(cases / "15_multiframe_rescale_by_frame" / "ct.dcm")
    assert np.array_equal(values(image), values(read_image(cases / "11_same_object_twice" / "ct")))
