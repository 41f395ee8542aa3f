"""How a training run shows itself: lines and a live line for a person, JSON lines for a parent process."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from ParotidSegLib.terminal.console import HumanReporter, JsonReporter

#: Takes the stage, the share of the whole run that is done, and a message.
Progress = Callable[[str, float, str], None]
#: Seconds between two messages from within an epoch.
INTERVAL = 0.5


def unseen(stage: str, fraction: float, message: str) -> None:
    """Progress that nobody watches."""


class Reporter(Protocol):
    """Takes in what happens."""

    def line(self, text: str) -> None:
        """A fact that stays, an epoch's result for instance."""

    def progress(self, stage: str, fraction: float, message: str) -> None:
        """Work goes on; the fraction is of the whole run."""

    def failure(self, message: str) -> None:
        """The run failed."""

    def done(self, folders: Sequence[Path]) -> None:
        """The run is done; its folders."""


def reporter(kind: str) -> Reporter:
    """The reporter for --progress human, json or none."""
    return {"human": Terminal, "json": JsonLines, "none": Quiet}[kind]()


class Terminal(HumanReporter):
    """A line an epoch, and on a terminal a live line that tells how the epoch goes on."""

    def line(self, text: str) -> None:
        self._clear()
        print(text, file=self._out, flush=True)

    def progress(self, stage: str, fraction: float, message: str) -> None:
        if self._live:
            # A line that wraps could not be wiped out again.
            room = shutil.get_terminal_size().columns - self.WIDTH - len(" 100%  ") - 1
            super().progress(stage, fraction, message[: max(0, room)])

    def failure(self, message: str) -> None:
        self._clear()
        print(f"parotidseg-train: {message}", file=self._err, flush=True)

    def done(self, folders: Sequence[Path]) -> None:
        self._clear()


class JsonLines(JsonReporter):
    """One JSON object a line, as segmentation writes them: {"stage": …, "fraction": 0..1, "message": …}.

    Stages: "read", "train" and "validate" while it works, "epoch" for a finished one, "line" for any other fact,
    "result" when a run is done, "error" when it failed.
    """

    def __init__(self) -> None:
        self._fraction = 0.0

    def line(self, text: str) -> None:
        self._write({"stage": "line", "fraction": round(self._fraction, 4), "message": text})

    def progress(self, stage: str, fraction: float, message: str) -> None:
        self._fraction = fraction
        super().progress(stage, fraction, message)

    def done(self, folders: Sequence[Path]) -> None:
        files = [str(folder) for folder in folders]
        self._write({"stage": "result", "fraction": 1.0, "message": "Done", "files": files})


class Quiet(Terminal):
    """Failures only."""

    def line(self, text: str) -> None:
        pass

    def progress(self, stage: str, fraction: float, message: str) -> None:
        pass


class Clock:
    """Time left of a run, from how long its steps took in this session.

    Args:
        epochs: of the whole run.
        steps: of an epoch.
        done: epochs that are finished already.
    """

    #: Epochs that the estimate looks back on.
    MEMORY = 5

    def __init__(self, epochs: int, steps: int, done: int) -> None:
        self._epochs, self._steps, self._done = epochs, steps, done
        self._durations: list[float] = []
        self._started = self._said = time.monotonic()

    def start_epoch(self) -> None:
        """An epoch begins."""
        self._started = time.monotonic()

    def end_epoch(self) -> float:
        """An epoch is finished; the seconds that it took."""
        seconds = time.monotonic() - self._started
        self._durations.append(seconds)
        self._done += 1
        return seconds

    def fraction(self, steps: int = 0) -> float:
        """Share of the whole run that is done, after some steps of the epoch in work."""
        return min(1.0, (self._done + steps / self._steps) / self._epochs)

    def seconds_left(self, steps: int = 0) -> float:
        """Of the whole run, after some steps of the epoch in work; the first epoch's time goes by its own steps."""
        spent = time.monotonic() - self._started
        recent: Sequence[float] = self._durations[-self.MEMORY :]
        # The first epoch of a session compiles the network: with others to go by it is left out.
        recent = recent[1:] if 1 < len(self._durations) <= self.MEMORY else recent
        whole = sum(recent) / len(recent) if recent else spent / steps * self._steps if steps else 0.0
        this = max(0.0, whole - spent) if steps else whole
        return this + whole * (self._epochs - self._done - 1) if self._done < self._epochs else 0.0

    def due(self) -> bool:
        """Whether the last message is long enough ago for another."""
        now = time.monotonic()
        if now - self._said < INTERVAL:
            return False
        self._said = now
        return True


def duration(seconds: float) -> str:
    """A time as a person says it: 40 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60.0)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
