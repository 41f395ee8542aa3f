"""The folder of a run: one process at a time, and what it says of how the run came about."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sentences import refusal

from ParotidSegLib.errors import DataError, OutputError
from ParotidSegTrainingLib.data.dataset import DatasetFolder
from ParotidSegTrainingLib.training.run_folder import (
    PROVENANCE,
    Provenance,
    fingerprint,
    locked,
    open_provenance,
    sha256,
)

REPOSITORY = Path(__file__).resolve().parents[3]
HOLD_AND_DIE = """
import os, sys
from pathlib import Path
from ParotidSegTrainingLib.training.run_folder import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
    os._exit(9)
"""


def test_a_folder_is_locked_for_the_length_of_a_block(tmp_path):
    run = tmp_path / "a" / "run"
    with locked(run):
        with pytest.raises(OutputError), locked(run):
            pass
        assert run.is_dir()
    assert list(run.iterdir()) == []
    with locked(run):
        pass


def test_another_process_has_it_until_it_ends_however_it_ends(tmp_path):
    folders = [str(REPOSITORY / name) for name in ("ParotidSeg", "ParotidSegTraining")]
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_AND_DIE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "locked\n"

        def enter() -> None:
            with locked(tmp_path):
                pass

        assert "Another process trains" in refusal(OutputError, enter)
        other.stdin.close()
        assert other.wait() == 9
    # It left its lock file behind; nobody holds it.
    assert (tmp_path / ".lock").exists()
    enter()
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("a file", encoding="utf-8")

    def enter() -> None:
        with locked(tmp_path / "run"):
            pass

    assert "not a folder" in refusal(OutputError, enter)


def test_an_error_in_the_block_is_not_taken_for_one_of_the_lock(tmp_path):
    with pytest.raises(BlockingIOError, match="mine"), locked(tmp_path):
        raise BlockingIOError("mine")


@pytest.fixture
def folder(made_dataset: Path, tmp_path: Path) -> DatasetFolder:
    """A data set that may be changed."""
    return DatasetFolder.open(shutil.copytree(made_dataset, tmp_path / "data"))


def test_the_fingerprint_tells_data_sets_apart_and_names_nobody(folder):
    splits = {"train": ["head_1", "head_2"], "validation": ["head_4"]}
    first = fingerprint(folder, splits)
    assert fingerprint(folder, splits) == first
    assert [first[split]["cases"] for split in splits] == [2, 1]
    assert "head" not in json.dumps(first)
    swapped = fingerprint(folder, {**splits, "train": ["head_2", "head_1"]})
    assert swapped["train"] != first["train"]
    assert swapped["validation"] == first["validation"]
    shutil.copyfile(folder.mask_path("head_2"), folder.mask_path("head_1"))
    changed = fingerprint(folder, splits)
    assert changed["train"]["names"] == first["train"]["names"]
    assert changed["train"]["content"] != first["train"]["content"]


def test_a_file_that_is_gone_is_said_in_a_sentence(folder):
    assert "cannot be read" in refusal(DataError, sha256, folder.root / "nothing")


def test_a_run_that_has_finished_no_epoch_begins_with_a_provenance_of_its_own(tmp_path):
    Provenance("old", "float32", {}).save(tmp_path)
    begun = open_provenance(tmp_path, "mixed_bfloat16", {"train": {}}, None)
    assert begun.id != "old"
    assert (begun.precision, begun.data, begun.start_from) == ("mixed_bfloat16", {"train": {}}, "")


def test_a_run_that_goes_on_keeps_its_provenance_and_asks_for_its_data(tmp_path):
    (tmp_path / "state.json").write_text("{}", encoding="utf-8")
    begun = Provenance("abc", "float32", {"train": {"cases": 3}}, "start")
    begun.save(tmp_path)
    assert open_provenance(tmp_path, "float32", begun.data, None) == begun
    assert "data set" in refusal(DataError, open_provenance, tmp_path, "float32", {"train": {"cases": 2}}, None)


def test_a_run_goes_on_from_the_weights_that_it_began_with_or_not_at_all(tmp_path):
    (tmp_path / "state.json").write_text("{}", encoding="utf-8")
    for name in ("first", "other"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    begun = Provenance("abc", "float32", {}, sha256(tmp_path / "first"))
    begun.save(tmp_path)
    # Its own start, a start that is gone, or none named: the run has what it needs in its folder.
    for start in (tmp_path / "first", tmp_path / "gone", None):
        assert open_provenance(tmp_path, "float32", {}, start) == begun
    assert "--start-from" in refusal(DataError, open_provenance, tmp_path, "float32", {}, tmp_path / "other")
    Provenance("abc", "float32", {}).save(tmp_path)
    assert "--start-from" in refusal(DataError, open_provenance, tmp_path, "float32", {}, tmp_path / "first")


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"colour": 1}'])
def test_a_damaged_provenance_of_a_begun_run_is_refused(tmp_path, content):
    (tmp_path / "state.json").write_text("{}", encoding="utf-8")
    if content is not None:
        (tmp_path / PROVENANCE).write_bytes(content)
    assert PROVENANCE in refusal(DataError, Provenance.load, tmp_path)


def test_a_session_is_noted_when_something_changed():
    known = Provenance("abc", "float32", {})
    for epoch, software in ((0, "1"), (3, "1"), (5, "2")):
        known.note_session(epoch, {"software": software})
    assert known.sessions == [{"from_epoch": 1, "software": "1"}, {"from_epoch": 6, "software": "2"}]
    assert dataclasses.asdict(known)["sessions"] == known.sessions
