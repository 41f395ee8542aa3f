"""Names of files as users give them; ITK ends the whole process, without an error, at bytes that are no UTF-8."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ImageError, ParotidSegError


def check_name(path: Path, kind: type[ParotidSegError] = ImageError) -> None:
    """Refuse a path that is not UTF-8, as old archives have them (an umlaut of Latin-1).

    Raises:
        ImageError, or the `kind` that is asked for: it is none.
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise kind(
            f"The path of {path.name!r} holds characters that are not UTF-8: rename the file or the folder that has "
            "them in its name."
        ) from error


class FolderPath(type(Path())):  # type: ignore[misc]
    """A path that its user ended with a slash: a folder, though it is not there yet and its name has a dot."""


def given_path(text: str) -> Path:
    """A path from the command line, which remembers that it ended with a slash."""
    return FolderPath(text) if text.endswith(("/", os.sep)) else Path(text)


def means_folder(path: Path) -> bool:
    """Whether results go into this path, not under this name: it is a folder, is ended like one, or has no suffix."""
    return isinstance(path, FolderPath) or path.is_dir() or not path.suffix
