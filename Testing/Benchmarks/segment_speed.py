"""How long does a segmentation take, where does the time go, and how near to the machine's limits is each stage?

Measures in one run, on the full-resolution DICOM CT of the test data (or --ct), for each engine that is installed:

- cold: the whole command in a fresh process, interpreter, imports, model and picture included;
- warm: reading and segment() with the model loaded, the median of several runs;
- each stage against its floor: reading the raw bytes of its files, the operations of its networks at the rate that a
  matrix product reaches in this run, and the bytes of its volumes once through memory;
- seconds by the clock and of the processors, and peak memory.

With --against COMMIT that version is measured, too, both in turns (A B A B), and ratios within each turn are printed.
Processor seconds hardly change where other programs keep the machine busy; those of the clock do.

    python Testing/Benchmarks/segment_speed.py [--ct PATH] [--bundle NAME] [--runs 5] [--rounds 3] [--against COMMIT]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from Benchmarks.speed.versions import ROOT, Used, run, versions

DATA = Path(os.environ.get("PAROTIDSEG_DATA", ROOT.parent / "shared" / "data"))
SPEED = ROOT / "Testing" / "Benchmarks" / "speed"
CLOCKS = ("cpu", "wall")
#: The packages of each engine.
ENGINES = {"openvino": ("openvino",), "keras": ("keras", "tensorflow")}

Seconds = dict[str, float]


def probe(root: Path, kind: str, options: argparse.Namespace, engine: str) -> Used:
    """A fresh process of one version."""
    runs = options.runs if kind == "warm" else 1
    return run([str(SPEED / "probe.py"), kind, str(options.ct), options.bundle, engine, str(runs)], root)


def floors(limits: dict[str, Any], warm: dict[str, Any], cold: dict[str, Any], empty: Used) -> dict[str, Seconds]:
    """Seconds that each stage cannot stay below on this machine, whatever the program."""
    volume, labels = warm["voxels"] * warm["voxel_bytes"], warm["voxels"]
    networks = warm["networks"]
    found = {}
    for clock in CLOCKS:

        def memory(count: float, clock: str = clock) -> float:
            return count / limits["memory"][clock]

        def matrix(role: str, clock: str = clock) -> float:
            return networks[role]["operations"] / limits["matrix"][clock]

        found[clock] = {
            "start": getattr(empty, clock),
            "read": limits["read"][clock],
            "check": memory(volume),
            "locate": memory(volume) + matrix("locator"),
            "segment": memory(networks["segmenter"]["bytes"]) + matrix("segmenter"),
            "restore": memory(labels),
            "quality": memory(labels),
            "write": memory(labels + cold["written"]),
        }
    return {stage: {clock: found[clock][stage] for clock in CLOCKS} for stage in found["cpu"]}


def middle(values: list[dict[str, Seconds]]) -> dict[str, Seconds]:
    """The medians over several runs, by stage and clock."""
    return {s: {clock: statistics.median(v[s][clock] for v in values) for clock in CLOCKS} for s in values[0]}


def print_stages(stages: dict[str, Seconds], least: dict[str, Seconds]) -> None:
    """A line a stage: seconds, the share of the whole, and how many times its floor."""
    whole = sum(taken["cpu"] for taken in stages.values())
    print(f"    {'':10s} {'CPU s':>7s} {'share':>6s} {'wall s':>7s} {'floor':>8s} {'times it (CPU)':>15s}")
    for stage, taken in stages.items():
        floor = least.get(stage, {}).get("cpu")
        against = f"{floor:8.3f} {taken['cpu'] / floor:15.1f}" if floor else f"{'-':>8s} {'-':>15s}"
        print(f"    {stage:10s} {taken['cpu']:7.3f} {taken['cpu'] / whole:6.0%} {taken['wall']:7.3f} {against}")


def print_ratios(name: str, pairs: list[tuple[Seconds, Seconds]]) -> None:
    """The median of the ratios within each turn, and their range."""
    parts = []
    for what in pairs[0][0]:
        ratios = [now[what] / before[what] for before, now in pairs]
        parts.append(f"{what} {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"  {name}, now / before: {', '.join(parts)}")


def _whole(stages: dict[str, Seconds]) -> Seconds:
    """Without reading, which `segment()` does not do."""
    return {clock: sum(taken[clock] for s, taken in stages.items() if s != "read") for clock in CLOCKS}


def measure(engine: str, roots: dict[str, Path], options: argparse.Namespace, limits: Any, empty: Used) -> None:
    """Measure one engine in turns, and print."""
    colds: dict[str, list[Used]] = {name: [] for name in roots}
    warms: dict[str, list[Used]] = {name: [] for name in roots}
    for _ in range(options.rounds):
        for kind, taken in (("cold", colds), ("warm", warms)):
            for name, root in roots.items():
                taken[name].append(probe(root, kind, options, engine))
    print(f"\nEngine {engine}")
    for name in roots:
        cold, last = colds[name], warms[name][-1].said
        stages = middle([used.said["stages"] for used in cold])
        least = floors(limits, last, cold[-1].said, empty)
        cpu, wall, peak = (statistics.median(getattr(used, of) for used in cold) for of in ("cpu", "wall", "peak"))
        print(f"  {name}, cold, whole command: {cpu:.2f} CPU s, {wall:.2f} s, peak memory {peak:.0f} MB")
        print_stages(stages, least)
        stages = middle([stages for used in warms[name] for stages in used.said["runs"]])
        whole, peak = _whole(stages), statistics.median(used.said["peak"] for used in warms[name])
        share = f"{whole['cpu'] / cpu:.0%} of the cold CPU time"
        print(f"  {name}, warm segment(): {whole['cpu']:.2f} CPU s, {whole['wall']:.2f} s ({share}), {peak:.0f} MB")
        print_stages(stages, least)
        for role, counted in last["networks"].items():
            rate = counted["operations"] / counted["cpu"]
            print(
                f"    {role}: {counted['tiles']:.0f} tiles, {counted['operations'] / 1e9:.1f} GFLOP in "
                f"{counted['cpu']:.3f} CPU s: {rate / limits['matrix']['cpu']:.0%} of the matrix rate"
            )
    if len(roots) > 1:
        pairs = [({c: getattr(a, c) for c in (*CLOCKS, "peak")}, {c: getattr(b, c) for c in (*CLOCKS, "peak")})
                 for a, b in zip(colds["before"], colds["now"], strict=True)]  # fmt: skip
        print_ratios("cold", pairs)
        both = zip(warms["before"], warms["now"], strict=True)
        pairs = [(_whole(middle(a.said["runs"])), _whole(middle(b.said["runs"]))) for a, b in both]
        print_ratios("warm segment()", pairs)
        both = zip(warms["before"], warms["now"], strict=True)
        print_ratios("reading", [(middle(a.said["runs"])["read"], middle(b.said["runs"])["read"]) for a, b in both])


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--ct", type=Path, default=DATA / "clinical_ct" / "head_neck_1")
    arguments.add_argument("--bundle", default="parotid-ct")
    arguments.add_argument("--engine", choices=ENGINES, help="measure this one alone")
    arguments.add_argument("--runs", type=int, default=5, help="warm, in each round")
    arguments.add_argument("--rounds", type=int, default=3, help="of fresh processes")
    arguments.add_argument("--against", metavar="COMMIT", help="also measure the program as it was then, in turns")
    options = arguments.parse_args()
    if not options.ct.exists():
        print(f"There is no CT at {options.ct}: name one with --ct.", file=sys.stderr)
        return 1
    installed = [name for name, needed in ENGINES.items() if all(importlib.util.find_spec(p) for p in needed)]
    limits = run([str(SPEED / "limits.py"), str(options.ct)]).said
    empty = run(["-c", "pass"])
    print(f"{os.cpu_count()} cores; within this run, by the clock (of the processors):")
    for what, unit, scale in (("matrix", "GFLOP/s, float32 matrix product", 1e9), ("memory", "GB/s copied", 1e9)):
        print(f"  {limits[what]['wall'] / scale:.1f} ({limits[what]['cpu'] / scale:.1f} a core) {unit}")
    print(f"  {limits['read']['bytes'] / 1e6:.0f} MB of the scan read raw in {limits['read']['wall']:.3f} s")
    with versions(options.against) as roots:
        for engine in installed if options.engine is None else [options.engine]:
            measure(engine, roots, options, limits, empty)
    return 0


if __name__ == "__main__":
    sys.exit(main())
