"""Finding and killing the processes of a tree, also by the means of systems other than this one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_workers import SLEEPER, alive, gone

from ParotidSegLib.in_slicer.worker import process_tree
from ParotidSegLib.in_slicer.worker.process_tree import MARK, descendants, kill_tree, marked, start_options

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these processes are started as POSIX systems do")

#: Starts a sleeper in a session of its own, without the mark, tells its number and sleeps.
PARENT = f"""
import os, subprocess, sys, time
child = subprocess.Popen({SLEEPER!r}, start_new_session=True, env={{"PATH": os.environ["PATH"]}})
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def family() -> Iterator[tuple[subprocess.Popen[bytes], int, str]]:
    """A running process, the number of its child that left the group, and the mark of both."""
    mark = f"test-{os.getpid()}"
    environment = {**os.environ, MARK: mark}
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, **start_options()) as parent:
        assert parent.stdout is not None
        yield parent, int(parent.stdout.readline()), mark
        kill_tree(parent, mark)


@pytest.fixture
def without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without /proc, such as macOS."""
    if shutil.which("ps") is None:
        pytest.skip("there is no ps")
    monkeypatch.setattr(process_tree, "_PROC", Path("/nowhere"))


def test_a_tree_is_killed_with_the_child_that_left_the_group(family):
    parent, child, mark = family
    assert list(descendants(parent.pid)) == [child]
    kill_tree(parent, mark)
    assert parent.wait(5) < 0
    assert gone(child)


@pytest.mark.usefixtures("without_proc")
def test_a_tree_is_killed_where_the_system_has_no_proc(family):
    parent, child, mark = family
    assert child in list(descendants(parent.pid))
    assert list(marked(mark)) == []
    kill_tree(parent, mark)
    assert parent.wait(5) < 0
    assert gone(child)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the environment of a process")
def test_the_mark_finds_exactly_the_processes_that_carry_it(family):
    parent, child, mark = family
    assert list(marked(mark)) == [parent.pid], "the child was started without the mark"
    assert list(marked("")) == []
    assert list(marked(mark[:-1])) == []
    assert alive(child)


def test_killing_what_has_ended_is_harmless():
    process = subprocess.Popen([sys.executable, "-c", "pass"], **start_options())
    process.wait(20)
    kill_tree(process, "no-such-mark")


def test_windows_kills_the_tree_with_its_own_command(monkeypatch):
    commands, killed = [], []
    windows = SimpleNamespace(
        CREATE_NEW_PROCESS_GROUP=0x200,
        CREATE_NO_WINDOW=0x8000000,
        TimeoutExpired=subprocess.TimeoutExpired,
        run=lambda command, **options: commands.append((command, options["creationflags"])),
    )
    monkeypatch.setattr(process_tree, "subprocess", windows)
    monkeypatch.setattr(process_tree.sys, "platform", "win32")
    kill_tree(SimpleNamespace(pid=4711, kill=lambda: killed.append(True)), "mark")
    assert commands == [(["taskkill", "/PID", "4711", "/T", "/F"], 0x8000200)]
    assert killed == [True]
