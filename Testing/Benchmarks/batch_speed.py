"""Many scans: is memory flat, does a long list slow a batch down, and what do several processes bring?

- memory after each scan of a real batch, with and without pictures: the last against the second;
- a list of many scans with hands that answer at once: processor time of the last tenth against the first, of four times
  as many scans against so many, and memory at the end against that after a tenth;
- `--jobs 1` and `--jobs N` in turns (A B A B), whole commands in fresh processes: scans an hour, and how much of the
  cores each fills; and how many times the scans of one process several could do, by processor seconds alone.

    python Testing/Benchmarks/batch_speed.py [--ct FILE] [--scans 30] [--many 10000] [--jobs 2] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from Benchmarks.speed.versions import ROOT, Used, run

PROBE = str(ROOT / "Testing" / "Benchmarks" / "speed" / "batch_probe.py")
SAMPLE = ROOT / "ParotidSeg" / "Resources" / "SampleData" / "average_anatomy_ct.nii.gz"


def flat_memory(ct: Path, scans: int) -> None:
    """Print what a real batch takes after each of some scans."""
    for name, more in (("with pictures", []), ("without", ["--no-preview"])):
        found = run([PROBE, "memory", str(scans), str(ct), *more]).said["megabytes"]
        shown = ", ".join(f"scan {n}: {found[n - 1]:.0f} MB" for n in (1, 2, max(2, scans // 3), scans))
        print(f"  {name}: {shown}; the last against the second: {found[-1] / found[1]:.3f}", flush=True)


def long_list(ct: Path, many: int) -> None:
    """Print what many scans take when the work itself takes nothing."""
    few, all_of_them = (run([PROBE, "many", str(count), str(ct)]).said for count in (many // 4, many))
    for found in (few, all_of_them):
        print(
            f"  {found['count']} scans, CPU s: found in {found['find']:.2f}, table and list {found['run']:.2f} "
            f"({1000 * found['run'] / found['count']:.2f} ms a scan), all done before {found['again']:.2f}"
        )
    slower = all_of_them["last tenth"] / all_of_them["first tenth"]
    ratio = all_of_them["run"] / few["run"]
    before, after = all_of_them["megabytes"]
    print(f"  last tenth against the first: {slower:.2f}; four times as many scans: {ratio:.2f} times the time")
    print(f"  memory after a tenth {before:.0f} MB, at the end {after:.0f} MB: {after / before:.3f}", flush=True)


def filled(ct: Path, scans: int) -> None:
    """Print how much of several cores one process can fill, from processor seconds alone, which a busy machine leaves.

    The clock of an idle machine shows no less than the seconds of the main thread, and no more than these and an even
    share of the others'.
    """
    wide, narrow = (run([PROBE, "memory", str(scans), str(ct), *more]).said for more in ([], ["--one-core"]))
    cores = os.cpu_count() or 1
    least, most = wide["main"], wide["main"] + (wide["cpu"] - wide["main"]) / cores
    print(
        f"  a scan, CPU s: {wide['cpu']:.2f} on {cores} cores, {wide['main']:.2f} of them in the main thread; "
        f"{narrow['cpu']:.2f} on one core"
    )
    gain = [seconds / (narrow["cpu"] / cores) for seconds in (least, most)]
    possible = f"{gain[0]:.2f} to {gain[1]:.2f} times the scans of one"
    print(f"  so {cores} processes of one core each could do {possible}")


def several(ct: Path, scans: int, jobs: int, rounds: int) -> None:
    """Print what several processes bring."""
    taken: dict[int, list[Used]] = {1: [], jobs: []}
    with tempfile.TemporaryDirectory() as folder:
        links = Path(folder) / "scans"
        links.mkdir()
        for number in range(scans):
            (links / f"scan_{number:05d}{''.join(ct.suffixes[-2:])}").symlink_to(ct.resolve())
        for turn in range(rounds):
            for count, used in taken.items():
                output = Path(folder) / f"out_{turn}_{count}"
                command = ["-m", "ParotidSegLib", "batch", str(links), "--output", str(output)]
                used.append(run([*command, "--jobs", str(count), "--progress", "none"]))
    cores = os.cpu_count() or 1
    for count, used in taken.items():
        wall, cpu = statistics.median(u.wall for u in used), statistics.median(u.cpu for u in used)
        print(
            f"  --jobs {count}: {wall:.1f} s, {cpu:.1f} CPU s for {scans} scans: {3600 * scans / wall:.0f} an hour, "
            f"{cpu / wall / cores:.0%} of {cores} cores"
        )
    for what in ("wall", "cpu"):
        pairs = zip(taken[1], taken[jobs], strict=True)
        ratios = [getattr(one, what) / getattr(more, what) for one, more in pairs]
        print(f"  {what}, 1 / {jobs}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--ct", type=Path, default=SAMPLE, help="an image file")
    arguments.add_argument("--scans", type=int, default=30, help="of the real batch whose memory is watched")
    arguments.add_argument("--many", type=int, default=10000)
    arguments.add_argument("--jobs", type=int, default=2)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--each", type=int, default=12, help="scans of each command in turns")
    arguments.add_argument("--only", choices=("memory", "list", "jobs"))
    options = arguments.parse_args()
    if options.only in (None, "list"):
        print("A long list, hands that answer at once")
        long_list(options.ct, options.many)
    if options.only in (None, "memory"):
        print(f"Memory of {options.scans} scans, one after another")
        flat_memory(options.ct, options.scans)
    if options.only in (None, "jobs"):
        print(f"--jobs 1 and {options.jobs} in turns, {options.rounds} rounds")
        filled(options.ct, options.each)
        several(options.ct, options.each, options.jobs, options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
