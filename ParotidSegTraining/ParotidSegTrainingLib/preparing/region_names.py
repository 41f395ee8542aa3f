"""Which named region is which structure. Names are matched by patterns, and no side is ever guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ParotidSegLib.errors import DataError
from ParotidSegLib.structures import LEFT_PAROTID, RIGHT_PAROTID

from ..data.json_files import read_json

_GLAND = r"gl(?:a?nd(?:ula|e|s)?|\.)?"
_PAROTID = r"parot(?:id(?:e[as]?|is|s)?|is)"
_SIDES = {
    RIGHT_PAROTID.key: r"(?:r|rt|re|right|dx|dex|dextra|rechts|droite|destra|derecha)",
    LEFT_PAROTID.key: r"(?:l|lt|li|left|sx|sin|sinistra|links|gauche|izquierda)",
}
#: Regions that are made from a gland for planning, or are but a part of it.
_DERIVED = (
    r"[pcgi]tv|prv|opt|ring|minus|avoid|spar|eval|help|hilf|dose|plan|lobe|sub|duct|stem|boost|expan|marg|tumou?r"
)
#: How many names a message lists.
_LISTED = 30


def _parotid_patterns(key: str) -> tuple[str, ...]:
    """Best first: a name of gland and side alone; then one with more words in it, none of them of the other side."""
    side = _SIDES[key]
    (other,) = (pattern for name, pattern in _SIDES.items() if name != key)
    organ = rf"(?:(?:{_GLAND}[\W_]*)?{_PAROTID}(?:[\W_]*{_GLAND})?)"
    alone = rf"^[\W_]*(?:{organ}[\W_]*{side}|{side}[\W_]*{organ})[\W_]*$"

    def word(pattern: str) -> str:
        return rf".*(?<![^\W_]){pattern}(?![^\W_])"

    return alone, rf"^(?=.*parot)(?={word(side)})(?!{word(other)})(?!.*(?:{_DERIVED}))"


#: By structure key: regular expressions, best first; upper and lower case are the same.
PAROTID_PATTERNS: dict[str, tuple[str, ...]] = {key: _parotid_patterns(key) for key in _SIDES}


@dataclass(frozen=True)
class RegionPatterns:
    """Regular expressions by structure key, best first."""

    by_key: Mapping[str, tuple[re.Pattern[str], ...]]

    @classmethod
    def from_data(cls, data: Any, keys: Sequence[str], where: str) -> RegionPatterns:
        """From a table of structure keys and lists of regular expressions.

        Args:
            data: what a JSON file holds.
            keys: the structures that there are.
            where: what is read, for messages.

        Raises:
            DataError: no table of lists of texts, an unknown structure, or a pattern that is no regular expression.
        """
        if not isinstance(data, Mapping):
            raise DataError(f"{where} must be a table of structures, each with a list of regular expressions.")
        by_key = {}
        for key, patterns in data.items():
            if key not in keys:
                raise DataError(f"{where} names the structure '{key}', but there are {', '.join(keys)}.")
            if not isinstance(patterns, list | tuple) or not all(isinstance(p, str) and p for p in patterns):
                raise DataError(f"{where} must give '{key}' a list of regular expressions.")
            by_key[key] = tuple(_compiled(pattern, key, where) for pattern in patterns)
        return cls(by_key)

    @classmethod
    def read(cls, path: Path, keys: Sequence[str]) -> RegionPatterns:
        """From a JSON file; `from_data` says what it may hold."""
        return cls.from_data(read_json(path), keys, f"The file of patterns {path}")

    @classmethod
    def default(cls, keys: Sequence[str]) -> RegionPatterns:
        """The parotid glands as clinics call them; a structure without habits of its own is called by its key."""
        own = {key: PAROTID_PATTERNS.get(key, (rf"^{re.escape(key)}$",)) for key in keys}
        return cls.from_data(own, keys, "The patterns")

    def match(self, names: Sequence[str]) -> dict[str, str]:
        """The region of each structure, by key; a structure that no name fits is left out.

        Of several names that fit a structure the one that fits an earlier pattern wins.

        Raises:
            DataError: a name fits two structures, or two names fit one equally well.
        """
        fits = {name: self._ranks(name) for name in names}
        for name, ranks in fits.items():
            if len(ranks) > 1:
                raise DataError(
                    f"The region '{name}' fits the patterns of {' and '.join(ranks)}, so that its side is not clear; "
                    f"the regions are {listed(names)}: rename it or give patterns that tell them apart."
                )
        found = {}
        for key in self.by_key:
            first = min((ranks[key] for ranks in fits.values() if key in ranks), default=None)
            best = [name for name, ranks in fits.items() if ranks.get(key) == first] if first is not None else []
            if len(best) > 1 or (best and list(names).count(best[0]) > 1):
                raise DataError(
                    f"{len(best) if len(best) > 1 else 'Several'} regions fit the patterns of {key} equally well; the "
                    f"regions are {listed(names)}: give a pattern that fits one of them."
                )
            if best:
                found[key] = best[0]
        return found

    def _ranks(self, name: str) -> dict[str, int]:
        """The structures whose patterns the name fits, and which pattern it fits first."""
        fits = {key: [pattern.search(name) is not None for pattern in own] for key, own in self.by_key.items()}
        return {key: hits.index(True) for key, hits in fits.items() if any(hits)}


def listed(names: Sequence[str]) -> str:
    """Names in a sentence; a long list is cut."""
    shown = ", ".join(f"'{name}'" for name in sorted(names)[:_LISTED])
    return f"{shown} and {len(names) - _LISTED} more" if len(names) > _LISTED else shown or "none"


def _compiled(pattern: str, key: str, where: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise DataError(f"{where} has a pattern of '{key}' that is no regular expression ({error}).") from error
