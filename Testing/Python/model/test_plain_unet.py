"""The U-Net of double convolutions: sizes counted by hand, its choices, and the two systems that it has to express."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from made_networks import answer, made_image, randomise
from sentences import refusal

from ParotidSegLib.errors import BundleError
from ParotidSegLib.model.networks import build_network

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")
pytestmark = pytest.mark.engine

CONFIG = {"filters": [3, 4], "norm": "batch", "activation": "leaky_relu", "dropout": 0.2, "input_channels": 2}


def parameters_by_hand(filters, *, rank: int, norm: str, inputs: int = 1, classes: int = 3) -> int:
    """Kernels, biases and norms, the moving averages of the batch norm included, counted layer by layer."""
    of_norm = {"batch": 4, "layer": 2}[norm]

    def block(width_in: int, width: int) -> int:
        return 3**rank * (width_in * width + width * width) + 2 * of_norm * width

    widths = [inputs, *filters]
    count = sum(block(before, width) for before, width in pairwise(widths))
    for fine, coarse in pairwise(filters):
        count += 2**rank * coarse * fine + fine + block(2 * fine, fine)
    return count + filters[0] * classes + classes


@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("tile", [(8, 4, 12), (8, 12)], ids=["3D", "2D"])
def test_a_plain_unet_has_the_parameters_counted_by_hand(tile, norm):
    config = {"filters": [3, 6, 5], "norm": norm, "input_channels": 2, "classes": 4}
    model = build_network("plain_unet", tile=tile, config=config)
    assert model.count_params() == parameters_by_hand([3, 6, 5], rank=len(tile), norm=norm, inputs=2, classes=4)
    assert model.output_shape == (None, *tile, 4)


def kinds(model) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


def test_the_system_for_hypoxic_ischaemic_encephalopathy_of_neonates_can_be_expressed():
    # Three levels; the apparent diffusion coefficient and its z-score as two channels.
    filters = [32, 64, 128]
    config = {
        "input_channels": 2,
        "classes": 2,
        "filters": filters,
        "norm": "batch",
        "activation": "leaky_relu",
        "dropout": 0.1,
    }
    model = build_network("plain_unet", tile=(192, 192, 32), config=config)
    assert model.input_shape == (None, 192, 192, 32, 2)
    assert model.output_shape == (None, 192, 192, 32, 2)
    assert model.count_params() == parameters_by_hand(filters, rank=3, norm="batch", inputs=2, classes=2)
    layers = kinds(model)
    wanted = {"Conv3D": 11, "BatchNormalization": 10, "LeakyReLU": 10, "Dropout": 5}
    wanted |= {"MaxPooling3D": 2, "Conv3DTranspose": 2, "Concatenate": 2}
    assert {kind: layers.count(kind) for kind in wanted} == wanted
    assert set(layers) == {*wanted, "InputLayer", "Activation"}


def test_the_system_for_abdominal_slices_can_be_expressed():
    filters = [64, 128, 256, 512, 1024]
    model = build_network("plain_unet", tile=(256, 256), config={"filters": filters, "classes": 5})
    assert model.output_shape == (None, 256, 256, 5)
    assert model.count_params() == parameters_by_hand(filters, rank=2, norm="batch", classes=5)
    layers = kinds(model)
    assert [layers.count(kind) for kind in ("Conv2D", "MaxPooling2D", "Conv2DTranspose", "Dropout")] == [19, 4, 4, 0]


def convolved(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A same-padded 3 × 3 cross-correlation of (y, x, channels), in plain numpy."""
    padded = np.pad(x, [(1, 1), (1, 1), (0, 0)])
    height, width = x.shape[:2]
    return sum(padded[i : i + height, j : j + width] @ kernel[i, j] for i in range(3) for j in range(3))


@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_one_level_equals_its_definition_in_plain_numpy(norm, activation):
    config = {"filters": [4], "norm": norm, "activation": activation, "dropout": 0.5}
    model = build_network("plain_unet", tile=(5, 6), config=config)
    randomise(model, seed=1)
    weights = {weight.path: np.asarray(weight) for weight in model.weights}
    image = made_image((5, 6), 1, seed=2)
    x = image[0].astype(np.float64)
    for step in (1, 2):
        x = convolved(x, weights[f"encoder0_conv{step}/kernel"])
        here = f"encoder0_{step}_norm"
        if norm == "batch":
            x = (x - weights[f"{here}/moving_mean"]) / np.sqrt(weights[f"{here}/moving_variance"] + 1e-3)
        else:
            x = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
        x = x * weights[f"{here}/gamma"] + weights[f"{here}/beta"]
        x = np.where(x > 0, x, {"relu": 0.0, "leaky_relu": 0.01}[activation] * x)
    expected = x @ weights["logits/kernel"][0, 0] + weights["logits/bias"]
    np.testing.assert_allclose(answer(model, image)[0], expected, atol=1e-4)


def test_dropout_acts_in_training_alone():
    keras.utils.set_random_seed(3)
    # Layer norm: batch norm would behave differently in training by itself.
    dropping, plain = (
        build_network("plain_unet", tile=(8, 8), config={"filters": [4], "norm": "layer", "dropout": share})
        for share in (0.5, 0.0)
    )
    plain.set_weights(dropping.get_weights())
    image = made_image((8, 8), 1, seed=3)

    def difference(training: bool) -> float:
        return float(np.abs(np.asarray(dropping(image, training=training)) - np.asarray(plain(image))).max())

    assert difference(training=False) == 0.0
    assert difference(training=True) > 0.01


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_the_weights_alone_bring_a_network_back(norm, tmp_path):
    config = {**CONFIG, "norm": norm}
    model, loaded = (build_network("plain_unet", tile=(4, 8, 4), config=config) for _ in range(2))
    randomise(model, seed=4)
    image = made_image((4, 8, 4), 2, seed=5)
    expected = answer(model, image)
    assert not np.allclose(answer(loaded, image), expected)
    model.save_weights(tmp_path / "network.weights.h5")
    loaded.load_weights(tmp_path / "network.weights.h5")
    np.testing.assert_array_equal(answer(loaded, image), expected)


def test_the_second_input_channel_matters():
    model = build_network("plain_unet", tile=(4, 4, 8), config=CONFIG)
    randomise(model, seed=6)
    image = made_image((4, 4, 8), 2, seed=7)
    other = image.copy()
    other[..., 1] += 1.0
    assert not np.allclose(answer(model, image), answer(model, other))


@pytest.mark.parametrize("tile", [(7, 8, 8), (8, 8, 5), (9, 8), (6, 8)], ids=str)
def test_a_tile_that_cannot_be_halved_twice_is_refused_with_one_sentence(tile):
    message = refusal(BundleError, build_network, "plain_unet", tile=tile, config={"filters": [2, 3, 4]})
    assert "multiple of 4" in message


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"filters": []}, "at least one level"),
        ({"filters": [2, 2049]}, "2048"),
        ({"filters": [0, 2]}, "plain_unet"),
        ({"filters": [2.5, 3]}, "plain_unet"),
        ({"filters": "ab"}, "plain_unet"),
        ({"norm": "group"}, "norm must be one of batch, layer"),
        ({"norm": None}, "norm must be one of"),
        ({"norm": ["batch"]}, "norm must be one of"),
        ({"activation": "swish"}, "activation must be one of relu, leaky_relu"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"dropout": -0.1}, "dropout must be"),
        ({"dropout": float("nan")}, "dropout must be"),
        ({"dropout": "half"}, "plain_unet"),
        ({"classes": 0}, "plain_unet"),
        ({"input_channels": "x"}, "plain_unet"),
        ({"after_block": "print"}, "after_block"),
    ],
    ids=str,
)
def test_a_configuration_that_does_not_fit_is_refused_with_one_sentence(config, words):
    config = {"filters": [2, 3], **config}
    assert words in refusal(BundleError, build_network, "plain_unet", tile=(4, 4, 4), config=config)
