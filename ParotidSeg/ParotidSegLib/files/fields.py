"""From JSON to frozen dataclasses: names and types are checked, and what is wrong is named."""

from __future__ import annotations

import dataclasses
import math
import typing
from typing import Any


def from_data(cls: type, data: Any, where: str = "") -> Any:
    """Build a dataclass from JSON data.

    Args:
        cls: the dataclass; its fields may be dataclasses, tuples of them, tables, texts, numbers and switches.
        data: a table of its fields.
        where: prefix of the names in messages, with its dot.

    Raises:
        ValueError: a field is missing, unknown or of another type, a number is not finite, or the dataclass itself
            objects; a few words that name the field.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{where.rstrip('.') or 'it'} must be a table of fields")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in data:
        if key not in fields:
            raise ValueError(f"{where}{key} is not a field (known: {', '.join(fields)})")
    values = {}
    for name, spec in fields.items():
        if name in data:
            values[name] = _convert(hints[name], data[name], f"{where}{name}")
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise ValueError(f"{where}{name} is missing")
    try:
        return cls(**values)
    except ValueError as error:
        # A dataclass names its field first; where it stands among others is known here alone.
        raise ValueError(str(error) if where in str(error) else f"{where}{error}") from error


def _convert(kind: Any, value: Any, where: str) -> Any:
    arguments = typing.get_args(kind)
    if type(None) in arguments:
        if value is None:
            return None
        (kind,) = (argument for argument in arguments if argument is not type(None))
        arguments = typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return from_data(typing.cast(type, kind), value, f"{where}.")
    origin = typing.get_origin(kind)
    if origin is tuple:
        return _convert_tuple(arguments, value, where)
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f"{where} must be a table of fields")
        return dict(value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        # JSON as Python reads it knows NaN and Infinity; no field means either.
        if not math.isfinite(value):
            raise ValueError(f"{where} must be a finite number")
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{where} must be of type {kind.__name__}, not {value!r}")
    return value


def _convert_tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{where} must be a list")
    if kinds[-1] is Ellipsis:
        return tuple(_convert(kinds[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if len(value) != len(kinds):
        raise ValueError(f"{where} must have {len(kinds)} values")
    return tuple(_convert(kind, item, where) for kind, item in zip(kinds, value, strict=True))
