"""The scans of a batch: which there are, the number of each, and what is known of them from an earlier run.

Folders of results are numbered, because the names of scans are often those of patients. scans.json beside them says
which number is which scan: keep it with the data. The other files can be passed on.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ImageError, OutputError
from ..files.file_names import check_name
from ..reading.dicom_series import list_series
from ..writing.export import SLICER_SUFFIX, write_json
from ..writing.outputs import UNCERTAINTY

MANIFEST = "scans.json"
#: Image files that count as scans, unless they are results of one.
IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
_RESULTS = (SLICER_SUFFIX, UNCERTAINTY)


@dataclass(frozen=True)
class Scan:
    """One scan.

    Attributes:
        key: what it is known by from run to run: the path of its file below the folder, or its SeriesInstanceUID.
        source: its file, or all files of its DICOM series.
        stamp: sizes and times of the files; another one means that the scan has changed.
    """

    key: str
    source: Path | tuple[Path, ...]
    stamp: str

    @classmethod
    def of_file(cls, path: Path, folder: Path) -> Scan:
        """An image file below a folder; ImageError if its path is not UTF-8, which scans.json could not hold."""
        check_name(path)
        return cls(path.relative_to(folder).as_posix(), path, _stamp([path]))

    @classmethod
    def of_series(cls, uid: str, files: Sequence[Path]) -> Scan:
        """A DICOM series."""
        return cls(uid, tuple(files), _stamp(files))


def _stamp(files: Sequence[Path]) -> str:
    found = [path.stat() for path in files]
    newest = max(status.st_mtime_ns for status in found)
    return f"{len(found)} files, {sum(status.st_size for status in found)} bytes, {newest}"


def find_scans(folder: Path, *, modality: str = "CT", leave_out: Path | None = None) -> list[Scan]:
    """The scans in and below a folder: image files, then DICOM series, each in a fixed order.

    Args:
        folder: where to look.
        modality: of DICOM series, as DICOM codes it.
        leave_out: a folder below it that holds results.

    Raises:
        ImageError: the folder is missing, there is no scan in it, or a path in it is not UTF-8.
    """
    if not folder.is_dir():
        raise ImageError(f"{folder} is no folder: give one that holds scans.")
    images, rest = [], []
    for path in _files(folder, leave_out):
        name = path.name.lower()
        if name.endswith(IMAGE_SUFFIXES):
            if not name.endswith(_RESULTS):
                images.append(path)
        else:
            rest.append(path)
    scans = sorted((Scan.of_file(path, folder) for path in images), key=lambda scan: scan.key)
    scans += [Scan.of_series(uid, files) for uid, files in sorted(list_series(rest, modality).items())]
    if not scans:
        listed = ", ".join(IMAGE_SUFFIXES)
        raise ImageError(f"{folder} holds neither a {modality} series nor an image file ({listed}).")
    return scans


def listed_scans(listing: Path) -> list[Scan]:
    """The scans that a JSON file names: {"NAME": "image file", "NAME": ["file of a DICOM series", ...]}.

    Raises:
        ImageError: the file is missing or something else, names no scan or one twice, or names a file that is missing.
    """
    try:
        content = json.loads(listing.read_text(encoding="utf-8"), object_pairs_hook=_named_once)
        sources = {str(name): source for name, source in content.items()}
        scans = []
        for name, source in sources.items():
            files = [Path(file) for file in ([source] if isinstance(source, str) else source)]
            scans.append(Scan(name, files[0] if isinstance(source, str) else tuple(files), _stamp(files)))
    except OSError as error:
        raise ImageError(f"The list of scans names a file that is missing, or is missing itself: {listing}.") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ImageError(f"{listing} is no list of scans: parotidseg batch --help shows what it looks like.") from error
    if not scans:
        raise ImageError(f"{listing} names no scan.")
    return scans


def _named_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON table; of two entries of one name the first would be lost without a word."""
    if len(dict(pairs)) < len(pairs):
        raise ImageError("The list of scans has two scans of one name: give each a name of its own.")
    return dict(pairs)


def _files(folder: Path, leave_out: Path | None) -> Iterator[Path]:
    skipped = leave_out.resolve() if leave_out else None
    for parent, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(
            name for name in subfolders if not name.startswith(".") and Path(parent, name).resolve() != skipped
        )
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith("."))


def _number_of_folder(name: str) -> int:
    """ValueError if it is no number of ours: it becomes the name of a folder."""
    if not re.fullmatch("[0-9]{3,9}", name):
        raise ValueError(f"{name!r} is no number of a scan")
    return int(name)


class Manifest:
    """scans.json: the number of each scan that this folder of results has seen."""

    def __init__(self, output: Path) -> None:
        """Read it, if it is there.

        Raises:
            OutputError: it is damaged.
        """
        self._path = output / MANIFEST
        self._known: dict[str, dict[str, str]] = {}
        if self._path.is_file():
            try:
                self._known = dict(json.loads(self._path.read_text(encoding="utf-8"))["scans"])
                self._numbers = {entry["scan"]: number for number, entry in self._known.items()}
                self._last = max(map(_number_of_folder, self._known), default=0)
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise OutputError(
                    f"{self._path} is damaged, so nobody knows which results are of which scan: choose another output."
                ) from error
        else:
            self._numbers, self._last = {}, 0

    def number(self, scan: Scan) -> str:
        """The number of a scan; a new scan gets the next one."""
        if scan.key not in self._numbers:
            self._last += 1
            number = f"{self._last:03d}"
            self._numbers[scan.key] = number
            self._known[number] = {"scan": scan.key, "stamp": ""}
        return self._numbers[scan.key]

    def is_unchanged(self, scan: Scan) -> bool:
        """Whether the scan is what it was when it was segmented."""
        return self._known[self.number(scan)].get("stamp") == scan.stamp

    def mark(self, scan: Scan, *, done: bool) -> None:
        """Note that the results are those of this scan as it is now, or that there are none."""
        self._known[self.number(scan)]["stamp"] = scan.stamp if done else ""
        self.write()

    def number_all(self, scans: Iterable[Scan]) -> None:
        """Give every scan its number."""
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
        write_json({"scans": dict(sorted(self._known.items()))}, self._path)
