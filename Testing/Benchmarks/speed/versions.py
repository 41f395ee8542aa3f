"""Versions of the program side by side, and what a process of either takes. The standard library alone.

A process that measures others has to be small itself: a child counts the memory of its parent until it runs its own
program.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Used:
    """What a process took: seconds by the clock and of the processors (with the processes it waited for), and MB."""

    wall: float
    cpu: float
    peak: float
    said: Any


@contextmanager
def versions(against: str | None) -> Iterator[dict[str, Path]]:
    """The roots of the versions to be measured, by name: "now", and "before" as a commit has it.

    The commit is laid out as a work tree of git's in a temporary folder, which is gone in the end.
    """
    with ExitStack() as stack:
        if against is None:
            yield {"now": ROOT}
            return
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "before"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(folder), against], check=True)
        try:
            yield {"before": folder, "now": ROOT}
        finally:
            subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def run(command: Sequence[str], root: Path = ROOT, python: str = sys.executable, **variables: str) -> Used:
    """Run a command of Python with the packages of a version; what it took, and the JSON in its last line.

    Args:
        command: arguments of the interpreter.
        root: of the version.
        python: the interpreter.
        variables: further ones of the environment.

    Raises:
        RuntimeError: it failed; its last words.
    """
    places = [str(root / name) for name in ("ParotidSeg", "ParotidSegTraining")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "TF_CPP_MIN_LOG_LEVEL": "3", **variables}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen([python, *command], env=environment, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)  # so that nobody waits for it again
        out.seek(0)
        err.seek(0)
        lines = out.read().decode("utf-8", "replace").splitlines()
        if process.returncode:
            raise RuntimeError(f"{command} ended with {process.returncode}: {err.read().decode('utf-8', 'replace')}")
    return Used(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024.0, _last_json(lines))


def _last_json(lines: Sequence[str]) -> Any:
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        return None
