"""The figures of a comparison as a table: to look at, to copy, and as a file. It names no patient and no node."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ...dose.figures import VOLUMES_OF, GlandDose
from ...dose.function import LIMIT_GY, REFERENCES, complication_probability
from ...files.atomic import atomic_path
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
            _("NSD at 1 / 2 / 2.85 mm"),
            _("The share of both surfaces that lies within this distance of the other one (normalised surface Dice)."),
            lambda one: WAITING if one.scores is None else " / ".join(_n(nsd, 2) for nsd in one.scores.nsd.values()),
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
        "superior": _("Superior / inferior, mm"),
        "medial": _("Medial / lateral, mm"),
        "anterior": _("Anterior / posterior, mm"),
        "top": _("Top / bottom, mm"),
    }
    tips = {
        "top": _("How much farther up, and down, the contour reaches than the reference; below 0: not so far."),
    }
    usual = _(
        "How far the surface that faces there lies beyond that of the reference, on average; below 0: short of it."
    )

    def cell(one: GlandFigures) -> str:
        if one.borders is None:
            return WAITING
        sideless = {"medial": "right", "lateral": "left"}
        values = [
            one.borders.get(name, one.borders.get(sideless.get(name, name), math.nan)) for name in (one_way, other_way)
        ]
        return " / ".join(signed(value, 1) for value in values)

    return names[one_way], tips.get(one_way, usual), cell


def _score(one: GlandFigures, value: Callable[[Any], float], digits: int) -> str:
    return WAITING if one.scores is None else _n(value(one.scores), digits)


def _n(value: float, digits: int) -> str:
    """A number, or what stands for one that there is not."""
    if math.isnan(value):
        return NOTHING
    return INFINITE if math.isinf(value) else f"{value:.{digits}f}".replace("-", _MINUS)


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
    """Write the figures as CSV: a row a gland; what there is not is empty, and what is infinite is "inf".

    Raises:
        OutputError: the file cannot be written.
    """
    records = [_record(one) for one in figures]
    columns = list(dict.fromkeys(name for record in records for name in record))
    # With a mark at the beginning, by which spreadsheets know UTF-8.
    with atomic_path(Path(path)) as temporary, temporary.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=columns, restval="")
        writer.writeheader()
        writer.writerows(records)
    return Path(path)


def _record(one: GlandFigures) -> dict[str, str]:
    record = {"structure": one.structure.key, "name": one.structure.name}
    numbers: dict[str, float] = {}
    if one.scores is not None:
        scores = one.scores
        numbers |= {"dice": scores.dice, "iou": scores.iou, "hd95_mm": scores.hd95, "msd_mm": scores.msd}
        numbers |= {f"nsd_{tolerance:g}_mm": value for tolerance, value in scores.nsd.items()}
    if one.path is not None:
        numbers |= {"added_path_mm": one.path.added_mm, "path_mm": one.path.total_mm}
    numbers |= {"volume_ml": one.own_ml, "reference_volume_ml": one.reference_ml}
    numbers |= {f"{name}_mm": value for name, value in (one.borders or {}).items()}
    doses = one.doses or Doses()
    for beginning, dose in (("", doses.own), ("reference_", doses.reference)):
        if dose is not None:
            numbers |= {f"{beginning}dose_mean_gy": dose.mean, f"{beginning}d50_gy": dose.d50}
            numbers |= {f"{beginning}dose_min_gy": dose.minimum, f"{beginning}dose_max_gy": dose.maximum}
            numbers |= {f"{beginning}v{gy:g}gy": share for gy, share in dose.volume_of.items()}
    return record | {name: "" if math.isnan(value) else f"{value:.6g}" for name, value in numbers.items()}
