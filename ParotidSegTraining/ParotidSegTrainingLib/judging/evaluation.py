"""How good are contours? A bundle's, through the same `segment()` that users run, or those of a folder.

Everything is scored on the scan's own grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import SimpleITK as sitk

from ParotidSegLib.errors import DataError, ImageError, OutputError
from ParotidSegLib.measuring.metrics import NSD_TOLERANCES, categorical_accuracy, compare_images
from ParotidSegLib.measuring.sides import swapped_sides
from ParotidSegLib.segmentation import Model, segment
from ParotidSegLib.structures import Structure
from ParotidSegLib.writing.export import write_segmentation

from ..data.dataset import DatasetFolder
from ..data.doses import DoseFolder
from ..data.masks import MaskFolder, cases_of_both
from ..data.structure_sets import title_of
from .agreement import require_statistics
from .case_log import CaseLog, fingerprint
from .dose_agreement import MeanDoses, mean_doses
from .results import CaseScores


def evaluate(
    model: Model,
    folder: DatasetFolder,
    split: str,
    *,
    exclude: Sequence[str] = (),
    mirror: bool = True,
    masks: Path | None = None,
    doses: DoseFolder | None = None,
    nsd_tolerances: Sequence[float] = NSD_TOLERANCES,
    log: CaseLog | None = None,
    report: Callable[[str], None] = print,
) -> list[CaseScores]:
    """Segment and score every case of a split.

    Args:
        model: an opened bundle.
        folder, split, exclude: the cases.
        mirror: as in `segment`.
        masks: folder for the label maps that were made, or None.
        doses: planned doses of the cases, or None.
        nsd_tolerances: of the normalised surface Dice, mm.
        log: keeps the scores case by case; what it holds already is not done again.
        report: takes one line of text a case.

    Raises:
        DataError: the model draws other structures than the data set has, the split is empty, there is no case to be
            left out, or a mask is damaged, lies on another grid or has labels of no structure.
        ImageError: an image cannot be read or is no CT (a CT without a gland is scored, not refused).
        OutputError: a label map or the log cannot be written, or the label maps would replace files of the data set.
        ParotidSegError: SciPy, which the results need, is missing.
    """
    structures = model.bundle.structures
    if [(s.label, s.key) for s in structures] != [(s.label, s.key) for s in folder.structures]:
        drawn, wanted = (", ".join(s.key for s in of) for of in (structures, folder.structures))
        raise DataError(f"The model draws {drawn}, but the data set has {wanted}: choose another model or data set.")

    folder.require_cases(exclude)
    if masks and masks.resolve() in [(folder.root / name).resolve() for name in ("images", "masks")]:
        raise OutputError(f"{masks} is the data set's own, and would be overwritten: give the masks another folder.")

    cases = folder.cases(split, exclude)
    if doses:
        doses.require(cases)

    def score(case: str) -> CaseScores:
        images, reference = folder.read_images(case), folder.read_mask(case)
        try:
            result = segment(images, model, mirror=mirror)
            labels, findings = result.labels, tuple(finding.code for finding in result.findings)
            seconds = sum(result.timings.values())
        except ImageError as error:
            # A scan in which nothing is found counts as missed glands; it is not left out.
            report(f"{case}: {error}")
            labels, findings, seconds = _nothing(images[0]), ("gland-missing",), math.nan
        if masks:
            write_segmentation(labels, masks / f"{case}.nii.gz", structures=structures)
        scores = compare_images(reference, labels, structures, nsd_tolerances=nsd_tolerances)
        swapped = swapped_sides(reference, labels, structures)
        received = _doses_of(case, doses, reference, labels, structures)
        return CaseScores(case, scores, swapped, findings, seconds, accuracy_of(reference, labels), received)

    def is_complete(case: str) -> bool:
        return masks is None or (masks / f"{case}.nii.gz").is_file()

    return _score_all(
        cases,
        score,
        files_of=lambda case: [*folder.image_paths(case), folder.mask_path(case), *_dose_files(case, doses)],
        is_complete=is_complete,
        structures=structures,
        log=log,
        report=report,
    )


def compare_folders(
    reference: MaskFolder,
    candidate: MaskFolder,
    *,
    exclude: Sequence[str] = (),
    doses: DoseFolder | None = None,
    nsd_tolerances: Sequence[float] = NSD_TOLERANCES,
    log: CaseLog | None = None,
    report: Callable[[str], None] = print,
) -> list[CaseScores]:
    """Score the contours of one folder against those of another: two readers, or the output of any program.

    Args:
        reference, candidate: the folders; cases are matched by name, the reference says which structures count.
        exclude: names of cases to leave out.
        doses, nsd_tolerances, log: as in `evaluate`.
        report: takes one line of text a case.

    Raises:
        DataError: a case has no counterpart, none is left, a file is damaged or has labels of no structure, or the two
            contours of a case lie on different grids.
        OutputError: the log cannot be written.
        ParotidSegError: SciPy, which the results need, is missing.
    """
    structures = reference.structures
    cases = cases_of_both(reference, candidate, exclude)
    if doses:
        doses.require(cases)

    def score(case: str) -> CaseScores:
        truth, found = reference.read(case), candidate.read(case)
        try:
            scores = compare_images(truth, found, structures, nsd_tolerances=nsd_tolerances)
        except DataError as error:
            raise DataError(f"The case {case} cannot be scored: {error}") from error
        swapped = swapped_sides(truth, found, structures)
        received = _doses_of(case, doses, truth, found, structures)
        return CaseScores(case, scores, swapped, (), math.nan, accuracy_of(truth, found), received)

    return _score_all(
        cases,
        score,
        files_of=lambda case: [*reference.files[case], *candidate.files[case], *_dose_files(case, doses)],
        is_complete=lambda case: True,
        structures=structures,
        log=log,
        report=report,
    )


def _doses_of(
    case: str, doses: DoseFolder | None, reference: sitk.Image, labels: sitk.Image, structures: Sequence[Structure]
) -> dict[str, MeanDoses]:
    """The mean doses of a case; none without doses."""
    if doses is None:
        return {}
    dose = doses.read(case, reference)
    try:
        return mean_doses(dose, reference, labels, structures)
    except DataError as error:
        raise DataError(f"The dose of the case {case} cannot be used: {error}") from error


def _dose_files(case: str, doses: DoseFolder | None) -> list[Path]:
    return doses.file_of(case) if doses else []


def _score_all(
    cases: Sequence[str],
    score: Callable[[str], CaseScores],
    *,
    files_of: Callable[[str], Sequence[Path]],
    is_complete: Callable[[str], bool],
    structures: Sequence[Structure],
    log: CaseLog | None,
    report: Callable[[str], None],
) -> list[CaseScores]:
    """Score the cases that the log does not hold; `is_complete` says whether what scoring a case writes is there."""
    require_statistics()  # now, not after hours
    rows = []
    for case in cases:
        files = fingerprint(files_of(case)) if log else ""
        row = log.recall(case, files) if log and is_complete(case) else None
        if row is None:
            row = score(case)
            if log:
                log.add(row, files)
        rows.append(row)
        overlaps = " ".join(f"{title_of(structure)} {row.scores[structure.key].dice:.3f}" for structure in structures)
        report(f"{case:12s} Dice {overlaps}  {' '.join(row.findings)}".rstrip())
    return rows


def masks_of(folder: DatasetFolder, split: str, exclude: Sequence[str] = ()) -> MaskFolder:
    """The references of a split, as a folder of contours; DataError if no case is left, or none to be left out."""
    folder.require_cases(exclude)
    files: dict[str, tuple[Path, ...]] = {case: (folder.mask_path(case),) for case in folder.cases(split, exclude)}
    return MaskFolder(folder.root / "masks", files, folder.structures)


def _nothing(image: sitk.Image) -> sitk.Image:
    labels = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    labels.CopyInformation(image)
    return labels


def accuracy_of(reference: sitk.Image, labels: sitk.Image) -> float:
    """The share of the voxels of a case that have the right label."""
    return categorical_accuracy(sitk.GetArrayViewFromImage(reference), sitk.GetArrayViewFromImage(labels))
