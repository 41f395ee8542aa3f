"""Reading small JSON files that a user wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ParotidSegLib.errors import DataError
from ParotidSegLib.files.json_text import parse_json


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        DataError: it is not there, cannot be read, or is no JSON; the message says in which line.
    """
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist: check the path.") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is no valid JSON: {error.msg} in line {error.lineno}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: check that you may read it.") from error
