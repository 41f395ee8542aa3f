"""`parotidseg batch`: all scans of a folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import OutputError, ParotidSegError
from ...files.file_names import given_path, means_folder
from ..options import hide_graphics_cards

if TYPE_CHECKING:
    from ...model.bundle import Bundle
    from ..console import Reporter
    from .scans import Scan
    from .work import Hands

LISTING = "--list"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command; the caller adds the options that it shares with `segment`."""
    batch = commands.add_parser(
        "batch",
        help="contour all scans of a folder",
        description="Contour all scans in and below a folder, into numbered folders with a table of all results. The "
        "same command goes on with a run that was ended, and takes in new scans.",
    )
    source = batch.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "folder", nargs="?", type=Path, metavar="FOLDER", help="holds image files or DICOM series, in any depth"
    )
    source.add_argument(
        LISTING,
        dest="listing",
        type=Path,
        metavar="FILE",
        help='scans that lie elsewhere, as JSON: {"NAME": "image file", "NAME": ["file of a DICOM series", ...]}',
    )
    batch.add_argument(
        "--output",
        "-o",
        required=True,
        type=given_path,
        help="a folder: gets 001, 002 ..., results.csv (volumes and findings), and scans.json (which scan is which)",
    )
    batch.add_argument("--again", action="store_true", help="segment also what is done")
    hands = batch.add_mutually_exclusive_group()
    hands.add_argument(
        "--jobs",
        type=_count,
        default=1,
        metavar="N",
        help="so many scans at a time, each in a process with the model loaded and its part of the cores",
    )
    hands.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a Dask cluster that does the work (tcp://HOST:8786); all machines see the same paths",
    )
    batch.set_defaults(run_command=_run)
    return batch


def _count(text: str) -> int:
    """A number of processes."""
    count = int(text)
    if count < 1:
        raise ValueError
    return count


def _find(arguments: argparse.Namespace, modality: str) -> list[Scan]:
    from .scans import find_scans, listed_scans

    if arguments.listing:
        return listed_scans(arguments.listing)
    if arguments.output.resolve() == arguments.folder.resolve():
        raise OutputError("The results cannot go into the folder of the scans itself: choose another --output.")
    return find_scans(arguments.folder, modality=modality, leave_out=arguments.output)


def _hands(arguments: argparse.Namespace, bundle: Bundle, show: Reporter) -> Hands:
    """Who does the work."""
    from ...segmentation import open_model
    from .work import Here, Opening

    opening = Opening.of(bundle, arguments.engine, arguments.device)
    if arguments.scheduler:
        from .cluster import Cluster

        return Cluster(bundle, opening, arguments.scheduler)
    show.progress("load", 0.0, "Loading the model")
    if arguments.jobs > 1:
        from .processes import Processes, fitting

        jobs = fitting(arguments.jobs)
        if jobs < arguments.jobs:
            show.note(f"The memory that is free suffices for {jobs} at a time, not for {arguments.jobs}.")
        return Processes(bundle, opening, jobs)
    return Here(open_model(bundle, engine=arguments.engine))


def _run(arguments: argparse.Namespace) -> int:
    from ...model.bundle import load_bundle
    from ..console import reporter
    from ..one_scan import Options
    from .manifest import NAMES_OF_INPUTS, WORD_ON_NAMES
    from .running import run_batch

    show = reporter(arguments.progress)
    hide_graphics_cards(arguments.device)
    if not means_folder(arguments.output):
        show.failure("--output must be a folder: name one without a suffix, or end it with a slash.")
        return 2
    if arguments.names == NAMES_OF_INPUTS:
        show.note(WORD_ON_NAMES)
    try:
        bundle = load_bundle(arguments.bundle)
        show.progress("find", 0.0, "Looking for scans")
        scans = _find(arguments, bundle.segmenter.preprocessing.inputs[0].modality)
        hands = _hands(arguments, bundle, show)
        failed = run_batch(
            scans, arguments.output, hands, Options.of(arguments), show, again=arguments.again, names=arguments.names
        )
    except ParotidSegError as error:
        show.failure(str(error))
        return 1
    return 1 if failed else 0
