"""Batches made ahead: all of them, in order, and no thread that stays behind."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from ParotidSegTrainingLib.training.batches import AHEAD_PER_WORKER, Prefetcher


def numbered(index: int) -> tuple[np.ndarray, np.ndarray]:
    return np.array([index]), np.array([-index])


def threads_of_batches() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("batches")]


@pytest.mark.parametrize("count", [0, 1, 3, 20])
@pytest.mark.parametrize("workers", [0, 1, 4])
def test_every_batch_comes_once_and_in_order(workers, count):
    def slow_first(index: int) -> tuple[np.ndarray, np.ndarray]:
        time.sleep(0.01 if index % 3 == 0 else 0.0)
        return numbered(index)

    batches = list(Prefetcher(workers).batches(slow_first, count))
    assert [(int(a[0]), int(b[0])) for a, b in batches] == [(i, -i) for i in range(count)]
    assert threads_of_batches() == []


def test_no_more_is_made_ahead_than_is_allowed():
    made = []

    def counted(index: int) -> tuple[np.ndarray, np.ndarray]:
        made.append(index)
        return numbered(index)

    batches = Prefetcher(2).batches(counted, 100)
    next(batches)
    time.sleep(0.1)
    assert len(made) <= 2 + 2 * AHEAD_PER_WORKER
    batches.close()
    assert threads_of_batches() == []


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_reaches_the_reader_and_ends_the_threads(workers):
    def broken(index: int) -> tuple[np.ndarray, np.ndarray]:
        if index == 2:
            raise ValueError("broken")
        return numbered(index)

    seen = []
    with pytest.raises(ValueError, match="broken"):
        for images, _ in Prefetcher(workers).batches(broken, 50):
            seen.append(int(images[0]))
    assert seen == [0, 1]
    assert threads_of_batches() == []


def test_the_time_that_a_reader_waits_is_counted():
    def slow(index: int) -> tuple[np.ndarray, np.ndarray]:
        time.sleep(0.02)
        return numbered(index)

    prefetcher = Prefetcher(0)
    list(prefetcher.batches(slow, 5))
    assert 0.1 <= prefetcher.waited < 5.0
    # A reader that takes longer than the making hardly waits for a thread.
    ahead = Prefetcher(1)
    for _ in ahead.batches(slow, 5):
        time.sleep(0.06)
    assert ahead.waited < 0.1
