"""OpenVINO models whose input may have any size in space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def loosen(model: Any) -> None:
    """Let the transposed convolutions of a model, in place, double what they get; the converter states their output."""
    from openvino import opset8 as ops

    for node in model.get_ordered_ops():
        if node.get_type_name() == "ConvolutionBackpropData" and node.get_input_size() == 3:
            how = node.get_attributes()
            names = ("strides", "pads_begin", "pads_end", "dilations")
            loose = ops.convolution_backprop_data(
                node.input_value(0),
                node.input_value(1),
                auto_pad="explicit",
                **{name: how[name] for name in names},
            )
            node.output(0).replace(loose.output(0))
    model.validate_nodes_and_infer_types()


def resize(model: Any, space: Sequence[int]) -> bool:
    """Give the input of a model another size in space, in place; whether its output has that, too."""
    taken, given = model.input(0), model.output(0)
    try:
        model.reshape([1, *space, taken.partial_shape[-1].get_length()])
    except RuntimeError:
        return False
    return tuple(model.output(0).shape)[1:-1] == tuple(space) and given.partial_shape.is_static
