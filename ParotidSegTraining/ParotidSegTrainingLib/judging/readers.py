"""Several contours of the same patients against several references: readers, clinical labels, models.

The first reference says which cases count; any other folder is scored where it has the case. A patient is one unit: of
both glands' values the mean is taken first, and intervals are over patients.

A folder of results holds cases.csv (a row a pair of contours, case and structure), summary.json and summary.md.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.atomic import atomic_path
from ParotidSegLib.borders import ENDS, compare_borders
from ParotidSegLib.errors import DataError
from ParotidSegLib.export import write_json, write_segmentation
from ParotidSegLib.images import read_image
from ParotidSegLib.metrics import Summary, compare_images, summarise
from ParotidSegLib.segmentation import Model, segment

from ..data.dataset import SUFFIXES
from ..data.masks import MaskFolder

#: What a folder of results holds.
FILES = ("cases.csv", "summary.json", "summary.md")
_SCORES = ("dice", "msd", "hd95")


@dataclass(frozen=True)
class Contours:
    """Contours with a name of their own: a reader, the clinic, a model."""

    name: str
    folder: MaskFolder


@dataclass(frozen=True)
class Pair:
    """One set of contours against one reference.

    Attributes:
        candidate, reference: their names.
        scores: case -> structure key -> dice, msd, hd95 and the borders (mm, positive: the candidate goes beyond).
    """

    candidate: str
    reference: str
    scores: Mapping[str, Mapping[str, Mapping[str, float]]]

    def by_patient(self, column: str) -> dict[str, float]:
        """The mean of a case's structures; those that cannot be scored (NaN) are left out."""
        return {case: _mean([of.get(column, math.nan) for of in keyed.values()]) for case, keyed in self.scores.items()}

    def summary(self, column: str) -> Summary:
        """Over the cases."""
        return summarise(list(self.by_patient(column).values()))


def contour_all(
    model: Model,
    cases: Sequence[str],
    images: Sequence[Path],
    output: Path,
    *,
    mirror: bool = True,
    report: Callable[[str], None] = print,
) -> MaskFolder:
    """Label maps of these cases by a model, from the folders of CTs.

    Raises:
        DataError: no folder has the CT of a case.
        ImageError, OutputError: as `segment` and `write_segmentation`.
    """
    files: dict[str, tuple[Path, ...]] = {}
    for case in cases:
        path = output / f"{case}.nii.gz"
        labels = segment([read_image(image_of(case, images))], model, mirror=mirror).labels
        write_segmentation(labels, path, structures=model.bundle.structures)
        report(f"{case:12s} contoured")
        files[case] = (path,)
    return MaskFolder(output, files, model.bundle.structures)


def image_of(case: str, folders: Sequence[Path]) -> Path:
    """The file of a case's CT in one of these folders; a DataError if none has it."""
    paths = (folder / f"{case}{suffix}" for folder in folders for suffix in SUFFIXES)
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise DataError(f"No folder of --images has the CT of the case {case}: add one, or leave the case out.")
    return path


def compare_all(
    candidates: Sequence[Contours],
    references: Sequence[Contours],
    *,
    exclude: Sequence[str] = (),
    report: Callable[[str], None] = print,
) -> list[Pair]:
    """Score every candidate against every reference, and each reference against those before it.

    Raises:
        DataError: two contours have one name, a pair has no case in common, or the contours of a case lie on different
            grids.
    """
    names = [one.name for one in (*references, *candidates)]
    if len(set(names)) < len(names):
        raise DataError("Two folders have one name: write NAME=FOLDER to tell them apart.")
    counted = [case for case in references[0].folder.files if case not in exclude]
    pairs = [(one, reference) for one in candidates for reference in references]
    pairs += [(one, reference) for i, one in enumerate(references) for reference in references[:i]]
    return [_compared(one, reference, counted, report) for one, reference in pairs]


def _compared(candidate: Contours, reference: Contours, counted: Sequence[str], report: Callable[[str], None]) -> Pair:
    cases = [case for case in counted if case in candidate.folder.files and case in reference.folder.files]
    if not cases:
        raise DataError(f"{candidate.name} and {reference.name} have no case in common that counts.")
    scores = {}
    for case in cases:
        truth, found = reference.folder.read(case), candidate.folder.read(case)
        try:
            scores[case] = _scores(truth, found, reference.folder)
        except DataError as error:
            raise DataError(f"The case {case} cannot be scored: {error}") from error
    pair = Pair(candidate.name, reference.name, scores)
    report(f"{pair.candidate} with {pair.reference}: {len(cases)} cases, Dice {pair.summary('dice').mean:.3f}")
    return pair


def _scores(truth: sitk.Image, found: sitk.Image, folder: MaskFolder) -> dict[str, dict[str, float]]:
    overlaps = compare_images(truth, found, folder.structures)
    borders = compare_borders(truth, found, folder.structures)
    return {
        key: {**{name: getattr(overlap, name) for name in _SCORES}, **borders[key]} for key, overlap in overlaps.items()
    }


@dataclass(frozen=True)
class Gain:
    """How much better the first candidate does than another, on the patients that both have: first − other."""

    first: str
    other: str
    reference: str
    dice: Summary
    msd: Summary


def gains(pairs: Sequence[Pair], candidates: Sequence[str]) -> list[Gain]:
    """The first candidate against each of the others, paired by patient, with each reference."""
    by_names = {(pair.candidate, pair.reference): pair for pair in pairs}
    found = []
    for other in candidates[1:]:
        for (name, reference), pair in by_names.items():
            if name == candidates[0]:
                differences = [_differences(pair, by_names[other, reference], column) for column in ("dice", "msd")]
                found.append(Gain(name, other, reference, *map(summarise, differences)))
    return found


def _differences(pair: Pair, other: Pair, column: str) -> list[float]:
    mine, theirs = pair.by_patient(column), other.by_patient(column)
    return [mine[case] - theirs[case] for case in mine if case in theirs]


def table(pairs: Sequence[Pair], found: Sequence[Gain] = ()) -> str:
    """The pairs as Markdown: overlap and distance, then the borders, then the paired gains."""
    lines = [
        "| contours | with | patients | Dice (95 % CI) | mean surface distance, mm | HD95 median, mm |",
        "|" + "---|" * 6,
    ]
    for pair in pairs:
        of = {column: pair.summary(column) for column in _SCORES}
        lines.append(
            f"| {pair.candidate} | {pair.reference} | {len(pair.scores)} | {_interval(of['dice'], '.3f')} | "
            f"{_interval(of['msd'], '.2f')} | {of['hd95'].median:.1f} |"
        )
    columns = [name for name in _columns(pairs) if name not in _SCORES]
    lines += ["", "Beyond the reference (+) or short of it (−), mm (95 % CI):", ""]
    lines += [f"| contours | with | {' | '.join(columns)} |", "|" + "---|" * (2 + len(columns))]
    for pair in pairs:
        cells = (_interval(pair.summary(column), "+.1f") for column in columns)
        lines.append(f"| {pair.candidate} | {pair.reference} | {' | '.join(cells)} |")
    if found:
        lines += ["", "| paired by patient | with | Dice (95 % CI) | mean surface distance, mm |", "|" + "---|" * 4]
        for gain in found:
            name = f"{gain.first} − {gain.other}"
            lines.append(
                f"| {name} | {gain.reference} | {_interval(gain.dice, '+.3f')} | {_interval(gain.msd, '+.2f')} |"
            )
    return "\n".join(lines)


def _interval(summary: Summary, form: str) -> str:
    text = f"{summary.mean:{form}} ({summary.ci95_low:{form}} to {summary.ci95_high:{form}})"
    return text.replace("-", "−")


def write_comparison(
    pairs: Sequence[Pair], found: Sequence[Gain], output: Path, about: Mapping[str, Any]
) -> list[Path]:
    """Write cases.csv, summary.json and summary.md into a folder.

    Raises:
        OutputError: a file cannot be written.
    """
    columns = _columns(pairs)
    with atomic_path(output / "cases.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["contours", "with", "case", "structure", *columns])
        writer.writeheader()
        for pair in pairs:
            named = {"contours": pair.candidate, "with": pair.reference}
            for case, keyed in pair.scores.items():
                writer.writerows({**named, "case": case, "structure": key, **values} for key, values in keyed.items())
    summaries = [
        {
            "contours": pair.candidate,
            "with": pair.reference,
            "patients": len(pair.scores),
            **{column: asdict(pair.summary(column)) for column in columns},
        }
        for pair in pairs
    ]
    content = {"about": dict(about), "pairs": summaries, "gains": [asdict(gain) for gain in found]}
    with atomic_path(output / "summary.md") as temporary:
        temporary.write_text(table(pairs, found) + "\n", encoding="utf-8")
    return [output / "cases.csv", write_json(content, output / "summary.json"), output / "summary.md"]


def _columns(pairs: Sequence[Pair]) -> list[str]:
    """What any structure was scored with, in the order of tables."""
    keyed = [values for pair in pairs for of in pair.scores.values() for values in of.values()]
    known = list(dict.fromkeys(name for values in keyed for name in values))
    return [name for name in known if name not in ENDS] + [name for name in known if name in ENDS]


def _mean(values: Sequence[float]) -> float:
    numbers = [value for value in values if not math.isnan(value)]
    return float(np.mean(numbers)) if numbers else math.nan
