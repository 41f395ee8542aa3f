"""Names of files as users give them; ITK ends the whole process, without an error, at bytes that are no UTF-8."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import ImageError, ParotidSegError

SLICER_SUFFIX = ".seg.nrrd"
#: What a segmentation can be written as; longer suffixes stand before those that they end with.
SUFFIXES: tuple[str, ...] = (SLICER_SUFFIX, ".nii.gz", ".nii", ".nrrd", ".mha")
#: Endings of files of labels that are read; a .png or .dcm is one slice.
LABEL_SUFFIXES = (*SUFFIXES, ".png", ".dcm")


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


def ending(path: Path, suffixes: Sequence[str]) -> str:
    """The one of these endings that the file's name has, in lower case; empty if it has none."""
    return next((suffix for suffix in suffixes if path.name.lower().endswith(suffix)), "")


def stem(path: Path, suffixes: Sequence[str]) -> str:
    """The file's name without that ending."""
    return path.name[: len(path.name) - len(ending(path, suffixes))]
