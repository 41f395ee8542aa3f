"""JSON that nobody has checked yet."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def parse_json(text: str | bytes, *, object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """As `json.loads`, but that brackets nested a thousand deep are a fault of the text like any other.

    Raises:
        json.JSONDecodeError: it is no JSON, or nested too deep.
        ValueError: it is no text, or a number in it is too long.
    """
    try:
        return json.loads(text, object_pairs_hook=object_pairs_hook)
    except RecursionError as error:
        raise json.JSONDecodeError("it is nested too deep", "", 0) from error
