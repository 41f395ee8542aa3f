"""The worker below Slicer's launcher, which puts its own packages first, swallows signals and dies first."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_workers import (
    GOOD,
    PROLOGUE,
    SLEEP,
    child,
    gone,
    poll_to_end,
    processes_of,
    run_to_end,
    sentence,
    wait_for,
)
from stand_in_launcher import write_launcher

from ParotidSegLib.in_slicer.worker.events import Cancelled, LogLine, Progress, Result
from ParotidSegLib.in_slicer.worker.job import WorkerJob, module_command

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the launcher's stand-in uses signals")

REPOSITORY = Path(__file__).resolve().parents[4]
GUIDE = (REPOSITORY / "Documentation" / "Slicer.md").read_text(encoding="utf-8")
MakeJob = Callable[..., WorkerJob]


@pytest.fixture
def below(make_job: MakeJob, tmp_path_factory: pytest.TempPathFactory) -> MakeJob:
    """below(script, **options) -> a job whose worker runs the script below a launcher."""
    home = tmp_path_factory.mktemp("Slicer 5.12 – ä")

    def make(script: str, *, python: str | Path = sys.executable, **options: object) -> WorkerJob:
        launcher = write_launcher(home / "bin" / "PythonSlicer", python=python)
        job = make_job("", **options)
        job.command = [str(launcher), "-c", PROLOGUE + script]
        return job

    return make


# --- which packages ---------------------------------------------------------------------------------------------------


@pytest.fixture
def package_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """package_of(owner) -> a folder with a package `engine_like` that tells its owner."""

    def make(owner: str) -> Path:
        folder = tmp_path_factory.mktemp(owner)
        (folder / "engine_like.py").write_text(f"OWNER = {owner!r}\n", encoding="utf-8")
        return folder

    return make


def test_a_set_comes_before_the_packages_of_the_launcher(tmp_path, package_of):
    launcher = write_launcher(tmp_path / "bin" / "PythonSlicer", folders=[package_of("slicer")])
    ours = package_of("ours")
    (ours / "tells.py").write_text("import engine_like, sys\nprint(engine_like.OWNER, sys.argv[1:], __name__)\n")
    command = module_command(launcher, "tells", "an argument")
    with WorkerJob(command, workdir_parent=tmp_path, python_path=[ours], needs_result=False) as job:
        events = run_to_end(job)
    assert LogLine("ours ['an argument'] __main__") in events, job.log


def test_without_a_set_the_packages_of_the_launcher_serve(tmp_path, package_of):
    launcher = write_launcher(tmp_path / "bin" / "PythonSlicer", folders=[package_of("slicer")])
    with WorkerJob(module_command(launcher, "engine_like"), workdir_parent=tmp_path, needs_result=False) as job:
        assert isinstance(run_to_end(job)[-1], Result), job.log


def test_the_files_beside_the_worker_do_not_hide_packages_of_the_same_name(tmp_path, package_of, monkeypatch):
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    folder = package_of("ours")
    (folder / "endings.py").write_text("")  # there is one beside start.py
    (folder / "tells.py").write_text("import endings, events\n")
    command = module_command(sys.executable, "tells")
    with WorkerJob(command, workdir_parent=tmp_path, python_path=[folder], needs_result=False) as job:
        run_to_end(job)
    assert "No module named 'events'" in job.log


# --- every ending ----------------------------------------------------------------------------------------------------

ENDINGS = [
    ("os.kill(os.getpid(), signal.SIGKILL)", "The worker was killed, most likely because the memory ran out"),
    ("raise MemoryError", "The worker ran out of memory"),
    ("os.kill(os.getpid(), signal.SIGSEGV)", "The engine crashed"),
    ("os.abort()", "The engine crashed"),
    ("os.kill(os.getpid(), signal.SIGILL)", "The engine crashed"),
    ("import no_such_package", "The worker lacks a package or a system library"),
    ("sys.exit(3)", "The worker stopped unexpectedly (exit code 3)"),
    ("raise RuntimeError('inside')", "The worker stopped unexpectedly (exit code 1)"),
    ("say('error', message='The scan is no CT.')\nsys.exit(1)", "The scan is no CT."),
    ("pass", "The worker ended without a result"),
]


@pytest.mark.parametrize(("script", "beginning"), ENDINGS)
def test_every_ending_below_the_launcher_is_its_own_sentence(below, script, beginning):
    job = below("say('segment', 0.5)\n" + script)
    events = run_to_end(job)
    assert sentence(job, events).startswith(beginning), job.log


def test_a_crash_below_the_launcher_keeps_its_trace_in_the_log(below):
    job = below("def inner(): os.kill(os.getpid(), signal.SIGSEGV)\ninner()\n")
    run_to_end(job)
    assert "inner" in job.log


def test_a_worker_that_hangs_below_the_launcher_is_killed(below):
    job = below("say('load', 0.1)\n" + child() + SLEEP, stall_seconds=0.8)
    events = run_to_end(job)
    assert sentence(job, events).startswith("The worker gave no sign of life for")
    (pid,) = [event.data["pid"] for event in events if isinstance(event, Progress) and event.stage == "child"]
    assert gone(pid)


@pytest.mark.parametrize("exists", [False, True])
def test_a_launcher_without_its_python_is_a_worker_that_could_not_be_started(below, tmp_path_factory, exists):
    python = tmp_path_factory.mktemp("home") / "python-real"
    if exists:
        python.write_text("no program")
    job = below("pass", python=python)
    events = run_to_end(job)
    assert sentence(job, events).startswith("The worker could not be started")


def test_every_row_of_the_guide_on_workers_is_tried_here():
    rows = re.findall(r"^\| (\*The (?:worker|engine) .*?) \|", GUIDE, re.MULTILINE)
    quoted = {re.split(r" …|\s\(exit", text)[0] for row in rows for text in re.findall(r"\*([^*]+)\*", row)}
    tried = [beginning for _, beginning in ENDINGS]
    tried += ["The worker gave no sign of life for", "The worker could not be started"]
    assert len(quoted) > 5
    assert [text for text in quoted if not any(one.startswith(text) for one in tried)] == []


# --- cancelling ------------------------------------------------------------------------------------------------------


def test_a_result_comes_through_the_launcher(below):
    job = below(GOOD)
    assert isinstance(run_to_end(job)[-1], Result), job.log


def test_grace_holds_below_a_launcher_that_dies_first(below, tmp_path_factory):
    kept = tmp_path_factory.mktemp("kept") / "state"
    script = (
        f"def stop(*_):\n    time.sleep(1.5); pathlib.Path({str(kept)!r}).write_text('whole'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\nsay('fit', 0.1)\n" + SLEEP
    )
    job = below(script, grace_seconds=20)
    job.start()
    wait_for(job, "fit")
    job.cancel()
    assert isinstance(poll_to_end(job)[-1], Cancelled)
    assert kept.read_text() == "whole"


def test_the_end_of_the_worker_ends_the_grace(below):
    job = below("signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nsay('fit', 0.1)\n" + SLEEP, grace_seconds=50)
    job.start()
    wait_for(job, "fit")
    job.cancel()
    assert isinstance(poll_to_end(job, 20.0)[-1], Cancelled)


def test_grace_has_an_end_below_a_launcher_too(below):
    job = below("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsay('fit', 0.1)\n" + SLEEP, grace_seconds=0.5)
    job.start()
    wait_for(job, "fit")
    job.cancel()
    assert isinstance(poll_to_end(job)[-1], Cancelled)
    assert processes_of(job) == []


def test_cancelling_without_grace_kills_what_the_launcher_started(below):
    job = below(child(own_session=True) + SLEEP)
    job.start()
    pid = wait_for(job, "child").data["pid"]
    job.cancel()
    poll_to_end(job)
    assert gone(pid)
    assert processes_of(job) == []


def test_a_launcher_that_is_killed_from_outside_takes_its_worker_along(below):
    job = below("say('load')\n" + SLEEP)
    job.start()
    wait_for(job, "load")
    job._process.kill()
    started = time.monotonic()
    assert "killed" in sentence(job, poll_to_end(job))
    assert time.monotonic() - started < 10
    assert processes_of(job) == []
