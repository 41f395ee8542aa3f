"""How long does a segmentation take, where does the time go, and how near to the machine's limit is it?

Measures in one run, on the full-resolution DICOM CT of the test data (or --ct):

- cold: the whole command, process start, imports and model loading included, per engine that is installed;
- warm: segment() with the model already loaded, by stage, the median of several runs;
- peak memory of the cold command;
- operations of the networks' convolutions, and the share of the machine's measured matrix-product rate that they reach.

    python Testing/Benchmarks/segment_speed.py [--ct PATH] [--bundle NAME] [--runs 5]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "ParotidSeg"))

import numpy as np  # noqa: E402

from ParotidSegLib.model.engines import installed_engines  # noqa: E402
from ParotidSegLib.reading.images import read_image  # noqa: E402
from ParotidSegLib.segmentation import Model, open_model, segment  # noqa: E402

DATA = Path(os.environ.get("PAROTIDSEG_DATA", ROOT.parent / "shared" / "data"))


def convolution_operations(model: Model) -> dict[str, float]:
    """Operations of the convolutions for one tile of each network, by role: 2 x weights x voxels."""
    from keras import layers

    from ParotidSegLib.model.networks import build_network

    counted = {}
    for role, spec in (("locator", model.bundle.locator), ("segmenter", model.bundle.segmenter)):
        network = build_network(spec.network, tile=spec.tile, config=spec.config)
        total = 0.0
        for layer in network.layers:
            if isinstance(layer, layers.Conv3D | layers.Conv3DTranspose):
                kernel = np.prod(layer.kernel.shape)
                # A transposed convolution applies its kernel at every input voxel, a convolution at every output.
                voxels = layer.input.shape if isinstance(layer, layers.Conv3DTranspose) else layer.output.shape
                total += 2.0 * float(kernel) * float(np.prod(voxels[1:4]))
        counted[role] = total
    return counted


class CountingEngine:
    """An engine that counts its tiles and the time spent in them."""

    def __init__(self, engine) -> None:
        self.engine, self.name, self.tiles, self.seconds = engine, engine.name, 0, 0.0

    def probabilities(self, tile: np.ndarray) -> np.ndarray:
        started = time.perf_counter()
        answer = self.engine.probabilities(tile)
        self.seconds += time.perf_counter() - started
        self.tiles += 1
        return answer


def matrix_rate(size: int = 4096, runs: int = 6) -> float:
    """Operations a second of TensorFlow's float32 matrix product on this machine, the best of several.

    TensorFlow's, because it uses the processor better than numpy's: a share of numpy's rate could exceed 1.
    """
    import tensorflow as tf

    a, b = (tf.random.stateless_normal((size, size), seed=(0, seed)) for seed in range(2))
    best = min(_timed(lambda: tf.matmul(a, b).numpy()) for _ in range(runs))
    return 2.0 * size**3 / best


def _timed(function) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def cold(ct: Path, bundle: str, engine: str) -> tuple[float, dict[str, float], float]:
    """Seconds of the whole command in a new process, in all and by stage, and its peak memory (MB)."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ParotidSegLib", "segment", str(ct), "--output", folder]
        command += ["--bundle", bundle, "--engine", engine, "--progress", "none"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "ParotidSeg")}
        started = time.perf_counter()
        subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        stages = json.loads((Path(folder) / "report.json").read_text(encoding="utf-8"))["timings_s"]
    stages = {"start": seconds - sum(stages.values()), **stages}
    # The largest child so far: engines are measured from the lighter to the heavier one.
    return seconds, stages, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024.0


def warm(ct: Path, bundle: str, engine: str, runs: int) -> tuple[dict[str, float], dict[str, tuple[int, float]]]:
    """Median seconds by stage, and tiles and network seconds of one run by role."""
    image = read_image(ct)
    loaded = open_model(bundle, engine=engine)
    segment(image, loaded)
    locator, segmenter = CountingEngine(loaded.locator), CountingEngine(loaded.segmenter)
    model = Model(loaded.bundle, locator, segmenter, loaded.loading_seconds)
    results = [segment(image, model).timings for _ in range(runs)]
    stages = {stage: statistics.median(timings[stage] for timings in results) for stage in results[0]}
    networks = {
        role: (counter.tiles // runs, counter.seconds / runs)
        for role, counter in (("locator", locator), ("segmenter", segmenter))
    }
    return stages, networks


def _print_stages(stages: dict[str, float], total: float) -> None:
    for stage, value in stages.items():
        print(f"    {stage:10s} {value:6.3f} s  {value / total:4.0%}")


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--ct", type=Path, default=DATA / "clinical_ct" / "head_neck_1")
    arguments.add_argument("--bundle", default="parotid-ct")
    arguments.add_argument("--runs", type=int, default=5)
    options = arguments.parse_args()
    if not options.ct.exists():
        print(f"There is no CT at {options.ct}: name one with --ct.", file=sys.stderr)
        return 1
    # First, while this process is small: a child counts the memory of its parent until it runs its own program.
    colds = {engine: cold(options.ct, options.bundle, engine) for engine in installed_engines()}
    image = read_image(options.ct)
    spacing = " x ".join(f"{edge:.2f}" for edge in image.GetSpacing())
    print(f"Scan: {' x '.join(map(str, image.GetSize()))} voxels of {spacing} mm; {os.cpu_count()} cores")
    rate = matrix_rate()
    print(f"Matrix product, float32, TensorFlow: {rate / 1e9:.0f} GFLOP/s")
    del image
    for engine, (seconds, cold_stages, megabytes) in colds.items():
        stages, networks = warm(options.ct, options.bundle, engine, options.runs)
        total = sum(stages.values())
        print(f"\nEngine {engine}")
        print(f"  cold, whole command: {seconds:.1f} s, peak memory {megabytes:.0f} MB")
        _print_stages(cold_stages, seconds)
        print(f"  warm, model loaded:  {total:.2f} s  ({total / seconds:.0%} of the cold time)")
        _print_stages(stages, total)
        for role, operations in convolution_operations(open_model(options.bundle, engine=engine)).items():
            tiles, spent = networks[role]
            reached = operations * tiles / spent
            print(
                f"  {role}: {tiles} tiles of {operations / 1e9:.2f} GFLOP in {spent:.3f} s: "
                f"{reached / 1e9:.0f} GFLOP/s, {reached / rate:.0%} of the matrix rate"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
