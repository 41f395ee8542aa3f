"""A network in training: compiled, its moving average, its weights without the optimizer, its random state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ParotidSegLib.errors import RecipeError
from ParotidSegLib.model.networks import build_network

from ..recipe import Recipe


def compiled_network(
    recipe: Recipe,
    loss: Callable,
    precision: str = "float32",
    *,
    begin: Callable[[Any], None] = lambda model: None,
) -> Any:
    """The network with its optimizer, untrained.

    Args:
        recipe: what it is.
        loss: of that recipe.
        precision: a Keras dtype policy.
        begin: takes the network before its optimizer is made, whose moving average begins with the weights of then.

    Raises:
        RecipeError: the network or the loss does not fit the data.
    """
    import keras

    from .averaging import build_optimizer

    keras.utils.set_random_seed(recipe.seed)
    model = build_network(recipe.network, tile=recipe.tile, config=recipe.network_arguments, precision=precision)
    channels, classes = model.input_shape[-1], model.output_shape[-1]
    wanted = len(recipe.preprocessing.channels), 1 + len(recipe.structures)
    if (channels, classes) != wanted:
        raise RecipeError(
            f"The recipe is not valid: network_config must give {wanted[0]} input channel(s) and {wanted[1]} classes, "
            f"not {channels} and {classes}."
        )
    space = (1,) * (len(model.output_shape) - 2)
    loss(keras.ops.zeros((1, *space), "int32"), keras.ops.zeros((1, *space, classes)))
    begin(model)

    def of_batch(labels: Any, logits: Any) -> Any:
        # A batch of one value: of a plain number Keras would take the sum over several devices, not the mean.
        return keras.ops.reshape(loss(labels, logits), (1,))

    # In float16 Keras scales the loss by itself, so that small gradients do not vanish.
    model.compile(optimizer=build_optimizer(recipe.optimisation), loss=of_batch, jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def inference_twin(model: Any) -> Any:
    """The same layers without optimizer and devices: to validate, and to write the weights alone."""
    import keras

    return keras.Model(model.inputs, model.outputs, name=model.name)


@contextmanager
def averaged_weights(model: Any) -> Iterator[None]:
    """The moving average in place of the weights, for the length of a block; without one, the weights as they are."""
    from keras import ops

    from .averaging import averages_of

    averages = averages_of(model.optimizer)
    variables = model.trainable_variables if averages else []
    trained = [ops.convert_to_numpy(variable) for variable in variables]
    for variable, average in zip(variables, averages, strict=True):
        variable.assign(ops.convert_to_numpy(average))
    try:
        yield
    finally:
        for variable, value in zip(variables, trained, strict=True):
            variable.assign(value)


def reseed(model: Any, seed: int, epoch: int) -> None:
    """Set the random state of the layers that draw numbers, by seed and epoch alone: a resumed run has the same."""
    generators = [variable for variable in model.variables if variable.name == "seed_generator_state"]
    for index, state in enumerate(generators):
        drawn = np.random.default_rng([seed, 2, epoch, index]).integers(2**31)
        state.assign(np.array([drawn, 0], dtype=state.dtype))
