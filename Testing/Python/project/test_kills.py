"""`kill -9` at random moments, a few times for each command: no half file, no debris, and the next run goes on.

`Testing/Reliability/kill.py` does the same a hundred times; Documentation/Reliability.md says what came of it. That
`fit` goes on to the very weights of a run that nobody killed is shown in training/test_resume.py.
"""

from __future__ import annotations

import gzip
import signal
import subprocess
import sys
from pathlib import Path

import made_training as made
import pytest
import SimpleITK as sitk

RELIABILITY = Path(__file__).resolve().parents[2] / "Reliability"
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")


@pytest.mark.parametrize(
    "command",
    [
        "prepare",
        "evaluate",
        "export",
        "install",
        "review",
        *(pytest.param(n, marks=pytest.mark.engine) for n in ("segment", "batch", "batch-jobs")),
    ],
)
def test_a_killed_command_leaves_nothing_half_and_goes_on(command):
    if command in ("segment", "batch", "batch-jobs"):
        pytest.importorskip("openvino")
    if command == "export":
        pytest.importorskip("highdicom")
    arguments = [sys.executable, str(RELIABILITY / "kill.py"), command, "--kills", "3", "--seed", "4"]
    ended = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.startswith(f"{command}: 3 kills, ")


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(RELIABILITY))
    import jobs

    return jobs


def test_files_that_are_half_there_are_found(jobs, tmp_path):
    sitk.WriteImage(made.head_with_glands()[1], str(tmp_path / "labels.nii.gz"))
    sitk.WriteImage(made.head_with_glands()[1], str(tmp_path / "result.seg.nrrd"), useCompression=True)
    (tmp_path / "a.json").write_text("{}", encoding="utf-8")
    (tmp_path / "a.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    assert jobs.half_files(tmp_path) == []
    whole = gzip.decompress((tmp_path / "labels.nii.gz").read_bytes())
    (tmp_path / "labels.nii.gz").write_bytes(gzip.compress(whole)[:200])
    (tmp_path / "result.seg.nrrd").write_bytes((tmp_path / "result.seg.nrrd").read_bytes()[:-100])
    (tmp_path / "a.json").write_text('{"a": ', encoding="utf-8")
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3", encoding="utf-8")
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    (tmp_path / "a.html").write_text("<html>", encoding="utf-8")
    (tmp_path / "a.weights.h5").write_bytes(b"\x89HDF")
    images = ["labels.nii.gz", "result.seg.nrrd"]
    assert jobs.half_files(tmp_path) == ["a.csv", "a.html", "a.json", "a.png", "a.weights.h5", *images]


def test_debris_is_found(jobs, tmp_path):
    for name in (".a.json.tmp", ".staging/x.nii.gz", ".parotidseg-1/a", "parotidseg-2/b", "result/a.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert jobs.debris(tmp_path) == [".a.json.tmp", ".parotidseg-1", ".staging", "parotidseg-2"]
