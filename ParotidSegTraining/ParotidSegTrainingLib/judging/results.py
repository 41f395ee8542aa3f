"""The scores of an evaluation: summaries, tables and files, and reading those files again.

A folder of results holds cases.csv (a row a case and structure), summary.json (the figures, the structures, and how
they came about), summary.md and bland_altman.png; with doses dose_bland_altman.png, too.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ParotidSegLib.errors import DataError
from ParotidSegLib.files.atomic import atomic_path
from ParotidSegLib.files.fields import from_data
from ParotidSegLib.files.json_text import parse_json
from ParotidSegLib.measuring.metrics import NSD_TOLERANCES, StructureScores, Summary, summarise
from ParotidSegLib.structures import PAROTIDS, Structure
from ParotidSegLib.writing.export import write_json

from ..data.structure_sets import title_of
from .agreement import BlandAltman, agreement_table, bland_altman, draw_bland_altman
from .dose_agreement import MEAN_DOSE, MeanDoses, dose_pairs, dose_summary, dose_table

#: What a folder of results holds; and besides where there are doses.
FILES = ("cases.csv", "summary.json", "summary.md", "bland_altman.png")
DOSE_PLOT = "dose_bland_altman.png"
_DOSE_COLUMNS = ("mean_dose_reference_gy", "mean_dose_gy")


@dataclass(frozen=True)
class Metric:
    """One column of scores.

    Attributes:
        column: its name in cases.csv.
        title: what a person reads.
        form: how a value is written.
        higher_is_better: False for distances.
    """

    column: str
    title: str
    form: str
    higher_is_better: bool = True

    def write(self, value: float) -> str:
        """A value as text."""
        return self.form.format(value)


_OVERLAPS = (Metric("dice", "Dice", "{:.3f}"), Metric("iou", "IoU", "{:.3f}"))
_DISTANCES = (
    Metric("hd95", "HD95 mm", "{:.2f}", higher_is_better=False),
    Metric("msd", "MSD mm", "{:.2f}", higher_is_better=False),
)
#: Size of the difference of the mean doses; there where the cases have doses.
_DOSE = Metric("mean_dose_error_gy", "Mean dose error Gy", "{:.2f}", higher_is_better=False)


def metrics_for(nsd_tolerances: Sequence[float] = NSD_TOLERANCES) -> tuple[Metric, ...]:
    """The metrics of an evaluation, with a normalised surface Dice for each tolerance in mm."""
    nsd = tuple(Metric(f"nsd_{mm:g}", f"NSD {mm:g} mm", "{:.3f}") for mm in nsd_tolerances)
    return (*_OVERLAPS, *_DISTANCES, *nsd)


@dataclass(frozen=True)
class CaseScores:
    """One case: scores by structure key, whether sides were swapped, codes of the findings, seconds, accuracy, doses.

    Contours that nobody timed have no findings and NaN seconds. The accuracy is the categorical one, the share of all
    voxels with the right label: most are background, so it is near 1 for any result, and depends on the scan's extent.
    The mean doses are by structure key; there are none where no dose was given.
    """

    case: str
    scores: dict[str, StructureScores]
    swapped: bool
    findings: tuple[str, ...]
    seconds: float
    accuracy: float = math.nan
    doses: dict[str, MeanDoses] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """A finished evaluation.

    Attributes:
        rows: its cases, one at least.
        structures: what was scored, in label order.
        about: how the scores came about (name, model, options, versions, date), ready for JSON.
    """

    rows: tuple[CaseScores, ...]
    structures: tuple[Structure, ...] = PAROTIDS
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What a person calls it."""
        return str(self.about.get("name", "contours"))

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Its metrics, in order."""
        return metrics_of(self.rows)


def metrics_of(rows: Sequence[CaseScores]) -> tuple[Metric, ...]:
    """The metrics that these cases were scored with; the usual ones if there is no case."""
    tolerances = next((tuple(scores.nsd) for row in rows for scores in row.scores.values()), NSD_TOLERANCES)
    return (*metrics_for(tolerances), *([_DOSE] if has_doses(rows) else []))


def has_doses(rows: Sequence[CaseScores]) -> bool:
    """Whether these cases were scored with doses."""
    return any(row.doses for row in rows)


def values_of(scores: StructureScores) -> dict[str, float]:
    """The scores of one structure as flat columns, with volumes in mL."""
    flat: dict[str, Any] = asdict(scores)
    flat.update({f"nsd_{tolerance:g}": value for tolerance, value in flat.pop("nsd").items()})
    return flat


def column_of(rows: Sequence[CaseScores], key: str, column: str) -> list[float]:
    """One column of one structure, a value a case."""
    if column == _DOSE.column:
        return [row.doses[key].error if key in row.doses else math.nan for row in rows]
    return [values_of(row.scores[key])[column] for row in rows]


def summaries(rows: Sequence[CaseScores], structures: Sequence[Structure] = PAROTIDS) -> dict[str, dict[str, Summary]]:
    """Summary of every metric, by structure key and column.

    A case that has the structure neither in the reference nor in the candidate has no overlap and no distance (NaN):
    it counts as `missing` in the summary, and in no mean.
    """
    metrics = metrics_of(rows)
    return {
        structure.key: {m.column: summarise(column_of(rows, structure.key, m.column)) for m in metrics}
        for structure in structures
    }


def missed(rows: Sequence[CaseScores], key: str) -> int:
    """How often a structure that the reference has was not hit at all."""
    return sum(row.scores[key].missed for row in rows)


def invented(rows: Sequence[CaseScores], key: str) -> int:
    """How often a structure was drawn that the reference does not have."""
    scores = [row.scores[key] for row in rows]
    return sum(s.volume_reference_ml == 0.0 and s.volume_ml > 0.0 for s in scores)


def absent(rows: Sequence[CaseScores], key: str) -> int:
    """How often neither the reference nor the candidate has the structure."""
    scores = [row.scores[key] for row in rows]
    return sum(s.volume_reference_ml == 0.0 and s.volume_ml == 0.0 for s in scores)


def volumes(
    rows: Sequence[CaseScores], structures: Sequence[Structure] = PAROTIDS
) -> dict[str, tuple[list[float], list[float]]]:
    """Volumes (reference, candidate) in mL by structure key.

    As for Dice, a structure that only one of both has counts (0 mL for the other); one that neither has is left out.
    """
    by_key = {}
    for structure in structures:
        scores = [row.scores[structure.key] for row in rows]
        drawn = [s for s in scores if s.volume_reference_ml > 0.0 or s.volume_ml > 0.0]
        by_key[structure.key] = ([s.volume_reference_ml for s in drawn], [s.volume_ml for s in drawn])
    return by_key


def agreements(rows: Sequence[CaseScores], structures: Sequence[Structure] = PAROTIDS) -> dict[str, BlandAltman]:
    """Bland-Altman statistics of the volumes, by structure key."""
    return {key: bland_altman(*pairs) for key, pairs in volumes(rows, structures).items()}


# Tables


def table(rows: Sequence[CaseScores], structures: Sequence[Structure] = PAROTIDS) -> str:
    """The summary as a Markdown table, with the cases that need a look."""
    by_key, metrics = summaries(rows, structures), metrics_of(rows)
    lines = ["| structure | metric | n | mean ± SD | 95 % CI | median | range | missed |", "|" + "---|" * 8]
    for structure in structures:
        for metric in metrics:
            s, write = by_key[structure.key][metric.column], metric.write
            lines.append(
                f"| {title_of(structure)} | {metric.title} | {s.n} | {write(s.mean)} ± {write(s.sd)} | "
                f"{write(s.ci95_low)} to {write(s.ci95_high)} | {write(s.median)} | "
                f"{write(s.minimum)} to {write(s.maximum)} | {missed(rows, structure.key)} |"
            )
    lines.append("")
    lines += [line for structure in structures if (line := _odd_cases(rows, structure))]
    accuracy = summarise([row.accuracy for row in rows])
    if accuracy.n:
        lines.append(
            f"Voxels with the right label, background included (categorical accuracy): {accuracy.mean:.4f} ± "
            f"{accuracy.sd:.4f}, n = {accuracy.n}.\n"
        )
    lines.append(f"Swapped sides: {sum(row.swapped for row in rows)} of {len(rows)} cases.")
    return "\n".join(lines)


def _odd_cases(rows: Sequence[CaseScores], structure: Structure) -> str:
    nobody, added = absent(rows, structure.key), invented(rows, structure.key)
    if not nobody and not added:
        return ""
    return (
        f"{structure.name}: {nobody} of {len(rows)} cases have it neither in the reference nor in the candidate (not "
        f"scored), {added} in the candidate alone (Dice 0).\n"
    )


def volume_table(
    rows: Sequence[CaseScores], candidate: str = "automatic", structures: Sequence[Structure] = PAROTIDS
) -> str:
    """The agreement of the volumes as a Markdown table; `candidate` as in `write_results`."""
    return agreement_table(agreements(rows, structures), candidate=candidate, structures=structures)


def agreement_tables(
    rows: Sequence[CaseScores], candidate: str = "automatic", structures: Sequence[Structure] = PAROTIDS
) -> str:
    """The agreement of the volumes, and of the mean doses if there are any, as Markdown tables."""
    tables = [volume_table(rows, candidate, structures)]
    if has_doses(rows):
        tables.append(dose_table([row.doses for row in rows], candidate, structures))
    return "\n\n".join(tables)


def figures(rows: Sequence[CaseScores], structures: Sequence[Structure] = PAROTIDS) -> dict[str, Any]:
    """What the tables say, as data: cases, swapped sides, missed structures, summaries, agreement of volumes."""
    keys = [structure.key for structure in structures]
    return {
        "n_cases": len(rows),
        "swapped": sum(row.swapped for row in rows),
        "categorical_accuracy": asdict(summarise([row.accuracy for row in rows])),
        "missed": {key: missed(rows, key) for key in keys},
        "invented": {key: invented(rows, key) for key in keys},
        "absent": {key: absent(rows, key) for key in keys},
        "metrics": {
            key: {column: asdict(summary) for column, summary in columns.items()}
            for key, columns in summaries(rows, structures).items()
        },
        "volume_agreement": {key: asdict(agreement) for key, agreement in agreements(rows, structures).items()},
        **({"dose_agreement": dose_summary([row.doses for row in rows], structures)} if has_doses(rows) else {}),
    }


# Files


def write_results(results: Results, output: Path, *, candidate: str = "automatic") -> list[Path]:
    """Write `FILES` into a folder, and with doses their plot.

    Args:
        results: what to write.
        output: the folder, made if needed.
        candidate: what the reference is compared with, as a word.

    Returns:
        The paths.

    Raises:
        OutputError: a file cannot be written.
        ParotidSegError: SciPy is missing.
    """
    rows, structures = results.rows, results.structures
    markdown_path = output / "summary.md"
    with atomic_path(markdown_path) as temporary:
        text = f"{table(rows, structures)}\n\n{agreement_tables(rows, candidate, structures)}\n"
        temporary.write_text(text, encoding="utf-8")
    about = {"about": {**results.about, "candidate": candidate}}
    described = {"structures": [asdict(structure) for structure in structures]}
    plot = output / "bland_altman.png"
    return [
        _write_cases(rows, output / "cases.csv"),
        write_json({**about, **figures(rows, structures), **described}, output / "summary.json"),
        markdown_path,
        draw_bland_altman(volumes(rows, structures), plot, candidate=candidate, structures=structures),
        *([draw_doses(rows, output / DOSE_PLOT, candidate, structures)] if has_doses(rows) else []),
    ]


def draw_doses(
    rows: Sequence[CaseScores],
    path: Path,
    candidate: str = "automatic",
    structures: Sequence[Structure] = PAROTIDS,
    *,
    beside: Sequence[Sequence[CaseScores]] = (),
) -> Path:
    """Draw the Bland-Altman plot of the mean doses; `beside`: cases whose plot is looked at together with this one."""

    def pairs(of: Sequence[CaseScores]) -> dict[str, tuple[list[float], list[float]]]:
        return {structure.key: dose_pairs([row.doses for row in of], structure.key) for structure in structures}

    others = [pairs(other) for other in beside]
    return draw_bland_altman(
        pairs(rows), path, candidate=candidate, structures=structures, beside=others, quantity=MEAN_DOSE
    )


def _write_cases(rows: Sequence[CaseScores], path: Path) -> Path:
    of_structure = values_of(next(iter(rows[0].scores.values())))
    of_dose = _DOSE_COLUMNS if has_doses(rows) else ()
    columns = ["case", "structure", *of_structure, "swapped", "findings", "seconds", "accuracy", *of_dose]
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in rows:
            for key, scores in row.scores.items():
                extra: dict[str, Any] = {
                    "swapped": row.swapped,
                    "findings": " ".join(row.findings),
                    "seconds": round(row.seconds, 2),
                    "accuracy": row.accuracy,
                }
                if of_dose:
                    doses = row.doses.get(key, MeanDoses(math.nan, math.nan))
                    extra |= dict(zip(of_dose, (doses.reference, doses.candidate), strict=True))
                writer.writerow({"case": row.case, "structure": key, **values_of(scores), **extra})
    return path


def read_results(folder: Path) -> Results:
    """Read the results that `write_results` wrote.

    Raises:
        DataError: cases.csv or summary.json is missing, damaged, or does not belong to the other.
    """
    try:
        summary = parse_json((folder / "summary.json").read_text(encoding="utf-8"))
        with (folder / "cases.csv").open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        structures = tuple(from_data(Structure, data) for data in summary["structures"])
        rows = _rows(lines)
        keys = {structure.key for structure in structures}
        if not rows or any(set(row.scores) != keys for row in rows):
            raise ValueError("the cases do not have the structures of the summary")
        return Results(tuple(rows), structures, dict(summary["about"]))
    except FileNotFoundError as error:
        raise DataError(
            f"{folder} holds no results: it needs the cases.csv and summary.json that 'evaluate' writes."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"The results in {folder} are damaged or incomplete: evaluate again.") from error


def _rows(lines: Sequence[Mapping[str, str]]) -> list[CaseScores]:
    by_case: dict[str, CaseScores] = {}
    for line in lines:
        nsd = {float(name.removeprefix("nsd_")): float(line[name]) for name in line if name.startswith("nsd_")}
        numbers = ("dice", "iou", "hd95", "msd", "volume_reference_ml", "volume_ml")
        scores = StructureScores(
            nsd=nsd, missed=_truth(line["missed"]), **{name: float(line[name]) for name in numbers}
        )
        findings, seconds = tuple(line["findings"].split()), float(line["seconds"] or math.nan)
        one = CaseScores(line["case"], {}, _truth(line["swapped"]), findings, seconds, float(line["accuracy"]))
        row = by_case.setdefault(line["case"], one)
        row.scores[line["structure"]] = scores
        if set(_DOSE_COLUMNS) <= set(line):
            row.doses[line["structure"]] = MeanDoses(*(float(line[column]) for column in _DOSE_COLUMNS))
    return list(by_case.values())


def _truth(text: str) -> bool:
    return {"True": True, "False": False}[text]
