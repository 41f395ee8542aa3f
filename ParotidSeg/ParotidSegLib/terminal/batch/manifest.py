"""scans.json: which folder of results is of which scan, and what is known of each from an earlier run.

Folders of results are numbered, because the names of scans are often those of patients. scans.json beside them says
which number is which scan: keep it with the data. The other files can be passed on. Who wants the names of the inputs
instead can have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ...errors import OutputError
from ...files.json_text import parse_json
from ...writing.export import write_json
from .scans import Scan

MANIFEST = "scans.json"
NUMBERS, NAMES_OF_INPUTS = "number", "input"
#: The choices of --names.
NAMES = (NUMBERS, NAMES_OF_INPUTS)
#: What to bear in mind where folders are named after the inputs.
WORD_ON_NAMES = (
    "The folders of results are named after the inputs: if those are called after patients, so are the folders and the "
    "rows of the table."
)


class Manifest:
    """The folder of each scan that this folder of results has seen."""

    def __init__(self, output: Path, names: str = NUMBERS) -> None:
        """Read it, if it is there.

        Args:
            output: the folder of results.
            names: whether folders are numbered or called after the inputs (`NAMES`).

        Raises:
            OutputError: it is damaged, or its folders are named the other way.
        """
        self._path, self._names = output / MANIFEST, names
        self._known: dict[str, dict[str, str]] = {}
        self._folders: dict[str, str] = {}
        self._last = 0
        if self._path.is_file():
            try:
                content = parse_json(self._path.read_text(encoding="utf-8"))
                before = content.get("names", NUMBERS)
                self._known = dict(content["scans"])
                self._folders = {entry["scan"]: folder for folder, entry in self._known.items()}
                self._last = max((_checked(folder, before) for folder in self._known), default=0)
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise OutputError(
                    f"{self._path} is damaged, so nobody knows which results are of which scan: choose another output."
                ) from error
            if before != names and self._known:
                raise OutputError(
                    f"The folders of {output} are named by {before!r} from an earlier run: go on with --names "
                    f"{before}, or choose another output."
                )

    def number(self, scan: Scan) -> str:
        """The folder of a scan; a new scan gets the next number, or its own name."""
        if scan.key not in self._folders:
            self._last += 1
            folder = f"{self._last:03d}" if self._names == NUMBERS else self._free(scan.name)
            self._folders[scan.key] = folder
            self._known[folder] = {"scan": scan.key, "stamp": ""}
        return self._folders[scan.key]

    def _free(self, name: str) -> str:
        """The name, or with a number after it if another scan has it; some disks do not tell a from A."""
        taken = {folder.lower() for folder in self._known} | {MANIFEST, "results.csv"}
        free, count = name, 1
        while free.lower() in taken:
            count += 1
            free = f"{name} {count}"
        return free

    def is_unchanged(self, scan: Scan) -> bool:
        """Whether the scan is what it was when it was segmented."""
        return self._known[self.number(scan)].get("stamp") == scan.stamp

    def mark(self, scan: Scan, *, done: bool) -> None:
        """Note that the results are those of this scan as it is now, or that there are none; `write` keeps it."""
        self._known[self.number(scan)]["stamp"] = scan.stamp if done else ""

    def number_all(self, scans: Iterable[Scan]) -> None:
        """Give every scan its folder, and write that."""
        for scan in scans:
            self.number(scan)
        self.write()

    def write(self) -> None:
        """Write the file, whole.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self._path.parent} cannot be made: {error.strerror}.") from error
        named = {} if self._names == NUMBERS else {"names": self._names}
        write_json({**named, "scans": dict(sorted(self._known.items()))}, self._path)


def _checked(folder: str, names: str) -> int:
    """The number of a folder, 0 for a name; ValueError if it is none of ours: it becomes a part of a path."""
    if re.fullmatch("[0-9]{3,9}", folder):
        return int(folder)
    if names != NAMES_OF_INPUTS or not re.fullmatch(r"[\w+-][\w .+-]{0,79}", folder):
        raise ValueError(f"{folder!r} is no folder of a scan")
    return 0
