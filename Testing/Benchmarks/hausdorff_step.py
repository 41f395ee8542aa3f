"""What do the distance transforms of a Hausdorff loss cost in a training step?

Measures in one run, in turns, on two patches of 64 x 64 x 64 voxels with two glands:

- a step with the loss dice_focal, which has no distances;
- a step with dice_focal_hausdorff, its distances by SciPy on the processor, and by a loop over tensors;
- the distance transforms of such a batch alone, both ways.

    python Testing/Benchmarks/hausdorff_step.py [--edge 64] [--rounds 5]
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
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # the fast convolutions, on every processor

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from ParotidSegLib.model.networks import build_network  # noqa: E402
from ParotidSegTrainingLib.losses import build_loss, distance  # noqa: E402

FILTERS = (16, 32, 64, 128)


def two_glands(edge: int) -> np.ndarray:
    """Labels (2, edge, edge, edge): two ellipsoids, in the second patch somewhat smaller."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1.0, 1.0, edge)] * 3, indexing="ij"), axis=-1)
    labels = np.zeros((2, edge, edge, edge), np.uint8)
    for patch, size in enumerate((1.0, 0.8)):
        for label, x in ((1, -0.55), (2, 0.55)):
            away = (grid - [0.0, 0.1, x]) / (np.array([0.4, 0.35, 0.25]) * size)
            labels[patch][np.sum(away**2, axis=-1) < 1.0] = label
    return labels


def step_with(name: str, *, on_processor: bool, images: np.ndarray, labels: np.ndarray) -> Callable[[], object]:
    """A training step whose graph is built, so that only the step is timed."""
    distance._on_processor = lambda sites: on_processor
    keras.utils.set_random_seed(1)
    model = build_network("residual_unet", tile=labels.shape[1:], config={"filters": FILTERS})
    model.compile(optimizer=keras.optimizers.AdamW(1e-4), loss=build_loss({"name": name}), jit_compile=False)
    model.train_on_batch(images, labels)
    return lambda: model.train_on_batch(images, labels)


def transform(*, on_processor: bool, labels: np.ndarray) -> Callable[[], object]:
    """The distance transforms of one step: of two masks (predicted, true) of two glands of two patches."""
    masks = tf.constant(np.stack([labels[..., np.newaxis] == [1, 2]] * 2))
    distance._on_processor = lambda sites: on_processor
    graph = tf.function(autograph=False)(lambda: distance.squared_boundary_distances(masks, axes=range(2, 5)))
    graph()
    return lambda: graph().numpy()


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--edge", type=int, default=64)
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    labels = two_glands(options.edge)
    rng = np.random.default_rng(1)
    images = (labels[..., np.newaxis] - 1.0 + rng.normal(0.0, 0.3, (*labels.shape, 1))).astype(np.float32)
    ways = {
        "dice_focal": step_with("dice_focal", on_processor=True, images=images, labels=labels),
        "with Hausdorff, SciPy": step_with("dice_focal_hausdorff", on_processor=True, images=images, labels=labels),
        "with Hausdorff, tensors": step_with("dice_focal_hausdorff", on_processor=False, images=images, labels=labels),
        "distances alone, SciPy": transform(on_processor=True, labels=labels),
        "distances alone, tensors": transform(on_processor=False, labels=labels),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(options.rounds):
        for way, run in ways.items():
            started = time.perf_counter()
            run()
            seconds[way].append(time.perf_counter() - started)
    print(f"two patches of {options.edge} voxels' edge, residual U-Net with {FILTERS} filters, {os.cpu_count()} cores")
    for way, values in seconds.items():
        # Within a round, so that a busy machine slows both alike.
        ratio = statistics.median(v / plain for v, plain in zip(values, seconds["dice_focal"], strict=True))
        print(f"  {way:26s} {statistics.median(values):6.2f} s   {ratio:5.2f} of the plain step")
    return 0


if __name__ == "__main__":
    sys.exit(main())
