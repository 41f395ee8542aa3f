"""Many scans, each through the one way; with a table of all results, and a second run goes on.

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
from ...files.paced import Paced
from ...model.bundle import Bundle
from ..console import Reporter
from ..one_scan import Options, plan
from .manifest import NUMBERS, Manifest
from .scans import Scan
from .table import DONE, FAILED, TABLE, Table, row_without_result, rows_of_report
from .work import Hands, Task


def run_batch(
    scans: Sequence[Scan],
    output: Path,
    hands: Hands,
    options: Options,
    show: Reporter,
    *,
    again: bool = False,
    names: str = NUMBERS,
) -> int:
    """Segment the scans into numbered folders of `output`, with results.csv and scans.json beside them.

    Both are written anew as scans end, so that a run that is ended keeps them, too; folders, numbers and the order of
    the table are the same whatever the order in which the scans end.

    Args:
        scans: in the order in which they are begun.
        output: a folder; made if needed.
        hands: who does the work.
        options: for all of them.
        show: takes in what happens.
        again: segment also what is done.
        names: how the folders are called, see `manifest.NAMES`.

    Returns:
        How many scans failed.

    Raises:
        OutputError: the folder of results cannot be used.
        WorkerError, BundleError, EngineError: nobody can do the work.
    """
    manifest = Manifest(output, names)
    manifest.number_all(scans)
    numbers = [manifest.number(scan) for scan in scans]
    table = Table(numbers, output / TABLE)
    tasks = []
    for index, (scan, number) in enumerate(zip(scans, numbers, strict=True)):
        heading = f"Scan {index + 1} of {len(scans)} (folder {number})"
        is_as_before = not again and manifest.is_unchanged(scan)
        report = _former(scan, output / number, hands.bundle, options) if is_as_before else None
        if report is not None:
            show.heading(f"{heading}: done before")
            table.put(number, rows_of_report(number, report, hands.bundle.structures))
        else:
            manifest.mark(scan, done=False)
            tasks.append(Task(index, heading, scan.source, output / number))

    def write() -> None:
        table.write()
        manifest.write()

    record, failed = Paced(write), 0
    record.changed()
    try:
        for outcome in hands.outcomes(tasks, options, show):
            scan, number = scans[outcome.task.index], numbers[outcome.task.index]
            if outcome.report is None:
                message = _without_names(outcome.message, scan, output)
                show.failure(message)
                table.put(number, [row_without_result(number, FAILED, message)])
                failed += 1
            else:
                manifest.mark(scan, done=True)
                table.put(number, rows_of_report(number, outcome.report, hands.bundle.structures))
            record.changed()
    finally:
        record.flush()
    skipped = len(scans) - len(tasks)
    show.heading(f"{len(tasks) - failed} segmented, {skipped} done before, {failed} failed: {output / TABLE}")
    return failed


def _former(scan: Scan, folder: Path, bundle: Bundle, options: Options) -> Mapping[str, Any] | None:
    """The report of an earlier run with the same bundle and options, if all files are there."""
    try:
        planned = plan(scan.source, folder, bundle, options)
        # A picture that cannot be drawn here is missed by nobody who goes on.
        awaited = planned.paths if find_spec("matplotlib") else planned.needed
        if planned.report is None or not all(path.is_file() for path in awaited):
            return None
        report = parse_json(planned.report.read_text(encoding="utf-8"))
        provenance = report["provenance"]
        same_bundle = provenance["bundle"]["sha256"] == bundle.sha256
        wanted = options.mirror and bundle.segmenter.mirror
        same_options = provenance["options"]["mirror"] == wanted
        rows = rows_of_report("", report, bundle.structures)  # a report of another version may lack something
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
