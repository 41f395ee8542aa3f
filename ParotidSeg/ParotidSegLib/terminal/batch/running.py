"""Many scans, one after the other, each through the one way; with a table of all results, and a second run goes on.

A scan counts as done if its files are there and its report says that they came from the same bundle with the same
options; it is not segmented again unless it has changed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...errors import ParotidSegError
from ...files.json_text import parse_json
from ...segmentation import Model
from ...writing.export import write_csv
from ..console import Reporter
from ..one_scan import Options, plan, segment_scan
from .manifest import NUMBERS, Manifest
from .scans import Scan
from .table import COLUMNS, DONE, FAILED, OPEN, TABLE, row_without_result, rows_of_report


def run_batch(
    scans: Sequence[Scan],
    output: Path,
    model: Model,
    options: Options,
    show: Reporter,
    *,
    again: bool = False,
    names: str = NUMBERS,
) -> int:
    """Segment the scans into numbered folders of `output`, with results.csv and scans.json beside them.

    The table is written anew after each scan, so that a run that is ended keeps it, too.

    Args:
        scans: in the order in which they are done.
        output: a folder; made if needed.
        model: an opened model.
        options: for all of them.
        show: takes in what happens.
        again: segment also what is done.
        names: how the folders are called, see `manifest.NAMES`.

    Returns:
        How many scans failed.

    Raises:
        OutputError: the folder of results cannot be used.
    """
    manifest = Manifest(output, names)
    manifest.number_all(scans)
    numbers = [manifest.number(scan) for scan in scans]
    rows = {number: [row_without_result(number, OPEN)] for number in numbers}
    failed = skipped = 0
    for index, (scan, number) in enumerate(zip(scans, numbers, strict=True), start=1):
        heading = f"Scan {index} of {len(scans)} (folder {number})"
        report = None if again or not manifest.is_unchanged(scan) else _former(scan, output / number, model, options)
        if report is not None:
            show.heading(f"{heading}: done before")
            skipped += 1
        else:
            show.heading(heading)
            try:
                manifest.mark(scan, done=False)
                report = segment_scan(scan.source, output / number, model, options, show).report()
                manifest.mark(scan, done=True)
            except ParotidSegError as error:
                message = _without_names(str(error), scan, output)
                show.failure(message)
                rows[number] = [row_without_result(number, FAILED, message)]
                failed += 1
        if report is not None:
            rows[number] = rows_of_report(number, report, model.bundle.structures)
        write_csv([row for listed in rows.values() for row in listed], COLUMNS, output / TABLE)
    show.heading(f"{len(scans) - failed - skipped} segmented, {skipped} done before, {failed} failed: {output / TABLE}")
    return failed


def _former(scan: Scan, folder: Path, model: Model, options: Options) -> Mapping[str, Any] | None:
    """The report of an earlier run with the same bundle and options, if all files are there."""
    try:
        planned = plan(scan.source, folder, model.bundle, options)
        # A picture that cannot be drawn here is missed by nobody who goes on.
        awaited = planned.paths if find_spec("matplotlib") else planned.needed
        if planned.report is None or not all(path.is_file() for path in awaited):
            return None
        report = parse_json(planned.report.read_text(encoding="utf-8"))
        provenance = report["provenance"]
        same_bundle = provenance["bundle"]["sha256"] == model.bundle.sha256
        wanted = options.mirror and model.bundle.segmenter.mirror
        same_options = provenance["options"]["mirror"] == wanted
        rows = rows_of_report("", report, model.bundle.structures)  # a report of another version may lack something
    except (ParotidSegError, OSError, ValueError, KeyError, TypeError):
        return None
    return report if same_bundle and same_options and all(row["status"] == DONE for row in rows) else None


def _without_names(message: str, scan: Scan, output: Path) -> str:
    """The sentence without the names of files and folders, which are often those of patients.

    Only quoted names and absolute paths are looked for: the name of a folder may be a word, or a mere dot.
    """
    files = [scan.source] if isinstance(scan.source, Path) else list(scan.source)
    named = {*files, *(path.parent for path in files)}
    texts = {repr(text): "the scan" for path in named for text in (str(path), path.name, path.absolute().name)}
    texts |= {str(path.absolute()): "the scan" for path in named}
    texts |= {f"{place}{os.sep}": "" for place in (output, output.absolute())} | {str(output.absolute()): "the results"}
    for text in sorted(texts, key=len, reverse=True):  # a file before the folder that its path begins with
        if len(text) > 2:  # neither "/" nor "''"
            message = message.replace(text, texts[text])
    return message
