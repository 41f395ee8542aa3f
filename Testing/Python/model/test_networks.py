"""The networks: sizes, shapes, attention against plain numpy, and nothing that a bundle could smuggle in."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sentences import refusal

from ParotidSegLib.errors import BundleError
from ParotidSegLib.model.networks import REGISTRY, build_network

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")
pytestmark = pytest.mark.engine

#: Settings that keep a network small, beside its filters.
SMALL: dict[str, dict] = {"transunet": {"width": 8, "depth": 1, "heads": 2}}
#: The TransUNet is for slices alone.
CASES = [
    pytest.param(network, tile, id=f"{network} {len(tile)}D")
    for network in sorted(REGISTRY)
    for tile in [(16, 8, 12), (8, 16)]
    if len(tile) == 2 or network != "transunet"
]


def parameters_by_hand(filters, *, rank: int, inputs: int = 1, classes: int = 3) -> int:
    """Kernels, biases and norms of a residual U-Net, counted layer by layer."""

    def block(width_in: int, width: int) -> int:
        project = width_in * width + width if width_in != width else 0
        convolutions = 3**rank * (width_in * width + width * width)
        return project + convolutions + 2 * 2 * width

    count, before = 0, inputs
    for level, width in enumerate(filters):
        if level:
            count += 2**rank * before * width + width
            before = width
        count += block(before, width)
        before = width
    for fine, coarse in zip(reversed(filters[:-1]), reversed(filters[1:]), strict=True):
        count += 2**rank * coarse * fine + fine + block(2 * fine, fine)
    return count + filters[0] * classes + classes


@pytest.mark.parametrize("tile", [(16, 8, 24), (16, 24)], ids=["3D", "2D"])
@pytest.mark.parametrize("filters", [(4,), (4, 8), (3, 6, 5)], ids=str)
def test_a_residual_unet_has_the_parameters_counted_by_hand(tile, filters):
    model = build_network("residual_unet", tile=tile, config={"filters": filters})
    assert model.count_params() == parameters_by_hand(filters, rank=len(tile))


def test_more_inputs_and_classes_are_counted_too():
    model = build_network(
        "residual_unet", tile=(4, 4, 4), config={"filters": (2, 4), "input_channels": 2, "classes": 5}
    )
    assert model.count_params() == parameters_by_hand((2, 4), rank=3, inputs=2, classes=5)


@pytest.mark.parametrize(("network", "tile"), CASES)
def test_a_network_gives_float32_logits_of_each_voxel_of_its_tile(network, tile):
    model = build_network(network, tile=tile, config={"filters": (2, 3, 4), **SMALL.get(network, {})})
    assert model.input_shape == (None, *tile, 1)
    image = np.random.default_rng(1).normal(size=(2, *tile, 1)).astype(np.float32)
    logits = np.asarray(model(image, training=False))
    assert logits.shape == (2, *tile, 3)
    assert logits.dtype == np.float32
    assert logits.std() > 0
    # Logits, not probabilities.
    assert not np.allclose(logits.sum(axis=-1), 1.0)


@pytest.mark.parametrize(("network", "tile"), CASES)
def test_no_network_holds_a_lambda_layer(network, tile):
    model = build_network(network, tile=tile, config={"filters": (2, 4), **SMALL.get(network, {})})
    assert not [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.Lambda)]
    assert "Lambda" not in model.to_json()


def test_a_residual_unet_gives_the_same_answer_far_from_the_border_of_a_larger_tile():
    small, large = (build_network("residual_unet", tile=(t,) * 3, config={"filters": (2, 4)}) for t in (32, 48))
    large.set_weights(small.get_weights())
    image = np.random.default_rng(2).normal(size=(1, 48, 48, 48, 1)).astype(np.float32)
    of_part = np.asarray(small(image[:, 8:40, 8:40, 8:40], training=False))
    of_whole = np.asarray(large(image, training=False))[:, 8:40, 8:40, 8:40]
    inner = (slice(None), *(slice(12, 20),) * 3)
    np.testing.assert_allclose(of_part[inner], of_whole[inner], atol=1e-4)


# --- CBAM ------------------------------------------------------------------------------------------------------------


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def cbam_by_hand(x: np.ndarray, *, mlp, kernel) -> np.ndarray:
    """CBAM after Woo et al. 2018 for one image (*space, channels), in plain numpy."""
    w1, b1, w2, b2 = mlp
    space = tuple(range(x.ndim - 1))

    def shared(pooled: np.ndarray) -> np.ndarray:
        return np.maximum(pooled @ w1 + b1, 0.0) @ w2 + b2

    x = x * sigmoid(shared(x.mean(axis=space)) + shared(x.max(axis=space)))
    pooled = np.stack([x.mean(axis=-1), x.max(axis=-1)], axis=-1)
    reach = kernel.shape[0] // 2
    padded = np.pad(pooled, [(reach, reach)] * len(space) + [(0, 0)])
    answer = np.zeros(x.shape[:-1])
    for offset in itertools.product(range(kernel.shape[0]), repeat=len(space)):
        window = padded[tuple(slice(o, o + n) for o, n in zip(offset, answer.shape, strict=True))]
        answer += (window * kernel[offset][:, 0]).sum(axis=-1)
    return x * sigmoid(answer)[..., np.newaxis]


@pytest.mark.parametrize(("shape", "reduction"), [((9, 10, 6), 2), ((5, 8, 6, 8), 4), ((5, 4, 6, 3), 8)], ids=str)
def test_cbam_equals_its_definition_in_plain_numpy(shape, reduction):
    from ParotidSegLib.model.networks.blocks import cbam

    inputs = keras.Input(shape)
    model = keras.Model(inputs, cbam(inputs, reduction=reduction, kernel=7, name="attention"))
    rng = np.random.default_rng(3)
    weights = {weight.path: rng.normal(0.0, 0.5, weight.shape) for weight in model.weights}
    for weight in model.weights:
        weight.assign(weights[weight.path])
    image = rng.normal(size=shape)
    names = [
        f"attention_channel_{layer}" for layer in ("squeeze/kernel", "squeeze/bias", "excite/kernel", "excite/bias")
    ]
    expected = cbam_by_hand(
        image, mlp=[weights[name] for name in names], kernel=weights["attention_spatial_conv/kernel"]
    )
    found = np.asarray(model(image[np.newaxis].astype(np.float32), training=False))[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert len(weights) == 5
    assert weights["attention_spatial_conv/kernel"].shape == (*(7,) * (len(shape) - 1), 2, 1)
    assert weights[names[0]].shape == (shape[-1], max(1, shape[-1] // reduction))


def test_the_attention_unet_is_the_residual_unet_with_attention_after_every_block():
    tile, filters = (8, 8, 8), (4, 8)
    plain = build_network("residual_unet", tile=tile, config={"filters": filters})
    attentive = build_network("attention_unet", tile=tile, config={"filters": filters, "reduction": 2, "kernel": 3})

    def cbam_parameters(width: int) -> int:
        hidden = width // 2
        return width * hidden + hidden + hidden * width + width + 3**3 * 2

    assert attentive.count_params() == plain.count_params() + sum(map(cbam_parameters, (4, 8, 4)))


# --- what a bundle or recipe can ask for -----------------------------------------------------------------------------


def test_an_unknown_network_is_refused_with_one_sentence():
    message = refusal(BundleError, build_network, "lambda_net", tile=(8, 8, 8), config={})
    assert "residual_unet" in message


@pytest.mark.parametrize(
    ("network", "tile"),
    [
        (network, tile)
        for network in sorted(REGISTRY)
        for tile in [(8, 8, 6), (7, 8, 8), (8, 10)]
        if len(tile) == 2 or network != "transunet"
    ],
    ids=str,
)
def test_a_tile_that_cannot_be_halved_often_enough_is_refused_with_one_sentence(network, tile):
    assert "multiple of 4" in refusal(BundleError, build_network, network, tile=tile, config={"filters": (2, 4, 8)})


@pytest.mark.parametrize(
    "config",
    [
        {"filters": 5},
        {"filters": "ab"},
        {"filters": [0, 2]},
        {"filters": [-1, 2]},
        {"filters": [2.5, 3]},
        {"filters": [None, 2]},
        {"filters": []},
        {"classes": 0},
        {"classes": None},
        {"input_channels": "x"},
        {"reduction": 0},
        {"reduction": "a"},
        {"kernel": 0},
        {"kernel": None},
        {"name": "a/b"},
        {"tile": [4]},
        {"layer": {"class_name": "Lambda", "config": {"function": "print(1)"}}},
        {"after_block": "print"},
    ],
    ids=str,
)
def test_a_configuration_that_does_not_fit_is_refused_with_one_sentence(config):
    config = {"filters": [2, 4], **config}
    assert "attention_unet" in refusal(BundleError, build_network, "attention_unet", tile=(4, 4, 4), config=config)
