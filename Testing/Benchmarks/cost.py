"""What does a model cost? Weights, operations and seconds of several bundles, side by side.

Operations are those of the convolutions (2 x weights x voxels) for a whole result: all tiles of both networks, the
mirrored ones included. A training step costs about three times the operations of its tiles. Seconds are those of
segment() with the model loaded, the median of several runs in turns, so that a machine that slows down slows all alike.

    python Testing/Benchmarks/cost.py BUNDLE [BUNDLE ...] [--ct PATH] [--engine openvino] [--runs 5]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from Benchmarks.segment_speed import DATA
from Benchmarks.speed.probe import CountingEngine, convolution_operations
from ParotidSegLib.model.engines import ENGINES
from ParotidSegLib.model.networks import build_network
from ParotidSegLib.reading.images import read_image
from ParotidSegLib.segmentation import Model, open_model, segment


def weights(model: Model) -> int:
    """Number of weights of both networks."""
    specs = (model.bundle.locator, model.bundle.segmenter)
    return sum(build_network(spec.network, tile=spec.tile, config=spec.config).count_params() for spec in specs if spec)


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("bundles", nargs="+")
    arguments.add_argument("--ct", type=Path, default=DATA / "clinical_ct" / "head_neck_1")
    arguments.add_argument("--engine", default="auto", choices=ENGINES)
    arguments.add_argument("--runs", type=int, default=5)
    options = arguments.parse_args()
    image = read_image(options.ct)
    models = [open_model(bundle, engine=options.engine) for bundle in options.bundles]
    if any(model.locator is None for model in models):
        raise SystemExit("Costs are counted of models with a locator: leave the others out.")
    operations = []
    for model in models:
        locator, segmenter = CountingEngine(model.locator), CountingEngine(model.segmenter)
        segment(image, Model(model.bundle, locator, segmenter, model.loading_seconds))
        a_tile = convolution_operations(model)
        operations.append(
            (a_tile["segmenter"], a_tile["locator"] * locator.tiles + a_tile["segmenter"] * segmenter.tiles)
        )
    seconds: list[list[float]] = [[] for _ in models]
    for _ in range(options.runs):
        for taken, model in zip(seconds, models, strict=True):
            started = time.perf_counter()
            segment(image, model)
            taken.append(time.perf_counter() - started)
    print("| bundle | weights, millions | GFLOP a tile | TFLOP a result | seconds | of the first |")
    print("|---|---|---|---|---|---|")
    first = statistics.median(seconds[0])
    for model, (a_tile, whole), taken in zip(models, operations, seconds, strict=True):
        middle, size = statistics.median(taken), weights(model) / 1e6
        name = f"{model.bundle.name} {model.bundle.version}, {model.segmenter.name}"
        operated = f"{a_tile / 1e9:.0f} | {whole / 1e12:.2f}"
        print(f"| {name} | {size:.2f} | {operated} | {middle:.2f} | {middle / first:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
