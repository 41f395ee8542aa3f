"""The files of a review: review.html, review.json and review.csv, which appear together or not at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ...dose.figures import GlandDose
from ...dose.function import LIMIT_GY, complication_probability
from ...measuring.borders import DIRECTIONS, ENDS
from ...measuring.metrics import NSD_TOLERANCES, StructureScores
from ...measuring.path_length import ADDED_PATH_TOLERANCE
from ...reviewing.review import Comparison, Review, Side
from ...structures import PAROTIDS, Structure
from ..export import write_csv, write_json
from ..outputs import staged_files
from .review_page import write_review_page

PAGE, REPORT, TABLE = FILES = ("review.html", "review.json", "review.csv")


def write_review(image: sitk.Image, review: Review, folder: Path, *, made: Mapping[str, object]) -> list[Path]:
    """Write the three files into a folder; those of an earlier review there are replaced, all or none.

    Args:
        image: the CT in HU.
        review: of contours on its grid.
        folder: is made if needed.
        made: "software" (versions by name) and "date".

    Raises:
        OutputError: a file cannot be written; nothing is left then, nor is what was there lost.
    """
    page, report, table = paths = [folder / name for name in FILES]
    with staged_files(paths) as staged:
        write_review_page(image, review, staged[page], made=made)
        write_json(report_of(review) | dict(made), staged[report])
        rows = [_row(review, structure) for structure in PAROTIDS]
        write_csv(rows, list(dict.fromkeys(name for row in rows for name in row)), staged[table])
    return paths


def report_of(review: Review) -> dict[str, Any]:
    """Everything but the pictures, ready for JSON; a difference is A − B."""
    report: dict[str, Any] = {side.letter.lower(): _side(side) for side in review.sides}
    if review.comparisons:
        report["difference"] = "A - B"
        report["sides_are_swapped"] = review.are_swapped
        report["comparison"] = {key: _comparison(one) for key, one in review.comparisons.items()}
    if review.has_dose:
        report["dose_remarks"] = list(review.dose_remarks)
        report["dose_reference_line_gy"] = LIMIT_GY
    return report


def _side(side: Side) -> dict[str, Any]:
    return {
        "name": side.contours.name,
        "model": dict(side.contours.model),
        "remarks": list(side.contours.remarks),
        "findings": [asdict(finding) for finding in side.findings],
        "structures": {
            key: {"volume_ml": volume} | ({"dose": _dose(side.doses[key])} if key in side.doses else {})
            for key, volume in side.volumes_ml.items()
        },
    }


def _dose(dose: GlandDose) -> dict[str, Any]:
    return {
        **dose_columns(dose),
        "share_beyond_dose": dose.outside,
        "histogram": {"dose_gy": dose.histogram.edges_gy.round(3), "volume_ml": dose.histogram.volumes_ml.round(4)},
    }


def dose_columns(dose: GlandDose) -> dict[str, float]:
    """What a gland receives, under the names of reports and tables."""
    return {
        "mean_gy": dose.mean,
        "d50_gy": dose.d50,
        **{f"v{gy:g}_percent": 100.0 * share for gy, share in dose.volume_of.items()},
        "minimum_gy": dose.minimum,
        "maximum_gy": dose.maximum,
        "ntcp_percent": 100.0 * complication_probability(dose.mean),
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        **score_columns(comparison.scores),
        "borders_mm": {name: comparison.borders[name] for name in (*DIRECTIONS, *ENDS)},
        "added_path_tolerance_mm": ADDED_PATH_TOLERANCE,
        **_paths(comparison),
        "slices": [asdict(one) for one in comparison.slices],
    }


def score_columns(scores: StructureScores) -> dict[str, float]:
    """Overlap and surface distances, under the names of reports and tables."""
    nsd = {f"nsd_{tolerance:g}": scores.nsd[tolerance] for tolerance in NSD_TOLERANCES}
    return {"dice": scores.dice, "iou": scores.iou, "hd95_mm": scores.hd95, "msd_mm": scores.msd, **nsd}


def _paths(comparison: Comparison) -> dict[str, float]:
    to_a, to_b = comparison.path_to_a, comparison.path_to_b
    return {
        "added_path_to_a_mm": to_a.added_mm,
        "outline_a_mm": to_a.total_mm,
        "added_path_to_b_mm": to_b.added_mm,
        "outline_b_mm": to_b.total_mm,
    }


def _row(review: Review, structure: Structure) -> dict[str, Any]:
    """A gland as a row of the table."""
    key = structure.key
    row: dict[str, Any] = {"structure": key}
    for side in review.sides:
        row[f"volume_{side.letter.lower()}_ml"] = side.volumes_ml[key]
    if review.comparisons:
        comparison = review.comparisons[key]
        borders = {f"{name}_mm": comparison.borders[name] for name in (*DIRECTIONS, *ENDS)}
        row |= {**score_columns(comparison.scores), **_paths(comparison), **borders}
    for side in review.sides:
        figures = dose_columns(side.doses[key]) if key in side.doses else {}
        row |= {f"{name}_{side.letter.lower()}": value for name, value in figures.items()}
    doses = [side.doses[key].mean for side in review.sides if key in side.doses]
    if len(doses) == len(review.sides) > 1:
        row["mean_gy_difference"] = doses[0] - doses[1]
    row = {name: _rounded(value) if isinstance(value, float) else value for name, value in row.items()}
    for side in review.sides:
        codes = [finding.code for finding in side.findings if finding.structure in (key, None)]
        row[f"contour_remarks_{side.letter.lower()}"] = "; ".join(codes)
    return row


def _rounded(value: float) -> float | str:
    """Empty for what could not be computed."""
    return "" if math.isnan(value) else round(value, 4)
