"""Compiled networks, kept in the user's folder for caches: a command then starts in half the time.

They are made of a model and the processor alone; nothing of a scan or a patient is in them. Whatever goes wrong here
(no folder, no space, a damaged file), the network is compiled as if there were no cache.

PAROTIDSEG_CACHE names another folder; "off" keeps none.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

VARIABLE, OFF = "PAROTIDSEG_CACHE", "off"
#: A network that compiles to more is compiled each time; older ones go when there are more, or more bytes of them.
LARGEST_FILE = 2**27
MOST_FILES, MOST_BYTES = 16, 2**28
_SUFFIX = ".compiled"
_DIGEST = hashlib.sha256().digest_size


def cache_folder() -> Path | None:
    """Where compiled networks are kept; None if they are not. The folder need not exist."""
    named = os.environ.get(VARIABLE, "")
    if named:
        return Path(named) if named.lower() != OFF and Path(named).is_absolute() else None
    if sys.platform == "win32":
        base, name = os.environ.get("LOCALAPPDATA", ""), "ParotidSeg/cache"
    elif sys.platform == "darwin":
        base, name = os.path.expanduser("~/Library/Caches"), "ParotidSeg"
    else:
        base, name = os.environ.get("XDG_CACHE_HOME", "") or os.path.expanduser("~/.cache"), "ParotidSeg"
    return Path(base) / name if os.path.isabs(base) else None


def kept(*parts: bytes) -> bytes | None:
    """The network that was compiled from these parts; None if there is none, or it is not as it was written.

    Only files of this user, in a folder that nobody else may write to, are taken.
    """
    folder = cache_folder()
    if folder is None:
        return None
    with suppress(OSError):
        path = folder / _name(parts)
        if not (_is_own(folder) and _is_own(path)) or path.stat().st_size > LARGEST_FILE:
            return None
        content = path.read_bytes()
        if hashlib.sha256(content[_DIGEST:]).digest() == content[:_DIGEST]:
            os.utime(path)  # what is used stays longest
            return content[_DIGEST:]
    return None


def keep(compiled: bytes, *parts: bytes) -> None:
    """Keep a network that was compiled from these parts."""
    folder = cache_folder()
    if folder is None or len(compiled) + _DIGEST > LARGEST_FILE:
        return
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_own(folder):
            return
        handle, name = tempfile.mkstemp(suffix=_SUFFIX, prefix=".", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(compiled).digest() + compiled)
            os.replace(name, folder / _name(parts))
        finally:
            Path(name).unlink(missing_ok=True)
        _clear(folder)


def _name(parts: tuple[bytes, ...]) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest() + _SUFFIX


def _is_own(path: Path) -> bool:
    """Whether nobody else may have written it; Windows has such rights on the folder of the user itself."""
    state = path.lstat()
    if stat.S_ISLNK(state.st_mode):
        return False
    if sys.platform == "win32":
        return True
    return state.st_uid == os.geteuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _clear(folder: Path) -> None:
    """Remove what was not used for longest, until the bounds hold; also what a killed process left."""
    files = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime, reverse=True)
    total = 0
    for number, path in enumerate(files):
        total += path.stat().st_size
        if number >= MOST_FILES or total > MOST_BYTES:
            path.unlink(missing_ok=True)
