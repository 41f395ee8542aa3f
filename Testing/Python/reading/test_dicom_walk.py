"""Headers are walked in Python: whatever the bytes are, there is an answer, and no library in C has seen them."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from made_dicom_faults import SYNTAXES, nest_without_end, store_as
from made_images import SERIES_UID, made_head, values, write_dicom_series
from sentences import refusal

from ParotidSegLib.errors import ImageError
from ParotidSegLib.reading.dicom.header import DamagedFile, Header, read_header
from ParotidSegLib.reading.dicom.walk import MOST_DEPTH, DamagedDicomError, NotDicomError, walk
from ParotidSegLib.reading.images import read_image


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write_dicom_series(tmp_path / "ct", made_head(), tags={"0028|1052": "-1024", "0028|1053": "1"})


def nested(path: Path, depth: int) -> Path:
    nest_without_end(path, depth)
    return path


@pytest.mark.parametrize("depth", [MOST_DEPTH + 1, 12_000])
def test_sequences_within_sequences_without_end_are_damage_of_one_file(files, depth):
    found = read_header(nested(files[3], depth), "CT")
    assert found == DamagedFile(files[3], SERIES_UID)
    assert "1 DICOM CT file(s)" in refusal(ImageError, read_image, files[3].parent)
    assert "damaged" in refusal(ImageError, read_image, files[3])


@pytest.mark.parametrize("depth", [1, MOST_DEPTH - 1])
def test_sequences_of_a_usual_depth_are_followed(files, depth):
    assert walk(nested(files[3], depth)).is_sound
    assert np.array_equal(values(read_image(files[3].parent)), values(made_head()))


def test_a_hostile_file_beside_another_series_does_not_condemn_it(files, tmp_path):
    other = write_dicom_series(tmp_path / "other", made_head(seed=2), uid="2.25.99")
    nest_without_end(other[0])
    shutil.copy(other[0], files[0].parent / "other.dcm")
    assert np.array_equal(values(read_image(files[0].parent)), values(made_head()))


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_series_in_any_transfer_syntax_is_read_as_it_was(files, syntax):
    for path in files:
        store_as(path, SYNTAXES[syntax])
    header = read_header(files[0])
    assert isinstance(header, Header)
    assert header.pixels.is_plain == (syntax in ("deflated", "explicit"))
    assert np.array_equal(values(read_image(files[0].parent)), values(made_head()))


def test_a_big_endian_series_is_read_as_it_was(files):
    for path in files:
        dataset = pydicom.dcmread(path)
        dataset.PixelData = dataset.pixel_array.astype(f">{dataset.pixel_array.dtype.kind}2").tobytes()
        dataset["PixelData"].VR = "OW"
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
        pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=False, force_encoding=True)
    assert np.array_equal(values(read_image(files[0].parent)), values(made_head()))


def test_twelve_bits_in_sixteen_with_something_above_them_are_twelve_bits(files):
    for path in files:
        dataset = pydicom.dcmread(path)
        stored = np.clip(values(made_head())[dataset.InstanceNumber - 1] + 1024, 0, 4095).astype("<u2")
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0
        dataset.PixelData = (stored | 0x5000).tobytes()
        dataset.save_as(path)
    assert np.array_equal(values(read_image(files[0].parent)), np.clip(values(made_head()), -1024, 3071))


def test_a_file_without_a_preamble_is_read(files):
    for path in files:
        path.write_bytes(path.read_bytes()[132:])
    assert np.array_equal(values(read_image(files[0].parent)), values(made_head()))


def test_an_element_longer_than_the_file_is_damage(files):
    store_as(files[0], SYNTAXES["explicit"])
    content = bytearray(files[0].read_bytes())
    place = content.rindex(b"\x20\x00\x0e\x00UI")
    struct.pack_into("<H", content, place + 6, 60_000)
    files[0].write_bytes(content)
    with pytest.raises(DamagedDicomError):
        walk(files[0])


def test_pixels_that_are_fewer_than_rows_and_columns_are_damage(files):
    dataset = pydicom.dcmread(files[0])
    dataset.Rows = 4000
    dataset.save_as(files[0])
    assert isinstance(read_header(files[0], "CT"), DamagedFile)


@pytest.mark.parametrize("content", [b"", b"DICM", bytes(131), bytes(200), b"PK\x03\x04" * 100])
def test_what_is_no_dicom_is_none(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(NotDicomError):
        walk(tmp_path / "file")


@pytest.mark.parametrize("syntax", ["explicit", "deflated", "RLE"])
def test_mutated_files_have_an_answer(files, syntax):
    """Seed 15: bytes changed, cut out, doubled; the walk never raises anything but its own errors."""
    store_as(files[0], SYNTAXES[syntax])
    sound = files[0].read_bytes()
    rng = np.random.default_rng(15)
    for _ in range(300):
        content = bytearray(sound)
        for _ in range(rng.integers(1, 6)):
            place = int(rng.integers(len(content)))
            match rng.integers(4):
                case 0:
                    content[place] = int(rng.integers(256))
                case 1:
                    content[place : place + 4] = b"\xff\xff\xff\xff"
                case 2:
                    del content[place : place + int(rng.integers(1, 40))]
                case _:
                    content[place:place] = content[place : place + int(rng.integers(1, 200))]
        files[0].write_bytes(content)
        found = read_header(files[0], "CT")
        assert found is None or isinstance(found, Header | DamagedFile)
