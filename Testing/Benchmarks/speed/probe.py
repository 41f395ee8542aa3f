"""One segmentation, its stages stamped with both clocks; run in a process of its own, with the packages of a version.

    python Testing/Benchmarks/speed/probe.py cold CT BUNDLE ENGINE 1      # the whole command, from the interpreter on
    python Testing/Benchmarks/speed/probe.py warm CT BUNDLE ENGINE RUNS   # read_image and segment, the model loaded

Prints JSON. It goes by what the program tells of its progress, so that older versions can be measured, too.
"""

from __future__ import annotations

import io
import json
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


class Stamps:
    """Seconds by stage, by the clock and of this process's processors."""

    def __init__(self, *, from_start_of_process: bool = False) -> None:
        self.stages: dict[str, dict[str, float]] = {}
        self._stage = "start"
        self._since = (time.perf_counter(), 0.0 if from_start_of_process else time.process_time())

    def enter(self, stage: str) -> None:
        """What follows counts for this stage."""
        now = time.perf_counter(), time.process_time()
        taken = self.stages.setdefault(self._stage, {"wall": 0.0, "cpu": 0.0})
        for clock, before, after in zip(("wall", "cpu"), self._since, now, strict=True):
            taken[clock] += after - before
        self._stage, self._since = stage, now


class StampedOutput(io.TextIOBase):
    """Takes the lines of `--progress json`."""

    def __init__(self, stamps: Stamps) -> None:
        self._stamps = stamps

    def write(self, text: str) -> int:
        if text.startswith("{"):
            self._stamps.enter(json.loads(text)["stage"])
        return len(text)


class CountingEngine:
    """An engine that counts its tiles, or larger pieces, and the seconds spent in them."""

    def __init__(self, engine: Any) -> None:
        self.engine, self.name, self.tiles, self.wall, self.cpu, self.bytes = engine, engine.name, 0, 0.0, 0.0, 0
        self.step = getattr(engine, "step", None)

    @property
    def seconds(self) -> float:
        """By the clock."""
        return self.wall

    def probabilities(self, tile: Any) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        answer = self.engine.probabilities(tile)
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        self.tiles += 1
        self.bytes += tile.nbytes
        return answer


def operations_of(network: Any) -> float:
    """Operations of the convolutions of a Keras network for one tile: 2 x weights x voxels."""
    import numpy as np
    from keras import layers

    total = 0.0
    for layer in network.layers:
        if isinstance(layer, layers.Conv3D | layers.Conv3DTranspose):
            kernel = np.prod(layer.kernel.shape)
            # A transposed convolution applies its kernel at every input voxel, a convolution at every output.
            voxels = layer.input.shape if isinstance(layer, layers.Conv3DTranspose) else layer.output.shape
            total += 2.0 * float(kernel) * float(np.prod(voxels[1:4]))
    return total


def convolution_operations(model: Any) -> dict[str, float]:
    """`operations_of` each network of an opened model for each byte of its input, by role."""
    from ParotidSegLib.model.networks import build_network

    specs = {"locator": model.bundle.locator, "segmenter": model.bundle.segmenter}
    tiles = {role: 4 * len(spec.preprocessing.channels) * math.prod(spec.tile) for role, spec in specs.items()}
    networks = {role: build_network(spec.network, tile=spec.tile, config=spec.config) for role, spec in specs.items()}
    return {role: operations_of(network) / tiles[role] for role, network in networks.items()}


def cold(ct: str, bundle: str, engine: str) -> dict[str, Any]:
    """The command in this fresh process, its imports included."""
    stamps = Stamps(from_start_of_process=True)
    with tempfile.TemporaryDirectory() as folder:
        command = ["segment", ct, "--output", folder, "--bundle", bundle, "--engine", engine, "--progress", "json"]
        out, sys.stdout = sys.stdout, StampedOutput(stamps)
        try:
            from ParotidSegLib.terminal.cli import main

            code = main(command)
        finally:
            sys.stdout = out
        stamps.enter("end")
        if code:
            raise SystemExit("the segmentation failed")
        written = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    for after_the_work in ("done", "result"):
        stamps.stages.pop(after_the_work, None)
    return {"stages": stamps.stages, "written": written}


def warm(ct: str, bundle: str, engine: str, runs: int) -> dict[str, Any]:
    """Reading and segmenting, once unseen and then so many times, with what the floors of the stages go by."""
    import resource

    from ParotidSegLib.reading.images import read_image
    from ParotidSegLib.segmentation import Model, open_model, segment

    loaded = open_model(bundle, engine=engine)
    image = read_image(ct)
    segment(image, loaded)
    engines = {"locator": CountingEngine(loaded.locator), "segmenter": CountingEngine(loaded.segmenter)}
    model = Model(loaded.bundle, engines["locator"], engines["segmenter"], loaded.loading_seconds)
    measured = []
    for _ in range(runs):
        stamps = Stamps()
        stamps.enter("read")
        image = read_image(ct)
        segment(image, model, progress=lambda stage, fraction, message, stamps=stamps: stamps.enter(stage))
        stamps.enter("end")
        stamps.stages.pop("start")
        stamps.stages.pop("done", None)
        measured.append(stamps.stages)
    operations = convolution_operations(loaded)
    counted = {
        role: {
            "tiles": engine.tiles / runs,
            "bytes": engine.bytes / runs,
            "wall": engine.wall / runs,
            "cpu": engine.cpu / runs,
            "operations": operations[role] * engine.bytes / runs,
        }
        for role, engine in engines.items()
    }
    return {
        "runs": measured,
        "networks": counted,
        "voxels": image.GetNumberOfPixels(),
        "size": image.GetSize(),
        "spacing": image.GetSpacing(),
        "voxel_bytes": image.GetSizeOfPixelComponent(),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
    }


if __name__ == "__main__":
    kind, ct, bundle, engine, runs = sys.argv[1:]
    print(json.dumps(cold(ct, bundle, engine) if kind == "cold" else warm(ct, bundle, engine, int(runs))))
