"""Folders are walked with their links; loops end, and no folder comes twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import SimpleITK as sitk
from made_images import made_head, values, write_dicom_series

from ParotidSegLib.files.walking import files_below
from ParotidSegLib.reading.images import read_image
from ParotidSegLib.terminal.batch.scans import find_scans


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A store with two scans, and a cohort of links into it, with loops and links that lead nowhere."""
    store, cohort = tmp_path / "store", tmp_path / "cohort"
    write_dicom_series(store / "a" / "ct", made_head())
    sitk.WriteImage(made_head(), str(store / "b.nii.gz"))
    (cohort / "real").mkdir(parents=True)
    for link, target in (
        ("patient_a", store / "a"),
        ("again", store / "a"),
        ("real/up", cohort),
        ("b.nii.gz", store / "b.nii.gz"),
        ("nowhere", store / "none"),
        ("itself", cohort / "itself"),
    ):
        try:
            os.symlink(target, cohort / link)
        except OSError:
            pytest.skip("this system makes no links")
    return cohort


def test_a_linked_folder_is_walked_once_and_a_linked_file_found(archive, caplog):
    found = [path.relative_to(archive).as_posix() for path in files_below(archive)]
    assert found[0] == "b.nii.gz"
    assert len(found) == 21
    assert {path.split("/")[0] for path in found[1:]} == {"again"}
    assert "2 link(s) or folder(s) that lead nowhere" in caplog.text


def test_a_folder_under_its_own_name_comes_before_a_link_to_it(tmp_path):
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "file").touch()
    try:
        os.symlink(tmp_path / "z", tmp_path / "a")
    except OSError:
        pytest.skip("this system makes no links")
    assert list(files_below(tmp_path)) == [tmp_path / "z" / "file"]


def test_a_cohort_of_links_is_found_by_segment_and_batch(archive):
    assert np_equal(read_image(archive), made_head())
    assert np_equal(read_image(archive / "patient_a"), made_head())
    scans = find_scans(archive)
    assert [scan.key for scan in scans] == ["b.nii.gz", "2.25.1001"]


def test_a_folder_is_left_out_whatever_way_leads_to_it(archive):
    assert len(list(files_below(archive, leave_out=archive.parent / "store" / "a"))) == 1


def test_what_is_hidden_and_what_is_no_file_is_left_out(tmp_path):
    for name in (".hidden/a", "b", ".c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")  # whoever opened it would wait for ever
    assert [path.name for path in files_below(tmp_path, hidden=False)] == ["b"]
    assert sorted(path.name for path in files_below(tmp_path)) == [".c", "a", "b"]


def np_equal(one: sitk.Image, other: sitk.Image) -> bool:
    return bool((values(one) == values(other)).all())
