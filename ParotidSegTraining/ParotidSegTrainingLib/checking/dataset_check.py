"""A check of a data set before anyone trains on it: what usually goes wrong, as tables and pictures.

findings.csv, findings.md   one finding a line
cases.csv                   what was measured, a line a case and structure
overview.png                findings by code, measures with the odd ones named
pictures/CASE.png           each suspicious case
"""

from __future__ import annotations

import csv
import math
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.errors import DataError, ImageError, OutputError, ParotidSegError
from ParotidSegLib.files.atomic import atomic_path
from ParotidSegLib.files.file_names import ending, stem
from ParotidSegLib.geometry.grids import physical_bounds
from ParotidSegLib.model.preprocessing import Input
from ParotidSegLib.reading.contours.origins.label_files import read_label_file
from ParotidSegLib.reading.ct_checks import check_image
from ParotidSegLib.reading.images import read_image

from ..data.case_findings import CODES, DataFinding, find_all
from ..data.case_measures import CaseMeasures, measure_case, unreadable
from ..data.dataset import SUFFIXES, DatasetFolder
from ..data.preparation_record import recorded_inputs, recorded_patients
from ..data.structure_lists import read_structures
from ..preparing.sources import is_of_head
from .check_pictures import draw_case, draw_overview

FINDINGS, OVERVIEW, PICTURES = "findings.csv", "overview.png", "pictures"
#: Split of the cases of a folder that is not divided yet.
UNDIVIDED = "undivided"


def open_for_check(root: Path, inputs: Sequence[Input] | None = None) -> DatasetFolder:
    """A data set; one without splits.json is taken as it lies, as long as every image has a mask.

    Args:
        root: folder with images/ and masks/.
        inputs: the images of a case; by default those that preparation.json names, else one CT.

    Raises:
        DataError: files are missing, a case is in two splits, or a JSON file is not valid.
    """
    if inputs is None:
        inputs = recorded_inputs(root) or (Input(),)
    if (root / "splits.json").exists():
        return DatasetFolder.open(root, inputs)
    if not (root / "images").is_dir() or not (root / "masks").is_dir():
        raise DataError(f"{root} is no data set: it has images/ and masks/, or make one with parotidseg-train prepare.")
    files = sorted(path for path in (root / "masks").iterdir() if ending(path, SUFFIXES) and path.name[0] != ".")
    if not files:
        raise DataError(f"{root / 'masks'} holds no label map ({', '.join(SUFFIXES)}).")
    cases = tuple(stem(path, SUFFIXES) for path in files)
    folder = DatasetFolder(root, {UNDIVIDED: cases}, read_structures(root), tuple(inputs))
    for case in cases:
        folder.image_paths(case)
    return folder


def patients_of(root: Path, cases: Iterable[str], pattern: str = "") -> dict[str, str]:
    """The patient of each case: as preparation.json groups them, or by a pattern in the names, or each its own.

    Raises:
        DataError: the pattern is no regular expression, or preparation.json is not valid.
    """
    known = recorded_patients(root)
    try:
        found = {case: re.search(pattern, case) if pattern else None for case in cases}
    except re.error as error:
        raise DataError(f"The pattern of patients '{pattern}' is no regular expression ({error}).") from error
    by_pattern = {case: match.group(1) if match.re.groups else match.group(0) for case, match in found.items() if match}
    return {case: by_pattern.get(case) or known.get(case) or case for case in found}


def check_dataset(
    folder: DatasetFolder,
    output: Path,
    *,
    patient_pattern: str = "",
    pictures: bool = True,
    report: Callable[[str], None] = print,
) -> list[DataFinding]:
    """Measure every case, find what is suspicious, and write tables and pictures.

    Args:
        folder: the data set; nothing in it is changed.
        output: a new or empty folder, or that of an earlier check, which is replaced.
        patient_pattern: regular expression that finds the patient in the name of a case.
        pictures: whether to draw them.
        report: takes one line of text a case with findings of its own.

    Raises:
        DataError: the output holds something else, or the pattern is wrong.
        OutputError: a file cannot be written.
    """
    _make_room(output)
    cases = [(case, split) for split, own in folder.splits.items() for case in own]
    patients = patients_of(folder.root, [case for case, _ in cases], patient_pattern)
    measures = []
    for number, (case, split) in enumerate(cases, start=1):
        measures.append(_measure(folder, case, split, patients[case]))
        if number % 20 == 0 or number == len(cases):
            report(f"{number} of {len(cases)} cases measured")
    is_ct = folder.inputs[0].modality == "CT"
    findings = find_all(measures, folder.structures, unit="HU" if is_ct else "")
    _write_tables(folder, measures, findings, output)
    if pictures:
        draw_overview(measures, folder.structures, findings, output / OVERVIEW)
        for case in dict.fromkeys(finding.case for finding in findings):
            _draw(folder, case, [finding for finding in findings if finding.case == case], output)
    return findings


def _make_room(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output} is a file: give a folder.")
    if output.exists() and any(output.iterdir()) and not (output / FINDINGS).exists():
        raise DataError(f"{output} holds something else than an earlier check: choose a new or empty folder.")
    if (output / FINDINGS).exists():
        shutil.rmtree(output / PICTURES, ignore_errors=True)
        (output / OVERVIEW).unlink(missing_ok=True)


def _measure(folder: DatasetFolder, case: str, split: str, patient: str) -> CaseMeasures:
    """What is measured of a case; what keeps it from being read becomes a problem of it."""
    whole_head = is_of_head(folder.structures)
    try:
        images = [read_image(path, modality="OT", whole_head=whole_head) for path in folder.image_paths(case)]
        labels = read_label_file(folder.mask_path(case), images[0])
    except ParotidSegError as error:
        return unreadable(case, split, patient, "unreadable", str(error))
    first = folder.inputs[0]
    measures = measure_case(
        images[0],
        labels,
        folder.structures,
        case=case,
        split=split,
        patient=patient,
        is_ct=first.modality == "CT",
    )
    problems = dict(measures.problems)
    for image, wanted in zip(images, folder.inputs, strict=True):
        if wanted.modality == "CT":
            try:
                check_image(image, "CT", whole_head=whole_head)
            except ImageError as error:
                problems.setdefault("not-hu", str(error))
    for image, wanted in zip(images[1:], folder.inputs[1:], strict=True):
        low, high = physical_bounds(image)
        centres = [one.centroid for one in measures.structures.values()]
        if any((np.array(centre) < low).any() or (np.array(centre) > high).any() for centre in centres):
            problems["inputs-apart"] = f"The image '{wanted.name}' does not show all that the labels show."
    return replace(measures, problems=problems)


def _write_tables(
    folder: DatasetFolder, measures: Sequence[CaseMeasures], findings: Sequence[DataFinding], output: Path
) -> None:
    rows = [
        {
            "case": finding.case,
            "split": finding.split,
            "code": finding.code,
            "severity": finding.severity,
            "structure": finding.structure,
            "value": _number(finding.value),
            **dict(zip(("x_mm", "y_mm", "z_mm"), map(_number, finding.point or (math.nan,) * 3), strict=True)),
            "message": finding.message,
        }
        for finding in findings
    ]
    columns = ("case", "split", "code", "severity", "structure", "value", "x_mm", "y_mm", "z_mm", "message")
    _write_csv(output / FINDINGS, columns, rows)
    _write_csv(output / "cases.csv", _CASE_COLUMNS, _case_rows(folder, measures))
    with atomic_path(output / "findings.md") as temporary:
        temporary.write_text(markdown(measures, findings), encoding="utf-8")


_CASE_COLUMNS = (
    *("case", "split", "patient", "structure", "volume_ml", "height_mm", "mean", "outside_share", "air_around"),
    *("pieces_share", "bottom_share", "top_share", "empty_slices", "cut", "x_mm", "y_mm", "z_mm"),
    *("spacing_x_mm", "spacing_y_mm", "spacing_z_mm", "size_x", "size_y", "size_z"),
)


def _case_rows(folder: DatasetFolder, measures: Sequence[CaseMeasures]) -> Iterable[Mapping[str, Any]]:
    for case in measures:
        about: dict[str, Any] = {"case": case.case, "split": case.split, "patient": case.patient}
        for axis, name in enumerate("xyz"):
            about |= {f"spacing_{name}_mm": _number(case.spacing[axis]), f"size_{name}": case.size[axis]}
        for structure in folder.structures:
            measured = case.structures.get(structure.key)
            row: dict[str, Any] = {**about, "structure": structure.key}
            if measured:
                row |= {
                    "volume_ml": _number(measured.volume_ml),
                    "height_mm": _number(measured.height),
                    "mean": _number(measured.mean),
                    "outside_share": _number(measured.outside_share),
                    "air_around": _number(measured.air_around),
                    "pieces_share": _number(measured.pieces_share),
                    "bottom_share": _number(measured.ends[0]),
                    "top_share": _number(measured.ends[1]),
                    "empty_slices": measured.empty_slices,
                    "cut": measured.cut,
                }
                row |= dict(zip(("x_mm", "y_mm", "z_mm"), map(_number, measured.centroid), strict=True))
            yield row


def markdown(measures: Sequence[CaseMeasures], findings: Sequence[DataFinding]) -> str:
    """The findings as Markdown: how often each code, then one finding a line."""
    counts = Counter(finding.code for finding in findings)
    odd = len({finding.case for finding in findings})
    lines = [f"{len(findings)} findings in {odd} of {len(measures)} cases."]
    if findings:
        lines += ["", "| code | findings | cases | what it means |", "|" + "---|" * 4]
        for code in (code for code in CODES if code in counts):
            cases = len({finding.case for finding in findings if finding.code == code})
            lines.append(f"| {code} | {counts[code]} | {cases} | {CODES[code]} |")
        lines += ["", "| case | split | code | severity | structure | finding |", "|" + "---|" * 6]
        lines += [
            f"| {f.case} | {f.split} | {f.code} | {f.severity} | {f.structure} | {f.message.replace('|', '/')} |"
            for f in findings
        ]
    return "\n".join(lines) + "\n"


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"


def _draw(folder: DatasetFolder, case: str, findings: Sequence[DataFinding], output: Path) -> None:
    """The sheet of a case; one that cannot be read has none."""
    if any(finding.code == "unreadable" for finding in findings):
        return
    is_ct = folder.inputs[0].modality == "CT"
    image = read_image(folder.image_paths(case)[0], modality="OT", whole_head=is_of_head(folder.structures))
    labels = sitk.Cast(read_label_file(folder.mask_path(case), image), sitk.sitkUInt32)
    draw_case(image, labels, folder.structures, findings, output / PICTURES / f"{case}.png", is_ct=is_ct)
