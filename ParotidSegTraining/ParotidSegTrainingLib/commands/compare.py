"""`parotidseg-train compare` and `report`: two models side by side, and finished evaluations, as one HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .evaluate import add_case_options, add_model_options, doses_of, say

#: Cases whose contours are drawn on a page, unless told otherwise.
OVERLAYS = 4


def add_compare(commands: Any) -> None:
    """Add the commands `compare` and `report` to the sub-commands of a parser."""
    compare = commands.add_parser(
        "compare",
        help="two models or folders of contours, A and B, on the same cases",
        description="Score A and B on the same cases and compare them, case by case: table, tests, pictures and one "
        "HTML page. The same command goes on with an interrupted comparison.",
    )
    compare.add_argument("--data", required=True, type=Path, help="folder with images/, masks/ and splits.json")
    for letter in ("a", "b"):
        compare.add_argument(
            f"--{letter}", required=True, metavar="MODEL", help="a bundle (name, folder or zip) or a folder of contours"
        )
    compare.add_argument("--names", nargs=2, metavar=("A", "B"), help="what the page calls them")
    compare.add_argument("--runs", nargs=2, type=Path, metavar=("RUN_A", "RUN_B"), help="for the training curves")
    add_case_options(compare)
    add_model_options(compare)
    compare.add_argument("--overlays", type=int, default=OVERLAYS, metavar="N", help="cases to draw (default: 4)")
    compare.add_argument("--output", required=True, type=Path, help="folder for everything; the page is report.html")
    compare.set_defaults(run_command=_compare)

    report = commands.add_parser(
        "report",
        help="one HTML page from finished evaluations",
        description="Write one self-contained HTML page from the results of 'evaluate'; two of them are compared.",
    )
    report.add_argument("--results", required=True, nargs="+", type=Path, metavar="FOLDER", help="of 'evaluate'")
    report.add_argument("--names", nargs="+", metavar="NAME", help="what the page calls them")
    report.add_argument("--run", nargs="+", default=[], type=Path, help="runs, for their training curves")
    report.add_argument("--data", type=Path, help="a data set, for its overview")
    report.add_argument("--exclude", nargs="*", default=[], metavar="CASE", help="cases to leave out of the overview")
    report.add_argument("--output", required=True, type=Path, metavar="PAGE", help="the .html to write")
    report.set_defaults(run_command=_report, wrong_use=report.error)


def _compare(arguments: argparse.Namespace) -> None:
    from ..reporting.comparing import Options, compare

    options = Options(
        split=arguments.split,
        exclude=arguments.exclude,
        engine=arguments.engine,
        mirror=not arguments.no_mirror,
        nsd_tolerances=arguments.nsd_tolerances,
        doses=doses_of(arguments),
    )
    page = compare(
        arguments.data,
        (arguments.a, arguments.b),
        arguments.output,
        options,
        names=arguments.names,
        runs=arguments.runs or (),
        overlays=arguments.overlays,
        words=arguments.words,
        report=say,
    )
    print((arguments.output / "comparison.md").read_text(encoding="utf-8"))
    print(f"Open {page} in a browser.")


def _report(arguments: argparse.Namespace) -> None:
    from ..reporting.comparing import report_on

    if arguments.names and len(arguments.names) != len(arguments.results):
        arguments.wrong_use("--names needs a name for each of --results")
    page = report_on(
        arguments.results,
        arguments.output,
        names=arguments.names,
        runs=arguments.run,
        data=arguments.data,
        exclude=arguments.exclude,
        words=arguments.words,
        report=say,
    )
    print(f"Open {page} in a browser.")
