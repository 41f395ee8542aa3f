"""The structures of a data set as JSON: structures.json beside the images, and the list in a mapping file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ParotidSegLib.errors import DataError
from ParotidSegLib.structures import (
    ANATOMICAL_STRUCTURE,
    LEFT_PAROTID,
    PAROTIDS,
    RIGHT_PAROTID,
    CodedConcept,
    Structure,
)
from ParotidSegLib.writing.export import write_json

from .json_files import read_json

FILE = "structures.json"
_LATERALITY = {"right": RIGHT_PAROTID.laterality, "left": LEFT_PAROTID.laterality, "": None}
_SUFFIXES = {"R": "right", "L": "left"}
_FIELDS = ("label", "key", "name", "side", "category", "type", "laterality", "colour")
#: For structures without a colour: Okabe and Ito's palette, which any colour vision tells apart, then lighter ones.
_COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (153, 153, 153),
    (250, 200, 120),
    (160, 215, 245),
    (120, 205, 180),
    (235, 175, 145),
    (225, 180, 210),
    (200, 200, 200),
)


def structures_from_data(data: Any, where: str) -> tuple[Structure, ...]:
    """Structures from a list of tables; what a table leaves out follows from its key.

    `key` is needed. `label` is by default the place in the list, from 1; `name` the key in words; `side` ("right",
    "left" or "") that of a key which ends with _R or _L; `colour` one of a palette; `type` a code of this data set.

    Args:
        data: what a JSON file holds.
        where: what is read, for messages.

    Raises:
        DataError: no list, a field is unknown or impossible, labels are not 1, 2, 3 … or two structures have one key.
    """
    if not isinstance(data, list) or not data:
        raise DataError(f"{where} must have 'structures': a list of tables with a key and a label each.")
    structures = []
    for number, entry in enumerate(data, start=1):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("key"), str):
            raise DataError(f"{where} must give each structure a 'key', which number {number} lacks.")
        named = f"{where}, structure '{entry['key']}',"
        try:
            structures.append(_structure(entry, number, named))
        except ValueError as error:
            raise DataError(f"{named} cannot be used: {error}.") from error
    if [structure.label for structure in structures] != list(range(1, len(structures) + 1)):
        raise DataError(f"{where} must number the labels of its structures 1, 2, 3 and so on, in order.")
    if len({structure.key for structure in structures}) < len(structures):
        raise DataError(f"{where} must give each structure a key of its own.")
    return tuple(structures)


def _structure(entry: Mapping[str, Any], number: int, where: str) -> Structure:
    for field in entry:
        if field not in _FIELDS:
            raise DataError(f"{where} has the unknown field '{field}'; known are {', '.join(_FIELDS)}.")
    key = entry["key"]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", key):
        raise DataError(f"{where} must have a key of letters, digits, '_', '-' and '.'.")
    stem, _, suffix = key.rpartition("_")
    side = entry.get("side", _SUFFIXES.get(suffix, "") if stem else "")
    if side not in _LATERALITY:
        raise DataError(f"{where} must have the side 'right', 'left' or '', the patient's.")
    label = entry.get("label", number)
    if not isinstance(label, int) or isinstance(label, bool):
        raise DataError(f"{where} must have a whole number as its label.")
    name = entry.get("name", key.replace("_", " "))
    if not isinstance(name, str) or not name.strip():
        raise DataError(f"{where} must have a text as its name.")
    unsided = stem if suffix in _SUFFIXES and stem else key
    return Structure(
        label=label,
        key=key,
        name=name,
        category=_concept(entry, "category", where) or ANATOMICAL_STRUCTURE,
        # The two sides of one organ have one type, so that they are known for each other's mirror image.
        type=_concept(entry, "type", where) or CodedConcept("99LOCAL", unsided[:16], unsided.replace("_", " ")),
        colour=_colour(entry.get("colour", _COLOURS[(number - 1) % len(_COLOURS)]), where),
        side=side,
        laterality=_LATERALITY[side],
    )


def _concept(entry: Mapping[str, Any], field: str, where: str) -> CodedConcept | None:
    value = entry.get(field)
    if value is None:
        return None
    parts = ("scheme", "value", "meaning")
    if (
        not isinstance(value, Mapping)
        or set(value) != set(parts)
        or not all(isinstance(v, str) for v in value.values())
    ):
        raise DataError(f"{where} must give its {field} as a table of {', '.join(parts)}.")
    return CodedConcept(**value)


def _colour(value: Any, where: str) -> tuple[int, int, int]:
    if not isinstance(value, list | tuple) or len(value) != 3 or not all(_is_channel(channel) for channel in value):
        raise DataError(f"{where} must have a colour of three whole numbers from 0 to 255.")
    red, green, blue = value
    return red, green, blue


def _is_channel(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255


def read_structures(root: Path) -> tuple[Structure, ...]:
    """The structures of the data set in this folder: those of its structures.json, else the parotid glands.

    Raises:
        DataError: the file is no JSON or says something impossible.
    """
    path = root / FILE
    if not path.exists():
        return PAROTIDS
    return structures_from_data(read_json(path), f"{path}")


def write_structures(structures: Sequence[Structure], root: Path) -> None:
    """Write structures.json, unless they are the parotid glands, which need none."""
    if tuple(structures) != PAROTIDS:
        write_json([asdict(structure) for structure in structures], root / FILE)
