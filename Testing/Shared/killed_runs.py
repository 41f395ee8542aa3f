"""Runs that are killed and resumed, each in a process of its own; started by test_resume.py.

Arguments: folder of the data set, folder for the runs. Each run computes with one thread, so that equal runs are equal
to the last bit, and begins anew: a fork of a process that has loaded TensorFlow ends in a segmentation fault now and
then. Each dies by SIGKILL, which nothing can catch, at a moment drawn with the seed 11. Prints the exit status of each
as JSON.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from made_training import tiny_recipe

from ParotidSegTrainingLib.data.dataset import DatasetFolder
from ParotidSegTrainingLib.training import trainer

#: Dropout has a random state, batch norm moving averages: a resumed run has to have both.
RECIPE = tiny_recipe(
    network="plain_unet",
    network_config={"filters": [4, 8], "norm": "batch", "dropout": 0.3},
    optimisation={
        "learning_rate": 0.01,
        "schedule": "polynomial",
        "warmup_steps": 2,
        "ema": 0.8,
        "batch_size": 2,
        "accumulate": 2,
        "steps_per_epoch": 2,
        "epochs": 3,
    },
)
#: Where a process dies, and before or after which calls there one is drawn: an epoch has 8 patches, one validation,
#: and 5 or 6 files that are put in their place.
KILLS = (
    (trainer, "random_patch", (9, 15)),
    (trainer, "validate", (0, 1)),
    (trainer, "save_weights", (0, 1)),
    (os, "replace", (4, 9)),
)


def die_at(owner: Any, name: str, call: int, *, after: bool) -> None:
    """Kill this process before or after it calls a function for the nth time, counted from 0."""
    function, counter = getattr(owner, name), itertools.count()

    def counted(*arguments: Any, **options: Any) -> Any:
        due = next(counter) == call
        if due and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **options)
        if due:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, counted)


def train(data: str, run: Path, death: tuple[int, int, bool] | None) -> None:
    """Train, or go on, until the end or the death: which of KILLS, at which call, and whether after it."""
    if death:
        owner, name, _ = KILLS[death[0]]
        die_at(owner, name, death[1], after=death[2])
    trainer.fit(RECIPE, DatasetFolder.open(data), run, report=lambda line: print(line, file=sys.stderr))


def run_in_child(data: str, run: Path, death: tuple[int, int, bool] | None = None) -> int | None:
    """Train in a process of its own; its exit status, negative for a signal."""
    child = get_context("spawn").Process(target=train, args=(data, run, death))
    child.start()
    child.join()
    return child.exitcode


def main() -> None:
    """One run without interruption, one with many."""
    data, folder = sys.argv[1], Path(sys.argv[2])
    rng = np.random.default_rng(11)
    statuses = [run_in_child(data, folder / "whole")]
    for kind, (_, _, calls) in enumerate(KILLS):
        death = kind, int(rng.integers(*calls)), bool(rng.integers(2))
        statuses.append(run_in_child(data, folder / "killed", death))
    statuses.append(run_in_child(data, folder / "killed"))
    print(json.dumps(statuses))


if __name__ == "__main__":
    main()
