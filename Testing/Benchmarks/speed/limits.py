"""What this machine can do, in a process of its own: seconds that no program can stay below for the same work.

    python Testing/Benchmarks/speed/limits.py FILE_OR_FOLDER ...

Prints JSON: operations a second of float32 matrix products, bytes a second copied in memory, bytes of the files and
the seconds to read them raw, each by the clock ("wall") and of the processors ("cpu").
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


def timed(function: Callable[[], object], runs: int) -> dict[str, float]:
    """The least seconds of several calls, by the clock and of the processors."""
    function()
    taken = []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        taken.append((time.perf_counter() - wall, time.process_time() - cpu))
    return {"wall": min(wall for wall, _ in taken), "cpu": min(cpu for _, cpu in taken)}


def matrix_rate(size: int = 4096, runs: int = 4) -> dict[str, float]:
    """Operations a second of the better one of TensorFlow's and numpy's float32 matrix product.

    TensorFlow's uses some processors better than numpy's: a share of the worse one's rate could exceed 1.
    """
    operations, rng = 2.0 * size**3, np.random.default_rng(0)
    a, b = (rng.standard_normal((size, size), np.float32) for _ in range(2))
    ways = [timed(lambda: a @ b, runs)]
    try:
        import tensorflow as tf

        c, d = tf.constant(a), tf.constant(b)
        ways.append(timed(lambda: tf.matmul(c, d).numpy(), runs))
    except ImportError:
        pass
    return {clock: operations / min(way[clock] for way in ways) for clock in ("wall", "cpu")}


def memory_rate(megabytes: int = 256, runs: int = 5) -> dict[str, float]:
    """Bytes a second that one thread copies: each is read once and written once."""
    source = np.ones(megabytes << 20, np.uint8)
    target = np.empty_like(source)
    taken = timed(lambda: np.copyto(target, source), runs)
    return {clock: source.nbytes / seconds for clock, seconds in taken.items()}


def files_in(places: list[str]) -> list[Path]:
    """The files that are named, and those in the folders that are."""
    paths = [Path(place) for place in places]
    return [p for path in paths for p in (sorted(path.rglob("*")) if path.is_dir() else [path]) if p.is_file()]


def reading(files: list[Path], runs: int = 5) -> dict[str, float]:
    """Seconds to read the bytes of the files, which the system has in its memory by then."""
    taken = timed(lambda: [path.read_bytes() for path in files], runs)
    return {"bytes": float(sum(path.stat().st_size for path in files)), **taken}


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    found = {"read": reading(files_in(sys.argv[1:])), "memory": memory_rate(), "matrix": matrix_rate()}
    print(json.dumps(found))
