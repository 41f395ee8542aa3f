"""`parotidseg-train`: fit and evaluate models of this family."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ParotidSegLib.errors import ParotidSegError, RecipeError

from . import recipe as recipes
from .cli_compare import add_compare
from .cli_evaluate import add_evaluate, say
from .cli_prepare import add_prepare
from .cli_start import add_practice, add_recipes
from .dataset import DatasetFolder


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="parotidseg-train", description="Train and judge parotid segmentation models.")
    commands = top.add_subparsers(dest="command", required=True)
    add_recipes(commands)
    add_practice(commands)
    add_prepare(commands)

    fit = commands.add_parser("fit", help="train a network, or go on with an interrupted run")
    fit.add_argument("recipe", help=f"a file, or one of: {', '.join(recipes.names())}")
    fit.add_argument("--data", required=True, type=Path, help="folder with images/, masks/ and splits.json")
    fit.add_argument("--run", required=True, type=Path, help="folder of the run; the same folder resumes it")
    fit.add_argument("--start-from", type=Path, metavar="WEIGHTS", help="weights of another run to begin with")
    fit.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field of the recipe")
    fit.set_defaults(run_command=_fit)

    add_evaluate(commands)
    add_compare(commands)

    bundle = commands.add_parser("bundle", help="make a bundle from finished runs")
    bundle.add_argument("output", type=Path, help="folder of the bundle; its name is the bundle's name")
    bundle.add_argument("--segmenter", required=True, type=Path, help="run folder of the segmenting network")
    bundle.add_argument(
        "--locator",
        type=Path,
        help="run folder of the network that finds parotid glands, or a bundle that has one (without: the whole scan)",
    )
    bundle.add_argument("--weights", default="hybrid", choices=("hybrid", "best_dice", "last"))
    bundle.add_argument("--version", required=True, help="semantic version, e.g. 0.1.0")
    bundle.add_argument("--description", required=True, help="one sentence")
    bundle.add_argument("--trained-on", required=True, help="one sentence about the training data")
    bundle.set_defaults(run_command=_bundle)
    return top


def _overrides(assignments: Sequence[str]) -> dict[str, Any]:
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


def _fit(arguments: argparse.Namespace) -> None:
    from .trainer import fit

    recipe = recipes.load(arguments.recipe, _overrides(arguments.set))
    folder = DatasetFolder.open(arguments.data, recipe.preprocessing.inputs)
    fit(recipe, folder, arguments.run, start_from=arguments.start_from, report=say)


def _bundle(arguments: argparse.Namespace) -> None:
    from .bundling import make_bundle

    make_bundle(
        arguments.output,
        name=arguments.output.name,
        version=arguments.version,
        segmenter_run=arguments.segmenter,
        locator_run=arguments.locator,
        choice=arguments.weights,
        training={"data": arguments.trained_on},
        description=arguments.description,
    )
    print(f"{arguments.output} is ready.")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: 0 done, 1 failed (of several cases the rest is done), 2 wrong use, 130 interrupted."""
    arguments = parser().parse_args(argv)
    arguments.words = sys.argv[1:] if argv is None else argv  # results say what command made them
    try:
        return arguments.run_command(arguments) or 0
    except ParotidSegError as error:
        print(f"parotidseg-train: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "parotidseg-train: interrupted; the same command goes on from the last finished epoch or case.",
            file=sys.stderr,
        )
        return 130


if __name__ == "__main__":
    sys.exit(main())
