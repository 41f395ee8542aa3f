"""An evaluation that was killed goes on where it stopped, and never with scores of something else."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk
from made_training import head_with_glands
from sentences import refusal

from ParotidSegLib.errors import OutputError
from ParotidSegLib.measuring.metrics import StructureScores
from ParotidSegTrainingLib.data.masks import MaskFolder
from ParotidSegTrainingLib.judging.case_log import CaseLog, fingerprint
from ParotidSegTrainingLib.judging.judge import LOG, forget_progress, judge_contours
from ParotidSegTrainingLib.judging.results import CaseScores, Results

SETTINGS = {"bundle": "00ff", "mirror": True, "nsd_tolerances": (1.0, 2.85)}
CASES = ("case_1", "case_2", "case_3")


def scores_of(case: str) -> CaseScores:
    missed = StructureScores(0.0, 0.0, math.inf, math.inf, {1.0: 0.0, 2.85: 0.0}, 20.1, 0.0, True)
    third = StructureScores(1 / 3, 0.2, 4.5, 1 / 7, {1.0: 0.5, 2.85: 0.9}, 20.1, 22.0, False)
    return CaseScores(case, {"Parotid_R": missed, "Parotid_L": third}, True, ("asymmetric",), 1.25, 0.998)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of two cases."""
    log = CaseLog.open(tmp_path / LOG, SETTINGS)
    for case in CASES[:2]:
        log.add(scores_of(case), f"files of {case}")
    return tmp_path / LOG


def recalled(path: Path, settings: dict | None = None) -> list[str]:
    log = CaseLog.open(path, SETTINGS if settings is None else settings)
    return [case for case in CASES if log.recall(case, f"files of {case}")]


def test_what_was_written_is_recalled_to_the_last_digit(path):
    assert CaseLog.open(path, SETTINGS).recall("case_2", "files of case_2") == scores_of("case_2")
    assert recalled(path) == ["case_1", "case_2"]


def test_opening_a_log_writes_nothing(tmp_path):
    CaseLog.open(tmp_path / "new" / LOG, SETTINGS)
    assert list(tmp_path.iterdir()) == []


def test_other_settings_recall_nothing_and_then_replace_the_log(path):
    other = {**SETTINGS, "mirror": False}
    assert recalled(path, other) == []
    assert recalled(path) == ["case_1", "case_2"], "only looking must not lose the log"
    CaseLog.open(path, other).add(scores_of("case_3"), "files of case_3")
    assert recalled(path, other) == ["case_3"]
    assert recalled(path) == []


def test_a_case_whose_files_have_changed_is_not_recalled(path):
    log = CaseLog.open(path, SETTINGS)
    assert log.recall("case_1", "other files") is None
    log.add(scores_of("case_1"), "other files")
    again = CaseLog.open(path, SETTINGS)
    assert again.recall("case_1", "other files") is not None
    assert again.recall("case_1", "files of case_1") is None


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_line_that_a_kill_cut_short_does_not_count_and_spoils_nothing(path, cut):
    path.write_bytes(path.read_bytes()[:-cut])
    expected = ["case_1", "case_2"] if cut == 1 else ["case_1"]
    assert recalled(path) == expected
    CaseLog.open(path, SETTINGS).add(scores_of("case_3"), "files of case_3")
    assert recalled(path) == [*expected, "case_3"]


def test_the_fingerprint_tells_contents_and_their_order_apart(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"ab")
    two.write_bytes(b"c")
    before = fingerprint([one, two])
    assert before == fingerprint([one, two])
    assert before != fingerprint([two, one])
    one.write_bytes(b"a")
    two.write_bytes(b"bc")
    assert before != fingerprint([one, two])
    two.unlink()
    assert fingerprint([one, two]) not in (before, fingerprint([one]))


def test_a_log_that_cannot_be_written_is_said_in_one_sentence(path):
    log = CaseLog.open(path, SETTINGS)
    log.add(scores_of("case_3"), "files of case_3")
    path.unlink()
    path.mkdir()
    assert "cannot be written" in refusal(OutputError, log.add, scores_of("case_1"), "")


# --- a whole evaluation ----------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Three cases by two readers; the second draws no left gland."""
    truth = head_with_glands()[1]
    for reader, labels in (("one", truth), ("two", truth * sitk.Cast(truth == 1, sitk.sitkUInt8))):
        (tmp_path / reader).mkdir()
        for case in CASES:
            sitk.WriteImage(labels, str(tmp_path / reader / f"{case}.nii.gz"))
    return tmp_path


def judged(folders: Path, output: Path) -> Results:
    one, two = (MaskFolder.open(folders / reader) for reader in ("one", "two"))
    return judge_contours(one, two, output, about={}, report=lambda line: None)


def test_an_evaluation_that_was_killed_goes_on_and_ends_as_if_nothing_had_happened(folders, monkeypatch):
    output, whole = folders / "output", judged(folders, folders / "whole")
    script = f"""
import os, signal, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from test_case_log import CASES
from ParotidSegTrainingLib.judging.judge import judge_contours
from ParotidSegTrainingLib.data.masks import MaskFolder
def report(line):
    if line.startswith(CASES[1]):
        os.kill(os.getpid(), signal.SIGKILL)
one, two = (MaskFolder.open(Path({str(folders)!r}) / reader) for reader in ("one", "two"))
judge_contours(one, two, Path({str(output)!r}), about={{}}, report=report)
"""
    folder = str(Path(__file__).parent)
    killed = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert [path.name for path in output.iterdir()] == [LOG]

    read: list[str] = []
    really_read = MaskFolder.read
    monkeypatch.setattr(MaskFolder, "read", lambda self, case: (read.append(case), really_read(self, case))[1])
    again = judged(folders, output)
    assert read == ["case_3"] * 2
    assert [(row.case, row.scores, row.swapped) for row in again.rows] == [
        (row.case, row.scores, row.swapped) for row in whole.rows
    ]
    for name in ("cases.csv", "summary.md"):
        assert (output / name).read_text(encoding="utf-8") == (folders / "whole" / name).read_text(encoding="utf-8")


def test_a_contour_that_was_corrected_meanwhile_is_scored_again(folders):
    output = folders / "output"
    assert judged(folders, output).rows[0].scores["Parotid_L"].missed
    (folders / "two" / "case_1.nii.gz").write_bytes((folders / "one" / "case_1.nii.gz").read_bytes())
    assert [row.scores["Parotid_L"].dice for row in judged(folders, output).rows] == [1.0, 0.0, 0.0]


def test_a_finished_evaluation_can_forget_its_progress(folders):
    judged(folders, folders / "output")
    assert (folders / "output" / LOG).is_file()
    forget_progress(folders / "output")
    forget_progress(folders / "output")
    assert not (folders / "output" / LOG).exists()
