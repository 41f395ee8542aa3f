"""Installing what a run lacks, as one job: the checks, which take seconds, in a thread; then the installation."""

from __future__ import annotations

import threading
from pathlib import Path

from ...model.bundle import Bundle
from ..worker.events import Cancelled, Event, Failure, Progress
from .engine_packages import ENGINE_SETS, lacks_line, missing
from .install_checks import not_writable
from .installer import Installation, Plan, check


def lacking_set(engine: str, bundle: Bundle | None = None) -> str:
    """The name of the set of packages to install before an engine can run; empty if nothing is lacking.

    Args:
        engine: as for the command line.
        bundle: the model, which need not serve every engine.
    """
    if engine == "auto" and bundle is not None and bundle.segmenter.openvino is None:
        engine = "keras"
    if not missing(engine):
        return ""
    return next(kind.name for kind in ENGINE_SETS if not lacks_line(kind.name)) if engine == "auto" else engine


class Preparation:
    """Checks, then an installation, with the interface of a `WorkerJob`.

    Args:
        plan: what to install.
        python: the Python that will run pip, and later the worker.
    """

    def __init__(self, plan: Plan, python: Path) -> None:
        self._plan, self._python = plan, python
        self._problems: list[str] = []
        self._installation: Installation | None = None
        self._cancelled = self._told = False
        self._checking = threading.Thread(target=self._check, name="parotidseg-checks", daemon=True)

    def start(self) -> None:
        """Begin with the checks."""
        self._checking.start()

    def poll(self) -> list[Event]:
        """What happened since the last call; a `Result` or a `Failure` is the last event of all."""
        if self._installation is not None:
            return self._installation.poll()
        if self._checking.is_alive() or self._told:
            return []
        if self._cancelled:
            self._told = True
            return [Cancelled("The installation was cancelled.")]
        if not self._problems:
            self._begin()
        if self._installation is None:
            self._told = True
            return [Failure(self._problems[0])]
        return [Progress("fetch", 0.0, f"Fetching {self._plan.packages.title}")]

    def cancel(self) -> None:
        """Stop; nothing of it stays."""
        self._cancelled = True
        if self._installation is not None:
            self._installation.cancel()

    def close(self) -> None:
        """Leave neither process nor file; a check that still asks the network ends by itself."""
        self._cancelled = True
        if self._installation is not None:
            self._installation.close()

    @property
    def log(self) -> str:
        """What pip printed, or the problems that the checks found."""
        return self._installation.log if self._installation is not None else "\n".join(self._problems)

    def _check(self) -> None:
        try:
            self._problems = check(self._plan, self._python)
        except OSError:  # the disk went away meanwhile
            self._problems = [not_writable(self._plan.target.parent)]

    def _begin(self) -> None:
        try:
            self._installation = Installation(self._plan, self._python)
        except OSError:
            self._problems = [not_writable(self._plan.target.parent)]
        else:
            self._installation.start()
