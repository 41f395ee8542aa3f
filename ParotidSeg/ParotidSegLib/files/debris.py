"""Temporary files and folders that say whose they are, so that what a killed process left is told from what is in use.

A process that is killed removes nothing. The next one that writes to the same place does: it knows by the names which
processes of this machine are no more.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TOKEN = r"[0-9a-f]{8}"
#: This process: a number alone may be another's after a while.
_PROCESS = secrets.token_hex(4)


def _machine() -> str:
    """This machine, or the container that numbers its own processes."""
    text = platform.node()
    with suppress(OSError):
        text += str(os.stat("/proc/self/ns/pid").st_ino)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:6]


_MACHINE = _machine()


def own_name(before: str, after: str = "") -> str:
    """A name that no other call gives, and from which `clear` can tell whose it is."""
    return f"{before}{_MACHINE}-{os.getpid()}-{_PROCESS}-{secrets.token_hex(4)}{after}"


def clear(folder: Path, before: str, after: str = "") -> None:
    """Remove what processes of this machine that are no more have left here under such names.

    Args:
        folder: where to look; nothing happens if it is not there or cannot be looked at.
        before, after: what `own_name` was given.
    """
    names = re.compile(rf"{re.escape(before)}{_MACHINE}-(\d{{1,9}})-({_TOKEN})-{_TOKEN}{re.escape(after)}")
    try:
        entries = os.listdir(folder)
    except OSError:
        return
    for entry in entries:
        match = names.fullmatch(entry)
        if match and match[2] != _PROCESS and not _is_running(int(match[1])):
            remove(folder / entry)


def remove(path: Path) -> None:
    """Remove a file or a whole folder, as far as that is possible."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


@contextmanager
def temporary_folder(parent: Path, before: str) -> Iterator[Path]:
    """A folder that vanishes at the end of the block; what killed processes left of such is removed first.

    Args:
        parent: where it is made.
        before: its name begins so.
    """
    clear(parent, before)
    folder = parent / own_name(before)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def lasting_folder(parent: Path | None, before: str) -> Path:
    """The same, but for its user to remove; by default where the system has such folders."""
    place = parent or Path(tempfile.gettempdir())
    clear(place, before)
    folder = place / own_name(before)
    folder.mkdir(mode=0o700)
    return folder


def _is_running(process: int) -> bool:
    """Whether a process of this number may still write; our own number with another token is that of one before us."""
    if process == os.getpid():
        return False
    if os.name == "nt":  # there is no asking without a handle, and os.kill would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return not _is_defunct(process)


def _is_defunct(process: int) -> bool:
    """Whether a process has ended and only its number is left, because nobody has asked yet how it ended.

    In a container the first process may not ask for a long time, or never.
    """
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # no such system, or gone by now: the next call finds out
        return False
    return text.rpartition(")")[2].split()[:1] in (["Z"], ["X"])
