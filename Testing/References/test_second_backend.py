"""TensorFlow and another backend of Keras give the same predictions from the same weights, and the same losses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from loss_checks import KINDS, labels_of, logits_for
from made_networks import made_image, randomise

from ParotidSegLib.model.networks import REGISTRY, build_network
from ParotidSegTrainingLib.losses import REGISTRY as LOSSES

pytestmark = pytest.mark.engine
HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]

PLAIN = {"filters": [3, 4], "norm": "batch", "activation": "leaky_relu", "dropout": 0.2, "input_channels": 2}
NETWORKS: dict[str, tuple[str, tuple[int, ...], dict]] = {
    "residual 3D": ("residual_unet", (8, 12, 4), {"filters": [3, 4, 5]}),
    "residual 2D": ("residual_unet", (8, 12), {"filters": [3, 4]}),
    "attention 3D": ("attention_unet", (8, 4, 12), {"filters": [4, 8], "reduction": 2}),
    "attention 2D": ("attention_unet", (8, 12), {"filters": [4, 8], "reduction": 4}),
    "plain 3D": ("plain_unet", (4, 8, 4), PLAIN),
    "plain 2D": ("plain_unet", (8, 12), {**PLAIN, "norm": "layer", "activation": "relu"}),
    "transunet": ("transunet", (16, 24), {"filters": [3, 4, 5], "width": 8, "depth": 2, "heads": 2, "dropout": 0.1}),
}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what both backends get: random weights, images, labels and logits."""
    folder = tmp_path_factory.mktemp("asked")
    for seed, (name, (network, tile, config)) in enumerate(NETWORKS.items()):
        model = build_network(network, tile=tile, config=config)
        randomise(model, seed=seed)
        model.save_weights(folder / f"{name}.weights.h5")
        np.save(folder / f"{name}.npy", made_image(tile, config.get("input_channels", 1), seed=seed))
    arrays = {}
    for kind in KINDS:
        labels = labels_of(kind)
        arrays[f"{kind} labels"] = labels.astype(np.uint8)
        arrays[f"{kind} logits"] = logits_for(labels).astype(np.float32)
    np.savez(folder / "losses.npz", **arrays)
    cases = {"networks": NETWORKS, "losses": list(LOSSES), "kinds": KINDS}
    (folder / "cases.json").write_text(json.dumps(cases), encoding="utf-8")
    return folder


def answers_of(backend: str, asked: Path) -> dict[str, np.ndarray]:
    """What a backend answers, in a process of its own; skips where it is not installed."""
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    output = asked / f"{backend}.npz"
    folders = [str(REPOSITORY / module) for module in ("ParotidSeg", "ParotidSegTraining")]
    paths = [*folders, *filter(None, [os.environ.get("PYTHONPATH")])]
    result = subprocess.run(
        [sys.executable, str(HERE / "second_backend.py"), str(asked), str(output)],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(paths), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    with np.load(output) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def of_tensorflow(asked: Path) -> dict[str, np.ndarray]:
    return answers_of("tensorflow", asked)


@pytest.fixture(scope="module", params=["torch", "jax"])
def of_other(request, asked: Path) -> dict[str, np.ndarray]:
    return answers_of(request.param, asked)


def test_every_network_is_asked():
    assert {network for network, _, _ in NETWORKS.values()} == set(REGISTRY)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_weights_give_the_same_prediction(of_tensorflow, of_other, name):
    expected = of_tensorflow[name]
    assert expected.std() > 0.01
    np.testing.assert_allclose(of_other[name], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_the_same_logits_give_the_same_loss_and_gradient(of_tensorflow, of_other, name):
    for kind in KINDS:
        value, gradient = (of_tensorflow[f"{name}, {kind}{part}"] for part in ("", ", gradient"))
        assert of_other[f"{name}, {kind}"] == pytest.approx(value, rel=1e-5, abs=1e-7), kind
        np.testing.assert_allclose(of_other[f"{name}, {kind}, gradient"], gradient, rtol=1e-4, atol=1e-6, err_msg=kind)
