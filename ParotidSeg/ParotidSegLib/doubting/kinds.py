"""The kinds of errors that are judged, their findings' codes, and what is said of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Measures = Mapping[str, float]
#: Shares and distances from which on a sentence names a tissue.
_BONE, _SKIN = 0.06, 0.10


@dataclass(frozen=True)
class Kind:
    """One kind of error: code and severity of its finding, and how its sentence goes on after "The … gland"."""

    code: str
    severity: str
    says: Callable[[Measures], str]


def _end_cut(measures: Measures) -> str:
    if "beyond_top" in measures:
        end, lacks = min((("upper", measures["beyond_top"]), ("lower", measures["beyond_bottom"])), key=lambda e: e[1])
        if lacks < 0.0:
            return f"seems to be cut at its {end} end: the automatic contour goes on there for {-lacks:.0f} mm"
    top, bottom = (_or_zero(measures[f"goes_on_at_{end}"]) for end in ("top", "bottom"))
    end = "upper" if top >= bottom else "lower"
    return f"seems to be cut at its {end} end: what lies beyond looks the same"


def _displaced(measures: Measures) -> str:
    if "up" in measures:
        ways = {
            ("lower", "higher"): measures["up"],
            ("farther in front", "farther back"): measures["back"],
            ("farther to the side", "nearer to the middle"): measures["in"],
        }
        words, mm = max(ways.items(), key=lambda way: abs(way[1]))
        return f"seems to be displaced: it lies {abs(mm):.0f} mm {words[int(mm > 0)]} than the automatic contour"
    return "seems to be displaced: its outline does not fit what the scan shows there"


def _spill(measures: Measures) -> str:
    if measures["bone"] > _BONE:
        where = "bone"
    elif measures["on_skin"] > _SKIN or measures["air"] > _BONE:
        where = "the skin, or what lies on it"
    else:
        where = "muscle or fat beside the gland"
    return f"seems to run into {where}"


def _size(word: str) -> Callable[[Measures], str]:
    def says(measures: Measures) -> str:
        volume = math.exp(measures["volume"])
        against = []
        if "size" in measures:
            against.append(f"the automatic contour has {volume / math.exp(measures['size']):.0f} mL")
        if math.isfinite(measures["volume_ratio"]):
            against.append(f"the other gland {volume / math.exp(measures['volume_ratio']):.0f} mL")
        more = f"; {', '.join(against)}" if against else ""
        return f"seems to be drawn too {word} ({volume:.0f} mL{more})"

    return says


def _or_zero(value: float) -> float:
    return value if math.isfinite(value) else 0.0


KINDS: dict[str, Kind] = {
    "end cut": Kind("contour-end-cut", "warning", _end_cut),
    "displaced": Kind("contour-displaced", "warning", _displaced),
    "slices uneven": Kind(
        "contour-slices-uneven", "warning", lambda _: "has slices that do not fit those above and below"
    ),
    "part missing": Kind("contour-part-missing", "warning", lambda _: "seems to lack a part within its outline"),
    "spill": Kind("contour-spills", "warning", _spill),
    "too large": Kind("contour-too-large", "warning", _size("large")),
    "too small": Kind("contour-too-small", "warning", _size("small")),
    "too smooth": Kind(
        "contour-too-smooth", "warning", lambda _: "is smoother than a gland: its tips or its deep part may be missing"
    ),
    "other structure": Kind(
        "contour-not-the-gland",
        "warning",
        lambda _: "does not look like one: another structure may go by this name",
    ),
    "stray pieces": Kind("contour-in-pieces", "warning", lambda _: "has pieces that lie away from it"),
    "wrong side": Kind(
        "contour-on-wrong-side", "error", lambda _: "was drawn on the other side of the patient, or has the wrong label"
    ),
    # These two are counted, not judged.
    "slices missing": Kind(
        "contour-slices-missing",
        "warning",
        lambda measures: f"lacks a contour in {measures['empty_slices']:.0f} slices between others",
    ),
    "holes": Kind(
        "contour-has-holes", "warning", lambda measures: f"has holes of {measures['holes']:.1f} mL in its contours"
    ),
}
