"""One device or several of one host that share each batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from ParotidSegLib.errors import RecipeError

from ..recipe import Optimisation
from .hardware import Gpu, visible_gpus


class OneDevice:
    """The device that the backend takes by itself."""

    count = 1

    def scope(self) -> AbstractContextManager:
        """Where the network and its optimizer are made."""
        return nullcontext()

    def train_on_batch(self, model: Any, images: np.ndarray, labels: np.ndarray) -> float:
        """One batch; the mean loss."""
        # Keras 3.12 would give the mean since the start of the run, later versions that of the batch.
        model.reset_metrics()
        return float(model.train_on_batch(images, labels))


class MirroredDevices:
    """Several devices with TensorFlow: each has a copy of the weights and its part of the batch.

    The gradient is the mean of the parts': with a loss that is a mean over voxels the very step of one device; a loss
    that takes its sums over the batch takes them over each part.

    Args:
        names: of the devices, "GPU:0" for instance.
    """

    def __init__(self, names: Sequence[str]) -> None:
        import tensorflow as tf

        self.count = len(names)
        # NCCL joins GPUs; anything else (logical devices of a test) is added up on one of them.
        of_gpus = all(name.upper().startswith("GPU") for name in names)
        join = None if of_gpus else tf.distribute.ReductionToOneDevice()
        self._strategy = tf.distribute.MirroredStrategy(list(names), cross_device_ops=join)

    def scope(self) -> AbstractContextManager:
        """Where the network and its optimizer are made."""
        return self._strategy.scope()

    def train_on_batch(self, model: Any, images: np.ndarray, labels: np.ndarray) -> float:
        """One batch, divided among the devices; the mean loss."""
        model.make_train_function()
        model.reset_metrics()
        # Keras' own train_on_batch would give the whole batch to every device.
        answer = model.train_function(iter([(self._divided(images), self._divided(labels), None)]))
        return float(answer["loss"])

    def _divided(self, batch: np.ndarray) -> Any:
        import tensorflow as tf

        parts = np.split(batch, self.count)
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: tf.convert_to_tensor(parts[context.replica_id_in_sync_group])
        )


class ShardedDevices(OneDevice):
    """Several devices with JAX: Keras' data-parallel distribution; the loss is that of the whole batch.

    Args:
        names: of the devices, "GPU:0" for instance.
    """

    def __init__(self, names: Sequence[str]) -> None:
        import keras

        self.count = len(names)
        self._distribution = keras.distribution.DataParallel(devices=[name.lower() for name in names])

    def scope(self) -> AbstractContextManager:
        """Where the network and its optimizer are made: from there on Keras divides every batch of the process."""
        import keras

        keras.distribution.set_distribution(self._distribution)
        return nullcontext()


def chosen_devices(
    settings: Optimisation, gpus: Sequence[Gpu], wanted: Sequence[str] | None, report: Callable[[str], None]
) -> list[str]:
    """Names of the devices that share each batch; none for the one that the backend takes by itself.

    Args:
        settings: of the recipe.
        gpus: what the backend sees.
        wanted: names of devices, a single one for no sharing; None for all GPUs, as far as a batch can be divided.
        report: takes a line that says what is left out.

    Raises:
        RecipeError: the wish cannot be met.
    """
    import keras

    backend = keras.config.backend()
    obstacle = ""
    if backend == "torch":
        obstacle = "Keras' torch backend trains on one device"
    elif backend == "tensorflow" and settings.accumulate > 1:
        obstacle = "with TensorFlow batches cannot be accumulated over several devices"
    if wanted is not None and len(wanted) > 1:
        if obstacle:
            raise RecipeError(f"Several devices cannot be used because {obstacle}: name one.")
        if settings.batch_size % len(wanted):
            raise RecipeError(
                f"optimisation.batch_size, {settings.batch_size}, must be a multiple of the {len(wanted)} devices."
            )
        return list(wanted)
    if wanted is not None or len(gpus) < 2:
        return []
    usable = 1 if obstacle else max(n for n in range(1, len(gpus) + 1) if settings.batch_size % n == 0)
    if usable < len(gpus):
        reason = obstacle or f"batches of {settings.batch_size} can be divided no further"
        report(f"{usable} of {len(gpus)} GPUs train because {reason}")
    return [gpu.name for gpu in gpus[:usable]] if usable > 1 else []


def first_gpus(count: int) -> list[str]:
    """Names of the first GPUs; a RecipeError if there are not as many."""
    gpus = visible_gpus()
    if count > max(1, len(gpus)):
        raise RecipeError(f"{count} GPUs are asked for, but Keras' backend sees {len(gpus)}.")
    return [gpu.name for gpu in gpus[:count]]


def open_devices(names: Sequence[str]) -> OneDevice | MirroredDevices:
    """The devices of these names; without any the one that the backend takes by itself.

    Raises:
        RecipeError: there is no such device.
    """
    import keras

    if not names:
        return OneDevice()
    kind = ShardedDevices if keras.config.backend() == "jax" else MirroredDevices
    try:
        return kind(names)
    except (ValueError, RuntimeError) as error:
        raise RecipeError(f"The devices {', '.join(names)} are not all there: name those of this computer.") from error
