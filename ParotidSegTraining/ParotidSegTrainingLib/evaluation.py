"""How good are contours? A bundle's, through the same `segment()` that users run, or those of a folder.

Everything is scored on the scan's own grid.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ParotidSegLib.atomic import atomic_path
from ParotidSegLib.errors import DataError, ImageError
from ParotidSegLib.export import write_json, write_segmentation
from ParotidSegLib.images import read_image
from ParotidSegLib.metrics import StructureScores, Summary, compare_images, dice, summarise
from ParotidSegLib.segmentation import Model, segment
from ParotidSegLib.structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID

from .agreement import BlandAltman, agreement_table, bland_altman, draw_bland_altman, require_statistics
from .dataset import DatasetFolder
from .masks import MaskFolder, cases_of_both

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
    """One case: scores by structure key, whether the sides were swapped, codes of the findings, seconds.

    Contours that nobody timed have no findings and NaN seconds.
    """

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
        ParotidSegError: SciPy, which the results need, is missing.
    """
    require_statistics()  # now, not after hours
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
        report(_line(rows[-1]))
    return rows


def compare_folders(
    reference: MaskFolder,
    candidate: MaskFolder,
    *,
    exclude: Sequence[str] = (),
    report: Callable[[str], None] = print,
) -> list[CaseScores]:
    """Score the contours of one folder against those of another: two readers, or the output of any program.

    Args:
        reference, candidate: the folders; cases are matched by name.
        exclude: names of cases to leave out.
        report: takes one line of text a case.

    Raises:
        DataError: a case has no counterpart, none is left, a file is damaged or has labels of no structure, or the two
            contours of a case lie on different grids.
        ParotidSegError: SciPy, which the results need, is missing.
    """
    require_statistics()
    rows = []
    for case in cases_of_both(reference, candidate, exclude):
        truth, found = reference.read(case), candidate.read(case)
        try:
            scores = compare_images(truth, found)
        except DataError as error:
            raise DataError(f"The case {case} cannot be scored: {error}") from error
        rows.append(CaseScores(case, scores, _swapped(truth, found), (), math.nan))
        report(_line(rows[-1]))
    return rows


def _line(row: CaseScores) -> str:
    right, left = row.scores[RIGHT_PAROTID.key], row.scores[LEFT_PAROTID.key]
    return f"{row.case:12s} Dice right {right.dice:.3f} left {left.dice:.3f}  {' '.join(row.findings)}".rstrip()


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


def volumes(rows: Sequence[CaseScores]) -> dict[str, tuple[list[float], list[float]]]:
    """Volumes (reference, candidate) in mL by structure key.

    As for Dice, a gland that only one of both has counts (0 mL for the other); one that neither has is left out.
    """
    by_gland = {}
    for structure in PAROTIDS:
        scores = [row.scores[structure.key] for row in rows]
        drawn = [s for s in scores if s.volume_reference_ml > 0.0 or s.volume_ml > 0.0]
        by_gland[structure.key] = ([s.volume_reference_ml for s in drawn], [s.volume_ml for s in drawn])
    return by_gland


def agreements(rows: Sequence[CaseScores]) -> dict[str, BlandAltman]:
    """Bland-Altman statistics of the volumes, by structure key."""
    return {key: bland_altman(*pairs) for key, pairs in volumes(rows).items()}


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
    """What the tables say, as data: number of cases, swapped sides, missed glands, summaries, agreement of volumes."""
    return {
        "n_cases": len(rows),
        "swapped": sum(row.swapped for row in rows),
        "missed": {structure.key: missed(rows, structure.key) for structure in PAROTIDS},
        "metrics": {
            key: {column: asdict(summary) for column, summary in columns.items()}
            for key, columns in summaries(rows).items()
        },
        "volume_agreement": {key: asdict(agreement) for key, agreement in agreements(rows).items()},
    }


def write_results(rows: Sequence[CaseScores], output: Path, *, candidate: str = "automatic") -> list[Path]:
    """Write cases.csv (a row a case and gland), summary.json, summary.md and bland_altman.png into a folder.

    Args:
        rows: at least one case.
        output: the folder, made if needed.
        candidate: what the reference is compared with, as a word.

    Returns:
        The paths.

    Raises:
        OutputError: a file cannot be written.
        ParotidSegError: SciPy is missing.
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
    markdown_path = output / "summary.md"
    with atomic_path(markdown_path) as temporary:
        temporary.write_text(f"{table(rows)}\n\n{volume_table(rows, candidate)}\n", encoding="utf-8")
    return [
        csv_path,
        write_json(figures(rows), output / "summary.json"),
        markdown_path,
        draw_bland_altman(volumes(rows), output / "bland_altman.png", candidate=candidate),
    ]


def volume_table(rows: Sequence[CaseScores], candidate: str = "automatic") -> str:
    """The agreement of the volumes as a Markdown table; `candidate` as in `write_results`."""
    return agreement_table(agreements(rows), candidate=candidate)
