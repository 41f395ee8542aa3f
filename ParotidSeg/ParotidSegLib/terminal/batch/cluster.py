"""`batch --scheduler ADDRESS`: the same work as tasks of a Dask cluster, whose workers see the same paths.

Workers may come and go. A scan whose worker dies goes to another one; if that happens again and again, it failed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from ...errors import ParotidSegError, WorkerError
from ...model.bundle import Bundle
from ...segmentation import Model
from ..console import Reporter
from ..one_scan import Options
from .work import Opening, Outcome, Task, Told, perform

#: Seconds that a scheduler has to answer.
PATIENCE = 20
#: So many tasks are with the cluster at least, and twice as many as it has threads: what is with it takes memory.
LEAST_AHEAD = 8


@contextmanager
def connected(scheduler: str, kind: type[ParotidSegError] = WorkerError) -> Iterator[Any]:
    """A client of a Dask scheduler.

    Args:
        scheduler: its address.
        kind: of the error.

    Raises:
        WorkerError, or the `kind` that is asked for: Dask is not installed, or nobody answers there.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise kind("Dask is not installed: pip install 'parotidseg[dask]', or leave out --scheduler.") from error
    try:
        client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise kind(f"No Dask scheduler answers at {scheduler}: start one with 'dask scheduler'.") from error
    with client:
        yield client


class Cluster:
    """The workers of a scheduler, see `work.Hands`."""

    def __init__(self, bundle: Bundle, opening: Opening, scheduler: str) -> None:
        """Connect to nothing yet.

        Args:
            bundle: what the workers open.
            opening: how; its path is the same everywhere.
            scheduler: address.
        """
        self.bundle, self._opening, self._scheduler = bundle, opening, scheduler

    def outcomes(self, tasks: Iterable[Task], options: Options, show: Reporter) -> Iterator[Outcome]:
        """See `work.Hands`.

        Raises:
            WorkerError: Dask is not installed, or nobody answers at the address.
        """
        waiting = iter(tasks)
        given: dict[str, tuple[Any, Task]] = {}  # by the key of the future
        with connected(self._scheduler) as client:
            from distributed import as_completed

            show.heading(f"{len(client.nthreads())} workers at {self._scheduler}")
            done = as_completed(loop=client.loop)
            try:
                while True:
                    room = max(LEAST_AHEAD, 2 * sum(client.nthreads().values())) - len(given)
                    for task in islice(waiting, max(0, room)):
                        future = client.submit(perform_on_worker, _whole(task), self._opening, options, pure=False)
                        given[future.key] = future, task
                        done.add(future)
                    if not given:
                        return
                    future, task = given.pop(next(done).key)
                    yield _told(future).shown(task, show)
            finally:
                client.cancel([future for future, _ in given.values()])


def _whole(task: Task) -> Task:
    """The task with whole paths, as the workers see them."""
    source = task.source
    files = source.absolute() if isinstance(source, Path) else tuple(path.absolute() for path in source)
    return replace(task, source=files, folder=task.folder.absolute())


def _told(future: Any) -> Told:
    """What a worker tells; ParotidSegError if none like it can do any task."""
    problem = future.exception()
    if problem is not None:
        kind = type(problem).__name__
        if kind == "KilledWorker":
            message = "The workers that were at this scan ended early, one after another: run the same command again."
        else:
            message = (
                f"A worker could not begin this scan ({kind}): install the same version of parotidseg on all machines."
            )
        return Told(message=message)
    told = future.result()
    if isinstance(told, ParotidSegError):
        raise told
    return told


# --- on a worker ------------------------------------------------------------------------------------------------------

#: A worker with several threads does one scan at a time: an engine takes all cores that the worker may use.
_ONE_AT_A_TIME = threading.Lock()
_opened: dict[Opening, Model] = {}


def perform_on_worker(task: Task, opening: Opening, options: Options) -> Told | ParotidSegError:
    """Do a task; the model stays open for the next one.

    Returns:
        What became of it, or why this worker can do none. (A task that raised would be written into the worker's log,
        with its paths.)
    """
    with _ONE_AT_A_TIME:
        try:
            if opening not in _opened:
                _opened.clear()
                _opened[opening] = opening.open()
        except ParotidSegError as error:
            return error
        return perform(task, _opened[opening], options)
