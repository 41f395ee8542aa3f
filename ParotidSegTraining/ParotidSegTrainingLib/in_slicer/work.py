"""One command of `parotidseg-train` as a child process, watched and cancelled from a program that goes on meanwhile.

It knows neither Qt nor MRML, and serves in PythonSlicer, which has no application, as well.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ParotidSegLib.errors import WorkerError
from ParotidSegLib.in_slicer.installing.engine_packages import python_path
from ParotidSegLib.in_slicer.worker.events import Failure, LogLine, Progress, Result
from ParotidSegLib.in_slicer.worker.job import WorkerJob, module_command

#: The folder that holds this package, for the child.
_TRAINING_FOLDER = Path(__file__).resolve().parents[2]
#: A training that is cancelled may write its state, to go on from there.
_GRACE_SECONDS = 30.0
_POLL_SECONDS = 0.05
#: What a command prints when it failed, and what argparse prints for wrong use.
_SENTENCE = re.compile(r"^parotidseg-train(?: \S+)?: (?:error: )?(.+)$", re.MULTILINE)

#: Takes a line of text that stays.
Report = Callable[[str], object]
#: Takes the share that is done, what is being done, and the seconds left or None.
Watch = Callable[[float, str, float | None], object]


def unseen(fraction: float, message: str, seconds_left: float | None) -> None:
    """Progress that nobody watches."""


def worker_python() -> Path:
    """The Python for the child: PythonSlicer inside the application, this very one elsewhere."""
    if getattr(sys.modules.get("slicer"), "app", None) is None:
        return Path(sys.executable)
    from ParotidSegLib.in_slicer.running.run import worker_python as python_of_the_application

    return python_of_the_application()


class Work:
    """A command that runs; it starts at once.

    Args:
        words: the arguments of `parotidseg-train`; paths must be absolute.
        report: takes the lines that the command prints, and the result of each epoch.
        watch: takes progress, of a command that tells it (`fit`).

    Attributes:
        failure: one sentence once it has failed or was cancelled; else None.
        files: what a finished training has written: its run folder.
    """

    def __init__(self, words: Sequence[str | Path], *, report: Report = print, watch: Watch = unseen) -> None:
        self.failure: str | None = None
        self.files: list[Path] = []
        self._report, self._watch = report, watch
        self._over = False
        tells = "fit" in words[:1]
        told = ("--progress", "json") if tells else ()
        self.job = WorkerJob(
            module_command(worker_python(), "ParotidSegTrainingLib.cli", *words, *told),
            stall_seconds=None,  # an epoch or a case may take its time
            grace_seconds=_GRACE_SECONDS,
            python_path=[_TRAINING_FOLDER, *python_path("keras", "auto", "dicom")],
            needs_result=tells,
        )
        self.job.start()

    @property
    def finished(self) -> bool:
        """Whether the last event has been polled."""
        return self._over

    @property
    def log(self) -> str:
        """What the command printed."""
        return self.job.log

    def poll(self) -> bool:
        """Pass on what happened since the last call; whether the work is over."""
        for event in self.job.poll():
            if isinstance(event, Progress) and event.stage in ("epoch", "line"):
                self._report(event.message)
            elif isinstance(event, Progress):
                self._watch(event.fraction, event.message, event.seconds_left)
            elif isinstance(event, LogLine):
                self._report(event.text)
            elif isinstance(event, Result):
                self.files, self._over = event.files, True
            elif isinstance(event, Failure):
                self.failure, self._over = self._sentence(event), True
        return self._over

    def cancel(self) -> None:
        """Stop it; a training keeps its finished epochs, and the same call goes on from there."""
        self.job.cancel()

    def close(self) -> None:
        """End what still runs and remove its temporary folder."""
        self.job.close()

    def wait(self, between: Callable[[], object] = lambda: None) -> None:
        """Wait until it is over.

        Args:
            between: called again and again, to keep an application alive.

        Raises:
            WorkerError: it failed; the text says why.
        """
        try:
            while not self.poll():
                between()
                time.sleep(_POLL_SECONDS)
        finally:
            self.close()
        if self.failure is not None:
            raise WorkerError(self.failure)

    def _sentence(self, failure: Failure) -> str:
        """The command's own sentence, if it ended by itself and printed one."""
        said = _SENTENCE.findall(self.job.log)
        ended_itself = self.job.exit_code in (1, 2) and not self.job.cancelled and not self.job.died
        return said[-1] if ended_itself and said else failure.message
