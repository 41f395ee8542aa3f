"""The curves of a run: what TensorBoard reads, and what goes to Weights & Biases."""

from __future__ import annotations

import math
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from event_files import scalars
from made_training import tiny_recipe
from sentences import refusal

from ParotidSegLib.errors import OutputError, RecipeError
from ParotidSegTrainingLib.training.run_log import RunLog, open_log

ROWS = [
    {"epoch": 1, "step": 2, "seconds": 3.0, "loss": 0.5, "val_dice": 0.25, "val_dice_2": math.nan, "kept": "hybrid"},
    {"epoch": 2, "step": 4, "seconds": 3.0, "loss": 0.25, "val_dice": 0.5, "val_dice_2": 0.5, "kept": ""},
]


def opened(run, *, step: int = 0, wandb_project: str | None = None, report=print):
    return open_log(
        run, tiny_recipe(exclude=["head_1"]), step=step, identity="abc", wandb_project=wandb_project, report=report
    )


def test_every_number_of_an_epoch_and_every_step_is_a_curve(tmp_path):
    log = opened(tmp_path)
    log.epoch(ROWS[0], [1.0, 0.0])
    # Read before it is closed: what is finished is on disk.
    found = scalars(tmp_path / "tensorboard")
    assert found == {
        "step/loss": [(1, 1.0), (2, 0.0)],
        "epoch/seconds": [(2, 3.0)],
        "epoch/loss": [(2, 0.5)],
        "epoch/val_dice": [(2, 0.25)],
    }
    log.close()


def test_what_a_killed_process_wrote_of_an_unfinished_epoch_is_passed_over(tmp_path):
    first = opened(tmp_path)
    first.epoch(ROWS[0], [1.0, 0.0])
    first.epoch(ROWS[1], [9.0, 9.0])
    first.close()
    second = opened(tmp_path, step=2)
    second.epoch(ROWS[1], [0.5, 0.25])
    second.close()
    found = scalars(tmp_path / "tensorboard")
    assert found["step/loss"] == [(1, 1.0), (2, 0.0), (3, 0.5), (4, 0.25)]
    assert found["epoch/val_dice_2"] == [(4, 0.5)]
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2


def test_a_disk_that_is_full_is_said_in_a_sentence(tmp_path):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    log = RunLog([SimpleNamespace(write=lambda *_: None, flush=full, close=full)])
    assert "No space left" in refusal(OutputError, log.epoch, ROWS[0], [1.0])
    assert "No space left" in refusal(OutputError, log.close)
    (tmp_path / "tensorboard").write_text("a file", encoding="utf-8")
    refusal(OutputError, opened, tmp_path)


def test_tensorflow_reads_the_files_too(tmp_path):
    tf = pytest.importorskip("tensorflow")
    log = opened(tmp_path)
    log.epoch(ROWS[0], [1.0, 0.0])
    log.close()
    (path,) = (tmp_path / "tensorboard").iterdir()
    # It checks the checksums.
    records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    assert len(records) == 2 + 2 + 3


def test_without_the_writer_a_line_says_so_and_training_goes_on(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX.event_file_writer", None)
    lines: list[str] = []
    opened(tmp_path, report=lines.append).epoch(ROWS[0], [1.0, 0.0])
    assert "pip install tensorboardX" in lines[0]


class StandIn:
    """Takes the calls that the package of Weights & Biases would get."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}
        self.logged: list[tuple[dict[str, float], int]] = []
        self.finished = False

    def init(self, **settings: Any) -> StandIn:
        self.settings = settings
        return self

    def log(self, values: dict[str, float], step: int) -> None:
        self.logged.append((values, step))

    def finish(self) -> None:
        self.finished = True


def test_weights_and_biases_gets_the_curves_and_the_recipe_without_names_of_cases(tmp_path, monkeypatch):
    stand_in = StandIn()
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=stand_in.init))
    log = opened(tmp_path, wandb_project="glands")
    log.epoch(ROWS[0], [1.0, 0.0])
    log.close()
    settings = stand_in.settings
    assert (settings["project"], settings["id"], settings["resume"]) == ("glands", "abc", "allow")
    assert settings["config"]["optimisation"]["epochs"] == 3
    assert "head_1" not in str(settings["config"])
    assert stand_in.logged[0] == ({"step/loss": 1.0}, 1)
    assert stand_in.logged[-1] == ({"epoch/seconds": 3.0, "epoch/loss": 0.5, "epoch/val_dice": 0.25}, 2)
    assert stand_in.finished


def test_weights_and_biases_is_touched_only_when_asked_for_and_then_has_to_be_there(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    opened(tmp_path).close()
    assert "pip install wandb" in refusal(RecipeError, opened, tmp_path, wandb_project="glands")
