"""The figures of a comparison as a table: to look at, to copy, and as a file. It names no patient and no node."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ...dose.figures import VOLUMES_OF, GlandDose
from ...dose.function import LIMIT_GY, REFERENCES, complication_probability
from ...measuring.metrics import NSD_TOLERANCES
from ...writing.export import write_csv
from ...writing.pages.review_files import dose_columns, score_columns
from .comparison import GlandFigures
from .dose.dosing import Doses

#: What stands where something is not measured yet, cannot be, or is beyond all measure.
WAITING, NOTHING, INFINITE = "…", "–", "∞"
_MINUS = "\N{MINUS SIGN}"
Cell = Callable[[GlandFigures], str]


@dataclass(frozen=True)
class Row:
    """A row of the table: what it is, in a word and in a sentence, and its values gland by gland."""

    name: str
    tip: str
    values: tuple[str, ...]


def rows_of(figures: Sequence[GlandFigures]) -> list[Row]:
    """The table of these glands, one value a gland; with the dose where there is one."""
    has_dose = any(one.doses is not None and (one.doses.own or one.doses.reference) for one in figures)
    rows = _rows() + (_dose_rows() if has_dose else [])
    return [Row(name, tip, tuple(cell(one) for one in figures)) for name, tip, cell in rows]


def _rows() -> list[tuple[str, str, Cell]]:
    return [
        (
            _("Dice"),
            _("Overlap: twice what both have, by what each has. 1: the same; 0: apart."),
            lambda one: _score(one, lambda scores: scores.dice, 3),
        ),
        (
            _("IoU"),
            _("Overlap: what both have, by what either has."),
            lambda one: _score(one, lambda scores: scores.iou, 3),
        ),
        (
            _("HD95, mm"),
            _("95 % of each surface lie nearer to the other one than this."),
            lambda one: _score(one, lambda scores: scores.hd95, 1),
        ),
        (
            _("Mean distance, mm"),
            _("The mean distance between both surfaces."),
            lambda one: _score(one, lambda scores: scores.msd, 2),
        ),
        (
            _("NSD {tolerances} mm").format(tolerances="/".join(f"{one:g}" for one in NSD_TOLERANCES)),
            _("The share of both surfaces that lies within this distance of the other one (normalised surface Dice)."),
            lambda one: WAITING if one.scores is None else "/".join(_n(nsd, 2) for nsd in one.scores.nsd.values()),
        ),
        (
            _("To redraw, mm"),
            _("Added path: the length of the reference's outlines that lies more than 2 mm from those of the contour."),
            lambda one: WAITING if one.path is None else _n(one.path.added_mm, 0),
        ),
        (
            _("Volume, mL"),
            _("The volume of the contour, and in brackets that of the reference."),
            lambda one: f"{_n(one.own_ml, 1)} ({_n(one.reference_ml, 1)})",
        ),
        (
            _("Difference, mL"),
            _("How much larger the contour is than the reference."),
            lambda one: signed(one.own_ml - one.reference_ml, 1),
        ),
        *(_row_of_directions(*names) for names in _DIRECTIONS),
    ]


def _dose_rows() -> list[tuple[str, str, Cell]]:
    return [
        (
            _("Mean dose, Gy"),
            _("The mean dose of the contour, and in brackets that of the reference."),
            lambda one: _both(one, lambda dose: _n(dose.mean, 1)),
        ),
        (
            _("Difference, Gy"),
            _("How much more the contour gets on average than the reference."),
            _difference_of_dose,
        ),
        (
            _("Side of {limit} Gy").format(limit=f"{LIMIT_GY:.0f}"),
            _(
                "Whether the mean dose lies below or above the line that plans are most often judged by. {source}"
            ).format(source=next(line.source for line in REFERENCES if line.mean_gy == LIMIT_GY)),
            lambda one: _both(one, lambda dose: _("below") if dose.mean < LIMIT_GY else _("above")),
        ),
        (
            _("D50, Gy"),
            _("The dose that half of the volume gets at least; in brackets: of the reference."),
            lambda one: _both(one, lambda dose: _n(dose.d50, 1)),
        ),
        *(_row_of_volume(gy) for gy in VOLUMES_OF),
        (
            _("Least – most, Gy"),
            _("The smallest and the largest dose within the contour."),
            lambda one: _of_own(one, lambda dose: f"{_n(dose.minimum, 1)} – {_n(dose.maximum, 1)}"),
        ),
        (
            _("Loss of flow, %"),
            _(
                "How many of 100 such glands lost most of their flow in a year, in a study of groups of patients (LKB "
                "model, Dijkema et al. 2010). To compare two contours; no advice, and no forecast for one patient."
            ),
            lambda one: _both(one, lambda dose: _n(100.0 * complication_probability(dose.mean), 0)),
        ),
    ]


def _row_of_volume(gy: float) -> tuple[str, str, Cell]:
    name = _("V{dose}, %").format(dose=f"{gy:.0f}")
    tip = _("The share of the volume that gets {dose} Gy or more; in brackets: of the reference.")
    return name, tip.format(dose=f"{gy:.0f}"), lambda one: _both(one, lambda dose: _n(100.0 * dose.volume_of[gy], 0))


def _of_own(one: GlandFigures, text: Callable[[GlandDose], str]) -> str:
    if one.doses is None:
        return WAITING
    return text(one.doses.own) if one.doses.own is not None else NOTHING


def _both(one: GlandFigures, text: Callable[[GlandDose], str]) -> str:
    if one.doses is None:
        return WAITING
    own, reference = (NOTHING if dose is None else text(dose) for dose in (one.doses.own, one.doses.reference))
    return f"{own} ({reference})"


def _difference_of_dose(one: GlandFigures) -> str:
    if one.doses is None:
        return WAITING
    own, reference = one.doses.own, one.doses.reference
    return NOTHING if own is None or reference is None else signed(own.mean - reference.mean, 1)


#: Pairs of directions; of a structure without a side right and left stand in the place of medial and lateral.
_DIRECTIONS = (("superior", "inferior"), ("medial", "lateral"), ("anterior", "posterior"), ("top", "bottom"))


def _row_of_directions(one_way: str, other_way: str) -> tuple[str, str, Cell]:
    names = {
        "superior": _("Sup. / inf., mm"),
        "medial": _("Med. / lat., mm"),
        "anterior": _("Ant. / post., mm"),
        "top": _("Top / bottom, mm"),
    }
    tips = {
        "superior": _("Superior and inferior: how far the surface that faces there lies beyond that of the reference."),
        "medial": _("Medial and lateral: how far the surface that faces there lies beyond that of the reference."),
        "anterior": _(
            "Anterior and posterior: how far the surface that faces there lies beyond that of the reference."
        ),
        "top": _("How much farther up, and down, the contour reaches than the reference."),
    }
    below = _("Below 0: it falls short of it.")

    def cell(one: GlandFigures) -> str:
        if one.borders is None:
            return WAITING
        sideless = {"medial": "right", "lateral": "left"}
        values = [
            one.borders.get(name, one.borders.get(sideless.get(name, name), math.nan)) for name in (one_way, other_way)
        ]
        return " / ".join(signed(value, 1) for value in values)

    return names[one_way], f"{tips[one_way]} {below}", cell


def _score(one: GlandFigures, value: Callable[[Any], float], digits: int) -> str:
    return WAITING if one.scores is None else _n(value(one.scores), digits)


def _n(value: float, digits: int) -> str:
    """A number, or what stands for one that there is not."""
    if math.isnan(value):
        return NOTHING
    rounded = round(float(value), digits) + 0.0  # no -0
    return INFINITE if math.isinf(value) else f"{rounded:.{digits}f}".replace("-", _MINUS)


def signed(value: float, digits: int) -> str:
    """A number with its sign; none for 0."""
    text = _n(value, digits)
    return f"+{text}" if text[:1].isdigit() and float(text) != 0.0 else text


def as_text(figures: Sequence[GlandFigures]) -> str:
    """The table as a spreadsheet takes it from the clipboard: lines, and tabulators between the columns."""
    lines = [["", *(one.structure.name for one in figures)]]
    lines += [[row.name, *row.values] for row in rows_of(figures)]
    return "\n".join("\t".join(line) for line in lines)


def write_table(figures: Sequence[GlandFigures], path: str | Path) -> Path:
    """Write the figures as CSV: a row a gland, under the names of `parotidseg review`, A this contour, B the reference.

    Raises:
        OutputError: the file cannot be written.
    """
    rows = [_row(one) for one in figures]
    return write_csv(rows, list(dict.fromkeys(name for row in rows for name in row)), path)


def _row(one: GlandFigures) -> dict[str, Any]:
    row: dict[str, Any] = {"structure": one.structure.key, "volume_a_ml": one.own_ml, "volume_b_ml": one.reference_ml}
    row |= score_columns(one.scores) if one.scores is not None else {}
    if one.path is not None:
        row |= {"added_path_to_b_mm": one.path.added_mm, "outline_b_mm": one.path.total_mm}
    row |= {f"{name}_mm": value for name, value in (one.borders or {}).items()}
    doses = one.doses or Doses()
    for side, dose in (("a", doses.own), ("b", doses.reference)):
        row |= {f"{name}_{side}": value for name, value in (dose_columns(dose) if dose is not None else {}).items()}
    if doses.own is not None and doses.reference is not None:
        row["mean_gy_difference"] = doses.own.mean - doses.reference.mean
    return {name: value if isinstance(value, str) else round(float(value), 4) for name, value in row.items()}
