"""What networks and losses answer on another backend of Keras; started by test_second_backend.py.

Arguments: folder with cases.json, arrays and weights; where the answers go (.npz). KERAS_BACKEND names the backend.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import keras
import numpy as np

from ParotidSegLib.model.networks import build_network
from ParotidSegTrainingLib.losses import build_loss


def value_and_gradient(name: str, labels: np.ndarray, logits: np.ndarray) -> tuple[float, np.ndarray]:
    """Of a loss of the registry with its default parameters."""
    loss = build_loss({"name": name})
    if keras.config.backend() == "torch":
        import torch

        scores = torch.tensor(logits, requires_grad=True)
        value = loss(torch.tensor(labels), scores)
        value.backward()
        return value.item(), scores.grad.numpy()
    if keras.config.backend() == "jax":
        import jax

        value, gradient = jax.value_and_grad(lambda scores: loss(labels, scores))(logits)
        return float(value), np.asarray(gradient)
    import tensorflow as tf

    scores = tf.Variable(logits)
    with tf.GradientTape() as tape:
        value = loss(tf.constant(labels), scores)
    return float(value), tape.gradient(value, scores).numpy()


def main() -> None:
    """Answer every case."""
    folder, output = Path(sys.argv[1]), sys.argv[2]
    assert keras.config.backend() == os.environ["KERAS_BACKEND"]
    cases = json.loads((folder / "cases.json").read_text(encoding="utf-8"))
    answers: dict[str, np.ndarray] = {}
    for name, (network, tile, config) in cases["networks"].items():
        model = build_network(network, tile=tile, config=config)
        model.load_weights(folder / f"{name}.weights.h5")
        answers[name] = model.predict_on_batch(np.load(folder / f"{name}.npy"))
    arrays = np.load(folder / "losses.npz")
    for kind in cases["kinds"]:
        for name in cases["losses"]:
            value, gradient = value_and_gradient(name, arrays[f"{kind} labels"], arrays[f"{kind} logits"])
            answers[f"{name}, {kind}"], answers[f"{name}, {kind}, gradient"] = np.array(value), gradient
    np.savez(output, **answers)


if __name__ == "__main__":
    main()
