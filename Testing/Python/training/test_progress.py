"""What a person sees of a training run, and what a parent process reads."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from ParotidSegTrainingLib.training import progress as module
from ParotidSegTrainingLib.training.progress import Clock, JsonLines, Quiet, Terminal, duration, reporter


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def test_a_parent_process_reads_one_object_a_line(capsys):
    show = reporter("json")
    show.line("tiny: 3,000 weights")
    show.progress("train", 0.123456, "epoch 1/3  step 1/8")
    show.line("epoch 1/3")
    show.failure("The loss is no number.")
    show.done([Path("run")])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all({"stage", "fraction", "message"} <= line.keys() for line in lines)
    assert [(line["stage"], line["fraction"]) for line in lines] == [
        ("line", 0.0),
        ("train", 0.1235),
        ("line", 0.1235),
        ("error", 1.0),
        ("result", 1.0),
    ]
    assert lines[-1]["files"] == ["run"]


def test_on_a_terminal_a_live_line_goes_before_the_next_fact():
    out, err = io.StringIO(), Screen()
    show = Terminal(out, err)
    show.progress("train", 0.5, "epoch 2/4  step 3/8")
    assert "50%" in err.getvalue()
    assert "epoch 2/4  step 3/8" in err.getvalue()
    show.line("epoch 2/4  loss 0.5")
    assert err.getvalue().endswith("\r\033[K")
    assert out.getvalue() == "epoch 2/4  loss 0.5\n"


def test_a_live_line_stays_within_the_width_of_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    err = Screen()
    Terminal(io.StringIO(), err).progress("train", 1.0, "x" * 100)
    assert len(err.getvalue().removeprefix("\r\033[K")) < 60
    assert "x" * 10 in err.getvalue()


def test_elsewhere_there_are_lines_alone(capsys):
    show = reporter("human")
    show.progress("train", 0.5, "epoch 2/4  step 3/8")
    show.line("epoch 2/4")
    show.failure("broken")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("epoch 2/4\n", "parotidseg-train: broken\n")


def test_quiet_says_failures_alone(capsys):
    show = reporter("none")
    show.line("epoch 2/4")
    show.progress("train", 0.5, "epoch 2/4")
    show.done([])
    show.failure("broken")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "parotidseg-train: broken\n")
    assert isinstance(show, Quiet)
    assert isinstance(reporter("json"), JsonLines)


@pytest.fixture
def now(monkeypatch) -> list[float]:
    """The time, to be set."""
    time = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: time[0])
    return time


def test_the_time_left_follows_from_the_steps_of_this_session(now):
    clock = Clock(epochs=10, steps=20, done=4)
    assert clock.fraction() == 0.4
    clock.start_epoch()
    assert clock.seconds_left() == 0.0
    now[0] += 30.0
    # A quarter of the epoch took 30 s: 90 s of it are left, and five epochs of 120 s.
    assert clock.seconds_left(5) == pytest.approx(90.0 + 5 * 120.0)
    assert clock.fraction(5) == pytest.approx(0.425)
    now[0] += 170.0
    assert clock.end_epoch() == pytest.approx(200.0)
    assert clock.seconds_left() == pytest.approx(5 * 200.0)
    clock.start_epoch()
    now[0] += 100.0
    clock.end_epoch()
    # The first epoch compiled the network: it no longer counts.
    clock.start_epoch()
    assert clock.seconds_left() == pytest.approx(4 * 100.0)
    now[0] += 40.0
    assert clock.seconds_left(8) == pytest.approx(60.0 + 3 * 100.0)


def test_nothing_is_left_of_a_finished_run(now):
    clock = Clock(epochs=1, steps=2, done=0)
    clock.start_epoch()
    now[0] += 5.0
    clock.end_epoch()
    assert (clock.fraction(), clock.seconds_left()) == (1.0, 0.0)


def test_messages_from_within_an_epoch_keep_their_distance(now):
    clock = Clock(epochs=1, steps=100, done=0)
    said = 0
    for _ in range(100):
        now[0] += 0.1
        said += clock.due()
    assert 10 <= said <= 10.0 / module.INTERVAL


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (89.0, "89 s"),
        (90.0, "2 min"),
        (5000.0, "83 min"),
        (5400.0, "1 h 30 min"),
        (90000.0, "25 h 00 min"),
    ],
)
def test_a_time_is_said_as_a_person_would(seconds, text):
    assert duration(seconds) == text
