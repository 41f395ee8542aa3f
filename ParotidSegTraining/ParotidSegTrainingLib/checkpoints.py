"""Which weights of a run are kept, and what a run that was interrupted goes on with."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ParotidSegLib.atomic import atomic_path
from ParotidSegLib.errors import DataError


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


def save_weights(model: Any, path: Path) -> None:
    """Write Keras weights whole or not at all; the path ends in .weights.h5."""
    with atomic_path(path) as temporary:
        model.save_weights(temporary)


@dataclass
class RunState:
    """What a resumed run needs beside its recipe."""

    epoch: int = 0
    checkpoint: HybridCheckpoint = field(default_factory=HybridCheckpoint)
    rows: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def load(cls, run: Path, model: Any) -> RunState:
        """The state of the run folder, with weights and optimizer put into the model; a new one if there is none."""
        path = run / "state.json"
        if not path.is_file():
            return cls()
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            model.optimizer.build(model.trainable_variables)
            model.load_weights(run / data["weights"])
            return cls(data["epoch"], HybridCheckpoint(**data["checkpoint"]), data["rows"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"The state of the run {run} is damaged or incomplete: choose another folder.") from error

    def save(self, run: Path, model: Any) -> None:
        """Write weights first and the file that names them last: a kill between the two leaves the older state."""
        weights = run / f"state-{self.epoch}.weights.h5"
        save_weights(model, weights)
        content = {
            "epoch": self.epoch,
            "weights": weights.name,
            "checkpoint": asdict(self.checkpoint),
            "rows": self.rows,
        }
        with atomic_path(run / "history.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(self.rows[-1]))
            writer.writeheader()
            writer.writerows(self.rows)
        with atomic_path(run / "state.json") as temporary:
            temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
        for old in run.glob("state-*.weights.h5"):
            if old != weights:
                old.unlink()
