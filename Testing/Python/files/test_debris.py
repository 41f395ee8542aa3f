"""Temporary files and folders say whose they are; those of processes that are no more are cleared, no others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import ParotidSegLib
from ParotidSegLib.files.debris import clear, lasting_folder, own_name, temporary_folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
KILLED = f"""
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(Path(ParotidSegLib.__file__).parents[1])!r})
from ParotidSegLib.files.debris import temporary_folder
with temporary_folder(Path(sys.argv[1]), ".parotidseg-") as folder:
    (folder / "scan.nii.gz").write_text("a patient's")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def die_in(folder: Path) -> Path:
    assert subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False).returncode == -signal.SIGKILL
    (left,) = folder.glob(".parotidseg-*")
    return left


def test_a_folder_vanishes_with_its_block_and_is_for_its_owner_alone(tmp_path):
    with temporary_folder(tmp_path, ".x-") as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").touch()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_killed_process_is_cleared_by_the_next(tmp_path):
    left = die_in(tmp_path)
    assert (left / "scan.nii.gz").exists()
    with temporary_folder(tmp_path, ".parotidseg-") as folder:
        assert [path.name for path in tmp_path.iterdir()] == [folder.name]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells that a process is defunct")
def test_the_folder_of_a_killed_process_is_cleared_though_nobody_has_asked_how_it_ended(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and its number is still taken
    assert list(tmp_path.glob(".parotidseg-*"))
    os.kill(process.pid, 0)
    clear(tmp_path, ".parotidseg-")
    assert list(tmp_path.iterdir()) == []
    assert process.wait() == -signal.SIGKILL


def test_folders_of_living_processes_of_others_and_of_other_kinds_stay(tmp_path):
    mine = tmp_path / own_name(".parotidseg-")
    mine.mkdir()
    left = die_in_copy(tmp_path)
    machine, _, process, token = left.name.removeprefix(".parotidseg-").split("-")
    kept = [
        tmp_path / f".parotidseg-{machine}-{os.getppid()}-{process}-{token}",  # that process lives
        tmp_path / f".parotidseg-ffffff-999999-{process}-{token}",  # another machine's
        tmp_path / f".other-{machine}-999999-{process}-{token}",
        tmp_path / ".parotidseg-mine",
    ]
    for folder in kept:
        folder.mkdir()
    clear(tmp_path, ".parotidseg-")
    assert not left.exists()
    assert all(folder.exists() for folder in (mine, *kept))


def die_in_copy(folder: Path) -> Path:
    """A folder that a killed process left, among others."""
    with tempfile.TemporaryDirectory() as place:
        left = die_in(Path(place))
        return left.rename(folder / left.name)


def test_a_number_that_is_ours_again_is_that_of_a_process_before_us(tmp_path):
    left = tmp_path / own_name("x-")
    machine, number, _, token = left.name.removeprefix("x-").split("-")
    before_us = tmp_path / f"x-{machine}-{number}-{'0' * 8}-{token}"
    for folder in (left, before_us):
        folder.mkdir()
    clear(tmp_path, "x-")
    assert (left.exists(), before_us.exists()) == (True, False)


def test_a_lasting_folder_lies_where_temporary_files_lie_and_a_missing_place_is_no_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert lasting_folder(None, "parotidseg-").parent == tmp_path
    clear(tmp_path / "none", "x-")
