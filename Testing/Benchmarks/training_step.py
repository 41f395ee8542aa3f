"""Does the input keep a training step busy?

Measures in one run, on the first cases of a data set, in turns so that every way meets the same load of the machine:

- the step alone: the same batch again and again;
- a batch alone: reading patches out of the cases in memory, augmented;
- the loop of training, with batches made when they are asked for (0 workers) and ahead by 1, 2, … threads.

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

ROOT = Path(__file__).resolve().parents[2]
for module in ("ParotidSeg", "ParotidSegTraining"):
    sys.path.insert(0, str(ROOT / module))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

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


def timed(function: Callable[[], object]) -> float:
    """Seconds of a call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


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
    model, device = compiled_network(recipe, build_loss(recipe.loss), precision=precision), OneDevice()
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
        "the step alone": lambda: [device.train_on_batch(model, *fixed) for _ in range(count)],
        "a batch alone": lambda: [make(index) for index in range(count)],
        **{f"training, {workers} workers": lambda workers=workers: loop(workers) for workers in options.workers},
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(options.rounds):
        for way, run in ways.items():
            seconds[way].append(timed(run) / count)
    print(f"{recipe.name}, {size} patches of {recipe.tile} voxels, {precision}, {cores()} cores; medians of a step")
    alone = statistics.median(seconds["the step alone"])
    for way, values in seconds.items():
        median = statistics.median(values)
        # Within a round, so that a busy machine slows both alike.
        ratio = statistics.median(v / a for v, a in zip(values, seconds["the step alone"], strict=True))
        print(f"  {way:22s} {median * 1e3:7.0f} ms   {ratio:5.2f} of the step alone ({alone * 1e3:.0f} ms)")
    for workers, values in waited.items():
        print(f"  waiting for batches, {workers} workers: {statistics.median(values) * 1e3:.0f} ms a step")
    return 0


if __name__ == "__main__":
    sys.exit(main())
