"""`parotidseg-train recipes` and `parotidseg-train practice`: what a run begins with."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
from pathlib import Path
from typing import Any

from ParotidSegLib.errors import RecipeError
from ParotidSegLib.files.atomic import atomic_path

from .. import recipe as recipes


def add_recipes(commands: Any) -> None:
    """Add the subcommand `recipes`."""
    parser = commands.add_parser(
        "recipes",
        help="list the recipes that ship, or copy one to change it",
        description="Without a name: the recipes that ship. With one: that recipe with all its fields.",
    )
    parser.add_argument("name", nargs="?", help="a recipe that ships, or a file")
    parser.add_argument("--copy", type=Path, metavar="FILE", help="write it there, as the start of one of your own")
    parser.set_defaults(run_command=_recipes, wrong_use=parser.error)


def _recipes(arguments: argparse.Namespace) -> None:
    if arguments.name is None:
        if arguments.copy:
            arguments.wrong_use("--copy needs the name of the recipe to copy")
        for name in recipes.names():
            print(f"{name:24s} {recipes.load(name).description}")
        return
    recipe = recipes.load(arguments.name)
    if arguments.copy is None:
        print(recipe.to_json(), end="")
        return
    if arguments.copy.exists():
        raise RecipeError(f"{arguments.copy} exists already: choose another name for the copy.")
    renamed = dataclasses.replace(recipe, name=arguments.copy.stem)
    with atomic_path(arguments.copy) as temporary:
        temporary.write_text(renamed.to_json(), encoding="utf-8")
    quoted = shlex.quote(str(arguments.copy))
    print(f"{arguments.copy} is a copy of {recipe.name}: change it, then parotidseg-train fit {quoted} ...")


def add_practice(commands: Any) -> None:
    """Add the subcommand `practice`."""
    parser = commands.add_parser(
        "practice",
        help="make a data set to try the other commands with",
        description="Makes variations of the sample that ships. They are no patients: figures from them mean nothing.",
    )
    parser.add_argument("output", type=Path, help="a new folder")
    parser.add_argument("--patients", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run_command=_practice)


def _practice(arguments: argparse.Namespace) -> None:
    from ..anatomy.practice import write_practice_dataset

    write_practice_dataset(arguments.output, patients=arguments.patients, seed=arguments.seed)
    print(f"{arguments.output} holds {arguments.patients} made patients.")
