"""The time that is left, with a clock of our own."""

from __future__ import annotations

import itertools

import pytest

from ParotidSegLib.in_slicer.worker.time_left import TimeLeft


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def estimates(fractions, step: float, start_up: float = 0.0) -> list[float | None]:
    """What is told when a new fraction comes every `step` seconds."""
    clock = Clock()
    left = TimeLeft(start_up, clock)
    told = []
    for fraction in fractions:
        told.append(left.update(fraction))
        clock.now += step
    return told


def test_steady_work_counts_down_to_the_second():
    told = estimates([i / 20 for i in range(21)], step=2.0)
    assert told[0] is None
    assert told[1:] == pytest.approx([2.0 * (20 - i) for i in range(1, 21)])


def test_a_slow_start_up_does_not_count():
    clock = Clock()
    left = TimeLeft(0.1, clock)
    assert left.update(0.0) is None
    clock.now += 60.0
    assert left.update(0.1) is None
    clock.now += 1.0
    assert left.update(0.2) == pytest.approx(8.0)


def test_nothing_is_told_from_too_little():
    assert estimates([0.0, 0.01, 0.04], step=5.0) == [None, None, None]
    assert estimates([0.0, 0.5], step=0.1) == [None, None]


def test_it_is_never_negative_and_work_that_stands_still_takes_longer():
    told = estimates([0.0, 0.5, 0.5, 0.5, 1.0, 1.0], step=1.0)
    assert told[1] == pytest.approx(1.0)
    assert told[3] > told[2] > 0.0
    assert all(value >= 0.0 for value in told if value is not None)


def test_work_that_slows_down_is_followed_without_jumps():
    fractions = [i / 10 for i in range(6)] + [0.5 + i / 100 for i in range(1, 40)]
    told = [value for value in estimates(fractions, step=1.0) if value is not None]
    assert told[-1] > 2.0
    assert max(abs(b - a) for a, b in itertools.pairwise(told)) < 3.0
