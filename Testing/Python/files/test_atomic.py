"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sentences import refusal

import ParotidSegLib
from ParotidSegLib.errors import OutputError
from ParotidSegLib.files.atomic import atomic_path


def write(path: Path, text: str = "new", error: BaseException | None = None) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
        if error is not None:
            raise error


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_the_file_appears_under_its_name_alone_and_its_folder_is_made(tmp_path: Path) -> None:
    target = tmp_path / "Ärzte köpf 頭" / "report.json"
    with atomic_path(target) as temporary:
        temporary.write_text("new", encoding="utf-8")
        assert not target.exists()
    assert target.read_text(encoding="utf-8") == "new"
    assert names(target.parent) == ["report.json"]


@pytest.mark.parametrize("name", ["a.nii.gz", "a.b.seg.nrrd", "a.json", "a"])
def test_the_temporary_name_is_hidden_lies_beside_the_target_and_keeps_its_ending(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    with atomic_path(target) as temporary:
        temporary.touch()
        assert temporary.parent == target.parent
        assert temporary.name.startswith(".")
        assert temporary.name.endswith("".join(target.suffixes[-2:]))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143), ValueError("wrong")])
def test_whatever_ends_the_block_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "report.json"
    target.write_text("old", encoding="utf-8")
    with pytest.raises(type(error)):
        write(target, error=error)
    assert target.read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["report.json"]


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    assert "No space left on device" in refusal(OutputError, write, tmp_path / "report.json", error=full)
    assert names(tmp_path) == []


def test_a_target_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is not a folder" in refusal(OutputError, write, tmp_path / "file" / "report.json")
    assert "is not a folder" in refusal(OutputError, write, tmp_path / "file" / "deeper" / "report.json")


def test_a_target_that_is_a_folder_is_refused_before_any_work(tmp_path: Path) -> None:
    assert "it is a folder" in refusal(OutputError, write, tmp_path, error=AssertionError("the block ran"))


def test_two_writers_of_one_target_do_not_share_a_temporary_file(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    with atomic_path(target) as outer:
        outer.write_text("outer", encoding="utf-8")
        write(target, "inner")
        assert target.read_text(encoding="utf-8") == "inner"
    assert target.read_text(encoding="utf-8") == "outer"
    assert names(tmp_path) == ["report.json"]


def test_the_longest_possible_name_can_be_written(tmp_path: Path) -> None:
    target = tmp_path / ("頭" * 80 + "x" * 7 + ".nii.gz")
    assert len(target.name.encode()) == 254
    write(target)
    assert names(tmp_path) == [target.name]


KILLED = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(ParotidSegLib.__file__).parents[1])!r})
from ParotidSegLib.files.atomic import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    if len(sys.argv) > 2:
        print("writing", flush=True)
        sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_what_a_killed_process_left_is_cleared_by_the_next_one_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "report.v2.json"
    assert subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False).returncode == -signal.SIGKILL
    other = tmp_path / "other.json"
    assert subprocess.run([sys.executable, "-c", KILLED, str(other)], check=False).returncode == -signal.SIGKILL
    mine = tmp_path / ".report.v2.json.mine.tmp.json"
    mine.touch()
    assert len(names(tmp_path)) == 3
    write(target)
    left = names(tmp_path)
    assert (len(left), mine.name in left, target.name in left) == (3, True, True)
    write(other)
    assert names(tmp_path) == sorted([mine.name, target.name, other.name])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_what_another_process_writes_now_is_let_alone(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    arguments = [sys.executable, "-c", KILLED, str(target), "wait"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writing:
        assert writing.stdout.readline() == "writing\n"
        write(target)
        assert len(names(tmp_path)) == 2
        writing.stdin.close()
        writing.wait()
    write(target)
    assert names(tmp_path) == [target.name]
