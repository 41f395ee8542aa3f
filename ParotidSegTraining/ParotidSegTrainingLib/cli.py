"""`parotidseg-train`: fit and evaluate models of this family."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ParotidSegLib.engines import ENGINES
from ParotidSegLib.errors import DataError, ParotidSegError, RecipeError

from . import recipe as recipes
from .dataset import SPLITS, DatasetFolder

#: Where a model card gets its table.
FIGURES = "{figures}"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="parotidseg-train", description="Train and judge parotid segmentation models.")
    commands = top.add_subparsers(dest="command", required=True)
    fit = commands.add_parser("fit", help="train a network, or go on with an interrupted run")
    fit.add_argument("recipe", help=f"a file, or one of: {', '.join(recipes.names())}")
    fit.add_argument("--data", required=True, type=Path, help="folder with images/, masks/ and splits.json")
    fit.add_argument("--run", required=True, type=Path, help="folder of the run; the same folder resumes it")
    fit.add_argument("--start-from", type=Path, metavar="WEIGHTS", help="weights of another run to begin with")
    fit.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field of the recipe")
    fit.set_defaults(run_command=_fit)

    evaluate = commands.add_parser(
        "evaluate",
        help="score a model, or one folder of contours against another",
        description="Score a model on a split (--data), through the segment() that users run; or, without a model, the "
        "contours of one folder against those of another (--reference and --candidate).",
    )
    source = evaluate.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder with images/, masks/ and splits.json")
    source.add_argument(
        "--reference", type=Path, metavar="FOLDER", help="label maps by case, or a folder a case with a mask a gland"
    )
    evaluate.add_argument(
        "--candidate", type=Path, metavar="FOLDER", help="the same cases by another reader or program"
    )
    evaluate.add_argument("--split", default="validation", choices=SPLITS)
    evaluate.add_argument("--exclude", nargs="*", default=[], metavar="CASE", help="cases to leave out")
    evaluate.add_argument("--bundle", default="parotid-ct", help="a model: name, folder or zip")
    evaluate.add_argument("--engine", default="auto", choices=ENGINES)
    evaluate.add_argument("--no-mirror", action="store_true", help="skip the mirrored pass")
    evaluate.add_argument("--output", required=True, type=Path, help="folder for tables, summary and plot")
    evaluate.add_argument("--masks", type=Path, help="folder for the label maps that are made")
    evaluate.add_argument(
        "--card",
        type=Path,
        metavar="TEXT",
        help="record the figures in the bundle, and this text ({figures}: the table) as its model card",
    )
    evaluate.set_defaults(run_command=_evaluate, wrong_use=evaluate.error)

    bundle = commands.add_parser("bundle", help="make a bundle from finished runs")
    bundle.add_argument("output", type=Path, help="folder of the bundle; its name is the bundle's name")
    bundle.add_argument("--segmenter", required=True, type=Path, help="run folder of the segmenting network")
    bundle.add_argument("--locator", required=True, type=Path, help="run folder of the locator network")
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
    folder = DatasetFolder.open(arguments.data)
    fit(recipe, folder, arguments.run, start_from=arguments.start_from, report=_say)


def _evaluate(arguments: argparse.Namespace) -> None:
    if (arguments.reference is None) != (arguments.candidate is None):
        arguments.wrong_use("--reference and --candidate go together")
    if arguments.reference is None:
        _evaluate_model(arguments)
    elif arguments.masks or arguments.card:
        arguments.wrong_use("--masks and --card are for a model: two folders are compared without one")
    else:
        _compare_folders(arguments)


def _compare_folders(arguments: argparse.Namespace) -> None:
    from .evaluation import compare_folders, table, volume_table, write_results
    from .masks import MaskFolder

    reference, candidate = MaskFolder.open(arguments.reference), MaskFolder.open(arguments.candidate)
    rows = compare_folders(reference, candidate, exclude=arguments.exclude, report=_say)
    paths = write_results(rows, arguments.output, candidate="candidate")
    print(table(rows), volume_table(rows, "candidate"), sep="\n\n")
    print("Files:", *(f"  {path}" for path in paths), sep="\n")


def _evaluate_model(arguments: argparse.Namespace) -> None:
    from ParotidSegLib.segmentation import open_model

    from .evaluation import evaluate, figures, table, volume_table, write_results

    card = _read_card(arguments.card) if arguments.card else None
    folder = DatasetFolder.open(arguments.data)
    model = open_model(arguments.bundle, engine=arguments.engine)
    rows = evaluate(
        model,
        folder,
        arguments.split,
        exclude=arguments.exclude,
        mirror=not arguments.no_mirror,
        masks=arguments.masks,
        report=_say,
    )
    paths = write_results(rows, arguments.output)
    print(table(rows), volume_table(rows), sep="\n\n")
    print("Files:", *(f"  {path}" for path in paths), sep="\n")
    if card:
        from .bundling import record_validation

        about = {"split": arguments.split, "excluded": arguments.exclude}
        record_validation(model.bundle.path, {**about, **figures(rows)}, card.replace(FIGURES, table(rows)))


def _read_card(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The model card {path} cannot be read as text.") from error
    if FIGURES not in text:
        raise DataError(f"The model card {path} has no place for the table: write {FIGURES} where it belongs.")
    return text


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


def _say(line: str) -> None:
    print(line, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    arguments = parser().parse_args(argv)
    try:
        arguments.run_command(arguments)
    except ParotidSegError as error:
        print(f"parotidseg-train: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("parotidseg-train: interrupted; the same command goes on from the last finished epoch.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
