"""Run folders as the trainer leaves them, without a training."""

from __future__ import annotations

import json
from pathlib import Path

from ParotidSegTrainingLib.training.checkpoints import RunState


class _Model:
    """Weights that nobody needs."""

    def save_weights(self, path: Path) -> None:
        Path(path).write_bytes(b"")


def write_run(folder: Path, losses: list[float], kept: list[str]) -> Path:
    """A run folder as the trainer leaves it, with a recipe of which only some fields are read."""
    rows = [
        {
            "epoch": epoch,
            "step": 8 * epoch,
            "seconds": 1.5,
            "learning_rate": 0.001,
            "loss": loss,
            "val_loss": loss / 2,
            "val_dice": 1 - loss,
            "val_dice_1": 1 - loss + 0.01,
            "val_dice_2": float("nan") if epoch == 1 else 1 - loss - 0.01,
            "kept": keep,
        }
        for epoch, (loss, keep) in enumerate(zip(losses, kept, strict=True), start=1)
    ]
    folder.mkdir()
    RunState(epoch=len(rows), rows=rows).save(folder, _Model())
    recipe = {
        "name": "tiny",
        "network": "residual_unet",
        "loss": {"name": "hybrid", "gamma": 2.0},
        "optimisation": {"epochs": 9, "steps_per_epoch": 8, "batch_size": 2, "accumulate": 3},
    }
    (folder / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    return folder
