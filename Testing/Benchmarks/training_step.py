"""Where does the time of a training step go, how near is it to the machine's limit, and does the input keep it busy?

Measures in one run, on the first cases of a data set, in turns so that every way meets the same load of the machine:

- the step alone: the same batch again and again;
- a batch alone: reading patches out of the cases in memory, augmented;
- the parts of the step, each with those before it: the network forward, the loss, the gradients, the optimizer; and the
  operations of the step in plain matrix products, three times those of the network's convolutions forward: the limit;
- the loop of training, with batches made when they are asked for (0 workers) and ahead by 1, 2, … threads.

Seconds by the clock and of the processors: the latter hardly change where other programs keep the machine busy.

    python Testing/Benchmarks/training_step.py [--data DATA] [--recipe parotid-ct] [--cases 8] [--steps 8] [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
for module in ("ParotidSeg", "ParotidSegTraining", "Testing"):
    sys.path.insert(0, str(ROOT / module))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from Benchmarks.speed.probe import operations_of  # noqa: E402
from ParotidSegTrainingLib import recipe as recipes  # noqa: E402
from ParotidSegTrainingLib.data.dataset import DatasetFolder  # noqa: E402
from ParotidSegTrainingLib.losses import build_loss  # noqa: E402
from ParotidSegTrainingLib.training.batches import Prefetcher  # noqa: E402
from ParotidSegTrainingLib.training.devices import OneDevice  # noqa: E402
from ParotidSegTrainingLib.training.hardware import choose_precision, cores, processor_flags, visible_gpus  # noqa: E402
from ParotidSegTrainingLib.training.network_training import compiled_network  # noqa: E402
from ParotidSegTrainingLib.training.patches import random_patch, stack  # noqa: E402
from ParotidSegTrainingLib.training.trainer import _load  # noqa: E402

DATA = Path(os.environ.get("PAROTIDSEG_DATA", ROOT.parent / "shared" / "data")) / "openkbp"


#: Edge of the matrices whose product states the limit.
EDGE = 2048


def timed(function: Callable[[], object]) -> tuple[float, float]:
    """Seconds of a call, by the clock and of the processors."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - cpu


def parts(model: Any, loss: Callable, batch: tuple) -> dict[str, Callable[[], object]]:
    """What a step consists of, each with all before it; for Keras on TensorFlow."""
    import tensorflow as tf

    images, labels = map(tf.constant, batch)
    products = 3.0 * operations_of(model) * len(images) / (2.0 * EDGE**3)
    factors = [tf.random.stateless_normal((EDGE, EDGE), seed=(0, seed)) for seed in range(2)]
    rest = round(EDGE * (products % 1.0))

    @tf.function
    def forward() -> Any:
        return model(images, training=True)

    @tf.function
    def with_loss() -> Any:
        return loss(labels, model(images, training=True))

    @tf.function
    def with_gradients() -> Any:
        with tf.GradientTape() as tape:
            value = loss(labels, model(images, training=True))
        return tape.gradient(value, model.trainable_variables)

    def limit() -> None:
        for _ in range(int(products)):
            tf.matmul(*factors).numpy()
        tf.matmul(factors[0][:rest], factors[1]).numpy()

    ways = {
        "the same in matrix products": limit,
        "network": forward,
        "network, loss": with_loss,
        "network, loss, gradients": with_gradients,
    }
    for way in ways.values():
        way()
    return ways


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, default=DATA)
    arguments.add_argument("--recipe", default="parotid-ct")
    arguments.add_argument("--cases", type=int, default=8)
    arguments.add_argument("--steps", type=int, default=8, help="of each way in a round")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2, 4])
    options = arguments.parse_args()

    recipe = recipes.load(options.recipe)
    folder = DatasetFolder.open(options.data, recipe.preprocessing.inputs)
    cases = _load(folder, folder.cases("train", recipe.exclude)[: options.cases], recipe)
    precision, _ = choose_precision(recipe.precision, visible_gpus(), processor_flags())
    loss = build_loss(recipe.loss)
    model, device = compiled_network(recipe, loss, precision=precision), OneDevice()
    size, count = recipe.optimisation.batch_size, options.steps

    def make(index: int) -> tuple:
        return stack([random_patch(cases, recipe, 0, index * size + i) for i in range(size)])

    fixed = make(0)
    device.train_on_batch(model, *fixed)
    waited: dict[int, list[float]] = {workers: [] for workers in options.workers}

    def loop(workers: int) -> None:
        prefetcher = Prefetcher(workers)
        for batch in prefetcher.batches(make, count):
            device.train_on_batch(model, *batch)
        waited[workers].append(prefetcher.waited / count)

    ways: dict[str, Callable[[], object]] = {
        **{name: lambda way=way: [way() for _ in range(count)] for name, way in parts(model, loss, fixed).items()},
        "the step alone": lambda: [device.train_on_batch(model, *fixed) for _ in range(count)],
        "a batch alone": lambda: [make(index) for index in range(count)],
        **{f"training, {workers} workers": lambda workers=workers: loop(workers) for workers in options.workers},
    }
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(options.rounds):
        for way, run in ways.items():
            seconds[way].append(timed(run))
    print(f"{recipe.name}, {size} patches of {recipe.tile} voxels, {precision}, {cores()} cores; medians of a step")
    for way, values in seconds.items():
        wall, cpu = (statistics.median(value[clock] for value in values) / count * 1e3 for clock in range(2))
        # Within a round, so that a busy machine slows both alike.
        pairs = list(zip(values, seconds["the step alone"], strict=True))
        ratios = [statistics.median(v[clock] / a[clock] for v, a in pairs) for clock in range(2)]
        print(f"  {way:28s} {wall:6.0f} ms, CPU {cpu:6.0f} ms; of the step alone {ratios[0]:.2f}, CPU {ratios[1]:.2f}")
    for workers, values in waited.items():
        print(f"  waiting for batches, {workers} workers: {statistics.median(values) * 1e3:.0f} ms a step")
    return 0


if __name__ == "__main__":
    sys.exit(main())
