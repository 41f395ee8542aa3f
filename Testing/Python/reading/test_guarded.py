"""What can crash a library in C is read in a process of its own: a crash is a sentence about one file."""

from __future__ import annotations

import os
import signal
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from made_dicom_faults import nest_without_end, store_as
from made_images import made_head, values, write_dicom_series
from pydicom.uid import RLELossless
from sentences import refusal

from ParotidSegLib.errors import ImageError
from ParotidSegLib.reading import guarded
from ParotidSegLib.reading.guarded import GuardedReader
from ParotidSegLib.reading.images import read_image


def reader_of(path, io=""):
    reader = GuardedReader()
    reader.SetFileName(str(path))
    if io:
        reader.SetImageIO(io)
    return reader


@pytest.mark.parametrize("pixel_type", [sitk.sitkInt16, sitk.sitkFloat64, sitk.sitkVectorFloat32])
def test_an_image_comes_through_as_it_is(tmp_path, pixel_type):
    image = made_head()
    image = sitk.Compose([image, image]) if pixel_type == sitk.sitkVectorFloat32 else image
    image = sitk.Cast(image, pixel_type)
    image.SetDirection([0, 1, 0, 0, 0, -1, -1, 0, 0])
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    reader = reader_of(tmp_path / "a.nrrd", "NrrdImageIO")
    reader.ReadImageInformation()
    read = reader.Execute()
    for found in (reader, read):
        assert found.GetSize() == image.GetSize()
        assert found.GetPixelIDValue() == pixel_type
        assert found.GetSpacing() == pytest.approx(image.GetSpacing())
        assert found.GetDirection() == pytest.approx(image.GetDirection())
    assert read.GetOrigin() == pytest.approx(image.GetOrigin())
    assert np.array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(image))


def test_a_file_that_crashes_the_library_is_an_error_and_the_next_one_is_read(tmp_path):
    files = write_dicom_series(tmp_path, made_head())
    nest_without_end(files[0])
    with pytest.raises(RuntimeError):  # handed over without the walk that would refuse it
        reader_of(files[0], "GDCMImageIO").Execute()
    assert reader_of(files[1], "GDCMImageIO").Execute().GetSize()[:2] == (40, 40)


def test_a_reader_that_never_ends_is_stopped(tmp_path, monkeypatch):
    path = tmp_path / "a.nrrd"
    sitk.WriteImage(made_head(), str(path))
    reader_of(path).Execute()
    if not hasattr(signal, "SIGSTOP"):
        pytest.skip("processes cannot be held here")
    os.kill(guarded._child._process.pid, signal.SIGSTOP)
    monkeypatch.setattr(guarded, "MOST_SECONDS", 0.5)
    with pytest.raises(RuntimeError, match="stopped"):
        reader_of(path).Execute()
    monkeypatch.setattr(guarded, "MOST_SECONDS", 120.0)
    assert np.array_equal(values(reader_of(path).Execute()), values(made_head()))


@pytest.mark.skipif(sys.platform != "linux", reason="memory of a process is limited on Linux")
def test_a_file_that_wants_all_memory_is_an_error(tmp_path):
    header = (
        "NRRD0004\ntype: double\ndimension: 3\nspace: left-posterior-superior\nsizes: 4000 4000 4000\n"
        "space directions: (1,0,0) (0,1,0) (0,0,1)\nendian: little\nencoding: raw\n\n"
    )
    (tmp_path / "a.nrrd").write_bytes(header.encode("ascii"))
    with pytest.raises(RuntimeError):
        reader_of(tmp_path / "a.nrrd", "NrrdImageIO").Execute()


def test_damaged_compressed_pixels_are_a_sentence(tmp_path):
    files = write_dicom_series(tmp_path, made_head())
    for path in files:
        store_as(path, RLELossless)
    content = bytearray(files[5].read_bytes())
    content[-300:-20] = bytes(b ^ 0xFF for b in content[-300:-20])
    files[5].write_bytes(content)
    try:
        image = read_image(tmp_path)
    except ImageError:
        assert "pixels of the DICOM series cannot be read" in refusal(ImageError, read_image, tmp_path)
    else:  # run lengths may still add up: then one slice alone is wrong
        wrong = (values(image) != values(made_head())).any(axis=(1, 2))
        assert np.flatnonzero(wrong).tolist() == [5]
