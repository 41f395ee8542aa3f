"""Which weights of a run are kept, and what a run that was interrupted goes on with."""

from __future__ import annotations

import csv
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ParotidSegLib.errors import DataError
from ParotidSegLib.files.atomic import atomic_path
from ParotidSegLib.files.json_text import parse_json

#: Of state.json and the weights that it names; counts the changes after which an older run cannot go on.
SCHEMA = 2
#: What may be raised where weights are damaged or of another network.
UNFIT = (OSError, ValueError, KeyError, TypeError, UserWarning)


@dataclass
class HybridCheckpoint:
    """The source method's rule: keep the weights of an epoch whose validation Dice and loss are both the best so far.

    Attributes:
        best_dice: highest validation Dice seen.
        best_loss: lowest validation loss seen.
    """

    best_dice: float = -math.inf
    best_loss: float = math.inf

    def update(self, dice: float, loss: float) -> tuple[bool, bool]:
        """Take in an epoch.

        Returns:
            (both are the best so far, Dice is the best so far).
        """
        better_dice, better_loss = dice > self.best_dice, loss < self.best_loss
        self.best_dice = max(self.best_dice, dice)
        self.best_loss = min(self.best_loss, loss)
        return better_dice and better_loss, better_dice


def epochs_without_gain(rows: Sequence[Mapping[str, Any]]) -> int:
    """Epochs of a history since the one with the best validation Dice; all of them if none ever had a Dice."""
    count = 0
    for row in reversed(rows):
        if row["kept"]:
            break
        count += 1
    return count


def save_weights(model: Any, path: Path) -> None:
    """Write Keras weights, and a compiled model's optimizer, whole or not at all; the path ends in .weights.h5."""
    with atomic_path(path) as temporary:
        model.save_weights(temporary)


def load_weights(model: Any, path: Path) -> None:
    """Load Keras weights, and a compiled model's optimizer; one of UNFIT is raised unless all of them fit."""
    with warnings.catch_warnings():
        # Of layers, or an optimizer, that do not fit Keras only warns, and leaves them as they are.
        warnings.simplefilter("error", UserWarning)
        model.load_weights(path)


@dataclass
class RunState:
    """What a resumed run needs beside its recipe."""

    epoch: int = 0
    checkpoint: HybridCheckpoint = field(default_factory=HybridCheckpoint)
    rows: list[dict[str, Any]] = field(default_factory=list)
    weights: str = ""

    @classmethod
    def read(cls, run: Path) -> RunState:
        """The state of the run folder, without its weights; a new one if there is none.

        Raises:
            DataError: it is damaged, or of another version of this program.
        """
        path = run / "state.json"
        if not path.is_file():
            return cls()
        try:
            data = parse_json(path.read_text(encoding="utf-8"))
            if data.pop("schema", 1) != SCHEMA:
                raise DataError(f"The run {run} was begun by another version of this program: choose an empty folder.")
            return cls(**{**data, "checkpoint": HybridCheckpoint(**data["checkpoint"])})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(run) from error

    def restore(self, run: Path, model: Any) -> None:
        """Put weights and optimizer into the model, whose optimizer has its variables already.

        Raises:
            DataError: the file is missing or damaged.
        """
        if not self.weights:
            return
        try:
            load_weights(model, run / self.weights)
        except UNFIT as error:
            raise _damaged(run) from error

    def save(self, run: Path, model: Any) -> None:
        """Write weights first and the file that names them last: a kill between the two leaves the older state."""
        self.weights = f"state-{self.epoch}.weights.h5"
        save_weights(model, run / self.weights)
        with atomic_path(run / "history.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(self.rows[-1]))
            writer.writeheader()
            writer.writerows(self.rows)
        with atomic_path(run / "state.json") as temporary:
            temporary.write_text(json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1), encoding="utf-8")
        for old in run.glob("state-*.weights.h5"):
            if old.name != self.weights:
                old.unlink()


def _damaged(run: Path) -> DataError:
    return DataError(f"The state of the run {run} is damaged or incomplete: choose another folder.")
