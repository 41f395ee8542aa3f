"""What a worker process reports, as the panel receives it; and how its lines are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...files.json_text import parse_json


@dataclass(frozen=True)
class Event:
    """Something happened in the worker."""


@dataclass(frozen=True)
class Progress(Event):
    """The work goes on.

    Attributes:
        stage: short name of what is done now.
        fraction: finished part of the whole, 0..1.
        message: the same for a person.
        seconds_left: estimate; None while it cannot be told.
        data: the whole line, with whatever else the worker told.
    """

    stage: str
    fraction: float
    message: str
    seconds_left: float | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LogLine(Event):
    """A line for the log only."""

    text: str


@dataclass(frozen=True)
class Result(Event):
    """The work is done; the last event.

    Attributes:
        report: what was measured (`Segmentation.report()` of a segmentation).
        files: what was written.
        data: the whole line.
    """

    report: dict[str, Any]
    files: list[Path]
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure(Event):
    """The work failed; the last event. The message is one sentence for a person."""

    message: str


@dataclass(frozen=True)
class Cancelled(Failure):
    """The work was cancelled by its user, who need not be told that it failed."""


def parse_line(line: str) -> dict[str, Any] | None:
    """The report in a line of the worker; None if it is none, but something that a library printed."""
    if not line.startswith("{"):
        return None
    try:
        data = parse_json(line)
        data["fraction"] = float(data.get("fraction", 0.0))
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    return data if isinstance(data.get("stage"), str) else None


def progress_of(data: dict[str, Any], seconds_left: float | None) -> Progress:
    """The progress that a parsed line reports."""
    fraction = min(1.0, max(0.0, data["fraction"]))
    return Progress(data["stage"], fraction, str(data.get("message", "")), seconds_left, data)


def result_of(data: dict[str, Any]) -> Result:
    """The result that a parsed line reports."""
    report, files = data.get("report"), data.get("files")
    return Result(
        report=report if isinstance(report, dict) else {},
        files=[Path(str(file)) for file in files] if isinstance(files, list) else [],
        data=data,
    )
