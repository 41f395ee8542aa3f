"""What the record of a prepared data set, preparation.json, says to those who only read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ParotidSegLib.errors import DataError
from ParotidSegLib.model.preprocessing import Input

from .json_files import read_json

RECORD = "preparation.json"


def recorded_patients(root: Path) -> dict[str, str]:
    """Patient by case, as far as the data set in this folder says; empty if it was not prepared here.

    Raises:
        DataError: the record is damaged.
    """
    try:
        return {case: str(entry["patient"]) for case, entry in _record(root).get("cases", {}).items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged(root) from error


def recorded_inputs(root: Path) -> tuple[Input, ...]:
    """The images of a case, as far as the data set in this folder says; empty if it does not.

    Raises:
        DataError: the record is damaged.
    """
    try:
        return tuple(Input(**entry) for entry in _record(root).get("inputs", ()))
    except (ValueError, TypeError, AttributeError) as error:
        raise _damaged(root) from error


def _record(root: Path) -> Any:
    return read_json(root / RECORD) if (root / RECORD).is_file() else {}


def _damaged(root: Path) -> DataError:
    return DataError(f"{root / RECORD} is damaged: prepare the data set again, or remove the file.")
