"""`parotidseg-train corrector`: train the network that carries corrections on, and put it into a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ParotidSegLib.errors import DataError
from ParotidSegLib.model.bundle import load_bundle

from ..data.dataset import DatasetFolder
from ..data.masks import MaskFolder


def add_corrector(commands: Any) -> None:
    """Add the command to the sub-commands of a parser."""
    corrector = commands.add_parser(
        "corrector",
        help="train the network that carries corrections on",
        description="Let the bundle contour the training patients, simulate a user who corrects some slices, and train "
        "the network with which 'parotidseg correct' draws the other slices anew. It goes into the bundle.",
    )
    corrector.add_argument("--data", required=True, type=Path, help="folder with images/, masks/ and splits.json")
    corrector.add_argument("--bundle", required=True, type=Path, help="folder of the bundle; gets the network")
    corrector.add_argument("--contours", required=True, type=Path, help="folder for the automatic contours")
    corrector.add_argument(
        "--readers", nargs="*", default=[], type=Path, metavar="FOLDER", help="further label maps of the same patients"
    )
    corrector.add_argument("--exclude", nargs="*", default=[], metavar="CASE", help="cases to leave out")
    corrector.add_argument(
        "--watch", type=int, default=15, metavar="N", help="training patients to look at only (default: 15)"
    )
    corrector.set_defaults(run_command=_corrector, progress="human")


def _corrector(arguments: argparse.Namespace) -> None:
    import numpy as np

    from ..training.automatic_contours import automatic_contours
    from ..training.corrector_examples import examples_of
    from ..training.corrector_training import CorrectorRecipe, fit_corrector, put_into_bundle
    from ..training.simulated_user import tasks_of

    if not (arguments.bundle / "bundle.json").is_file():
        raise DataError(f"{arguments.bundle} is no folder of a bundle: name the folder that the network goes into.")
    bundle = load_bundle(arguments.bundle)
    data = DatasetFolder.open(arguments.data)
    data.require_cases(arguments.exclude)
    cases = data.cases("train", arguments.exclude)
    recipe = CorrectorRecipe()
    order = np.random.default_rng(recipe.seed).permutation(len(cases))
    watched = {cases[index] for index in order[: arguments.watch]}
    readers = [MaskFolder.open(folder) for folder in arguments.readers]

    def say(message: str) -> None:
        print(message, flush=True)

    learned, looked_at = [], []
    for case in automatic_contours(data, cases, arguments.contours, bundle=str(bundle.path), progress=say):
        of_data = list(tasks_of(case, data.read_mask(case.name)))
        if case.name in watched:
            looked_at += of_data
            continue
        learned += of_data
        for reader in readers:
            if case.name in reader.files:
                learned += tasks_of(case, reader.read(case.name))
    examples = list(examples_of(learned, recipe.each, recipe.seed))
    others = list(examples_of(looked_at, 4, recipe.seed + 1))
    say(f"{len(examples)} examples of {len(learned)} glands, {len(others)} of {len(looked_at)} to look at")
    network = fit_corrector(examples, others, recipe, say)
    put_into_bundle(network, arguments.bundle)
    say(f"{arguments.bundle} has the network.")
