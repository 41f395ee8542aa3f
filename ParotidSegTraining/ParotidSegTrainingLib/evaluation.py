"""How good is a bundle? Every case of a split through the same `segment()` that users run, on the scan's own grid."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ParotidSegLib.atomic import atomic_path
from ParotidSegLib.errors import ImageError
from ParotidSegLib.export import write_json, write_segmentation
from ParotidSegLib.images import read_image
from ParotidSegLib.metrics import StructureScores, Summary, compare_images, dice, summarise
from ParotidSegLib.segmentation import Model, segment
from ParotidSegLib.structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID

from .dataset import DatasetFolder

#: Column, its title in the table, and how it is formatted.
METRICS = (
    ("dice", "Dice", "{:.3f}"),
    ("iou", "IoU", "{:.3f}"),
    ("hd95", "HD95 mm", "{:.2f}"),
    ("msd", "MSD mm", "{:.2f}"),
    ("nsd_1", "NSD 1 mm", "{:.3f}"),
    ("nsd_2", "NSD 2 mm", "{:.3f}"),
    ("nsd_2.85", "NSD 2.85 mm", "{:.3f}"),
)


@dataclass(frozen=True)
class CaseScores:
    """One case: scores by structure key, whether the sides were swapped, codes of the findings, seconds."""

    case: str
    scores: dict[str, StructureScores]
    swapped: bool
    findings: tuple[str, ...]
    seconds: float


def evaluate(
    model: Model,
    folder: DatasetFolder,
    split: str,
    *,
    exclude: Sequence[str] = (),
    mirror: bool = True,
    masks: Path | None = None,
    report: Callable[[str], None] = print,
) -> list[CaseScores]:
    """Segment and score every case of a split.

    Args:
        model: an opened bundle.
        folder, split, exclude: the cases.
        mirror: as in `segment`.
        masks: folder for the label maps that were made, or None.
        report: takes one line of text a case.

    Raises:
        DataError: the split is empty, or a mask is damaged, lies on another grid or has labels of no structure.
        ImageError: an image cannot be read or is no CT (a CT without a gland is scored, not refused).
        OutputError: a label map cannot be written.
    """
    rows = []
    for case in folder.cases(split, exclude):
        image, reference = read_image(folder.image_path(case)), folder.read_mask(case)
        try:
            result = segment(image, model, mirror=mirror)
            labels, findings = result.labels, tuple(finding.code for finding in result.findings)
            seconds = sum(result.timings.values())
        except ImageError as error:
            # A scan in which nothing is found counts as two missed glands; it is not left out.
            report(f"{case}: {error}")
            labels, findings, seconds = _nothing(image), ("gland-missing",), math.nan
        if masks:
            write_segmentation(labels, masks / f"{case}.nii.gz")
        scores = compare_images(reference, labels)
        rows.append(CaseScores(case, scores, _swapped(reference, labels), findings, seconds))
        right, left = scores[RIGHT_PAROTID.key], scores[LEFT_PAROTID.key]
        report(f"{case:12s} Dice right {right.dice:.3f} left {left.dice:.3f}  {' '.join(findings)}")
    return rows


def _nothing(image: sitk.Image) -> sitk.Image:
    labels = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    labels.CopyInformation(image)
    return labels


def _swapped(reference: sitk.Image, labels: sitk.Image) -> bool:
    """Whether a gland overlaps the reference of the other side more than that of its own."""
    truth, found = sitk.GetArrayViewFromImage(reference), sitk.GetArrayViewFromImage(labels)
    right, left = RIGHT_PAROTID.label, LEFT_PAROTID.label
    straight = [dice(truth == label, found == label) for label in (right, left)]
    crossed = [dice(truth == right, found == left), dice(truth == left, found == right)]
    return any(c > s for c, s in zip(crossed, straight, strict=True))


def values_of(scores: StructureScores) -> dict[str, float]:
    """The scores of one gland as flat columns, named as in METRICS, with volumes in mL."""
    flat: dict[str, Any] = asdict(scores)
    flat.update({f"nsd_{tolerance:g}": value for tolerance, value in flat.pop("nsd").items()})
    return flat


def summaries(rows: Sequence[CaseScores]) -> dict[str, dict[str, Summary]]:
    """Summary of every metric, by structure key and column."""
    by_gland = {}
    for structure in PAROTIDS:
        flat = [values_of(row.scores[structure.key]) for row in rows]
        by_gland[structure.key] = {column: summarise([values[column] for values in flat]) for column, _, _ in METRICS}
    return by_gland


def missed(rows: Sequence[CaseScores], key: str) -> int:
    """How often a gland that the reference has was not hit at all."""
    return sum(row.scores[key].missed for row in rows)


def table(rows: Sequence[CaseScores]) -> str:
    """The summary as a Markdown table."""
    by_gland = summaries(rows)
    lines = ["| gland | metric | n | mean ± SD | 95 % CI | median | range | missed |", "|" + "---|" * 8]
    for structure in PAROTIDS:
        for column, title, form in METRICS:
            s = by_gland[structure.key][column]
            number = form.format
            lines.append(
                f"| {structure.side} | {title} | {s.n} | {number(s.mean)} ± {number(s.sd)} | "
                f"{number(s.ci95_low)} to {number(s.ci95_high)} | {number(s.median)} | "
                f"{number(s.minimum)} to {number(s.maximum)} | {missed(rows, structure.key)} |"
            )
    lines.append("")
    lines.append(f"Swapped sides: {sum(row.swapped for row in rows)} of {len(rows)} cases.")
    return "\n".join(lines)


def figures(rows: Sequence[CaseScores]) -> dict[str, Any]:
    """What the table says, as data: number of cases, swapped sides, missed glands, summaries of all metrics."""
    return {
        "n_cases": len(rows),
        "swapped": sum(row.swapped for row in rows),
        "missed": {structure.key: missed(rows, structure.key) for structure in PAROTIDS},
        "metrics": {
            key: {column: asdict(summary) for column, summary in columns.items()}
            for key, columns in summaries(rows).items()
        },
    }


def write_results(rows: Sequence[CaseScores], output: Path) -> list[Path]:
    """Write cases.csv (a row a case and gland), summary.json and summary.md into a folder.

    Returns:
        The paths.
    """
    output.mkdir(parents=True, exist_ok=True)
    csv_path = output / "cases.csv"
    columns = ["case", "structure", *values_of(next(iter(rows[0].scores.values()))), "swapped", "findings", "seconds"]
    with atomic_path(csv_path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in rows:
            for key, scores in row.scores.items():
                extra = {"swapped": row.swapped, "findings": " ".join(row.findings), "seconds": round(row.seconds, 2)}
                writer.writerow({"case": row.case, "structure": key, **values_of(scores), **extra})
    json_path, markdown_path = output / "summary.json", output / "summary.md"
    write_json(figures(rows), json_path)
    with atomic_path(markdown_path) as temporary:
        temporary.write_text(table(rows) + "\n", encoding="utf-8")
    return [csv_path, json_path, markdown_path]
