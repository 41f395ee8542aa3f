"""Paths that are not UTF-8, as old archives have them: ITK would end the whole process at one, without an error."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from made_images import made_head, write_dicom_series
from sentences import refusal

from ParotidSegLib.errors import ImageError, OutputError
from ParotidSegLib.reading.images import read_image, write_image
from ParotidSegLib.reading.label_maps import read_labels
from ParotidSegLib.terminal.batch.scans import find_scans
from ParotidSegLib.writing.export import write_json, write_segmentation
from ParotidSegLib.writing.outputs import Outputs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only here a name can be any bytes")
#: "Müller" in Latin-1.
NAME = os.fsdecode(b"M\xfcller")


@pytest.fixture
def scan_file(tmp_path: Path) -> Path:
    write_image(made_head(), tmp_path / "sound.nii.gz")
    return Path(shutil.move(tmp_path / "sound.nii.gz", tmp_path / f"{NAME}.nii.gz"))


def test_a_scan_of_such_a_name_is_refused(scan_file):
    assert "UTF-8" in refusal(ImageError, read_image, scan_file)
    assert "UTF-8" in refusal(ImageError, read_labels, scan_file)


def test_a_dicom_file_in_a_folder_of_such_a_name_is_refused(tmp_path):
    write_dicom_series(tmp_path / "sound" / "series", made_head())
    shutil.move(tmp_path / "sound" / "series", tmp_path / "sound" / NAME)
    assert "UTF-8" in refusal(ImageError, read_image, tmp_path / "sound")
    assert "UTF-8" in refusal(ImageError, read_image, tmp_path / "sound" / NAME)
    assert "UTF-8" in refusal(ImageError, find_scans, tmp_path / "sound")


def test_a_batch_says_before_it_starts_which_scan_to_rename(scan_file):
    assert "ller.nii.gz" in refusal(ImageError, find_scans, scan_file.parent)


@pytest.mark.parametrize("name", [f"{NAME}.nrrd", f"{NAME}/labels.nrrd"])
def test_nothing_is_written_to_such_a_path(tmp_path, name):
    path = tmp_path / name
    assert "UTF-8" in refusal(OutputError, Outputs.plan, path, preview=None, report=None)
    assert "UTF-8" in refusal(OutputError, write_image, made_head(), path)
    assert "UTF-8" in refusal(OutputError, write_segmentation, made_head() > 0, path)
    assert "UTF-8" in refusal(OutputError, write_json, {}, path)
    assert list(tmp_path.iterdir()) == []
