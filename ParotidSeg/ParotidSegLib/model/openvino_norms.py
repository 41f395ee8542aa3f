"""LayerNorm after a convolution, with less to compute: the same numbers but for rounding.

A LayerNorm subtracts the mean over the channels. The mean is linear, so that of what a convolution gives is taken out
beforehand: its kernels, less their mean over the output channels, give channels whose mean is zero. What is left is the
mean of their squares, which OpenVINO computes faster as a convolution of one voxel than as a sum over channels.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def centre_convolutions(model: Any) -> int:
    """Rewrite, in place, each LayerNorm over the channels of a convolution without bias that nothing else takes.

    Args:
        model: an openvino.Model as the converter writes LayerNorm of Keras; whatever looks otherwise stays.

    Returns:
        How many were rewritten.
    """
    from openvino import opset8 as ops

    rewritten = 0
    for convolution in model.get_ordered_ops():
        found = _norm_of(convolution)
        if found is None:
            continue
        variance, shift, bias, kernels = found
        channels, rank = kernels.shape[0], kernels.ndim - 2
        centred = kernels - kernels.mean(axis=0, keepdims=True, dtype=np.float64)
        how = convolution.get_attributes()
        values = ops.convolution(
            convolution.input_value(0),
            ops.constant(centred.astype(np.float32)),
            *(how[name] for name in ("strides", "pads_begin", "pads_end", "dilations", "auto_pad")),
        )
        mean = np.full((1, channels, *[1] * rank), 1.0 / channels, np.float32)
        still = ([1] * rank, [0] * rank, [0] * rank, [1] * rank)
        squares = ops.convolution(ops.multiply(values, values), ops.constant(mean), *still)
        variance.output(0).replace(squares.output(0))
        shift.output(0).replace(bias)  # the bias and what the mean added to it
        convolution.output(0).replace(values.output(0))
        rewritten += 1
    model.validate_nodes_and_infer_types()
    return rewritten


def _norm_of(convolution: Any) -> tuple[Any, Any, Any, np.ndarray] | None:
    """Of the LayerNorm that alone takes a convolution: variance, shift, its bias, and the kernels; None without one.

    It is `x * factor + (bias - mean * factor)`, where `shift` is what stands in brackets.
    """
    if convolution.get_type_name() != "Convolution":
        return None
    takers = _takers(convolution)
    kernels = _numbers(convolution.input_value(1))
    if set(takers) != {"ReduceMean", "SquaredDifference", "Multiply"} or kernels is None:
        return None
    mean, difference = takers["ReduceMean"], takers["SquaredDifference"]
    of_mean, of_difference = _takers(mean), _takers(difference)
    if set(of_mean) != {"SquaredDifference", "Multiply"} or set(of_difference) != {"ReduceMean"}:
        return None
    variance, negative = of_difference["ReduceMean"], of_mean["Multiply"]
    product = _takers(negative).get("Multiply")
    shift = _takers(product).get("Add") if product is not None else None
    is_negative = any(_is(value, -1.0) for value in _inputs(negative))
    if shift is None or not is_negative or not all(map(_is_over_channels, (mean, variance))):
        return None
    biases = [value for value in _inputs(shift) if _numbers(value) is not None]
    return (variance, shift, biases[0], kernels) if len(biases) == 1 else None


def _inputs(node: Any) -> list[Any]:
    return [node.input_value(number) for number in range(node.get_input_size())]


def _takers(node: Any) -> dict[str, Any]:
    """The nodes that take the output of a node, by their kind; none if two of them are of one kind."""
    nodes = [target.get_node() for target in node.output(0).get_target_inputs()]
    kinds = {taker.get_type_name(): taker for taker in nodes}
    return kinds if len(kinds) == len(nodes) else {}


def _numbers(value: Any) -> np.ndarray | None:
    """A constant, whatever precision it is kept in, float32; None if it is none. One number is an array of one."""
    node = value.get_node()
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        return None
    numbers = np.array(node.get_data(), np.float32)
    return numbers.reshape(1) if numbers.size == 1 else numbers


def _is(value: Any, number: float) -> bool:
    found = _numbers(value)
    return found is not None and found.tolist() == [number]


def _is_over_channels(mean: Any) -> bool:
    return bool(mean.get_attributes()["keep_dims"]) and _is(mean.input_value(1), 1.0)
