"""The files in and below a folder. Links are followed, each folder is walked once; links to nowhere are named."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

_log = logging.getLogger(__name__)


def files_below(folder: Path, *, hidden: bool = True, leave_out: Path | None = None) -> Iterator[Path]:
    """The regular files in and below a folder, in a fixed order.

    A cohort is often a folder of links to where the scans lie. A folder that two ways lead to, or that lies within
    itself by a link, is walked once, under its own name before that of a link.

    Args:
        folder: where to look.
        hidden: take in files and folders whose names begin with a dot.
        leave_out: a folder that is not walked, whatever way leads to it.
    """
    seen = {identity for identity in [_identity(leave_out)] if identity} if leave_out else set()
    waiting = [folder]
    lost = 0
    while waiting:
        links: list[Path] = []
        for start in waiting:
            for entry in _entries(start, seen, hidden):
                if isinstance(entry, Path):
                    yield entry
                elif entry is None:
                    lost += 1
                else:
                    links.append(Path(entry.path))
        waiting = links
    if lost:
        _log.warning("Passed over: %d link(s) or folder(s) that lead nowhere or cannot be opened.", lost)


def _entries(start: Path, seen: set[tuple[int, int]], hidden: bool) -> Iterator[Path | os.DirEntry[str] | None]:
    """Files below a folder; entries for links to folders, which come later; None for what cannot be followed."""
    stack = [start]
    while stack:
        folder = stack.pop()
        identity = _identity(folder)
        if identity is None:
            yield None
            continue
        if identity in seen:
            continue
        seen.add(identity)
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            yield None
            continue
        below = []
        for entry in entries:
            if not hidden and entry.name.startswith("."):
                continue
            kind = _kind(entry)
            if kind == "file":
                yield Path(entry.path)
            elif kind == "folder" and entry.is_symlink():
                yield entry
            elif kind == "folder":
                below.append(Path(entry.path))
            elif entry.is_symlink():
                yield None
        stack += reversed(below)


def _kind(entry: os.DirEntry[str]) -> str:
    """What an entry is, or the link that it is leads to: a file, a folder, or neither."""
    try:
        return "file" if entry.is_file() else "folder" if entry.is_dir() else ""
    except OSError:  # a link that leads to itself
        return ""


def _identity(folder: Path) -> tuple[int, int] | None:
    """What a folder is, whatever its name; None if it is not there."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
