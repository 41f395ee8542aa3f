"""The scans of a batch: which there are in a folder or a list, and what each is called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ImageError
from ...files.file_names import check_name
from ...files.json_text import parse_json
from ...files.walking import files_below
from ...reading.dicom_series import list_series
from ...writing.export import SLICER_SUFFIX
from ...writing.outputs import UNCERTAINTY

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
    def of_input(cls, path: Path) -> Scan:
        """What a user named on the command line, whether it is there or not."""
        return cls(_readable(str(path.absolute())), path, "")

    @property
    def name(self) -> str:
        """A name for a folder, after the file or the folder of the scan."""
        path = self.source if isinstance(self.source, Path) else self.source[0].parent
        name = path.absolute().name
        ending = next((suffix for suffix in (*IMAGE_SUFFIXES, ".dcm") if name.lower().endswith(suffix)), "")
        return re.sub(r"[^\w .+-]", "_", name[: len(name) - len(ending)])[:60].strip(" .") or "scan"

    @classmethod
    def of_series(cls, uid: str, files: Sequence[Path]) -> Scan:
        """A DICOM series."""
        return cls(uid, tuple(files), _stamp(files))


def _stamp(files: Sequence[Path]) -> str:
    found = [path.stat() for path in files]
    newest = max(status.st_mtime_ns for status in found)
    return f"{len(found)} files, {sum(status.st_size for status in found)} bytes, {newest}"


def _readable(text: str) -> str:
    """A path as text that a file of JSON can hold, whatever bytes it has."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def find_scans(folder: Path, *, modality: str = "CT", leave_out: Path | None = None) -> list[Scan]:
    """The scans in and below a folder, links followed: image files, then DICOM series, each in a fixed order.

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
    for path in files_below(folder, hidden=False, leave_out=leave_out):
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
        content = parse_json(listing.read_text(encoding="utf-8"), object_pairs_hook=_named_once)
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
