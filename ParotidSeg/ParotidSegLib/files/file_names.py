"""Names of files that ITK cannot be given: at bytes that are no UTF-8 it ends the whole process, without an error."""

from __future__ import annotations

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
