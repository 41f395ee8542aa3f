"""Networks with random weights, and what they answer on another backend of Keras."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

#: Arguments: network, tile, config, weights, image, where the logits go.
PREDICT = """
import json, sys
import numpy as np
from ParotidSegLib.networks import build_network
network, tile, config, weights, image, output = sys.argv[1:]
model = build_network(network, tile=json.loads(tile), config=json.loads(config))
model.load_weights(weights)
import keras
assert keras.config.backend() == "torch"
np.save(output, model.predict_on_batch(np.load(image)))
"""


def randomise(model, seed: int) -> None:
    """Give all weights of a network random values; those of a variance are positive."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        value = rng.normal(0.0, 0.3, weight.shape)
        weight.assign(0.5 + np.abs(value) if weight.path.endswith("variance") else value)


def made_image(tile: tuple[int, ...], channels: int, seed: int) -> np.ndarray:
    """A batch of one image of normal noise, float32 (1, *tile, channels)."""
    return np.random.default_rng(seed).normal(size=(1, *tile, channels)).astype(np.float32)


def answer(model, image: np.ndarray) -> np.ndarray:
    """The logits of a batch at inference."""
    return np.asarray(model(image, training=False))


def predicted_by_torch(network: str, tile, config: dict, *, model, image: np.ndarray, folder: Path) -> np.ndarray:
    """The logits that the torch backend gives from the weights of a model, in a process of its own.

    The files that pass between the two lie in the folder. Skips the test where torch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    weights, given, output = (folder / name for name in ("network.weights.h5", "image.npy", "logits.npy"))
    model.save_weights(weights)
    np.save(given, image)
    arguments = [network, json.dumps(tile), json.dumps(config), *map(str, (weights, given, output))]
    paths = [str(REPOSITORY / "ParotidSeg"), *filter(None, [os.environ.get("PYTHONPATH")])]
    result = subprocess.run(
        [sys.executable, "-c", PREDICT, *arguments],
        env={**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return np.load(output)
