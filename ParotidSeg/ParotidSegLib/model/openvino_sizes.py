"""OpenVINO models whose input may have any size in space."""

from __future__ import annotations

from typing import Any


def open_sizes(model: Any, step: int) -> None:
    """Let the input of a model, in place, have any size in space that is a multiple of `step`.

    Args:
        model: an openvino.Model of three dimensions as the converter writes it, (batch, z, y, x, channels).
        step: what every edge has to be a multiple of.

    Raises:
        RuntimeError: the model does not map such an input to an output of its size.
    """
    _loosen(model)
    taken = model.input(0).partial_shape
    channels = taken[-1].get_length()
    # Tried with a size whose edges are all unlike and no multiples of more than the step.
    tried = [step, 3 * step, 5 * step]
    model.reshape([1, *tried, channels])
    if list(model.output(0).shape)[1:-1] != tried:
        raise RuntimeError(f"an input of {tried} is not mapped to an output of that size")
    model.reshape([1, -1, -1, -1, channels])


def _loosen(model: Any) -> None:
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
