"""What a person sees on the terminal, and what a parent process reads."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from ..segmentation import Segmentation


def with_safe_output(command: Callable[[], int]) -> int:
    """Run a command whose output may hold what the terminal cannot show, or lose its reader; its exit code, or 1."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = command()
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read the output has gone
        _send_to_nowhere(sys.stdout)
        return 1
    except OSError as error:  # files of results raise an OutputError: this is the output that a person reads
        _send_to_nowhere(sys.stdout)
        with suppress(OSError):
            print(
                f"parotidseg: What was to be printed cannot be written ({error.strerror or error}): results that were "
                "written are whole; send the output elsewhere and look into the folder of results.",
                file=sys.stderr,
                flush=True,
            )
        return 1
    finally:
        try:
            sys.stderr.flush()
        except OSError:
            _send_to_nowhere(sys.stderr)


def _send_to_nowhere(stream: TextIO) -> None:
    """What is left in a stream that nothing takes any more must not come up again at the end of the process."""
    with suppress(OSError, ValueError):  # streams of other programs have no number
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Notes(logging.Handler):
    """Hands what the library logs to a reporter."""

    def __init__(self, show: Reporter) -> None:
        super().__init__(logging.WARNING)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        self._show.note(record.getMessage())


@contextmanager
def notes_shown(show: Reporter) -> Iterator[None]:
    """Within the block, what the library logs (as what it passed over) goes to the reporter."""
    log, handler = logging.getLogger(__package__.partition(".")[0]), _Notes(show)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class Reporter(Protocol):
    """Takes in what happens."""

    def heading(self, text: str) -> None:
        """A new scan of several."""

    def progress(self, stage: str, fraction: float, message: str) -> None:
        """Work goes on; the fraction is of the whole scan."""

    def result(self, result: Segmentation, files: list[Path], note: str = "") -> None:
        """A scan is done and its files are written; a note says what was left out."""

    def finished(self, text: str, files: list[Path], report: dict[str, Any], note: str = "") -> None:
        """Work is done: what a person reads of it, its files, what a program reads of it, and what was left out."""

    def failure(self, message: str) -> None:
        """A scan, or the whole call, failed."""

    def note(self, message: str) -> None:
        """Something for the log: the work goes on."""


def reporter(kind: str) -> Reporter:
    """The reporter for --progress human, json or none."""
    return {"human": HumanReporter, "json": JsonReporter, "none": QuietReporter}[kind]()


class HumanReporter:
    """A progress line on a terminal (a line per stage elsewhere), then a table."""

    WIDTH = 24

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out, self._err = out or sys.stdout, err or sys.stderr
        self._live = self._err.isatty()
        self._stage = ""

    def heading(self, text: str) -> None:
        print(text, file=self._out, flush=True)

    def progress(self, stage: str, fraction: float, message: str) -> None:
        if self._live:
            done = round(fraction * self.WIDTH)
            bar = "█" * done + "░" * (self.WIDTH - done)
            print(f"\r\033[K{bar} {fraction:4.0%}  {message}", end="", file=self._err, flush=True)
        elif stage not in (self._stage, "done"):
            print(f"{message} …", file=self._err, flush=True)
        self._stage = stage

    def result(self, result: Segmentation, files: list[Path], note: str = "") -> None:
        self.finished(table(result), files, {}, note)

    def finished(self, text: str, files: list[Path], report: dict[str, Any], note: str = "") -> None:
        self._clear()
        print(text, file=self._out)
        notes = [note] if note else []
        print("Files:", *(f"  {path}" for path in files), *notes, sep="\n", file=self._out, flush=True)

    def failure(self, message: str) -> None:
        self._clear()
        print(f"parotidseg: {message}", file=self._err, flush=True)

    def note(self, message: str) -> None:
        self._clear()
        print(message, file=self._err, flush=True)

    def _clear(self) -> None:
        if self._live:
            print("\r\033[K", end="", file=self._err, flush=True)
        self._stage = ""


class JsonReporter:
    """One JSON object a line on the standard output: the protocol of the worker process.

    {"stage": …, "fraction": 0..1, "message": …} while it works; {"stage": "result", "files": […], "report": {…}} for a
    scan that is done; {"stage": "error", "message": …} for one that failed.
    """

    def heading(self, text: str) -> None:
        self._write({"stage": "scan", "fraction": 0.0, "message": text})

    def progress(self, stage: str, fraction: float, message: str) -> None:
        self._write({"stage": stage, "fraction": round(fraction, 4), "message": message})

    def result(self, result: Segmentation, files: list[Path], note: str = "") -> None:
        self.finished("", files, result.report(), note)

    def finished(self, text: str, files: list[Path], report: dict[str, Any], note: str = "") -> None:
        paths = [str(path) for path in files]
        self._write({"stage": "result", "fraction": 1.0, "message": note or "Done", "files": paths, "report": report})

    def failure(self, message: str) -> None:
        self._write({"stage": "error", "fraction": 1.0, "message": message})

    def note(self, message: str) -> None:
        print(message, file=sys.stderr, flush=True)  # where a parent process finds what goes into its log

    @staticmethod
    def _write(line: dict[str, Any]) -> None:
        print(json.dumps(line), flush=True)


class QuietReporter(HumanReporter):
    """Failures, and what was left out, only."""

    def heading(self, text: str) -> None:
        pass

    def progress(self, stage: str, fraction: float, message: str) -> None:
        pass

    def result(self, result: Segmentation, files: list[Path], note: str = "") -> None:
        self.finished("", files, {}, note)

    def finished(self, text: str, files: list[Path], report: dict[str, Any], note: str = "") -> None:
        if note:
            self.failure(note)


def table(result: Segmentation) -> str:
    """The result as text: a row per gland, the findings, the time."""
    lines = [f"{'':22s}{'volume':>10s}{'mean':>10s}"]
    for structure in result.structures:
        measurement = result.measurements.get(structure.key)
        if measurement is None:
            lines.append(f"{structure.name:22s}{'not found':>10s}")
        else:
            lines.append(f"{structure.name:22s}{measurement.volume_ml:7.1f} mL{measurement.mean_hu:7.0f} HU")
    # Not "findings", which to a clinician are those of disease: the checks look at the contours alone.
    lines.append("Remarks on the contours" + (":" if result.findings else ": none (they do not look for disease)"))
    for finding in result.findings:
        where = " at ({:.0f}, {:.0f}, {:.0f}) mm".format(*finding.point) if finding.point else ""
        lines.append(f"  {finding.severity}: {finding.message}{where and f' Look{where}.'}")
    bundle = result.provenance["bundle"]
    seconds = sum(result.timings.values())
    lines.append(f"Model {bundle['name']} {bundle['version']}, engine {result.provenance['engine']}, {seconds:.1f} s")
    lines.append("For review by a clinician; not for use without one.")
    return "\n".join(lines)
