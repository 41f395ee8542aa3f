"""Start a process so that it and all that it starts can be killed together, and kill them. Standard library only.

A launcher such as PythonSlicer starts the real Python as its child, and an engine may start helpers: killing the
process that was started leaves those alive. Every process of a tree carries a mark in its environment, so that on Linux
even one that left the group and lost its parent is found.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

#: The variable of the environment that holds the mark of a tree.
MARK = "PAROTIDSEG_JOB"
#: A tree that goes on starting processes while it is killed is looked at this often.
_ROUNDS = 5
_PROC = Path("/proc")


def start_options() -> dict[str, Any]:
    """What `subprocess.Popen` needs to start a tree of its own."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def ask_to_end(process: subprocess.Popen[bytes]) -> None:
    """Let the tree end the orderly way. Windows has no such request for a process without a window: there, kill it."""
    if sys.platform == "win32":
        kill_tree(process, "")
    else:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)


def wait_for_tree(process: subprocess.Popen[bytes], mark: str, seconds: float) -> bool:
    """Wait for the end of a process and of what it started, as far as the mark finds that; whether it came in time."""
    deadline = time.monotonic() + seconds
    while process.poll() is None or any(marked(mark)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def kill_tree(process: subprocess.Popen[bytes], mark: str) -> None:
    """Kill a process that was started with `start_options`, all that it started, and what these started.

    Args:
        process: it may have ended already: what it left behind is killed.
        mark: the value of `MARK` in its environment.
    """
    if sys.platform == "win32":
        _kill_tree_of_windows(process)
        return
    for _ in range(_ROUNDS):
        family = set(descendants(process.pid)) | set(marked(mark))
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        for pid in family - {os.getpid()}:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not family - {process.pid}:
            return


def _kill_tree_of_windows(process: subprocess.Popen[bytes]) -> None:
    command = ["taskkill", "/PID", str(process.pid), "/T", "/F"]
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(command, capture_output=True, timeout=10, check=False, **start_options())
    with suppress(OSError):
        process.kill()


def marked(mark: str) -> Iterator[int]:
    """Numbers of the living processes whose environment holds the mark; an empty mark matches nothing.

    Linux tells the environment of a process; elsewhere there are none.
    """
    if not mark:
        return
    wanted = f"{MARK}={mark}".encode()
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or belongs to somebody else
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)


def descendants(pid: int) -> Iterator[int]:
    """Numbers of the processes below this one, without it."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    waiting = list(children.get(pid, ()))
    while waiting:
        found = waiting.pop()
        yield found
        waiting += children.get(found, ())


def _parents() -> Iterator[tuple[int, int]]:
    """Number and parent's number of each process."""
    if _PROC.is_dir():
        for folder in _PROC.glob("[0-9]*"):
            with suppress(OSError, ValueError):
                # The name of the program stands in brackets and may hold anything.
                fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
                if fields[0] != "Z":
                    yield int(folder.name), int(fields[1])
        return
    with suppress(OSError, subprocess.SubprocessError):
        listed = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, timeout=10, check=True)
        for line in listed.stdout.splitlines():
            with suppress(ValueError):
                child, parent = line.split()
                yield int(child), int(parent)
