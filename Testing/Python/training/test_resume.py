"""A run that was killed at any time goes on, and ends with the very weights of one that was not."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from weight_files import arrays_of

pytestmark = [pytest.mark.engine, pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")]
pytest.importorskip("tensorflow")

TESTING = Path(__file__).resolve().parents[2]
SHARED = TESTING / "Shared"


@pytest.fixture(scope="module")
def runs(made_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """The folder of the two runs of killed_runs.py, and how its processes ended."""
    folder = tmp_path_factory.mktemp("killed")
    modules = [SHARED, *(TESTING.parent / name for name in ("ParotidSeg", "ParotidSegTraining"))]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, modules)),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "KERAS_BACKEND": "tensorflow",
    }
    command = [sys.executable, str(SHARED / "killed_runs.py"), str(made_dataset), str(folder)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert result.returncode == 0, result.stderr
    return folder, json.loads(result.stdout.splitlines()[-1])


def rows(run: Path) -> list[dict[str, str]]:
    """The history without what a clock says."""
    with (run / "history.csv").open(encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k not in ("seconds", "waited")} for row in csv.DictReader(file)]


def test_the_processes_died_as_they_were_meant_to(runs):
    _, statuses = runs
    assert statuses == [0, *[-signal.SIGKILL] * 4, 0]


def test_the_weights_are_the_same_to_the_last_bit(runs):
    folder, _ = runs
    for name in ("last", "hybrid", "best_dice", "state-3"):
        one, other = (arrays_of(folder / run / f"{name}.weights.h5") for run in ("whole", "killed"))
        assert one.keys() == other.keys()
        assert len(one) > 10
        for key, value in one.items():
            np.testing.assert_array_equal(value, other[key], err_msg=f"{name}: {key}")


def test_the_history_is_the_same_and_no_debris_is_left(runs):
    folder, _ = runs
    assert rows(folder / "killed") == rows(folder / "whole")
    assert len(rows(folder / "whole")) == 3
    one, other = ({path.name for path in (folder / run).iterdir()} for run in ("whole", "killed"))
    assert one == other


def test_the_curves_hold_each_step_once(runs):
    from event_files import scalars

    folder, _ = runs
    for run in ("whole", "killed"):
        steps = [step for step, _ in scalars(folder / run / "tensorboard")["step/loss"]]
        assert steps == [1, 2, 3, 4, 5, 6]
