"""Training curves of one or several runs, from the history.csv that `fit` writes."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ParotidSegLib.errors import DataError
from ParotidSegLib.files.json_text import parse_json
from ParotidSegLib.writing.drawing.views import rgb
from ParotidSegLib.writing.pages.plots import COLOUR_A, COLOUR_B, INK, QUIET, new_plot, save_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Width and height in pixels of a panel.
CELL = (760, 620)

#: Of the runs, in order; more runs than colours begin again.
_COLOURS = (COLOUR_A, COLOUR_B, (0, 114, 178), (204, 121, 167))
_NEEDED = ("epoch", "loss", "val_loss", "val_dice")


def read_history(run: Path) -> list[dict[str, float]]:
    """The rows of a run's history.csv, an epoch each: its number, losses and Dice of the validation.

    Raises:
        DataError: the file is missing or damaged, or no epoch is finished.
    """
    try:
        with (run / "history.csv").open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        rows = [
            {name: float(value) for name, value in line.items() if name in _NEEDED or name.startswith("val_dice_")}
            | {"kept": float(line.get("kept") == "hybrid")}
            for line in lines
        ]
        if not rows or any(name not in row for row in rows for name in _NEEDED):
            raise ValueError("columns are missing")
    except FileNotFoundError as error:
        raise DataError(f"The run {run} has no history.csv: it has to finish an epoch first.") from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"The history.csv of the run {run} is damaged or empty: choose another run.") from error
    return rows


def describe_run(run: Path) -> dict[str, str]:
    """What a reader wants to know of a run: network, loss, epochs, patches an epoch; empty if it has no recipe."""
    try:
        recipe: dict[str, Any] = parse_json((run / "recipe.json").read_text(encoding="utf-8"))
        optimisation, loss = recipe["optimisation"], recipe["loss"]
        patches = optimisation["steps_per_epoch"] * optimisation["batch_size"] * optimisation.get("accumulate", 1)
        return {
            "recipe": str(recipe["name"]),
            "network": str(recipe["network"]),
            "loss": ", ".join(str(value) if name == "name" else f"{name} {value}" for name, value in loss.items()),
            "epochs": str(optimisation["epochs"]),
            "patches an epoch": str(patches),
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def draw_curves(histories: Mapping[str, Sequence[Mapping[str, float]]], path: str | Path) -> Path:
    """Draw a PNG: the losses of each run in a panel of its own, and the validation Dice of all runs in the last one.

    Losses of different kinds have different scales, so they never share an axis. The first fifth of a run may lie
    below the panel of Dice.

    Args:
        histories: name of a run -> its rows, as `read_history` gives them.
        path: the .png to write.

    Returns:
        The path.

    Raises:
        OutputError: the path does not end with .png, or the file cannot be written.
    """
    count = len(histories) + 1
    columns = min(count, 3)
    rows = -(-count // columns)
    figure = new_plot(columns * CELL[0], rows * CELL[1])
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    last = panels[len(histories)]
    for place, (name, history) in enumerate(histories.items()):
        colour = rgb(_COLOURS[place % len(_COLOURS)])
        _draw_losses(panels[place], name, history, colour)
        _draw_dice(last, name, history, colour)
    _finish(last, "Dice of the validation", "Dice")
    last.set_ylim(*_dice_limits(histories.values()))
    for unused in panels[count:]:
        unused.set_visible(False)
    figure.tight_layout(pad=1.6)
    return save_plot(figure, path)


def _draw_losses(axes: Axes, name: str, history: Sequence[Mapping[str, float]], colour: Any) -> None:
    epochs = [row["epoch"] for row in history]
    axes.plot(epochs, [row["loss"] for row in history], color=QUIET, linestyle="dashed", label="training")
    axes.plot(epochs, [row["val_loss"] for row in history], color=colour, linewidth=2.0, label="validation")
    _mark_kept(axes, history, "val_loss", colour)
    _finish(axes, f"Loss of {name}", "loss")


def _draw_dice(axes: Axes, name: str, history: Sequence[Mapping[str, float]], colour: Any) -> None:
    epochs = [row["epoch"] for row in history]
    axes.plot(epochs, [row["val_dice"] for row in history], color=colour, linewidth=2.0, label=name)
    for column in (column for column in history[0] if column.startswith("val_dice_")):
        axes.plot(epochs, [row[column] for row in history], color=colour, linewidth=0.8, alpha=0.5)
    _mark_kept(axes, history, "val_dice", colour)


def _dice_limits(histories: Iterable[Sequence[Mapping[str, float]]]) -> tuple[float, float]:
    """Lowest and highest Dice to show: those after the first fifth of each run, whose steep rise hides the rest."""
    later = [row for history in histories for row in history[len(history) // 5 :]]
    values = [value for row in later for name, value in row.items() if name.startswith("val_dice")]
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    margin = 0.15 * (max(finite) - min(finite)) + 0.005
    return min(finite) - margin, max(finite) + margin


def _mark_kept(axes: Axes, history: Sequence[Mapping[str, float]], column: str, colour: Any) -> None:
    """A dot at the last epoch whose weights the hybrid checkpoint kept."""
    kept = [row for row in history if row["kept"] and math.isfinite(row[column])]
    if kept:
        axes.plot(kept[-1]["epoch"], kept[-1][column], marker="o", markersize=8, color=colour, markeredgecolor=INK)


def _finish(axes: Axes, title: str, label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title, color=INK, size=11, weight="bold", loc="left", parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch", color=INK)
    axes.set_ylabel(label, color=INK)
    legend = axes.legend(frameon=False, fontsize=9)
    for text in legend.get_texts():
        text.set_parse_math(False)
