"""Trains with two logical devices of the processor; started by test_devices.py, as a process can have them only once.

Arguments: folder of the data set, folder for the runs, backend of Keras.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

DATA, FOLDER, BACKEND = sys.argv[1:]
os.environ["KERAS_BACKEND"] = BACKEND
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

from made_training import tiny_recipe  # noqa: E402

from ParotidSegTrainingLib.data.dataset import DatasetFolder  # noqa: E402
from ParotidSegTrainingLib.training.trainer import fit  # noqa: E402

#: A mean over voxels: two halves of a batch give the step of the whole one.
RECIPE = tiny_recipe(
    loss={"name": "focal"},
    optimisation={
        "learning_rate": 0.01,
        "weight_decay": 0.01,
        "ema": 0.5,
        "batch_size": 4,
        "steps_per_epoch": 3,
        "epochs": 2,
    },
)

if BACKEND == "tensorflow":
    import tensorflow as tf

    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)

folder = DatasetFolder.open(DATA)
for name, devices in (("one", []), ("two", ["CPU:0", "CPU:1"])):
    # The second one is interrupted after an epoch, and goes on.
    fit(RECIPE, folder, Path(FOLDER) / name, devices=devices, stop_after_epochs=1)
    fit(RECIPE, folder, Path(FOLDER) / name, devices=devices)
