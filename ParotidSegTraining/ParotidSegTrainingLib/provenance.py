"""How a result came about: versions, command and date; nothing of the patient and no path."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from ParotidSegLib.segmentation import software


def provenance(words: Sequence[str] = ()) -> dict[str, Any]:
    """Versions, the command as `shown_command` writes it (empty if there was none), and the time in UTC."""
    return {
        "software": software(),
        "command": shown_command(words) if words else "",
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }


def shown_command(words: Sequence[str]) -> str:
    """The command line as others may read it: of each path, which can hold names, the last part alone."""
    return shlex.join(["parotidseg-train", *map(_last_part, words)])


def _last_part(word: str) -> str:
    option, separator, value = word.partition("=") if word.startswith("-") else ("", "", word)
    name = PureWindowsPath(value).name if "\\" in value else PurePosixPath(value).name if "/" in value else value
    return f"{option}{separator}{name or '.'}" if value else word
