"""The work on one scan of a batch, wherever it is done: in this process, in others of this machine, or on a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from ...errors import BundleError, ParotidSegError, WorkerError
from ...model.bundle import Bundle, bundles_folder, load_bundle
from ...segmentation import Model, Segmentation, open_model
from ...version import __version__
from ..console import QuietReporter, Reporter, notes_shown
from ..one_scan import Options, Source, segment_scan
from ..options import hide_graphics_cards


@dataclass(frozen=True)
class Task:
    """A scan that is to be segmented.

    Attributes:
        index: its place in the batch, from 0.
        heading: what a person is told of it.
        source: its file, or all files of its DICOM series.
        folder: where its results go.
    """

    index: int
    heading: str
    source: Source
    folder: Path


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        task: its number and folder.
        report: see `segmentation.Segmentation.report`; None if it failed.
        message: why it failed, one sentence.
    """

    task: Task
    report: Mapping[str, Any] | None = None
    message: str = ""


class Hands(Protocol):
    """Who does the work."""

    bundle: Bundle

    def outcomes(self, tasks: Iterable[Task], options: Options, show: Reporter) -> Iterator[Outcome]:
        """Do the tasks, and show what happens but for failures; outcomes in the order in which the tasks end."""


class Here:
    """This process, one scan after another, with what it does shown as it goes on."""

    def __init__(self, model: Model) -> None:
        self._model, self.bundle = model, model.bundle

    def outcomes(self, tasks: Iterable[Task], options: Options, show: Reporter) -> Iterator[Outcome]:
        """See `Hands`."""
        for task in tasks:
            show.heading(task.heading)
            try:
                result = segment_scan(task.source, task.folder, self._model, options, show)
            except ParotidSegError as error:
                yield Outcome(task, message=str(error))
            else:
                yield Outcome(task, result.report())


# --- what goes to another process, and what comes back ----------------------------------------------------------------


@dataclass(frozen=True)
class Opening:
    """How another process opens the very model that this one knows.

    Attributes:
        bundle: its name, or the whole path of its folder or zip.
        sha256: of the bundle here.
        engine: as of `segmentation.open_model`.
        device: "cpu" hides graphics cards from the engine.
        version: of this package.
    """

    bundle: str
    sha256: str
    engine: str
    device: str = "auto"
    version: str = __version__

    @classmethod
    def of(cls, bundle: Bundle, engine: str, device: str = "auto") -> Opening:
        """Of a bundle that was loaded here: one that ships lies elsewhere on each machine."""
        ships = bundle.path.parent == bundles_folder()
        return cls(bundle.path.name if ships else str(bundle.path.absolute()), bundle.sha256, engine, device)

    def open(self) -> Model:
        """The model.

        Raises:
            WorkerError: this process has another version of the package.
            BundleError, EngineError: see `segmentation.open_model`; or the bundle is another one.
        """
        if self.version != __version__:
            raise WorkerError(
                f"A worker has version {__version__} of parotidseg, and {self.version} was asked for: install the same "
                "version on all machines."
            )
        hide_graphics_cards(self.device)
        bundle = load_bundle(self.bundle)
        if bundle.sha256 != self.sha256:
            raise BundleError(f"A worker has another bundle '{bundle.name}': give all machines the same one.")
        return open_model(bundle, engine=self.engine)


@dataclass(frozen=True)
class Told:
    """What another process tells of a task, without voxels.

    Attributes:
        result, files, note: as of `console.Reporter.result`; no result if it failed.
        message: why it failed, one sentence.
        notes: for the log.
    """

    result: Segmentation | None = None
    files: tuple[Path, ...] = ()
    note: str = ""
    message: str = ""
    notes: tuple[str, ...] = ()

    def shown(self, task: Task, show: Reporter) -> Outcome:
        """Show it as if it had happened here."""
        show.heading(task.heading)
        for note in self.notes:
            show.note(note)
        if self.result is None:
            return Outcome(task, message=self.message)
        show.result(self.result, list(self.files), self.note)
        return Outcome(task, self.result.report())


class _Listener(QuietReporter):
    """A reporter that keeps what another process has to be told."""

    def __init__(self) -> None:
        super().__init__()
        self.told = Told()

    def result(self, result: Segmentation, files: list[Path], note: str = "") -> None:
        self.told = replace(
            self.told, result=replace(result, labels=None, uncertainty=None), files=tuple(files), note=note
        )

    def failure(self, message: str) -> None:
        self.told = replace(self.told, result=None, message=message)

    def note(self, message: str) -> None:
        self.told = replace(self.told, notes=(*self.told.notes, message))


def perform(task: Task, model: Model, options: Options) -> Told:
    """Do a task in a process that others wait for: whatever happens is told, nothing is raised."""
    listener = _Listener()
    try:
        with notes_shown(listener):
            segment_scan(task.source, task.folder, model, options, listener)
    except ParotidSegError as error:
        listener.failure(str(error))
    except Exception as error:  # not its text, which may hold the name of a file
        listener.failure(
            f"The program failed at this scan ({type(error).__name__}): run it alone to see why, and report it."
        )
    return listener.told
