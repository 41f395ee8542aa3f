"""What tests ask of the folder of a run."""

from __future__ import annotations

import csv
from pathlib import Path

from ParotidSegLib.model.networks import build_network
from ParotidSegTrainingLib.recipe import Recipe


def history(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def network(recipe: Recipe, weights: Path):
    model = build_network(recipe.network, tile=recipe.tile, config=recipe.network_config)
    model.load_weights(weights)
    return model


def files(run: Path) -> list[str]:
    return sorted(path.name for path in run.iterdir())


def silent(line: str) -> None:
    """A report that nobody reads."""
