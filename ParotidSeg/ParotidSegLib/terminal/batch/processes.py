"""`batch --jobs N`: processes of this machine that keep the model loaded, each with its part of the cores.

A process that crashes costs the scan that it was at, and another one takes its place. All end with this one, whatever
ends it: at the end of the work, at Ctrl-C the orderly way, and at `kill -9` at once.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ...errors import ParotidSegError, WorkerError
from ...model.bundle import Bundle
from ..console import Reporter
from ..one_scan import Options
from .work import Opening, Outcome, Task, Told, perform

#: Memory that one process takes for a large scan, in bytes: `make bench` measures 0.5 GB with OpenVINO and 1.1 GB with
#: TensorFlow on 24 million voxels.
MEMORY = 1.5 * 2**30
#: Seconds that a process has to end the orderly way.
GRACE = 10.0
#: So many processes in a row that end while they load the model are no accident.
MOST_LOST = 3
#: A new interpreter for each: a fork of a process that has loaded an engine does not work.
_CONTEXT = get_context("spawn")


def fitting(jobs: int, meminfo: Path = Path("/proc/meminfo")) -> int:
    """As many processes as the memory that is free suffices for, at least one; all, where the system does not tell."""
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return jobs
    return max(1, min(jobs, int(free / MEMORY)))


def part_of(cores: list[int], place: int, jobs: int) -> list[int]:
    """The cores of one of several processes: as many for each as there are, or one that it shares with others."""
    first, last = place * len(cores) // jobs, (place + 1) * len(cores) // jobs
    return cores[first:last] or [cores[place % len(cores)]]


class Processes:
    """Several processes of this machine, see `work.Hands`."""

    def __init__(self, bundle: Bundle, opening: Opening, jobs: int) -> None:
        """Start nothing yet.

        Args:
            bundle: what the processes open.
            opening: how.
            jobs: how many there are.
        """
        self.bundle, self._opening, self._jobs = bundle, opening, jobs

    def outcomes(self, tasks: Iterable[Task], options: Options, show: Reporter) -> Iterator[Outcome]:
        """See `work.Hands`.

        Raises:
            BundleError, EngineError, WorkerError: a process cannot open the model.
        """
        waiting = deque(tasks)
        jobs = min(self._jobs, len(waiting))
        workers: list[_Worker] = []
        lost = 0  # in a row
        try:
            workers += [_Worker(self._opening, options, place, jobs) for place in range(jobs)]
            while workers:
                for ready in connection.wait([worker.connection for worker in workers]):
                    worker = next(worker for worker in workers if worker.connection is ready)
                    told, task = worker.answer(), worker.task
                    lost = 0 if worker.is_open else lost + 1
                    if lost == MOST_LOST:
                        raise WorkerError(
                            f"{lost} processes ended early while they loaded the model ({worker.end_of_it()}): run the "
                            "same command again, with fewer --jobs if memory is short."
                        )
                    if not worker.is_alive:
                        workers.remove(worker)
                        if waiting:
                            workers.append(_Worker(self._opening, options, worker.place, jobs))
                    elif waiting:
                        worker.give(waiting.popleft())
                    else:
                        workers.remove(worker)
                        worker.end()
                    if told is not None and task is not None:
                        yield told.shown(task, show)
        finally:
            for worker in workers:
                worker.process.terminate()
            for worker in workers:
                worker.end()


class _Worker:
    """One process, as this one sees it.

    Attributes:
        place: its number among its like, which decides its cores.
        connection: ready when it has something to tell, or has ended.
        task: what it is at.
        is_alive: False once it was found to have ended by itself.
        is_open: whether it has opened the model.
    """

    def __init__(self, opening: Opening, options: Options, place: int, jobs: int) -> None:
        self.connection, other = _CONTEXT.Pipe()
        self.place, self.is_alive, self.is_open = place, True, False
        self.task: Task | None = None
        self.process = _CONTEXT.Process(target=_serve, args=(other, opening, options, place, jobs), daemon=True)
        with _interruption_ignored():
            self.process.start()
        other.close()

    def give(self, task: Task) -> None:
        """Let it do a task; if it has just ended, the next answer says so."""
        self.task = task
        with suppress(OSError):
            self.connection.send(task)

    def answer(self) -> Told | None:
        """What it tells of its task; None if it has just opened the model.

        Raises:
            BundleError, EngineError, WorkerError: it cannot open the model.
        """
        try:
            told = self.connection.recv()
        except (EOFError, OSError):
            return self._ended()
        if isinstance(told, ParotidSegError):
            raise told
        self.is_open = True
        return told

    def _ended(self) -> Told:
        self.is_alive = False
        self.end()
        return Told(
            message=f"The process that was at this scan ended early ({self.end_of_it()}): run the same command again, "
            "with fewer --jobs if memory is short."
        )

    def end_of_it(self) -> str:
        """How it ended."""
        code = self.process.exitcode or 0
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def end(self) -> None:
        """Let it end, by force if need be."""
        self.connection.close()
        self.process.join(GRACE)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()


@contextmanager
def _interruption_ignored() -> Iterator[None]:
    """What is started in the block never hears of Ctrl-C, which goes to all processes of a terminal: we end it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# --- in the process ---------------------------------------------------------------------------------------------------


def _serve(asked: Any, opening: Opening, options: Options, place: int, jobs: int) -> None:
    """Open the model, then do tasks until nobody asks any more."""
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _keep_to_part(place, jobs)
    try:
        model = opening.open()
    except ParotidSegError as error:
        asked.send(error)
        return
    with suppress(EOFError, OSError):
        asked.send(None)
        while True:
            asked.send(perform(asked.recv(), model, options))


def _stop(signum: int, frame: object) -> None:
    # The orderly way, so that temporary files go away.
    raise SystemExit(128 + signum)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _keep_to_part(place: int, jobs: int) -> None:
    """Use a part of the cores: all engines go by what the process may use, where the system can tell it."""
    if hasattr(os, "sched_setaffinity"):
        cores = part_of(sorted(os.sched_getaffinity(0)), place, jobs)
        os.sched_setaffinity(0, cores)
    else:
        cores = part_of(list(range(os.cpu_count() or 1)), place, jobs)
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(len(cores))
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(len(cores))
