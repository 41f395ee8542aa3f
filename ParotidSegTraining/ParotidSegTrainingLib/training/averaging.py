"""AdamW with a moving average of the weights. Imports Keras: import this module where an optimizer is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ..recipe import Optimisation


class AveragingAdamW(keras.optimizers.AdamW):
    """AdamW that keeps a moving average of the weights, beginning with the weights that it is built for.

    Keras' own average (`use_ema`) moves at every batch, also where batches are accumulated and the weights stand still;
    this one moves once a step.

    Args:
        momentum: share of the average that a step keeps; 0 for no average.
        settings: as of keras.optimizers.AdamW.
    """

    def __init__(self, learning_rate: float = 1e-3, *, momentum: float = 0.0, **settings: Any) -> None:
        super().__init__(learning_rate, **settings)
        self.momentum = momentum
        self.averages: list[Any] = []

    def build(self, variables: Sequence[Any]) -> None:
        """Make the optimizer's variables."""
        if self.built:
            return
        super().build(variables)
        if self.momentum:
            self.averages = self.add_optimizer_variables(variables, "average")
            for average, variable in zip(self.averages, variables, strict=True):
                average.assign(ops.convert_to_tensor(variable))

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Change the variables by their gradients; several devices clip those of the whole batch, not of a part."""
        if keras.config.backend() == "tensorflow" and self.global_clipnorm:
            grads = _clipped_together(grads, self.global_clipnorm)
        super().apply(grads, trainable_variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change one variable by its gradient, and its average with it."""
        super().update_step(gradient, variable, learning_rate)
        if self.momentum:
            average = self.averages[self._get_variable_index(variable)]
            self.assign(average, average * self.momentum + variable * (1.0 - self.momentum))


def _clipped_together(grads: Sequence[Any], largest: float) -> Sequence[Any]:
    """The gradients of one of several devices, so that their sum over the devices is clipped.

    Keras would clip each device's own part before it adds them up, which is another step than that of one device.
    """
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return grads
    whole = context.all_reduce(tf.distribute.ReduceOp.SUM, list(grads))
    clipped, _ = tf.clip_by_global_norm(whole, largest)
    # Keras adds up the devices' shares once more.
    return [gradient / context.num_replicas_in_sync for gradient in clipped]


def build_optimizer(settings: Optimisation) -> AveragingAdamW:
    """The optimizer of a recipe; the rate of each step is set from outside, see `schedules`."""
    return AveragingAdamW(
        settings.learning_rate,
        momentum=settings.ema,
        weight_decay=settings.weight_decay,
        global_clipnorm=settings.clip_norm,
        gradient_accumulation_steps=settings.accumulate if settings.accumulate > 1 else None,
    )


def averages_of(optimizer: Any) -> list[Any]:
    """The averages of the trainable variables, in their order; empty if none are kept."""
    return getattr(optimizer, "inner_optimizer", optimizer).averages
