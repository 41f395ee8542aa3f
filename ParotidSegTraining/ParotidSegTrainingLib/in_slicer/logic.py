"""What ParotidSegTraining can do in Slicer: prepare, train, evaluate, compare, and show how volumes agree.

    from ParotidSegTrainingLib.in_slicer.logic import ParotidSegTrainingLogic

    logic = ParotidSegTrainingLogic()
    run = logic.train("parotid-residual", DATA, RUN)                                  # waits
    work = logic.train("parotid-residual", DATA, RUN, callback=lambda work: ...)      # returns at once: work.cancel()

Every call runs the command of `parotidseg-train` in a child process, so that Slicer stays usable and a crash stays
there. `options` are further arguments of that command; paths in them must be absolute. In PythonSlicer, where there is
no scene, all calls work but `showAgreement`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .work import Report, Watch, Work, unseen

if TYPE_CHECKING:
    from .agreement_nodes import AgreementNodes

#: Called with the finished work: `work.failure` is None, or one sentence.
Callback = Callable[[Work], object]
_POLL_MILLISECONDS = 100


class ParotidSegTrainingLogic:
    """The logic of the module; names in Slicer's style, since its users write scripts in that style.

    Args:
        report: takes the lines that the commands print.
        watch: takes the progress of a training: share done, message, seconds left or None.
    """

    def __init__(self, report: Report = print, watch: Watch = unseen) -> None:
        self._report, self._watch = report, watch
        self._watched: list[tuple[Work, Any]] = []

    def prepare(
        self,
        sources: Sequence[str | Path],
        output: str | Path,
        *,
        options: Sequence[str] = (),
        callback: Callback | None = None,
    ) -> Any:
        """Make a data set of scans and contours; see `parotidseg-train prepare --help`.

        Args:
            sources: folders, each as a path, or as "NAME=PATH" with the name that a mapping knows.
            output: folder of the data set.

        Returns:
            The folder; with a callback the Work, at once.

        Raises:
            WorkerError: it failed (without a callback).
        """
        words = [_absolute_source(str(source)) for source in sources]
        return self._run(["prepare", *words, "--output", _absolute(output), *options], Path(output), callback)

    def train(
        self,
        recipe: str | Path,
        data: str | Path,
        run: str | Path,
        *,
        settings: Mapping[str, Any] | None = None,
        options: Sequence[str] = (),
        callback: Callback | None = None,
    ) -> Any:
        """Train a network, or go on with an interrupted run; see `parotidseg-train fit --help`.

        Args:
            recipe: the name of one that ships, or a file.
            data, run: folders of the data set and of the run.
            settings: fields of the recipe to change, such as {"optimisation.epochs": 10}.

        Returns:
            The folder of the run; with a callback the Work, at once.

        Raises:
            WorkerError: it failed (without a callback).
        """
        import json

        words = ["fit", _name_or_path(recipe), "--data", _absolute(data), "--run", _absolute(run)]
        for field, value in (settings or {}).items():
            words += ["--set", f"{field}={json.dumps(value)}"]
        return self._run([*words, *options], Path(run), callback)

    def evaluate(
        self,
        data: str | Path,
        output: str | Path,
        *,
        bundle: str | Path = "parotid-ct",
        options: Sequence[str] = (),
        callback: Callback | None = None,
    ) -> Any:
        """Score a model on a data set; see `parotidseg-train evaluate --help`.

        Returns:
            The folder of results, for `showAgreement`; with a callback the Work, at once.

        Raises:
            WorkerError: it failed (without a callback).
        """
        words = ["evaluate", "--data", _absolute(data), "--bundle", _name_or_path(bundle)]
        return self._run([*words, "--output", _absolute(output), *options], Path(output), callback)

    def evaluateContours(
        self,
        reference: str | Path,
        candidate: str | Path,
        output: str | Path,
        *,
        options: Sequence[str] = (),
        callback: Callback | None = None,
    ) -> Any:
        """Score the contours of one folder against those of another; returns and raises as `evaluate`."""
        words = ["evaluate", "--reference", _absolute(reference), "--candidate", _absolute(candidate)]
        return self._run([*words, "--output", _absolute(output), *options], Path(output), callback)

    def compare(
        self,
        data: str | Path,
        a: str | Path,
        b: str | Path,
        output: str | Path,
        *,
        options: Sequence[str] = (),
        callback: Callback | None = None,
    ) -> Any:
        """Score two models, or folders of contours, on the same cases; see `parotidseg-train compare --help`.

        Returns:
            The page, report.html; the results of both are in the folders a and b beside it. With a callback the Work.

        Raises:
            WorkerError: it failed (without a callback).
        """
        words = ["compare", "--data", _absolute(data), "--a", _name_or_path(a), "--b", _name_or_path(b)]
        page = Path(output) / "report.html"
        return self._run([*words, "--output", _absolute(output), *options], page, callback)

    def showAgreement(self, results: str | Path, *, show: bool = True) -> list[AgreementNodes]:
        """Put the Bland-Altman tables and plot charts of a folder of results into the scene.

        Args:
            results: the folder that `evaluate` wrote; of a comparison its folder a or b.
            show: switch the layout to the first chart, if there is a main window.

        Raises:
            DataError: the folder holds no results.
        """
        from .agreement_nodes import show_agreement

        return show_agreement(results, show=show)

    def _run(self, words: Sequence[str], made: Path, callback: Callback | None) -> Any:
        work = Work(words, report=self._report, watch=self._watch)
        if callback is not None:
            self._poll_from_timer(work, callback)
            return work
        app = getattr(sys.modules.get("slicer"), "app", None)
        work.wait(app.processEvents if app is not None else lambda: None)
        return made

    def _poll_from_timer(self, work: Work, callback: Callback) -> None:
        import qt  # the only place: without an application there is no event loop to come back to

        timer = qt.QTimer()
        timer.setInterval(_POLL_MILLISECONDS)

        def look() -> None:
            if work.poll():
                timer.stop()
                self._watched.remove((work, timer))
                work.close()
                callback(work)

        timer.connect("timeout()", look)
        self._watched.append((work, timer))
        timer.start()


def _absolute(path: str | Path) -> str:
    # The child has a working folder of its own.
    return str(Path(path).absolute())


def _name_or_path(name: str | Path) -> str:
    """A name as it is, the path of something that exists absolute."""
    return _absolute(name) if isinstance(name, Path) or Path(name).exists() else name


def _absolute_source(source: str) -> str:
    name, separator, path = source.partition("=")
    return f"{name}={_absolute(path)}" if separator and not Path(source).exists() else _absolute(source)
