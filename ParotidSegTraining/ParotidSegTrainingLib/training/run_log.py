"""A run's curves: TensorBoard files always, Weights & Biases when asked. (history.csv goes with the run's state.)"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from ParotidSegLib.errors import OutputError, RecipeError

from ..recipe import Recipe

#: Columns of the history that are no curve.
_NO_CURVE = ("epoch", "step", "kept")


@contextmanager
def _written() -> Iterator[None]:
    """Within the block a file that cannot be written is said in a sentence."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"The curves of the run cannot be written: {error.strerror or error}.") from error


class Log(Protocol):
    """Takes in numbers."""

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Values by name, at a step of the run."""

    def flush(self) -> None:
        """Put on disk what was written."""

    def close(self) -> None:
        """Nothing follows."""


class RunLog:
    """Writes to every log of a run; an OutputError if one cannot be written.

    Args:
        logs: the logs.
    """

    def __init__(self, logs: Sequence[Log]) -> None:
        self._logs = logs

    def epoch(self, row: Mapping[str, Any], step_losses: Sequence[float]) -> None:
        """A finished epoch: its row of the history, and the loss of each of its steps."""
        first = row["step"] - len(step_losses) + 1
        curves = {
            f"epoch/{name}": float(value)
            for name, value in row.items()
            if name not in _NO_CURVE and not math.isnan(value)
        }
        with _written():
            for log in self._logs:
                for step, loss in enumerate(step_losses, start=first):
                    log.write({"step/loss": loss}, step)
                log.write(curves, row["step"])
                log.flush()

    def close(self) -> None:
        """Nothing follows."""
        with _written():
            for log in self._logs:
                log.close()


class TensorBoard:
    """Event files in the folder tensorboard/ of a run, by a writer that needs no backend of Keras.

    Its lower layer is used: the SummaryWriter above it hands events to a thread, and `flush` does not wait for that.

    Args:
        run: the folder of the run.
        step: last step that counts; TensorBoard passes over what an earlier process wrote of later ones.
    """

    def __init__(self, run: Path, step: int) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        folder = run / "tensorboard"
        folder.mkdir(exist_ok=True)
        self._event = Event
        # Names hold the second: the rest keeps two sessions of one second apart, and in order.
        self._writer = EventsWriter(str(folder / "events"), f".{step:08d}-{secrets.token_hex(4)}")
        started = SessionLog(status=SessionLog.START)
        self._writer.write_event(Event(wall_time=time.time(), step=step + 1, session_log=started))

    def write(self, values: Mapping[str, float], step: int) -> None:
        from tensorboardX.summary import scalar

        for name, value in values.items():
            self._writer.write_event(self._event(wall_time=time.time(), step=step, summary=scalar(name, value)))

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """A run on Weights & Biases: the recipe but for the names of cases, and the curves.

    Args:
        run: the folder of the run, which holds the package's own files too.
        project: name of the project there.
        recipe: what is run.
        identity: of the run; resuming it goes on with the same curves.
    """

    def __init__(self, run: Path, project: str, recipe: Recipe, identity: str) -> None:
        try:
            import wandb
        except ImportError as error:
            raise RecipeError("Weights & Biases is not installed: pip install wandb, or leave out --wandb.") from error
        config = {name: value for name, value in asdict(recipe).items() if name != "exclude"}
        self._run = wandb.init(
            project=project, name=recipe.name, id=identity, resume="allow", config=config, dir=str(run)
        )

    def write(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def flush(self) -> None:
        """It sends on its own."""

    def close(self) -> None:
        self._run.finish()


def open_log(
    run: Path, recipe: Recipe, *, step: int, identity: str, wandb_project: str | None, report: Callable[[str], None]
) -> RunLog:
    """The logs of a run.

    Args:
        run: the folder of the run.
        recipe: what is run.
        step: steps that are finished.
        identity: of the run.
        wandb_project: a project on Weights & Biases; None for none.
        report: takes a line that says which log is missing.

    Raises:
        RecipeError: Weights & Biases is asked for but not installed.
        OutputError: the files cannot be written.
    """
    logs: list[Log] = []
    if wandb_project:
        logs.append(WeightsAndBiases(run, wandb_project, recipe, identity))
    try:
        with _written():
            logs.insert(0, TensorBoard(run, step))
    except ImportError:
        report("There will be no curves for TensorBoard: pip install tensorboardX to have them.")
    return RunLog(logs)
