"""Which weights are kept, on a sequence of epochs made by hand, and what is read back of an interrupted run."""

from __future__ import annotations

import json
import math

import pytest
from sentences import refusal

from ParotidSegLib.errors import DataError
from ParotidSegTrainingLib.training.checkpoints import HybridCheckpoint, RunState, epochs_without_gain


def test_an_epoch_is_kept_if_both_its_dice_and_its_loss_are_the_best_so_far():
    epochs = [
        # Dice, loss, both are the best so far, Dice is the best so far
        (0.10, 0.90, True, True),
        (0.30, 0.80, True, True),
        (0.40, 0.85, False, True),
        (0.35, 0.70, False, False),
        (0.40, 0.60, False, False),
        (0.50, 0.60, False, True),
        (0.60, 0.65, False, True),
        (0.61, 0.59, True, True),
    ]
    checkpoint = HybridCheckpoint()
    for dice, loss, both, best_dice in epochs:
        assert checkpoint.update(dice, loss) == (both, best_dice), (dice, loss)
    assert checkpoint == HybridCheckpoint(best_dice=0.61, best_loss=0.59)


@pytest.mark.parametrize(("dice", "loss"), [(math.nan, 0.1), (0.9, math.nan)])
def test_an_epoch_without_a_number_is_never_kept_and_spoils_nothing(dice, loss):
    checkpoint = HybridCheckpoint(best_dice=0.5, best_loss=0.5)
    both, _ = checkpoint.update(dice, loss)
    assert not both
    assert checkpoint.update(0.95, 0.05) == (True, True)


def test_a_rule_that_was_written_and_read_goes_on_where_it_was():
    checkpoint = HybridCheckpoint(**json.loads(json.dumps({"best_dice": -math.inf, "best_loss": math.inf})))
    assert checkpoint == HybridCheckpoint()


def test_a_folder_without_a_state_starts_anew(tmp_path):
    assert RunState.read(tmp_path) == RunState(0, HybridCheckpoint(), [], "")


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b'{"schema": 2}', b'{"schema": 2, "checkpoint": {}, "colour": 1}']
)
def test_a_damaged_state_is_refused(tmp_path, content):
    (tmp_path / "state.json").write_bytes(content)
    assert str(tmp_path) in refusal(DataError, RunState.read, tmp_path)


@pytest.mark.parametrize("content", [b"{}", b'{"schema": 1}', b'{"schema": 3}'])
def test_a_state_of_another_version_is_refused(tmp_path, content):
    (tmp_path / "state.json").write_bytes(content)
    assert "another version" in refusal(DataError, RunState.read, tmp_path)


def test_epochs_are_counted_since_the_last_gain():
    rows = [{"kept": kept} for kept in ("hybrid", "", "best_dice", "", "")]
    assert [epochs_without_gain(rows[:n]) for n in range(6)] == [0, 0, 1, 0, 1, 2]
    assert epochs_without_gain([{"kept": ""}] * 3) == 3
