"""Two devices that share each batch end where one device does."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from weight_files import arrays_of

pytestmark = pytest.mark.engine
TESTING = Path(__file__).resolve().parents[2]
SHARED = TESTING / "Shared"


@pytest.fixture(scope="module", params=["tensorflow", "jax"])
def runs(request, made_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with one device and of one with two."""
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    folder = tmp_path_factory.mktemp(request.param)
    modules = [SHARED, *(TESTING.parent / name for name in ("ParotidSeg", "ParotidSegTraining"))]
    paths = [*map(str, modules), *filter(None, [os.environ.get("PYTHONPATH")])]
    result = subprocess.run(
        [sys.executable, str(SHARED / "two_devices.py"), str(made_dataset), str(folder), request.param],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return folder


def test_the_weights_and_the_losses_are_those_of_one_device(runs):
    histories = []
    for name in ("one", "two"):
        with (runs / name / "history.csv").open(encoding="utf-8") as file:
            histories.append(list(csv.DictReader(file)))
    for one, two in zip(*histories, strict=True):
        for column in ("loss", "val_loss", "val_dice"):
            assert float(one[column]) == pytest.approx(float(two[column]), rel=2e-4), column
    one, two = (arrays_of(runs / name / "last.weights.h5") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for key, value in one.items():
        np.testing.assert_allclose(value, two[key], atol=5e-5, err_msg=key)


def test_the_run_says_which_devices_trained(runs):
    session = json.loads((runs / "two" / "provenance.json").read_text(encoding="utf-8"))["sessions"][0]
    assert session["hardware"]["devices"] == ["CPU:0", "CPU:1"]
