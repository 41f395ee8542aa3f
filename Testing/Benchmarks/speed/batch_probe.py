"""Parts of a batch in a process of their own, see batch_speed.py. Prints JSON.

python Testing/Benchmarks/speed/batch_probe.py many COUNT CT      # links to one scan, hands that answer at once
python Testing/Benchmarks/speed/batch_probe.py memory COUNT CT [--no-preview]   # the real work, one after another
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ParotidSegLib.model.bundle import load_bundle
from ParotidSegLib.segmentation import open_model
from ParotidSegLib.terminal.batch.running import run_batch
from ParotidSegLib.terminal.batch.scans import find_scans
from ParotidSegLib.terminal.batch.work import Here, Outcome, Task
from ParotidSegLib.terminal.console import QuietReporter
from ParotidSegLib.terminal.one_scan import Options


def resident() -> float:
    """Memory of this process now, in MB; Linux tells it."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096 / 2**20


def link(ct: Path, count: int, folder: Path) -> Path:
    """A folder of links to one scan, a file or a DICOM folder."""
    for number in range(count):
        if ct.is_dir():  # a folder that two ways lead to is walked once, and a series is known by its UID
            raise SystemExit("links to a DICOM series are one scan: name an image file")
        (folder / f"scan_{number:05d}{''.join(ct.suffixes[-2:])}").symlink_to(ct.resolve())
    return folder


class Watched:
    """Notes clock and memory after each scan of the hands within."""

    def __init__(self, hands: Any) -> None:
        self._hands, self.bundle = hands, hands.bundle
        self.seconds: list[float] = []
        self.main_seconds: list[float] = []
        self.megabytes: list[float] = []
        self.began = 0.0

    def outcomes(self, tasks: Iterable[Task], options: Options, show: Any) -> Iterator[Outcome]:
        self.began = time.process_time()
        for outcome in self._hands.outcomes(tasks, options, show):
            yield outcome
            self.seconds.append(time.process_time())
            self.main_seconds.append(time.thread_time())
            self.megabytes.append(resident())


class AtOnce:
    """Hands that find the same in every scan, and write it as the real ones do, without its voxels."""

    def __init__(self, report: dict[str, Any]) -> None:
        self.bundle, self._report = load_bundle(), report

    def outcomes(self, tasks: Iterable[Task], options: Options, show: Any) -> Iterator[Outcome]:
        text = json.dumps(self._report)
        for task in tasks:
            task.folder.mkdir()
            (task.folder / "parotids.seg.nrrd").touch()
            (task.folder / "report.json").write_text(text, encoding="utf-8")
            yield Outcome(task, json.loads(text))


def many(count: int, ct: Path) -> dict[str, Any]:
    """A batch of so many scans, and the same once more, when all are done."""
    options = Options(draw=False)
    with tempfile.TemporaryDirectory() as folder:
        scans, output = Path(folder) / "scans", Path(folder) / "out"
        scans.mkdir()
        link(ct, 1, scans)
        run_batch(find_scans(scans), output, Here(open_model()), options, QuietReporter())
        report = json.loads((output / "001" / "report.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        scans, output = Path(folder) / "scans", Path(folder) / "out"
        scans.mkdir()
        link(ct, count, scans)
        started = time.process_time()
        found = find_scans(scans)
        hands = Watched(AtOnce(report))
        began = time.process_time()
        run_batch(found, output, hands, options, QuietReporter())
        ended = time.process_time()
        failed = run_batch(find_scans(scans), output, AtOnce(report), options, QuietReporter())
        again = time.process_time()
    tenth = max(1, count // 10)
    return {
        "count": count,
        "find": began - started,
        "run": ended - began,
        "first tenth": hands.seconds[tenth - 1] - hands.began,
        "last tenth": hands.seconds[-1] - hands.seconds[-1 - tenth],
        "again": again - ended,
        "failed": failed,
        "megabytes": [hands.megabytes[tenth - 1], hands.megabytes[-1]],
    }


def memory(count: int, ct: Path, *, draw: bool) -> dict[str, Any]:
    """A real batch, one scan after another; memory after each."""
    with tempfile.TemporaryDirectory() as folder:
        scans, output = Path(folder) / "scans", Path(folder) / "out"
        scans.mkdir()
        hands = Watched(Here(open_model()))
        run_batch(find_scans(link(ct, count, scans)), output, hands, Options(draw=draw), QuietReporter())
    # Of a scan, without the first, which warms up.
    each = {
        name: (values[-1] - values[0]) / (count - 1)
        for name, values in (("cpu", hands.seconds), ("main", hands.main_seconds))
    }
    return {"megabytes": hands.megabytes, **each}


if __name__ == "__main__":
    kind, number, scan = sys.argv[1:4]
    if "--one-core" in sys.argv:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    if kind == "many":
        print(json.dumps(many(int(number), Path(scan))))
    else:
        print(json.dumps(memory(int(number), Path(scan), draw="--no-preview" not in sys.argv)))
