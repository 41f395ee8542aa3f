"""A worker process: `parotidseg segment … --progress json`, watched without ever waiting for it.

The panel asks `poll()` for what happened, from a timer. Threads read the process's output into a queue, so that no call
of the panel blocks; they touch neither Qt nor MRML. Whatever the worker does (it crashes, hangs, prints garbage, is
killed, starts processes of its own), the job ends with one result or one sentence, and leaves neither process nor file.

Every click starts a process of its own. A worker kept warm between clicks would save its start-up, but it would hold
the memory of an engine for as long as Slicer runs, and need a protocol, a life cycle and failures of its own; the
figures by which this was decided are in Documentation/Slicer.md, "Why a second click starts again".
"""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import shutil
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from ...files.debris import lasting_folder
from . import endings
from .events import Cancelled, Event, Failure, LogLine, Result, parse_line, progress_of, result_of
from .log_text import LogText
from .process_tree import MARK, ask_to_end, kill_tree, start_options
from .start import FOLDERS
from .time_left import TimeLeft

#: A worker that tells nothing for this long hangs. Loading TensorFlow, cold and past a virus scanner, takes a minute.
STALL_SECONDS = 300.0
#: A worker that gave its result has this long to end by itself.
EXIT_SECONDS = 5.0
#: Until the pipe of a dead worker is taken for held open by a process that it left behind.
DRAIN_SECONDS = 2.0
_TICK = 0.1
#: In Slicer the main thread holds Python's lock between two calls: this pause of each poll lets the readers work.
_POLL_PAUSE = 0.005
_LONGEST_LINE = 2**20
_MOST_WAITING = 5000

MODULE_FOLDER = Path(__file__).resolve().parents[3]
_START = Path(__file__).with_name("start.py").resolve()


def module_command(python: str | Path, module: str, *arguments: str | Path) -> list[str]:
    """The command that runs a module as `python -m` does, with the folders of `child_environment` before all others."""
    return [str(python), str(_START), module, *map(str, arguments)]


def segment_command(
    python: str | Path,
    scan_path: str | Path,
    output_folder: str | Path,
    *,
    bundle: str | Path = "parotid-ct",
    engine: str = "auto",
    mirror: bool = True,
    extra: Sequence[str] = (),
) -> list[str]:
    """The command that segments a scan.

    Args:
        python: absolute path of the Python that runs it.
        scan_path, output_folder: the worker has a working folder of its own, so relative paths become absolute here.
        bundle: the name of one that ships, or the absolute path of another.
        engine, mirror: as of `open_model` and `segment`.
        extra: further arguments of `parotidseg segment`.
    """
    scan, output = Path(scan_path).absolute(), Path(output_folder).absolute()
    command = module_command(python, "ParotidSegLib", "segment", scan, "--output", output)
    command += ["--bundle", str(bundle), "--engine", engine, "--progress", "json", "--no-preview"]
    return command + ([] if mirror else ["--no-mirror"]) + list(extra)


def child_environment(folder: Path, *, python_path: Sequence[str | Path] = (), mark: str = "") -> dict[str, str]:
    """The environment of a worker.

    Args:
        folder: its temporary files go there.
        python_path: folders that a `module_command` looks into for packages before all others but this module's own.
        mark: see `process_tree`.
    """
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    return {
        **os.environ,
        **temporary,
        MARK: mark,
        FOLDERS: os.pathsep.join(map(str, (MODULE_FOLDER, *python_path))),
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
    }


class WorkerJob:
    """One run of a worker.

    Args:
        command: the program and its arguments; or a function that gets the job's temporary folder and gives them.
        workdir_parent: where the temporary folder is made; by default where the system has such folders.
        stall_seconds: without a line for this long the worker is taken to hang, and killed; None: never.
        grace_seconds: on cancelling, how long it may put its files in order before it is killed. 0 for a worker that
            writes into the temporary folder only.
        python_path: see `child_environment`.
        start_up: fraction at which the worker's start-up is over, for the estimate of the time left.
        needs_result: whether an end with exit code 0 but without a result line is a failure.

    Attributes:
        workdir: the temporary folder; removed when the job fails, is cancelled or closed.
        result: the `Result` once the worker has given one and ended; else None.
        failure: one sentence once it has failed or was cancelled; else None.
        exit_code: of the process, as `subprocess` gives it, once it has ended; None if it never started. A launcher
            gives its own where the worker below it crashed: see `died`.
        cancelled: whether it was cancelled.
    """

    def __init__(
        self,
        command: Sequence[str] | Callable[[Path], Sequence[str]],
        *,
        workdir_parent: str | Path | None = None,
        stall_seconds: float | None = STALL_SECONDS,
        grace_seconds: float = 0.0,
        python_path: Sequence[str | Path] = (),
        start_up: float = 0.1,
        needs_result: bool = True,
    ) -> None:
        self.workdir = lasting_folder(Path(workdir_parent) if workdir_parent else None, "parotidseg-")
        try:
            self.command = [str(part) for part in (command(self.workdir) if callable(command) else command)]
        except BaseException:
            _remove(self.workdir)
            raise
        self.result: Result | None = None
        self.failure: str | None = None
        self.exit_code: int | None = None
        self._stall_seconds, self._grace_seconds = stall_seconds, grace_seconds
        self._needs_result = needs_result
        self._mark = secrets.token_hex(16)
        self._environment = child_environment(self.workdir, python_path=python_path, mark=self._mark)
        self._time_left = TimeLeft(start_up)
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._log = LogText()
        self._process: subprocess.Popen[bytes] | None = None
        self._waiter: threading.Thread | None = None
        self._cancelling, self._killing, self._ended = threading.Event(), threading.Event(), threading.Event()
        self._quiet = 0.0
        self._told: Result | Failure | None = None
        self._handle: list[subprocess.Popen[bytes]] = []
        self._finalizer = weakref.finalize(self, _leave_nothing, self._handle, self._mark, self.workdir)

    # --- what the panel calls ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the worker. If that is impossible the job has failed at once; nothing is raised."""
        if self._process or self.finished:
            raise RuntimeError("A job starts once only.")
        try:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self.workdir,
                env=self._environment,
                **start_options(),
            )
        except OSError as error:
            self._log.add(f"The worker did not start: {error}")
            self._end(Failure(endings.not_started(error)))
            return
        self._handle.append(self._process)
        self._waiter = threading.Thread(target=self._watch, name="parotidseg-worker", daemon=True)
        self._waiter.start()

    def poll(self) -> list[Event]:
        """What happened since the last call; a `Result` or a `Failure` comes once, as the last event of all."""
        if not self.finished:
            time.sleep(_POLL_PAUSE)
        events = []
        with contextlib.suppress(queue.Empty):
            while True:
                events.append(self._events.get_nowait())
        return events

    def cancel(self) -> None:
        """Stop the worker and all that it started; returns at once, the job is finished soon after."""
        if self.finished:
            return
        self._cancelling.set()
        if self._process is None:
            self._end(Cancelled("The work was cancelled."))
        elif self._grace_seconds > 0:
            ask_to_end(self._process)
        else:
            self._kill()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end, at most `timeout` seconds; whether it came. For scripts and tests: the panel polls."""
        return self._ended.wait(timeout)

    @property
    def finished(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._ended.is_set()

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._cancelling.is_set()

    @property
    def died(self) -> bool:
        """Whether it crashed or was killed, so that its exit code and what it printed before are no answer."""
        return self.exit_code is not None and endings.died(self.exit_code, self.log)

    @property
    def log(self) -> str:
        """What the worker printed that was no report, and how it ended."""
        return str(self._log)

    def close(self) -> None:
        """Kill the worker if it still runs, and remove the temporary folder; can be called more than once."""
        if not self.finished:
            self._cancelling.set()
            self._kill()
            self._ended.wait(EXIT_SECONDS + DRAIN_SECONDS)
        self._finalizer()

    def __enter__(self) -> WorkerJob:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- the threads ---------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """From the start to the end of the process; in a thread."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        assert process.stderr is not None
        readers = [
            threading.Thread(target=self._read, args=(process.stdout, self._take_report), daemon=True),
            threading.Thread(target=self._read, args=(process.stderr, self._take_log), daemon=True),
        ]
        for reader in readers:
            reader.start()
        stalled = self._wait_for_end(process, readers)
        # Before the pipes are drained: a process that was left behind may hold them open.
        kill_tree(process, self._mark)
        code = process.wait()
        for reader in readers:
            reader.join(DRAIN_SECONDS)
        self.exit_code = code
        self._log.add(f"The worker ended with exit code {code}.")
        self._end(self._outcome(code, stalled))

    def _wait_for_end(self, process: subprocess.Popen[bytes], readers: Sequence[threading.Thread]) -> bool:
        """Until the process ends or must be killed; whether it hung.

        A launcher that is asked to end does so at once; the worker below it still has its grace, and its pipes tell
        when it has ended.
        """
        since_cancel = since_told = 0.0
        while True:
            try:
                process.wait(_TICK)
                in_grace = self._cancelling.is_set() and self._grace_seconds > 0
                below = [reader for reader in readers if reader.is_alive()] if in_grace else []
                if not below:
                    return False
                below[0].join(_TICK)
            except subprocess.TimeoutExpired:
                pass
            # Ticks are counted, not the clock: a computer that slept did not make the worker hang.
            self._quiet += _TICK
            since_cancel += _TICK if self._cancelling.is_set() else 0.0
            since_told += _TICK if self._told is not None else 0.0
            if self._stall_seconds is not None and self._quiet > self._stall_seconds and self._told is None:
                return True
            if self._cancelling.is_set() and since_cancel > self._grace_seconds:
                return False
            if self._told is not None and since_told > EXIT_SECONDS:
                return False

    def _read(self, stream: BinaryIO, take: Callable[[str], None]) -> None:
        with stream, contextlib.suppress(OSError, ValueError):
            while line := stream.readline(_LONGEST_LINE):
                self._quiet = 0.0
                take(line.decode("utf-8", errors="replace").rstrip("\r\n"))

    def _take_report(self, line: str) -> None:
        data = parse_line(line)
        if data is None:
            self._take_log(line)
        elif data["stage"] == "error":
            self._told = Failure(str(data.get("message") or "The worker failed without saying why: look at the log."))
            self._log.add(self._told.message)
        elif data["stage"] == "result":
            self._told = result_of(data)
        else:
            self._put(progress_of(data, self._time_left.update(data["fraction"])))

    def _take_log(self, line: str) -> None:
        self._put(LogLine(self._log.add(line)))

    def _put(self, event: Event) -> None:
        # A worker that floods the panel is not kept whole: the log has its end, and progress supersedes progress.
        if self._events.qsize() < _MOST_WAITING:
            self._events.put(event)

    def _outcome(self, code: int, stalled: bool) -> Result | Failure:
        if self._cancelling.is_set():
            return Cancelled("The work was cancelled.")
        if stalled:
            assert self._stall_seconds is not None
            return Failure(endings.stalled(self._stall_seconds))
        if isinstance(self._told, Failure):
            return self._told
        if self._told is not None:
            missing = [file for file in self._told.files if not file.exists()]
            return Failure("The worker's result is missing from the disk: try again.") if missing else self._told
        if code == 0 and not self._needs_result:
            return Result({}, [])
        return Failure(endings.ended(code, self.log))

    def _kill(self) -> None:
        process = self._process
        if process is not None and not self._killing.is_set():
            self._killing.set()
            kill_tree(process, self._mark)

    def _end(self, last: Result | Failure) -> None:
        if isinstance(last, Result):
            self.result = last
        else:
            self.failure = last.message
            _remove(self.workdir)
        self._events.put(last)
        self._ended.set()


def _leave_nothing(handle: list[subprocess.Popen[bytes]], mark: str, folder: Path) -> None:
    """Kill what still runs and remove the folder: when a job is closed, forgotten, or Slicer ends."""
    for process in handle:
        if process.poll() is None:
            kill_tree(process, mark)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(EXIT_SECONDS)
    _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder; Windows frees the files of a killed process only after a moment."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)
