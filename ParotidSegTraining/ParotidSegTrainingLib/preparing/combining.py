"""A data set in which a patient has several references: what readers drew, beside what the data set has itself.

Each reference is a case of its own, pt_3 and pt_3_oncologist, with the same scan; preparation.json says that they are
one patient, so that cross-validation never parts them. Training then draws from all of them, as often as the recipe's
`sampling.repeats` says.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ParotidSegLib.atomic import atomic_path
from ParotidSegLib.errors import DataError, OutputError
from ParotidSegLib.export import SUFFIXES, write_json
from ParotidSegLib.structures import Structure

from ..data.dataset import DatasetFolder
from ..data.masks import MaskFolder
from ..data.preparation_record import RECORD, recorded_patients
from ..data.structure_lists import write_structures


@dataclass(frozen=True)
class Reader:
    """Someone who drew cases of the data set: a person, or a model.

    Attributes:
        name: what its cases are called after: pt_3_NAME.
        masks: label maps on the grids of the scans.
        drawn: the same as drawn, on finer grids of their own; None if there are none.
    """

    name: str
    masks: MaskFolder
    drawn: MaskFolder | None = None


@dataclass
class _Combined:
    """What is to be written: files by their name in the new folder, and patients by case."""

    files: dict[str, Path] = field(default_factory=dict)
    patients: dict[str, str] = field(default_factory=dict)

    def add(self, case: str, patient: str, files: Mapping[str, Path]) -> None:
        for folder, path in files.items():
            self.files[f"{folder}/{case}{_suffix(path)}"] = path
        self.patients[case] = patient


def combine(
    folder: DatasetFolder,
    readers: Sequence[Reader],
    output: Path,
    *,
    images: Sequence[Path] = (),
    without_own: bool = False,
    report: Callable[[str], None] = print,
) -> DatasetFolder:
    """Write a data set with the cases of another and, for training, those of readers.

    Args:
        folder: the other data set, with one image a case. Its splits stay; a reader's case trains.
        readers: who drew its patients again; a case has the name that its scan has.
        output: a new or empty folder.
        images: folders with scans that the data set lacks.
        without_own: leave the data set's own contours out of the split that trains.
        report: takes one line of text.

    Raises:
        DataError: a reader's case has no scan, or has a name that is taken.
        OutputError: the folder holds something, or cannot be written.
    """
    combined, patients = _Combined(), recorded_patients(folder.root)
    splits = {split: list(cases) for split, cases in folder.splits.items() if cases}
    if without_own:
        splits["train"] = []
    for case in (case for cases in splits.values() for case in cases):
        own = {"images": folder.image_paths(case)[0], "masks": folder.mask_path(case)}
        combined.add(case, patients.get(case, case), own)
    for reader in readers:
        for case, (mask, *others) in reader.masks.files.items():
            name = f"{case}_{reader.name}"
            if name in combined.patients or others:
                raise DataError(f"The case {name} cannot be added: a case of one label map and a free name is needed.")
            files = {"images": _scan_of(case, folder, images), "masks": mask}
            if reader.drawn and case in reader.drawn.files:
                files["drawn"] = reader.drawn.files[case][0]
            combined.add(name, patients.get(case, case), files)
            splits.setdefault("train", []).append(name)
    _write(combined, splits, folder.structures, output)
    counts = ", ".join(f"{len(cases)} {split}" for split, cases in splits.items())
    report(f"{output} is ready: {counts} cases of {len(set(combined.patients.values()))} patients")
    return DatasetFolder.open(output)


def _scan_of(case: str, folder: DatasetFolder, images: Sequence[Path]) -> Path:
    places = [folder.root / "images", *images]
    path = next((p for place in places for s in SUFFIXES if (p := place / f"{case}{s}").is_file()), None)
    if path is None:
        raise DataError(
            f"The case {case} of a reader has no scan: name its folder with --images, or take the case out."
        )
    return path


def _write(
    combined: _Combined, splits: Mapping[str, Sequence[str]], structures: Sequence[Structure], output: Path
) -> None:
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise OutputError(f"{output} holds something already: give the data set a new or empty folder.")
    try:
        for name, path in combined.files.items():
            target = output / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    except OSError as error:
        raise OutputError(f"The data set {output} cannot be written: {error.strerror or error}.") from error
    write_structures(structures, output)
    record = {case: {"patient": patient} for case, patient in combined.patients.items()}
    write_json({"cases": record}, output / RECORD)
    # Last: a folder without splits.json is no data set, so that half of one is never taken for it.
    with atomic_path(output / "splits.json") as temporary:
        temporary.write_text(json.dumps({split: list(cases) for split, cases in splits.items()}), encoding="utf-8")


def _suffix(path: Path) -> str:
    return next(suffix for suffix in SUFFIXES if path.name.endswith(suffix))
