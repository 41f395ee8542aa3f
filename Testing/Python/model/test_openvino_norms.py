"""What is taken out of LayerNorms before OpenVINO compiles them changes no number but by rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ParotidSegLib.model.bundle import load_bundle, shipped_bundles
from ParotidSegLib.model.openvino_engine import import_openvino
from ParotidSegLib.model.openvino_norms import centre_convolutions

CHANNELS = 4


@pytest.fixture(scope="module")
def core() -> Any:
    pytest.importorskip("openvino")
    return import_openvino().Core()


def kinds(model: Any) -> list[str]:
    return [node.get_type_name() for node in model.get_ordered_ops()]


def answer(core: Any, model: Any, image: np.ndarray) -> np.ndarray:
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled.create_infer_request().infer(image)[0])


def a_network(*, also_taken: bool = False, over: int = 1) -> Any:
    """A convolution with LayerNorm, as the converter writes it; the convolution may be taken by something else, too."""
    import openvino
    from openvino import opset8 as ops

    rng = np.random.default_rng(3)
    image = ops.parameter([1, 2, 5, 6], np.float32)
    kernels = ops.constant(rng.normal(0.5, 1.0, (CHANNELS, 2, 3, 3)).astype(np.float32))
    values = ops.convolution(image, kernels, [1, 1], [1, 1], [1, 1], [1, 1])
    mean = ops.reduce_mean(values, ops.constant(np.array([over])), True)
    variance = ops.reduce_mean(ops.squared_difference(values, mean), ops.constant(np.array([over])), True)
    root = ops.power(ops.add(variance, ops.constant(np.float32(1e-5))), ops.constant(np.float32(-0.5)))
    scale, bias = (ops.constant(rng.normal(1.0, 1.0, (1, CHANNELS, 1, 1)).astype(np.float32)) for _ in range(2))
    factor = ops.multiply(root, scale)
    negative = ops.multiply(mean, ops.constant(np.array([[[[-1.0]]]], np.float32)))
    shift = ops.add(ops.multiply(negative, factor), bias)
    result = ops.add(ops.multiply(values, factor), shift)
    if also_taken:
        result = ops.add(result, ops.relu(values))
    return openvino.Model([result], [image])


def test_a_norm_has_one_reduction_less_and_the_same_values(core: Any) -> None:
    model = a_network()
    image = np.random.default_rng(1).normal(size=(1, 2, 5, 6)).astype(np.float32)
    before = answer(core, model, image)
    assert kinds(model).count("ReduceMean") == 2
    assert centre_convolutions(model) == 1
    assert kinds(model).count("ReduceMean") == 0
    np.testing.assert_allclose(answer(core, model, image), before, atol=2e-5)


@pytest.mark.parametrize("other", [{"also_taken": True}, {"over": 2}], ids=["taken by another", "over space"])
def test_whatever_is_no_such_norm_stays_as_it_is(core: Any, other: dict[str, Any]) -> None:
    model = a_network(**other)
    before = kinds(model)
    assert centre_convolutions(model) == 0
    assert kinds(model) == before


@pytest.mark.engine
@pytest.mark.parametrize("name", shipped_bundles())
@pytest.mark.parametrize("role", ["locator", "segmenter"])
def test_every_norm_of_the_shipped_networks_is_rewritten(core: Any, name: str, role: str) -> None:
    import openvino

    bundle = load_bundle(name)
    spec = getattr(bundle, role)
    weights = np.frombuffer(bundle.read(spec.openvino.replace(".xml", ".bin")), np.uint8)
    model = core.read_model(bundle.read(spec.openvino), openvino.Tensor(weights))
    norms = kinds(model).count("SquaredDifference")
    image = np.random.default_rng(2).uniform(-1.0, 1.0, model.input(0).shape).astype(np.float32)
    before = answer(core, model.clone(), image)
    assert centre_convolutions(model) == norms > 0
    np.testing.assert_allclose(answer(core, model, image), before, atol=2e-4)
