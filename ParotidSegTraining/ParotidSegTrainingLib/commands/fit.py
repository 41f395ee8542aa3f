"""`parotidseg-train fit` and `parotidseg-train folds`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ParotidSegLib.errors import RecipeError

from .. import recipe as recipes
from ..data.dataset import DatasetFolder
from ..recipe import Recipe
from ..training.progress import reporter


def add_training(commands: Any) -> None:
    """Add both commands to those of `parotidseg-train`."""
    fit = commands.add_parser("fit", help="train a network, or go on with an interrupted run")
    _add_options(fit, run="folder of the run; the same folder resumes it")
    fit.add_argument("--start-from", type=Path, metavar="WEIGHTS", help="weights of another run to begin with")
    fit.set_defaults(run_command=_fit)

    folds = commands.add_parser(
        "folds",
        help="cross-validate: train once for each fold",
        description="Divide training and validation cases into folds and train as often, with another fold to validate "
        "on each time: on this machine one after another, or on the workers of a Dask cluster.",
    )
    _add_options(folds, run="folder of the folds: each gets a run folder in it; the same command resumes")
    folds.add_argument("--folds", type=int, default=5, metavar="K", help="number of folds (default: 5)")
    folds.add_argument("--only", type=int, metavar="N", help="train this fold alone, from 1")
    folds.add_argument(
        "--scheduler", metavar="ADDRESS", help="tcp://HOST:PORT of a Dask scheduler; its workers see the same paths"
    )
    folds.set_defaults(run_command=_folds)


def _add_options(command: argparse.ArgumentParser, *, run: str) -> None:
    command.add_argument("recipe", help="a file, or one that 'parotidseg-train recipes' lists")
    command.add_argument("--data", required=True, type=Path, help="folder with images/, masks/ and splits.json")
    command.add_argument("--run", required=True, type=Path, help=run)
    command.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field of the recipe"
    )
    command.add_argument("--progress", default="human", choices=("human", "json", "none"))
    command.add_argument("--workers", type=int, metavar="N", help="threads that prepare batches (default: by hardware)")
    command.add_argument("--gpus", type=int, metavar="N", help="GPUs that share each batch (default: all that can)")
    command.add_argument("--wandb", metavar="PROJECT", help="show the curves on Weights & Biases too")


def overrides_of(assignments: Sequence[str]) -> dict[str, Any]:
    """What `--set` says, by dotted field."""
    values = {}
    for assignment in assignments:
        name, separator, text = assignment.partition("=")
        if not separator:
            raise RecipeError(f"--set takes FIELD=VALUE, not '{assignment}'.")
        try:
            values[name] = json.loads(text)
        except json.JSONDecodeError:
            values[name] = text
    return values


def _opened(arguments: argparse.Namespace) -> tuple[Recipe, DatasetFolder]:
    recipe = recipes.load(arguments.recipe, overrides_of(arguments.set))
    return recipe, DatasetFolder.open(arguments.data, recipe.preprocessing.inputs)


def _training_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `fit` takes beside recipe, data and run."""
    if arguments.workers is not None and arguments.workers < 0:
        raise RecipeError("--workers must not be negative.")
    devices = None
    if arguments.gpus is not None:
        from ..training.devices import first_gpus

        devices = first_gpus(arguments.gpus)
    return {"workers": arguments.workers, "devices": devices, "wandb_project": arguments.wandb}


def _fit(arguments: argparse.Namespace) -> None:
    from ..training.trainer import fit

    recipe, folder = _opened(arguments)
    show = reporter(arguments.progress)
    fit(
        recipe,
        folder,
        arguments.run,
        start_from=arguments.start_from,
        report=show.line,
        progress=show.progress,
        **_training_options(arguments),
    )
    show.done([arguments.run])


def _folds(arguments: argparse.Namespace) -> None:
    from ..training.folds import cross_validate, table

    recipe, folder = _opened(arguments)
    show = reporter(arguments.progress)
    summary = cross_validate(
        recipe,
        folder,
        arguments.run,
        folds=arguments.folds,
        only=arguments.only,
        scheduler=arguments.scheduler,
        report=show.line,
        progress=show.progress,
        options=_training_options(arguments),
    )
    show.line(table(summary))
    show.done([arguments.run])
