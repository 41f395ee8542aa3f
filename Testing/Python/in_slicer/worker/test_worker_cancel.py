"""A worker that is cancelled, or ends: nothing that it started or wrote stays, unless it was given grace."""

from __future__ import annotations

import sys
import time

import pytest
from fake_workers import (
    GOOD,
    SLEEP,
    alive,
    child,
    gone,
    poll_to_end,
    processes_of,
    run_to_end,
    sentence,
    wait_for,
)

from ParotidSegLib.in_slicer.worker.events import Cancelled, Progress

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these workers use signals")


@pytest.mark.parametrize("when", ["before the start", "at once", "in progress", "after the result", "after the end"])
def test_cancelling_at_every_stage_leaves_neither_process_nor_file(make_job, when):
    job = make_job(
        "pathlib.Path('half').write_text('x')\n" + child() + GOOD + ("" if when == "after the end" else SLEEP)
    )
    if when == "before the start":
        job.cancel()
    else:
        job.start()
        if when == "in progress":
            wait_for(job, "segment")
        elif when == "after the result":
            while job._told is None:
                time.sleep(0.01)
        elif when == "after the end":
            assert job.wait(20)
        job.cancel()
    events = poll_to_end(job)
    if when == "after the end":
        assert job.result is not None
        job.close()
    else:
        assert isinstance(events[-1], Cancelled)
        assert sentence(job, events) == "The work was cancelled."
        assert job.cancelled
    assert processes_of(job) == []
    assert not job.workdir.exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the environment of a process")
@pytest.mark.parametrize("options", [{}, {"own_session": True}, {"own_session": True, "clean": True}])
def test_cancel_kills_the_whole_tree(make_job, options):
    job = make_job(child(**options) + SLEEP)
    job.start()
    pid = wait_for(job, "child").data["pid"]
    assert alive(pid)
    job.cancel()
    poll_to_end(job)
    assert gone(pid)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the environment of a process")
def test_an_orphan_that_left_the_group_is_killed_with_the_job(make_job):
    script = child(own_session=True).strip()
    orphaning = f"if os.fork() == 0:\n    {script}\n    os._exit(0)\nos.wait()\n"
    job = make_job(orphaning + SLEEP)
    job.start()
    pid = wait_for(job, "child").data["pid"]
    job.cancel()
    poll_to_end(job)
    assert gone(pid)


def test_what_a_finished_worker_left_running_is_killed(make_job):
    job = make_job(child(own_session=True) + GOOD)
    events = run_to_end(job)
    pid = next(event.data["pid"] for event in events if isinstance(event, Progress) and event.stage == "child")
    assert job.result is not None
    assert gone(pid)


def test_a_worker_with_grace_may_put_its_files_in_order(make_job, tmp_path_factory):
    kept = tmp_path_factory.mktemp("kept") / "state"
    script = (
        f"def stop(*_):\n    pathlib.Path({str(kept)!r}).write_text('whole'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\nsay('fit', 0.1)\n" + SLEEP
    )
    job = make_job(script, grace_seconds=10)
    job.start()
    wait_for(job, "fit")
    job.cancel()
    assert isinstance(poll_to_end(job)[-1], Cancelled)
    assert kept.read_text() == "whole"


def test_grace_has_an_end(make_job):
    job = make_job("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsay('fit', 0.1)\n" + SLEEP, grace_seconds=0.3)
    job.start()
    wait_for(job, "fit")
    job.cancel()
    assert isinstance(poll_to_end(job)[-1], Cancelled)
