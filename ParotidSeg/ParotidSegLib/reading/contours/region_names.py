"""Which named region is which structure. Names are matched by patterns, and no side is ever guessed.

The parotid glands are known in English, German, French, Spanish and Italian (with some Latin and Portuguese), under the
names of TG-263 in its three languages (Parotid_L, Parotida_I, Parotide_G, and turned round) and under those that
clinics use. What is derived from a gland, or is but a part of it, is not the gland.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import DataError
from ...structures import LEFT_PAROTID, RIGHT_PAROTID

_GLAND = r"(?:gl|glds?|glnds?|glands?|glandes?|glandul[ae]|glandol[ae]|ghiandol[ae]|drue?se)"
#: The gland alone, and as the Romance languages have it: with those, single letters mean other sides.
_PAROTID = r"(?:parotids?|parotide[as]?|parotidis|parotidas?|parotis|(?:parotis|ohrspeichel)drue?sen?)"
_FRENCH_ITALIAN, _SPANISH_PORTUGUESE = "parotide", "parotida"
_SIDES = {
    RIGHT_PAROTID.key: r"(?:r|rt|rgt|re|right|dx|dex|dext|dexter|dextra|rechts|rechte[nrs]?|droite?|destr[ao]|"
    r"derech[ao]|direit[ao])",
    LEFT_PAROTID.key: r"(?:l|lt|lft|li|left|sx|sin|sinister|sinistr[ao]|links|linke[nrs]?|gauche|izquierd[ao]|"
    r"esquerd[ao])",
}
#: Abbreviations that mean a side in one language only; "s" would be a plural without a space before it.
_LOCAL_SIDES = {
    RIGHT_PAROTID.key: {_FRENCH_ITALIAN: "d|drt|dte|ds", _SPANISH_PORTUGUESE: "d|der|dcha|dch|dta|dir"},
    LEFT_PAROTID.key: {_FRENCH_ITALIAN: "g|gch|gche|s|sn", _SPANISH_PORTUGUESE: "i|izq|izda|izqda|iz|e|esq"},
}
#: Beginnings of words that say: made from a gland for planning, a part of it, what lies in it, or what is left of it.
_DERIVED_BEGINNINGS = (
    # planning
    r"[pcgi]tv|prv|opt|avoid|vermeid|evit|spar|schon|eval|help|hilf|dos[ei]|plan|ring|shell|minus|without|ohne|sans|senza|"
    r"exclu|excl|crop|cut|sub|bool|intersec|overlap|diff|expan|marg|boost|isod|arte?f|dummy|mirror|spiegel|flip|"
    # parts and surroundings
    r"lob|superf|superior|supra|deep|profo?u?n|tief|oberfl|duct|ductus|canal|condu|dotto|stens|stenon|stem|stam|tail|"
    r"schwanz|accessor|akzess|anterior|posterior|medial|lateral|inferior|upper|lower|crani|caud|half|partial|partiel|"
    r"partly|portion|teil|core|wall|caps|surface|hil[ua]|fascia|nerv|arter|vein|musc|region|area|zone|space|level|contact|"
    # nodes, tumours and operations
    r"node|nodal|nodul|lymph|linf|gangli|gangio|adenop|tum|lesion|cyst|kyst|zyst|quist|metast|canc|carc|krebs|neopl|"
    r"adenom|warthin|recid|rezid|recur|resec|resek|reseq|excis|exeres|extirp|remov|entf|post ?op|pre ?op|surg|chir|"
    r"loge|lecho|letto|remnant|resid|absen|missing|fehl|agenes|ectom"
)
_DERIVED_WORDS = (
    r"sup|inf|ant|post|med|lat|acc|exp|inter|gang|bed|lit|rest|parts?|iso|lns?|lnn|lks?|ggl|n|tm|mass|mets?"
)
#: "+5 mm", "-3", "05 mm", "26 Gy", "~" (TG-263: drawn in part), "z" before the name (for planning alone).
_DERIVED_SIGNS = r"[+±~]|-\d|\d ?(?:mm|cm|gy|cgy)(?![a-z])|%|^z+(?= )"
_DERIVED = re.compile(rf"(?<![a-z])(?:{_DERIVED_BEGINNINGS})|(?<![a-z])(?:{_DERIVED_WORDS})(?![a-z])|{_DERIVED_SIGNS}")
_WORDS_OF_PAROTIDS = re.compile(rf"(?<![a-z]){_PAROTID}(?![a-z])")
#: How many names a message lists.
_LISTED = 30


def folded(name: str) -> str:
    """A name as the usual patterns see it: lower case, without accents, words apart, signs that mean something kept."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])", " ", name)
    plain = unicodedata.normalize("NFKD", apart.replace("ß", "ss").replace("−", "-").replace("–", "-")).lower()
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    signs = re.sub(r"-\s*(?=\d)", " -", plain)
    return re.sub(r"[^\w+±~%-]+|_+|-(?!\d)", " ", signs).strip().replace("  ", " ")


def _parotid_patterns(key: str) -> tuple[str, ...]:
    """Best first, for folded names: gland and side alone; then with more words, none of the other side or derived."""
    (other,) = (name for name in _SIDES if name != key)
    organ = rf"(?:(?:{_GLAND} ?)?{_PAROTID}(?: ?{_GLAND})?)"
    side = _SIDES[key]
    names = [rf"{organ} ?{side}", rf"{side} ?{organ}"]
    for gland, letters in _LOCAL_SIDES[key].items():
        local = rf"(?:{_GLAND} )?{gland}"
        names += [rf"{local} (?:{letters})", rf"(?:{letters}) {local}"]
    names.append("parotided" if key == RIGHT_PAROTID.key else "parotideg")

    def anywhere(of: str) -> str:
        local = "|".join(
            rf"(?=.*(?<![a-z]){gland}(?![a-z])).*(?<![a-z])(?:{letters})(?![a-z])"
            for gland, letters in _LOCAL_SIDES[of].items()
        )
        return rf"(?:.*(?<![a-z]){_SIDES[of]}(?![a-z])|{local})"

    more = rf"^(?=.*{_WORDS_OF_PAROTIDS.pattern})(?={anywhere(key)})(?!{anywhere(other)})(?!.*(?:{_DERIVED.pattern}))"
    return rf"^(?:{'|'.join(names)})$", more


#: By structure key: regular expressions for folded names, best first.
PAROTID_PATTERNS: dict[str, tuple[str, ...]] = {key: _parotid_patterns(key) for key in _SIDES}


@dataclass(frozen=True)
class RegionPatterns:
    """Regular expressions by structure key, best first.

    Attributes:
        by_key: the expressions.
        usual: the keys whose expressions are those of the parotid glands, for folded names.
    """

    by_key: Mapping[str, tuple[re.Pattern[str], ...]]
    usual: frozenset[str] = frozenset()

    @classmethod
    def from_data(cls, data: Any, keys: Sequence[str], where: str) -> RegionPatterns:
        """From a table of structure keys and lists of regular expressions; upper and lower case are the same.

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
    def default(cls, keys: Sequence[str]) -> RegionPatterns:
        """The parotid glands as clinics call them; a structure without habits of its own is called by its key."""
        own = {key: PAROTID_PATTERNS.get(key, (rf"^{re.escape(key)}$",)) for key in keys}
        return cls(cls.from_data(own, keys, "The patterns").by_key, frozenset(PAROTID_PATTERNS) & frozenset(keys))

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

    def says_more(self, key: str, name: str) -> bool:
        """Whether the name of a parotid gland has words beside gland and side, of which no one knows what they mean."""
        return key in self.usual and self._ranks(name).get(key, 0) > 0

    def derived(self, names: Sequence[str]) -> list[str]:
        """The names that speak of a parotid gland, but of something made from it or a part of it."""
        if not self.usual:
            return []
        texts = {name: folded(name) for name in names}
        return [name for name, text in texts.items() if _WORDS_OF_PAROTIDS.search(text) and _DERIVED.search(text)]

    def _ranks(self, name: str) -> dict[str, int]:
        """The structures whose patterns the name fits, and which pattern it fits first."""
        fits = {}
        for key, patterns in self.by_key.items():
            text = folded(name) if key in self.usual else name
            fits[key] = [pattern.search(text) is not None for pattern in patterns]
        return {key: hits.index(True) for key, hits in fits.items() if any(hits)}


def speaks_of_parotids(name: str) -> bool:
    """Whether a name is that of a parotid gland of either side, and not of a part of it or of what is made of it."""
    text = folded(name)
    return _WORDS_OF_PAROTIDS.search(text) is not None and _DERIVED.search(text) is None


def listed(names: Sequence[str]) -> str:
    """Names in a sentence; a long list is cut."""
    shown = ", ".join(f"'{name}'" for name in sorted(names)[:_LISTED])
    return f"{shown} and {len(names) - _LISTED} more" if len(names) > _LISTED else shown or "none"


def _compiled(pattern: str, key: str, where: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise DataError(f"{where} has a pattern of '{key}' that is no regular expression ({error}).") from error
