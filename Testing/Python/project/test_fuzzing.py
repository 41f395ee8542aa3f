"""Changed files are refused with a sentence, a few of each format; and the fuzzer finds what it is there to find.

`make fuzz` reads thousands; Documentation/Reliability.md says how many were read.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

FUZZING = Path(__file__).resolve().parents[2] / "Fuzzing"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the fuzzer limits its processes as POSIX does")

FORMATS = (
    "dicom",
    "rtstruct",
    "seg",
    "dose",
    "nifti",
    "nifti-gz",
    "gzip",
    "nrrd",
    "mask-nifti",
    "mask-nrrd",
    "bundle-zip",
    "bundle-json",
    "recipe",
    "progress",
)


def fuzz(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FUZZING / "fuzz.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", FORMATS)
def test_changed_files_are_taken_or_refused_with_a_sentence(name, tmp_path):
    ended = fuzz(name, "--count", 40, "--seed", 15, "--found", tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.startswith(f"{name}: 40 files, ")


def test_every_format_of_the_fuzzer_is_tried_here(monkeypatch):
    monkeypatch.syspath_prepend(str(FUZZING))
    import targets

    assert sorted(targets.TARGETS) == sorted(FORMATS)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("crash", "1 crash (-11)"),
        ("hang", "1 hang"),
        ("traceback", "1 RecursionError"),
        ("swap", "1 SilentSwap"),
        ("no-sentence", "1 no sentence"),
    ],
)
def test_a_planted_fault_is_found_kept_and_the_rest_is_read(fault, said, tmp_path):
    ended = fuzz(fault, "--module", "planted_faults", "--count", 12, "--found", tmp_path, "--limit", 1)
    assert ended.returncode == 1
    assert ended.stdout.startswith(f"{fault}: 12 files, 11 taken, {said}")
    assert "--seed 1 --only 7: " in ended.stdout
    (kept,) = tmp_path.iterdir()
    assert kept.name == f"{fault}-1-7.bin"


def test_a_refusal_is_no_finding(tmp_path):
    ended = fuzz("refusal", "--module", "planted_faults", "--count", 12, "--found", tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "refusal: 12 files, 11 taken, 1 refused\n")
    assert list(tmp_path.iterdir()) == []


def test_the_same_seed_and_number_give_the_same_bytes(monkeypatch):
    monkeypatch.syspath_prepend(str(FUZZING))
    from mutations import mutated

    corpus = [bytes(range(256)) * 8]
    made = [mutated(f"x {number}", corpus) for number in range(50)]
    assert made == [mutated(f"x {number}", corpus) for number in range(50)]
    assert len(set(made)) > 45


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed")
def test_the_guided_fuzzer_runs_each_format():
    for name in ("rtstruct", "progress"):
        command = [sys.executable, str(FUZZING / "guided.py"), name, "--runs", "50"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
