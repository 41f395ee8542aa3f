"""The batch script as Slicer runs it: over a folder, over the DICOM database, with its exit codes."""

from __future__ import annotations

import csv
import runpy
import subprocess
import sys
import time
from pathlib import Path

import pytest
import SimpleITK as sitk
from made_images import made_head, write_dicom_series

FAKE_SLICER = Path(__file__).parent / "application" / "fake_slicer.py"
SCRIPT = Path(__file__).resolve().parents[2] / "ParotidSeg" / "Resources" / "Scripts" / "segment_batch.py"


@pytest.fixture(autouse=True)
def packages_of_the_tests_only(tmp_path, monkeypatch):
    """What a person has installed for the module is not looked at."""
    monkeypatch.setenv("PAROTIDSEG_PACKAGES", str(tmp_path / "no_packages"))


@pytest.fixture
def run_script(slicer_app, monkeypatch):
    """run_script(*arguments) -> the exit code that the application was told to end with."""

    def run(*arguments: object) -> int | None:
        slicer_app.app.exit_code = None
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
        runpy.run_path(str(SCRIPT), run_name="__main__")
        return slicer_app.app.exit_code

    return run


def rows_of(output: Path) -> list[tuple[str, str, str]]:
    with (output / "results.csv").open(newline="", encoding="utf-8") as file:
        return [(row["scan"], row["status"], row["structure"]) for row in csv.DictReader(file)]


@pytest.mark.engine
def test_the_scans_of_a_folder_are_segmented(run_script, sample_ct, tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    (folder / "scan.nii.gz").symlink_to(sample_ct)
    arguments = ("--", folder, "--output", tmp_path / "out", "--no-mirror", "--no-preview", "--progress", "none")
    assert run_script(*arguments) == 0
    assert rows_of(tmp_path / "out") == [("001", "done", "Parotid_R"), ("001", "done", "Parotid_L")]


@pytest.mark.engine
def test_the_series_of_the_dicom_database_are_segmented(run_script, dicom_database, sample_ct, tmp_path):
    write_dicom_series(tmp_path / "db" / "a", sitk.ReadImage(str(sample_ct)), uid="2.25.31")
    write_dicom_series(tmp_path / "db" / "b", made_head((12, 12, 8)), uid="2.25.32", tags={"0020|000d": "2.25.33"})
    write_dicom_series(tmp_path / "db" / "c", made_head(), uid="2.25.34", tags={"0008|0060": "MR"})
    write_dicom_series(tmp_path / "db" / "d", made_head()[:, :, :2], uid="2.25.35")
    dicom_database.addFolder(tmp_path / "db")
    out = tmp_path / "out"
    arguments = ("--dicom-database", "--output", out, "--no-mirror", "--no-preview", "--progress", "none")
    assert run_script(*arguments) == 1  # the second is too small to show a head
    assert rows_of(out) == [("001", "done", "Parotid_R"), ("001", "done", "Parotid_L"), ("002", "failed", "")]
    assert "2.25.31" in (out / "scans.json").read_text(encoding="utf-8")


@pytest.mark.engine
def test_a_batch_that_is_interrupted_leaves_no_process(slicer_app, tmp_path, sample_ct, monkeypatch):
    from ParotidSegLib.in_slicer.running import batch
    from ParotidSegLib.in_slicer.worker.process_tree import marked

    started: list[subprocess.Popen] = []
    real_wait = subprocess.Popen.wait

    def wait(process, timeout=None):
        if process not in started:
            started.append(process)
            deadline = time.monotonic() + 10
            while len(list(marked("the mark of this test"))) < 2 and time.monotonic() < deadline:
                time.sleep(0.05)  # until the launcher has started Python
            raise KeyboardInterrupt
        return real_wait(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", wait)
    monkeypatch.setattr(batch, "_GRACE_SECONDS", 0.1)  # this interruption does not reach the family
    monkeypatch.setattr(batch.secrets, "token_hex", lambda size: "the mark of this test")
    with pytest.raises(KeyboardInterrupt):
        batch.main([str(sample_ct.parent), "--output", str(tmp_path / "out"), "--progress", "none"])
    monkeypatch.undo()
    started[0].wait(10)
    assert not list(marked("the mark of this test"))
    assert not list((tmp_path / "out").rglob("*.seg.nrrd"))  # it was in the middle of its work


def test_a_database_that_is_closed_or_empty_is_named(run_script, dicom_database, tmp_path, capfd):
    arguments = ("--dicom-database", "--output", tmp_path / "out")
    assert run_script(*arguments) == 1
    assert "holds no CT series" in capfd.readouterr().out
    dicom_database.isOpen = False
    assert run_script(*arguments) == 1
    assert "not open" in capfd.readouterr().out
    assert not (tmp_path / "out").exists()


def test_wrong_use_ends_with_2_and_the_list_of_options_with_0(run_script, capfd):
    assert run_script("--nonsense") == 2
    assert run_script("--dicom-database") == 2
    capfd.readouterr()
    assert run_script() == 2
    assert "--again" in capfd.readouterr().out
    assert run_script("--options") == 0
    printed = capfd.readouterr().out
    assert "--again" in printed
    assert "--dicom-database" in printed


def test_the_options_are_listed_though_slicer_takes_help_for_itself(slicer_app):
    command = [sys.executable, str(FAKE_SLICER), "--no-main-window", "--python-script", str(SCRIPT)]
    printed = {
        word: subprocess.run([*command, word], capture_output=True, encoding="utf-8", timeout=120, check=True).stdout
        for word in ("--help", "--options")
    }
    assert "--again" not in printed["--help"]
    assert "--again" in printed["--options"]


def test_whatever_happens_the_application_ends(run_script, slicer_app, monkeypatch):
    def fail(arguments):
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr("ParotidSegLib.in_slicer.running.batch.main", fail)
    with pytest.raises(RuntimeError):
        run_script("folder", "--output", "out")
    assert slicer_app.app.exit_code == 1
