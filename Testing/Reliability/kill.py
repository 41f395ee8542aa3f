"""Kill commands at random moments with a signal that nothing can catch, and see what they leave.

    python Testing/Reliability/kill.py                          # every command, 100 times
    python Testing/Reliability/kill.py prepare fit --kills 20 --seed 3

After each kill no file under its final name may be half there. One to four kills after one another, then the same
command runs to its end: it has to end well, to leave what a run leaves that nobody killed, and nothing else.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
for folder in ("ParotidSeg", "ParotidSegTraining", "Testing/Shared", "Testing/Reliability"):
    sys.path.insert(0, str(HERE.parents[1] / folder))

from jobs import JOBS, Job, contents, debris, environment, half_files  # noqa: E402

#: So many kills follow one another before a run may end.
_IN_A_ROW = 4
#: Half of the kills fall so soon after something was written, in seconds: that is where things go wrong.
_AFTER_WRITING = 0.05
#: How long what a killed process started may live on.
_ORPHANS = 60.0


@dataclass
class Tally:
    """What became of one command.

    Attributes:
        kills: processes that were killed in their work.
        early: processes that had ended before their kill was due.
        runs: that went to their end after kills.
        findings: one line each.
    """

    kills: int = 0
    early: int = 0
    runs: int = 0
    findings: list[str] = field(default_factory=list)


def killed(name: str, kills: int, seed: int) -> Tally:
    """Kill a command so many times."""
    job, rng, tally = JOBS[name], random.Random(f"{name} {seed}"), Tally()
    with tempfile.TemporaryDirectory() as folder:
        made, out = Path(folder) / "made", Path(folder) / "out"
        made.mkdir()
        job.make(made)
        out.mkdir()
        start = time.monotonic()
        expected = _finished(job, made, out)
        seconds = time.monotonic() - start
        while tally.kills < kills:
            shutil.rmtree(out)
            out.mkdir()
            for _ in range(min(rng.randint(1, _IN_A_ROW), kills - tally.kills)):
                if _kill_once(job, made, out, rng, seconds):
                    tally.kills += 1
                else:
                    tally.early += 1
                tally.findings += [f"kill {tally.kills}: {half} is not whole" for half in half_files(out)]
            try:
                found = _finished(job, made, out)
            except RuntimeError as error:
                tally.findings.append(f"after kill {tally.kills}: {error}")
                continue
            tally.runs += 1
            changed = {file for file in expected.keys() | found.keys() if expected.get(file) != found.get(file)}
            tally.findings += [f"after kill {tally.kills}: {file} differs" for file in sorted(changed)]
            tally.findings += [f"after kill {tally.kills}: {file} is left" for file in debris(out)]
    return tally


def _kill_once(job: Job, made: Path, out: Path, rng: random.Random, seconds: float) -> bool:
    """Start the command and kill it at a random moment; whether it was still at work."""
    before = _entries(out)
    process = _started(job, made, out)
    due = time.monotonic() + rng.uniform(0.0, 1.1 * seconds)
    at_writing, after = rng.random() < 0.5, rng.uniform(0.0, _AFTER_WRITING)
    while process.poll() is None and time.monotonic() < due:
        if at_writing and _entries(out) != before:
            before = _entries(out)
            if rng.random() < 0.3:  # not always the first thing that is written
                time.sleep(after)
                break
        time.sleep(0.001 if at_writing else 0.01)
    is_at_work = process.poll() is None
    process.kill()
    process.communicate()
    _wait_for_orphans(out)
    return is_at_work


def _finished(job: Job, made: Path, out: Path) -> dict[str, str]:
    """Run the command to its end; what it left. RuntimeError if it does not end well."""
    process = _started(job, made, out)
    said = process.communicate()[0].decode("utf-8", "replace")
    if process.returncode:
        raise RuntimeError(f"it ended with {process.returncode}: {said[-500:]}")
    return contents(out, job)


def _started(job: Job, made: Path, out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        job.command(made, out), env=environment(out), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=made
    )


def _entries(out: Path) -> set[str]:
    found = set()
    for parent, folders, files in os.walk(out):
        found |= {os.path.join(parent, name) for name in (*folders, *files)}
    return found


def _wait_for_orphans(out: Path) -> None:
    """Let what the killed process had started come to its end: pip, for instance, knows nothing of it."""
    deadline = time.monotonic() + _ORPHANS
    while time.monotonic() < deadline and _names_in_commands(str(out)):
        time.sleep(0.05)


def _names_in_commands(text: str) -> bool:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in entry.read_bytes():
                return True
        except OSError:
            continue
    return False


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help=f"of {', '.join(JOBS)}; all, if none is named")
    parser.add_argument("--kills", type=int, default=100, help="of each command")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    if not hasattr(signal, "SIGKILL"):
        parser.error("this system has no SIGKILL")
    status = 0
    for name in options.commands or JOBS:
        tally = killed(name, options.kills, options.seed)
        print(f"{name}: {tally.kills} kills, {tally.runs} runs to the end, {len(tally.findings)} findings", flush=True)
        for finding in tally.findings:
            print(f"  {finding}", flush=True)
        status |= bool(tally.findings)
    return status


if __name__ == "__main__":
    sys.exit(main())
