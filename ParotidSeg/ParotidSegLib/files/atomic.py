"""Files are written whole or not at all: under a temporary name beside the target, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import OutputError
from .debris import clear, own_name
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
    # Hidden, and short enough for a target of the longest possible name.
    before, after = f".{path.name[:20]}.", f".tmp{''.join(path.suffixes[-2:])[-20:]}"
    temporary = path.with_name(own_name(before, after))
    try:
        _make_folder(path.parent)
        if path.is_dir():
            raise OutputError(f"{path} cannot be written because it is a folder: give the name of a file.")
        clear(path.parent, before, after)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):  # nothing was written, or its folder does not exist
            temporary.unlink()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputError(
            f"{folder} is not a folder, so nothing can be written into it: choose another place."
        ) from error
