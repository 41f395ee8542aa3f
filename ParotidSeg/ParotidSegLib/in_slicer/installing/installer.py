"""Install what the worker needs, without touching Slicer's own packages.

pip runs in a process of its own and writes into a staging folder; what it fetched is loaded once for trial; only then
the staging folder becomes the set's folder. Slicer's own packages (numpy, SimpleITK, vtk, requests, protobuf and the
rest) cannot change, because nothing is ever written into Slicer. That is why `slicer.packaging.pip_ensure` is not used:
it installs into Slicer's Python, where TensorFlow's wishes and those of other extensions meet.

    plan = make_plan("openvino")
    problems = check(plan, python)           # tell them, and stop
    installation = Installation(plan, python)
    installation.start()                     # then poll() from a timer, as of a WorkerJob
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...files.debris import clear, own_name
from ..worker.events import Cancelled, Event, Failure, LogLine, Progress, Result
from ..worker.job import WorkerJob, module_command
from . import install_failures, trial
from .engine_packages import PackageSet, folder_of, requirement_lines, set_to_install
from .install_checks import (
    connection_problems,
    disk_problems,
    not_writable,
    pip_problems,
    platform_problems,
    wheels_problems,
)

#: pip tells nothing while it unpacks a large package.
STALL_SECONDS = 1200.0
#: How the name of a folder that is to be deleted begins.
_OLD = ".old-"
_DOWNLOAD_SHARE, _UNPACK_SHARE = 0.7, 0.9
_SIZE = re.compile(r"\(([0-9.]+) ([kMG]?)B\)")


@dataclass(frozen=True)
class Plan:
    """What would be installed.

    Attributes:
        packages: the set.
        requirements: lines for pip.
        target: the folder that they go into.
        wheels: a folder of packages to install from without a connection; None: from the package index.
    """

    packages: PackageSet
    requirements: tuple[str, ...]
    target: Path
    wheels: Path | None = None

    @property
    def what(self) -> str:
        """A sentence for the person who is asked."""
        kind = self.packages
        source = f"from {self.wheels}" if self.wheels else f"{kind.download_mb} MB to fetch from the internet"
        return (
            f"{kind.title} ({kind.purpose}): {source}, {kind.installed_mb} MB on the disk in {self.target}; Slicer's "
            "own packages stay as they are."
        )

    @property
    def megabytes(self) -> int:
        """On the disk."""
        return self.packages.installed_mb

    def download_command(self, python_version: str, platform: str) -> str:
        """The command that fills a folder of packages on another computer.

        Args:
            python_version: of this Slicer, e.g. "3.12".
            platform: pip's name, e.g. "win_amd64", "manylinux_2_28_x86_64", "macosx_12_0_arm64".
        """
        wanted = " ".join(f'"{line}"' for line in self.requirements)
        return (
            f"python -m pip download --dest wheels --only-binary=:all: --python-version {python_version} "
            f"--platform {platform} {wanted}"
        )


def make_plan(name: str, *, wheels: str | Path | None = None) -> Plan:
    """The plan for a set: "openvino", "keras" or "dicom".

    Args:
        wheels: install from this folder of packages, without a connection.
    """
    kind = set_to_install(name)
    return Plan(kind, tuple(requirement_lines(kind)), folder_of(name), Path(wheels).absolute() if wheels else None)


def check(plan: Plan, python: str | Path, *, connection: bool = True) -> list[str]:
    """Problems that would make the installation fail, one sentence each; empty: go ahead. Takes some seconds.

    Args:
        python: the Python that will run pip.
        connection: also ask whether the package index answers; never for a plan with a folder of packages.
    """
    problems = [*platform_problems(plan.packages), *disk_problems(plan.packages, plan.target.parent)]
    if plan.wheels:
        problems += wheels_problems(plan.wheels)
    problems += pip_problems(python)
    if connection and not plan.wheels and not problems:
        problems += connection_problems(python)
    return problems


def remove(name: str) -> None:
    """Delete what was installed of a set; nothing happens where it is not there."""
    _discard(folder_of(name))


class Installation:
    """One installation, with the interface of a `WorkerJob`: start, poll, cancel, wait, finished, failure, log, close.

    Args:
        plan: what to install.
        python: absolute path of the Python that runs pip and will run the worker.

    Raises:
        OSError: nothing can be written where the packages shall go.
    """

    def __init__(self, plan: Plan, python: str | Path) -> None:
        self.plan = plan
        self.failure: str | None = None
        self.finished = False
        self._python = str(python)
        self._fetched_mb = 0.0
        self._fraction = 0.0
        plan.target.parent.mkdir(parents=True, exist_ok=True)
        clear(plan.target.parent, _OLD)
        self._fetching = WorkerJob(
            self._pip_command,
            workdir_parent=plan.target.parent,
            stall_seconds=STALL_SECONDS,
            needs_result=False,
        )
        self._trying: WorkerJob | None = None

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._fetching.cancelled or bool(self._trying and self._trying.cancelled)

    @property
    def log(self) -> str:
        """All that pip printed, for copying."""
        return "\n".join(job.log for job in (self._fetching, self._trying) if job)

    def start(self) -> None:
        """Start pip."""
        self._fetching.start()

    def poll(self) -> list[Event]:
        """What happened since the last call; `Result` or `Failure` is the last event of all."""
        if self.finished:
            return []
        events: list[Event] = []
        for event in (self._trying or self._fetching).poll():
            events += self._taken(event)
        return events

    def cancel(self) -> None:
        """Stop; nothing of it stays."""
        (self._trying or self._fetching).cancel()

    def wait(self, tell: Callable[[Event], None] | None = None) -> bool:
        """Poll until the end; whether the packages are installed. For scripts and tests."""
        while not self.finished:
            for event in self.poll():
                if tell:
                    tell(event)
        return self.failure is None

    def close(self) -> None:
        """Stop if it still runs, and remove the staging folder."""
        for job in (self._trying, self._fetching):
            if job:
                job.close()
        self.finished = True

    # --- steps -------------------------------------------------------------------------------------------------------

    def _pip_command(self, folder: Path) -> list[str]:
        plan = self.plan
        command = [self._python, "-m", "pip", "install", "--target", str(folder / "packages"), "--no-input"]
        command += ["--disable-pip-version-check", "--progress-bar", "off", "--only-binary=:all:", "--no-user"]
        command += ["--retries", "2"]
        command += [] if plan.packages.with_dependencies else ["--no-deps"]
        if plan.wheels:
            command += ["--no-index", "--find-links", str(plan.wheels)]
        return [*command, *plan.requirements]

    def _taken(self, event: Event) -> list[Event]:
        """The events that an event of pip, or of the trial, becomes."""
        if isinstance(event, LogLine):
            progress = self._progress(event.text)
            return [event, progress] if progress else [event]
        if isinstance(event, Cancelled):
            return [self._failed(Cancelled("The installation was cancelled."))]
        if isinstance(event, Failure):
            return [self._failed(self._explained(event))]
        if isinstance(event, Result):
            return [self._try_out()] if self._trying is None else [self._put_in_place()]
        return []

    def _progress(self, line: str) -> Progress | None:
        line = line.strip()
        if line.startswith("Downloading") and (size := _SIZE.search(line)):
            self._fetched_mb += float(size[1]) * {"": 1e-6, "k": 1e-3, "M": 1.0, "G": 1e3}[size[2]]
            share = min(1.0, self._fetched_mb / self.plan.packages.download_mb)
            return self._tell("fetch", _DOWNLOAD_SHARE * share, f"Fetching {line.split()[1].split('-')[0]}")
        if line.startswith("Installing collected packages"):
            return self._tell("unpack", _DOWNLOAD_SHARE, "Unpacking; this takes some minutes for TensorFlow")
        return None

    def _tell(self, stage: str, fraction: float, message: str) -> Progress:
        self._fraction = max(self._fraction, fraction)
        return Progress(stage, self._fraction, message)

    def _explained(self, event: Failure) -> Failure:
        title = self.plan.packages.title
        if self._trying is not None:
            return Failure(install_failures.does_not_start(self.log, title=title))
        if not self._fetching.exit_code or self._fetching.died:
            return event  # it hung, crashed, was killed or could not be started
        return Failure(install_failures.reason(self.log, title=title, offline=self.plan.wheels is not None))

    def _try_out(self) -> Event:
        """Load what was fetched, in a process like the worker's."""
        try:
            self._trying = WorkerJob(
                module_command(self._python, trial.__name__, self.plan.packages.name),
                workdir_parent=self.plan.target.parent,
                python_path=[self._fetching.workdir / "packages"],
                stall_seconds=STALL_SECONDS,
                needs_result=False,
            )
        except OSError:
            return self._failed(Failure(not_writable(self.plan.target.parent)))
        self._trying.start()
        return self._tell("try", _UNPACK_SHARE, f"Starting {self.plan.packages.title} for trial")

    def _put_in_place(self) -> Event:
        try:
            _replace(self._fetching.workdir / "packages", self.plan.target)
        except OSError:
            return self._failed(
                Failure("The packages are in use: close other Slicer windows and running segmentations, and try again.")
            )
        result = Result({"packages": self.plan.packages.name, "folder": str(self.plan.target)}, [self.plan.target])
        self.close()
        return result

    def _failed(self, failure: Failure) -> Failure:
        self.failure = failure.message
        self.close()
        return failure


def _replace(new: Path, target: Path) -> None:
    """Put a folder into the place of another, which comes back if that fails."""
    old = target.with_name(own_name(_OLD))
    if target.exists():
        os.replace(target, old)
    try:
        os.replace(new, target)
    except OSError:
        if old.exists():
            os.replace(old, target)
        raise
    _discard(old)


def _discard(folder: Path) -> None:
    """Delete a folder under another name, so that a set is never half there."""
    if not folder.exists():
        return
    doomed = folder.with_name(own_name(_OLD))
    with contextlib.suppress(OSError):
        os.replace(folder, doomed)
        folder = doomed
    shutil.rmtree(folder, ignore_errors=True)
