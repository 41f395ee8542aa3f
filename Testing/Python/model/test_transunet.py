"""The TransUNet: sizes counted by hand, its transformer against plain numpy, and how far it sees."""

from __future__ import annotations

import math
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

TILE = (16, 24)
CONFIG = {"input_channels": 2, "filters": [3, 4, 5], "width": 8, "depth": 2, "heads": 2, "mlp_ratio": 3}


def parameters_by_hand(tile, filters, *, width: int, depth: int, mlp_ratio: int, inputs: int, classes: int) -> int:
    """Kernels, biases, norms and position vectors of a TransUNet, counted layer by layer."""

    def convolution_norm(width_in: int, width_out: int) -> int:
        return 9 * width_in * width_out + 2 * width_out

    def residual(width_in: int, width_out: int) -> int:
        project = (width_in + 1) * width_out if width_in != width_out else 0
        return project + convolution_norm(width_in, width_out) + convolution_norm(width_out, width_out)

    encoder = residual(inputs, filters[0])
    for fine, coarse in pairwise(filters):
        encoder += (4 * fine + 1) * coarse + residual(coarse, coarse)
    patches = math.prod(tile) // 4 ** (len(filters) - 1)
    embedding = filters[-1] * width + patches * width
    # Queries, keys, values and the projection of a block; its MLP; its two norms.
    attention = 4 * (width + 1) * width
    hidden = mlp_ratio * width
    mlp = (width + 1) * hidden + (hidden + 1) * width
    transformer = depth * (attention + mlp + 2 * 2 * width) + 2 * width
    decoder = convolution_norm(width, filters[-1])
    for fine, coarse in pairwise(filters):
        decoder += convolution_norm(fine + coarse, fine) + convolution_norm(fine, fine)
    return encoder + embedding + transformer + decoder + (filters[0] + 1) * classes


@pytest.mark.parametrize(
    "changes",
    [{}, {"heads": 4}, {"depth": 1, "width": 6}, {"filters": [4, 4], "classes": 2}, {"dropout": 0.1}],
    ids=str,
)
def test_a_transunet_has_the_parameters_counted_by_hand(changes):
    config = {**CONFIG, **changes}
    model = build_network("transunet", tile=TILE, config=config)
    expected = parameters_by_hand(
        TILE,
        config["filters"],
        width=config["width"],
        depth=config["depth"],
        mlp_ratio=config["mlp_ratio"],
        inputs=2,
        classes=config.get("classes", 3),
    )
    assert model.count_params() == expected
    assert model.output_shape == (None, *TILE, config.get("classes", 3))


def test_the_default_serves_a_slice_of_256_by_256_voxels():
    model = build_network("transunet", tile=(256, 256), config={})
    filters = (16, 32, 64, 128, 256)
    expected = parameters_by_hand((256, 256), filters, width=256, depth=4, mlp_ratio=4, inputs=1, classes=3)
    assert model.count_params() == expected
    assert model.output_shape == (None, 256, 256, 3)


# --- the transformer against plain numpy -----------------------------------------------------------------------------


def layer_norm(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5) * gamma + beta


def gelu(x: np.ndarray) -> np.ndarray:
    return x * 0.5 * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0)))


def attention(x: np.ndarray, w: dict[str, np.ndarray], heads: int) -> np.ndarray:
    """Multi-head self-attention of (patches, width), a head at a time: Vaswani et al. 2017, section 3.2."""
    total = np.zeros_like(x)
    for head in range(heads):
        q, k, v = (x @ w[f"{n}/kernel"][:, head] + w[f"{n}/bias"][head] for n in ("query", "key", "value"))
        scores = np.exp(q @ k.T / math.sqrt(q.shape[-1]))
        total += scores / scores.sum(axis=-1, keepdims=True) @ v @ w["attention_output/kernel"][head]
    return total + w["attention_output/bias"]


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_a_transformer_block_equals_its_definition_in_plain_numpy(heads):
    from ParotidSegLib.model.networks.transunet import transformer_block

    inputs = keras.Input((6, 8))
    model = keras.Model(inputs, transformer_block(inputs, heads=heads, mlp_width=12, dropout=0.3, name="block"))
    randomise(model, seed=heads)
    w = {weight.path.removeprefix("block_"): np.asarray(weight, dtype=np.float64) for weight in model.weights}
    of_attention = {path.removeprefix("attention/"): value for path, value in w.items()}
    tokens = np.random.default_rng(5).normal(size=(6, 8))
    x = tokens + attention(layer_norm(tokens, w["1_norm/gamma"], w["1_norm/beta"]), of_attention, heads)
    hidden = gelu(layer_norm(x, w["2_norm/gamma"], w["2_norm/beta"]) @ w["expand/kernel"] + w["expand/bias"])
    expected = x + hidden @ w["contract/kernel"] + w["contract/bias"]
    found = np.asarray(model(tokens[np.newaxis].astype(np.float32), training=False))[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert w["attention/query/kernel"].shape == (8, heads, 8 // heads)


def test_the_patch_embedding_is_a_projection_with_a_vector_for_each_position():
    from ParotidSegLib.model.networks.transunet import patch_embedding

    inputs = keras.Input((2, 3, 5))
    model = keras.Model(inputs, patch_embedding(inputs, 4, name="patches"))
    projection, positions = (np.asarray(weight) for weight in model.weights)
    assert projection.shape == (5, 4)
    assert positions.shape == (6, 4)
    # Learned from a start near zero, at which no two positions are alike.
    assert 0.0 < np.abs(positions).max() < 0.05
    assert len(np.unique(positions, axis=0)) == 6
    features = made_image((2, 3), 5, seed=6)
    np.testing.assert_allclose(
        np.asarray(model(features))[0], features.reshape(6, 5) @ projection + positions, atol=1e-5
    )


def test_dropout_acts_in_training_alone():
    keras.utils.set_random_seed(7)
    dropping, plain = (build_network("transunet", tile=TILE, config={**CONFIG, "dropout": p}) for p in (0.5, 0.0))
    plain.set_weights(dropping.get_weights())
    image = made_image(TILE, 2, seed=7)

    def difference(training: bool) -> float:
        return float(np.abs(np.asarray(dropping(image, training=training)) - np.asarray(plain(image))).max())

    assert difference(training=False) < 1e-4
    assert difference(training=True) > 1e-3


# --- how far it sees -------------------------------------------------------------------------------------------------


def change_at_the_far_corner(network: str, config: dict) -> float:
    """How much the logits of the last voxel of a slice change with the first voxel."""
    model = build_network(network, tile=(64, 64), config=config)
    randomise(model, seed=8)
    image = made_image((64, 64), 1, seed=9)
    other = image.copy()
    other[0, 0, 0] += 10.0
    answers = [answer(model, x) for x in (image, other)]
    assert np.abs(answers[0] - answers[1])[0, 0, 0].max() > 1e-3
    return float(np.abs(answers[0] - answers[1])[0, -1, -1].max())


def test_a_change_at_one_corner_reaches_the_other_one_through_the_transformer():
    config = {"filters": [4, 4, 4], "width": 8, "depth": 1, "heads": 2}
    assert change_at_the_far_corner("transunet", config) > 1e-6
    # With convolutions alone, of as many levels, it does not.
    assert change_at_the_far_corner("residual_unet", {"filters": [4, 4, 4]}) == 0.0


# --- weights ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_the_weights_alone_bring_a_network_back(dropout, tmp_path):
    model, loaded = (build_network("transunet", tile=TILE, config={**CONFIG, "dropout": dropout}) for _ in range(2))
    randomise(model, seed=10)
    image = made_image(TILE, 2, seed=11)
    expected = answer(model, image)
    assert not np.allclose(answer(loaded, image), expected)
    model.save_weights(tmp_path / "network.weights.h5")
    loaded.load_weights(tmp_path / "network.weights.h5")
    np.testing.assert_array_equal(answer(loaded, image), expected)


def test_the_second_input_channel_matters():
    model = build_network("transunet", tile=TILE, config=CONFIG)
    randomise(model, seed=12)
    image = made_image(TILE, 2, seed=13)
    other = image.copy()
    other[..., 1] += 1.0
    assert not np.allclose(answer(model, image), answer(model, other))


# --- what a bundle or recipe can ask for -----------------------------------------------------------------------------


@pytest.mark.parametrize("tile", [(15, 16), (16, 18), (17, 17)], ids=str)
def test_a_slice_that_cannot_be_halved_twice_is_refused_with_one_sentence(tile):
    assert "multiple of 4" in refusal(BundleError, build_network, "transunet", tile=tile, config=CONFIG)


@pytest.mark.parametrize("tile", [(16, 16, 16), (16,), ()], ids=str)
def test_a_tile_that_is_no_slice_is_refused_with_one_sentence(tile):
    assert "slices" in refusal(BundleError, build_network, "transunet", tile=tile, config=CONFIG)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"filters": []}, "at least one level"),
        ({"filters": [2, 2049]}, "2048"),
        ({"filters": [0, 2]}, "transunet"),
        ({"filters": [2.5, 3]}, "transunet"),
        ({"filters": [2]}, "patches"),
        ({"width": 9}, "multiple of the number of heads"),
        ({"width": 0}, "width must be"),
        ({"width": 8.0}, "width must be"),
        ({"width": 4096}, "2048"),
        ({"heads": 0}, "heads must be"),
        ({"heads": 16}, "multiple of the number of heads, 16"),
        ({"heads": "two"}, "heads must be"),
        ({"depth": 0}, "depth must be"),
        ({"depth": 10**6}, "depth must be"),
        ({"depth": 1.5}, "depth must be"),
        ({"mlp_ratio": 0}, "mlp_ratio must be"),
        ({"mlp_ratio": 100}, "mlp_ratio must be"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"dropout": float("nan")}, "dropout must be"),
        ({"classes": 0}, "transunet"),
        ({"input_channels": "x"}, "transunet"),
        ({"layer": {"class_name": "Lambda"}}, "layer"),
    ],
    ids=str,
)
def test_a_configuration_that_does_not_fit_is_refused_with_one_sentence(config, words):
    config = {**CONFIG, "filters": [2, 4], **config}
    assert words in refusal(BundleError, build_network, "transunet", tile=(64, 128), config=config)
