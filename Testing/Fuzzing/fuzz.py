"""Feed the product with changed files, and see that it refuses them with a sentence.

    python Testing/Fuzzing/fuzz.py --count 10000                       # of each format
    python Testing/Fuzzing/fuzz.py dicom rtstruct --count 500 --seed 7
    python Testing/Fuzzing/fuzz.py nifti --seed 1 --only 4711          # one of them again, here and now

Each format is read in a process of its own, so that a crash or a hang ends that process alone and is a finding like any
other: a traceback, a crash, a hang (more CPU seconds than `LIMIT_S`), left and right swapped. What found something is
kept under --found. The same seed and number give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
for folder in ("ParotidSeg", "ParotidSegTraining", "Testing/Shared", "Testing/Fuzzing"):
    sys.path.insert(0, str(HERE.parents[1] / folder))

#: CPU seconds that one file may take.
LIMIT_S = 20.0
#: Seconds that one file may take by the clock, whatever else the machine does.
WALL_LIMIT_S = 300.0
#: Address space of a reading process.
MEMORY_BYTES = 12 * 2**30


def main(arguments: list[str] | None = None) -> int:
    options = _parsed(arguments)
    names = options.formats or list(__import__(options.module).TARGETS)
    status = 0
    for name in names:
        series = Series(name, options.seed, options.found, options.module, options.limit)
        if options.child:
            return _read_all(series, options.first, options.count, options.child)
        if options.only is not None:
            return _read_one(series, options.only)
        counts, findings = run(series, options.count)
        print(f"{name}: {_summary(counts)}", flush=True)
        for finding in findings:
            print(f"  {finding}", flush=True)
        status |= bool(findings)
    return status


@dataclass(frozen=True)
class Series:
    """Changed files of one format.

    Attributes:
        name: of the target.
        seed: of all of them.
        found: folder that keeps what found something.
        module: where the targets are.
        limit: CPU seconds that one file may take.
    """

    name: str
    seed: int
    found: Path
    module: str = "targets"
    limit: float = LIMIT_S

    def target(self, folder: Path):
        """The target, and its sound files, made in a folder."""
        target = __import__(self.module).TARGETS[self.name]
        folder.mkdir(parents=True, exist_ok=True)
        return target, target.corpus(folder)

    def bytes_of(self, number: int, target, corpus: list[bytes]) -> bytes:
        """The changed file of this number."""
        from mutations import mutated

        return target.pack(mutated(f"{self.name} {self.seed} {number}", corpus, target.words))

    def keep(self, number: int, raw: bytes, suffix: str, what: str) -> str:
        """Keep a file that found something; a line on it."""
        self.found.mkdir(parents=True, exist_ok=True)
        kept = self.found / f"{self.name}-{self.seed}-{number}{suffix}"
        kept.write_bytes(raw)
        return f"--seed {self.seed} --only {number}: {what}, {kept}"


def run(series: Series, count: int) -> tuple[Counter[str], list[str]]:
    """Read this many changed files of a format.

    Returns:
        How many were taken, refused, or something worse; and a line on each of the latter.
    """
    counts: Counter[str] = Counter()
    findings: list[str] = []
    first = 0
    while first < count:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            last, ending = _watch(series, first, count, folder)
            for line in (folder / "outcomes").read_text(encoding="utf-8").splitlines():
                outcome = json.loads(line)
                counts[outcome["what"]] += 1
                if "finding" in outcome:
                    findings.append(outcome["finding"])
            if not ending:
                break
            if last < first:
                said = (folder / "stderr").read_text(encoding="utf-8", errors="replace")
                raise RuntimeError(f"The process that reads {series.name} ended before it read anything: {said}")
            counts[ending] += 1
            target, corpus = series.target(folder / "again")
            findings.append(series.keep(last, series.bytes_of(last, target, corpus), target.suffix, ending))
            first = last + 1
    return counts, findings


def _watch(series: Series, first: int, count: int, folder: Path) -> tuple[int, str]:
    """Let a process read; the number of its last file, and how it ended: "" if well."""
    numbers = ["--first", str(first), "--count", str(count), "--seed", str(series.seed)]
    places = ["--child", str(folder), "--found", str(series.found), "--module", series.module]
    places += ["--limit", str(series.limit)]
    (folder / "outcomes").touch()
    current = folder / "current"
    current.write_text(str(first - 1), encoding="ascii")
    with (folder / "stderr").open("wb") as said:
        arguments = [sys.executable, str(HERE / "fuzz.py"), series.name, *numbers, *places]
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=said)
        while process.poll() is None:
            time.sleep(0.05)
            if time.time() - current.stat().st_mtime > WALL_LIMIT_S:
                process.kill()
                process.wait()
                return int(current.read_text(encoding="ascii")), "hang"
    last = int(current.read_text(encoding="ascii"))
    if process.returncode == 0:
        return last, ""
    return last, "hang" if process.returncode == -signal.SIGPROF else f"crash ({process.returncode})"


def _read_all(series: Series, first: int, count: int, folder: Path) -> int:
    """The reading process: each file's number is written down before it is read, each outcome after."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    target, corpus = series.target(folder / "corpus")
    path = folder / f"input{target.suffix}"
    for sound in corpus:  # a way that refuses what is sound would find nothing
        path.write_bytes(target.pack(sound))
        target.way(path, folder / "corpus")
    with (folder / "outcomes").open("w", encoding="utf-8", buffering=1) as outcomes:
        for number in range(first, count):
            (folder / "current").write_text(str(number), encoding="ascii")
            raw = series.bytes_of(number, target, corpus)
            path.write_bytes(raw)
            signal.setitimer(signal.ITIMER_PROF, series.limit)
            what, said = _outcome(target, path, folder / "corpus")
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            line = {"what": what}
            if said:
                line["finding"] = series.keep(number, raw, target.suffix, f"{what}: {said}")
            outcomes.write(json.dumps(line) + "\n")
    return 0


def _outcome(target, path: Path, folder: Path) -> tuple[str, str]:
    """Taken or refused, or what else it was with what was said of it."""
    from ParotidSegLib.errors import ParotidSegError

    try:
        target.way(path, folder)
    except ParotidSegError as error:
        text = str(error)
        return ("no sentence", repr(text)) if "\n" in text or not text.endswith(".") else ("refused", "")
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return type(error).__name__, f"{error} ({Path(where.filename).name}, line {where.lineno})"
    return "taken", ""


def _read_one(series: Series, number: int) -> int:
    """Read one file again, without a net."""
    with tempfile.TemporaryDirectory() as folder:
        target, corpus = series.target(Path(folder) / "corpus")
        path = Path(folder) / f"input{target.suffix}"
        path.write_bytes(series.bytes_of(number, target, corpus))
        target.way(path, Path(folder) / "corpus")
    return 0


def _summary(counts: Counter[str]) -> str:
    total = sum(counts.values())
    return f"{total} files, " + ", ".join(f"{count} {what}" for what, count in counts.most_common())


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("formats", nargs="*", help="all, if none is named")
    parser.add_argument("--count", type=int, default=1000, help="files of each format")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, metavar="NUMBER", help="read this one again")
    parser.add_argument("--found", type=Path, default=Path("out/fuzz"), help="keeps what found something")
    for hidden, kind in (("--child", Path), ("--first", int)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    parser.add_argument("--limit", type=float, default=LIMIT_S, help=argparse.SUPPRESS)
    parser.add_argument("--module", default="targets", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.found = options.found.resolve()
    return options


if __name__ == "__main__":
    sys.exit(main())
