"""Files are written whole or not at all: under a temporary name beside the target, then renamed."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import OutputError
from .file_names import check_name


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path in the same folder that becomes `path` when the block ends well, and vanishes otherwise.

    The temporary name ends like the target, so that writers that go by the suffix choose the same format. Whatever
    ends the block (an error, Ctrl-C, a termination that was turned into SystemExit), no half file stays, and a file
    that was there before stays as it was.

    Args:
        path: the file to be written; its folder is made if needed.

    Raises:
        OutputError: the folder cannot be made, or the file cannot be written or renamed; any OSError of the block
            is taken for such a failure. Or the path is not UTF-8.
    """
    path = Path(path)
    check_name(path, OutputError)
    temporary = path.with_name(_temporary_name(path))
    try:
        _make_folder(path.parent)
        if path.is_dir():
            raise OutputError(f"{path} cannot be written because it is a folder: give the name of a file.")
        _clear_debris(path)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):  # nothing was written, or its folder does not exist
            temporary.unlink()


#: This machine and this process, so that what a killed process left can be told from what another one writes now.
_HOST = hashlib.sha256(platform.node().encode("utf-8", "replace")).hexdigest()[:6]
_PROCESS = secrets.token_hex(4)


def _temporary_name(path: Path) -> str:
    """Hidden, recognisable, different in every call, and short enough for a target of the longest possible name."""
    suffix = "".join(path.suffixes[-2:])[-20:]
    return f".{path.name[:20]}.{_HOST}-{os.getpid()}-{_PROCESS}-{secrets.token_hex(4)}.tmp{suffix}"


def _clear_debris(path: Path) -> None:
    """Remove what processes of this machine that are no more have left of earlier attempts at this file."""
    name = re.escape(path.name[:20])
    suffix = re.escape("".join(path.suffixes[-2:])[-20:])
    ours = re.compile(rf"\.{name}\.{_HOST}-(\d+)-([0-9a-f]{{8}})-[0-9a-f]{{8}}\.tmp{suffix}")
    try:
        entries = os.listdir(path.parent)
    except OSError:  # a folder that may be written into, but not looked at
        return
    for entry in entries:
        match = ours.fullmatch(entry)
        if match and match[2] != _PROCESS and not _is_running(int(match[1])):
            with suppress(OSError):
                (path.parent / entry).unlink()


def _is_running(process: int) -> bool:
    """Whether a process of this number may still write; our own number with another name is that of one before us."""
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
    return True


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputError(
            f"{folder} is not a folder, so nothing can be written into it: choose another place."
        ) from error
