"""`parotidseg-train combine`: what readers drew, as further cases of a data set."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ParotidSegLib.errors import DataError

from .prepare import named

if TYPE_CHECKING:
    from ParotidSegLib.structures import Structure

    from ..data.masks import MaskFolder


def add_combine(commands: Any) -> None:
    """Add the command to the sub-commands of a parser."""
    combine = commands.add_parser(
        "combine",
        help="add what readers drew to a data set, as further cases of its patients",
        description="Write a data set in which a patient has a case for each reference: pt_3 as the data set has it, "
        "pt_3_NAME as a reader drew it. The recipe's sampling.repeats says how often those are drawn.",
    )
    combine.add_argument("--data", required=True, type=Path, help="folder with images/, masks/ and splits.json")
    combine.add_argument(
        "--reader", required=True, nargs="+", metavar="NAME=FOLDER", help="label maps on the grids of the scans"
    )
    combine.add_argument(
        "--drawn",
        nargs="+",
        default=[],
        metavar="NAME=FOLDER",
        help="a reader's label maps as they were drawn, on finer grids: training learns from these",
    )
    combine.add_argument(
        "--images", nargs="+", type=Path, default=[], help="folders with scans that the data set lacks"
    )
    combine.add_argument(
        "--without-own", action="store_true", help="leave the data set's own contours out of the training split"
    )
    combine.add_argument("--output", required=True, type=Path, help="a new or empty folder")
    combine.set_defaults(run_command=_combine)


def _combine(arguments: argparse.Namespace) -> None:
    from ..data.dataset import DatasetFolder
    from ..preparing.combining import Reader, combine

    folder = DatasetFolder.open(arguments.data)
    masks, drawn = (_folders(texts, folder.structures) for texts in (arguments.reader, arguments.drawn))
    if unknown := set(drawn) - set(masks):
        raise DataError(f"--drawn names {', '.join(sorted(unknown))}, which --reader does not: give the masks, too.")
    combine(
        folder,
        [Reader(name, folder, drawn.get(name)) for name, folder in masks.items()],
        arguments.output,
        images=arguments.images,
        without_own=arguments.without_own,
    )


def _folders(texts: Sequence[str], structures: Sequence[Structure]) -> dict[str, MaskFolder]:
    from ..data.masks import MaskFolder

    pairs = [named(text) for text in texts]
    if not all(name for name, _ in pairs) or len(dict(pairs)) < len(pairs):
        raise DataError("Each reader needs a name of its own: write NAME=FOLDER.")
    return {name: MaskFolder.open(path, structures) for name, path in pairs}
