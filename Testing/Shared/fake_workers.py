"""Workers that misbehave in every way, as scripts for `python -c`; and what a job must leave behind: nothing."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

from ParotidSegLib.in_slicer.worker.events import Event, Failure, Progress, Result
from ParotidSegLib.in_slicer.worker.job import WorkerJob
from ParotidSegLib.in_slicer.worker.process_tree import marked

#: Begins every script: say(stage, fraction, **more) prints a line of the protocol.
PROLOGUE = """
import json, os, pathlib, signal, subprocess, sys, time
def say(stage, fraction=0.0, **more):
    print(json.dumps({"stage": stage, "fraction": fraction, "message": stage.title(), **more}), flush=True)
"""
#: A script of a worker that does its work.
GOOD = "say('load', 0.0)\nsay('segment', 0.5)\nsay('result', 1.0, files=[], report={'a': 1})\n"
#: A Python that sleeps for a minute: what a test finds alive was left behind.
SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
SLEEP = "time.sleep(60)"


def worker(script: str) -> list[str]:
    """The command that runs a script after the prologue."""
    return [sys.executable, "-c", PROLOGUE + script]


def child(*, own_session: bool = False, clean: bool = False) -> str:
    """A line of a script that starts a sleeping child and tells its number in the message of stage "child".

    Args:
        own_session: it leaves the process group.
        clean: it gets an environment without the job's mark.
    """
    options = f"start_new_session={own_session}" + (", env={'PATH': os.environ['PATH']}" if clean else "")
    return f"p = subprocess.Popen({SLEEPER!r}, {options}); say('child', 0.1, pid=p.pid)\n"


def run_to_end(job: WorkerJob, seconds: float = 20.0) -> list[Event]:
    """Start a job and poll it as the panel does; all events."""
    job.start()
    return poll_to_end(job, seconds)


def poll_to_end(job: WorkerJob, seconds: float = 20.0) -> list[Event]:
    """Poll a job until it has ended; all events."""
    deadline = time.monotonic() + seconds
    events = []
    while not job.finished:
        assert time.monotonic() < deadline, job.log
        events += job.poll()
    return events + job.poll()


def processes_of(job: WorkerJob) -> list[int]:
    """The living processes of a job."""
    return list(marked(job._mark))


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended but was not collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether a process ends within some seconds."""
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


def report_line(**more: object) -> str:
    """A result line as a literal for a script."""
    return repr(json.dumps({"stage": "result", "fraction": 1.0, "message": "Done", **more}))


def sentence(job: WorkerJob, events: list) -> str:
    """The one sentence of a job that failed, after checks that it is one and that it came once, as the last event."""
    assert job.finished
    assert job.result is None
    assert [type(event) for event in events if isinstance(event, Result | Failure)] == [type(events[-1])]
    assert events[-1].message == job.failure
    assert re.fullmatch(r"[^\n]+\.", job.failure)
    assert not re.search(r"[.!?]\s+[A-Z]|Traceback", job.failure)
    return job.failure


def wait_for(job: WorkerJob, stage: str) -> Progress:
    """Poll until this stage is told."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for event in job.poll():
            if isinstance(event, Progress) and event.stage == stage:
                return event
    raise AssertionError(job.log)
