"""From patients' scans and contours to a data set: images/, masks/, structures.json and splits.json.

What is written names no patient: cases are numbered, and files hold voxels and geometry. A case is written whole or not
at all; the same call goes on where an interrupted one stopped. preparation.json in the folder says what was asked for
and what became of each case.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.errors import DataError, OutputError, ParotidSegError
from ParotidSegLib.files.atomic import atomic_path
from ParotidSegLib.model.preprocessing import Input
from ParotidSegLib.reading.images import write_image
from ParotidSegLib.structures import Structure
from ParotidSegLib.version import __version__
from ParotidSegLib.writing.export import write_json

from ..data.dataset import SPLITS
from ..data.json_files import read_json
from ..data.preparation_record import RECORD
from ..data.structure_lists import write_structures
from .side_remarks import side_remarks
from .sources import CaseData, Options, Source, SourceCase, find_cases
from .splitting import SHARES, CaseFacts, check_shares, split_cases

_IMAGES, _MASKS, _STAGING = "images", "masks", ".staging"
_SCHEMA = 1


@dataclass(frozen=True)
class Prepared:
    """What became of the sources.

    Attributes:
        splits: names of cases by split.
        left_out: case -> the sentence that says why it was left out.
        remarks: on what was found but belongs to no case.
    """

    splits: Mapping[str, Sequence[str]]
    left_out: Mapping[str, str]
    remarks: Sequence[str]


def prepare(
    sources: Sequence[Source],
    structures: Sequence[Structure],
    output: Path,
    *,
    options: Options | None = None,
    seed: int = 0,
    shares: Sequence[float] = SHARES,
    keep_names: bool = False,
    key_file: Path | None = None,
    report: Callable[[str], None] = print,
) -> Prepared:
    """Read every case of the sources and write the data set.

    Args:
        sources: where to take cases from; at least one.
        structures: what the labels mean, in label order.
        output: a new or empty folder, or one that the same call has begun.
        options: how cases are read.
        seed, shares: of the division into training, validation and test.
        keep_names: call cases of folders of files as their files are called, in place of numbers.
        key_file: a private table of cases, patients and places, or None; it must not lie in the data set.
        report: takes one line of text a case; it names no patient.

    Raises:
        DataError: a source is empty, wrong or there twice, the folder holds something else, or no case could be read.
        OutputError: a file cannot be written.
        ParotidSegError: pydicom is missing.
    """
    options = options or Options()
    check_shares(shares)
    _check_places(sources, output, key_file)
    cases, remarks = find_cases(sources, options)
    if len({case.place for case in cases}) < len(cases):
        # Each time as another patient's, in training and in test.
        raise DataError(
            "Cases of one source are in another too, so that they would count twice: name each folder once."
        )
    names = _names(cases, keep_names=keep_names)
    fingerprint = _fingerprint(cases, sources, structures, options, shares, keep_names=keep_names)
    key = _key(cases, names)
    if key_file and key_file.exists() and not _holds(key_file, key):
        raise DataError(f"{key_file} is there, and nothing in it is overwritten: give the key file another name.")
    record = _Record.open(output, fingerprint, seed, options.inputs)
    if key_file:
        _write_key(key_file, key)
    for remark in remarks:
        report(remark)
    patients = _numbered(case.patient for case in cases)
    for name, case in zip(names, cases, strict=True):
        if record.is_done(name, options.inputs):
            continue
        try:
            data = case.read()
        except OutputError:
            raise
        except ParotidSegError as error:
            record.leave_out(name, str(error))
            report(f"{name}: left out. {error}")
            continue
        _write_case(output, name, data, options.inputs)
        entry = record.add(name, case, data, patients[case.patient], structures)
        report(_line(name, entry))
    if not record.cases:
        raise DataError(
            f"None of the {len(cases)} case(s) could be used; the first: {next(iter(record.left_out.values()))}"
        )
    write_structures(structures, output)
    splits = _split(output, record, seed, shares)
    shutil.rmtree(output / _STAGING, ignore_errors=True)
    return Prepared(splits, record.left_out, remarks)


def _check_places(sources: Sequence[Source], output: Path, key_file: Path | None) -> None:
    """Raise DataError where the data set would mix with a source, or hold the table of its patients."""
    roots, target = [source.root.resolve() for source in sources], output.resolve()
    if any(target.is_relative_to(root) or root.is_relative_to(target) for root in roots):
        raise DataError("The data set cannot lie in a source, nor a source in it: choose another folder.")
    if key_file and key_file.resolve().is_relative_to(target):
        raise DataError("The key file names patients: give it a place outside the data set.")


class _Record:
    """preparation.json: what was asked for, and what is done. It is rewritten after every case."""

    def __init__(self, path: Path, data: dict[str, Any]) -> None:
        self._path, self._data = path, data
        self.cases: dict[str, dict[str, Any]] = data["cases"]
        self.left_out: dict[str, str] = {}

    @classmethod
    def open(cls, output: Path, fingerprint: str, seed: int, inputs: Sequence[Input]) -> _Record:
        """Begin in a new or empty folder, or go on in one that the same call has begun."""
        path = output / RECORD
        if path.exists():
            data = read_json(path)
            if not isinstance(data, dict) or data.get("fingerprint") != fingerprint or data.get("seed") != seed:
                raise DataError(
                    f"{output} holds a data set of other sources, options or another seed: choose another folder."
                )
            return cls(path, data)
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise DataError(f"{output} is not empty, and nothing in it is overwritten: choose a new or empty folder.")
        about: dict[str, Any] = {"schema": _SCHEMA, "version": __version__, "fingerprint": fingerprint, "seed": seed}
        about["inputs"] = [asdict(one) for one in inputs]
        record = cls(path, {**about, "cases": {}, "left_out": {}})
        record._write()
        return record

    def is_done(self, name: str, inputs: Sequence[Input]) -> bool:
        files = [self._path.parent / file for file in _files(name, inputs)]
        return name in self.cases and all(file.is_file() for file in files)

    def leave_out(self, name: str, why: str) -> None:
        self.left_out[name] = why
        self._write()

    def add(
        self, name: str, case: SourceCase, data: CaseData, patient: int, structures: Sequence[Structure]
    ) -> dict[str, Any]:
        array = sitk.GetArrayViewFromImage(data.labels)
        voxel_ml = float(np.prod(data.labels.GetSpacing())) / 1000.0
        counts = np.bincount(array.ravel(), minlength=256)
        ct = data.images[0] if self._data["inputs"][0]["modality"] == "CT" else None
        remarks = [*data.remarks, *side_remarks(data.labels, ct, structures)]
        self.cases[name] = {
            "source": case.source,
            "patient": f"patient_{patient:03d}",
            "volumes_ml": {s.key: round(float(counts[s.label]) * voxel_ml, 3) for s in structures},
            "regions": {key: list(names) for key, names in data.regions.items()},
            "remarks": remarks,
        }
        self._write()
        return self.cases[name]

    def _write(self) -> None:
        self._data["cases"] = dict(sorted(self.cases.items()))
        self._data["left_out"] = self.left_out
        write_json(self._data, self._path)


def _files(name: str, inputs: Sequence[Input]) -> list[str]:
    """The files of a case in the data set, relative to it; the mask last."""
    stems = [name] if len(inputs) == 1 else [f"{name}_{one.name}" for one in inputs]
    return [f"{_IMAGES}/{stem}.nii.gz" for stem in stems] + [f"{_MASKS}/{name}.nii.gz"]


def _write_case(output: Path, name: str, data: CaseData, inputs: Sequence[Input]) -> None:
    """Write the files of a case beside their places, then move them; if one fails, none stays."""
    files = _files(name, inputs)
    staging = output / _STAGING
    shutil.rmtree(staging, ignore_errors=True)
    moved: list[Path] = []
    try:
        for file, image in zip(files, [*data.images, data.labels], strict=True):
            write_image(image, staging / file)
        for file in files:
            (output / file).parent.mkdir(exist_ok=True)
            os.replace(staging / file, output / file)
            moved.append(output / file)
    except BaseException as error:
        for path in moved:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OutputError(f"The case {name} cannot be written: {error.strerror or error}.") from error
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _names(cases: Sequence[SourceCase], *, keep_names: bool) -> list[str]:
    if not keep_names:
        digits = max(3, len(str(len(cases))))
        return [f"case_{number:0{digits}d}" for number in range(1, len(cases) + 1)]
    names = [case.file_name for case in cases]
    if not all(names):
        raise DataError("DICOM series have no names to keep: leave out --keep-names.")
    if len(set(names)) < len(names):
        raise DataError("Two cases of the sources have one name: leave out --keep-names.")
    return names


def _numbered(patients: Any) -> dict[str, int]:
    """Patient -> number, in the order of appearance."""
    return {patient: number for number, patient in enumerate(dict.fromkeys(patients), start=1)}


def _fingerprint(
    cases: Sequence[SourceCase],
    sources: Sequence[Source],
    structures: Sequence[Structure],
    options: Options,
    shares: Sequence[float],
    *,
    keep_names: bool,
) -> str:
    """One hash of everything that decides what the cases become, so that no other call goes on with the folder."""
    mappings = [
        {
            "name": source.name,
            "values": {str(value): key for value, key in (source.labels.values or {}).items()},
            "names": dict(source.labels.names),
            "drop_others": source.labels.drop_others,
            "patterns": {key: [p.pattern for p in own] for key, own in source.labels.patterns.by_key.items()},
        }
        for source in sources
    ]
    asked = {
        "shares": list(shares),
        "cases": [[case.place, case.patient] for case in cases],
        "sources": mappings,
        "structures": [asdict(structure) for structure in structures],
        "options": asdict(options),
        "keep_names": keep_names,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode("utf-8")).hexdigest()


def _split(output: Path, record: _Record, seed: int, shares: Sequence[float]) -> dict[str, list[str]]:
    """Divide the cases and write splits.json; cases of an earlier division stay where they are."""
    path = output / "splits.json"
    earlier = read_json(path) if path.exists() else {}
    fixed = {case: split for split in SPLITS for case in earlier.get(split, ()) if case in record.cases}
    facts = [
        CaseFacts(name, entry["patient"], entry["source"], entry["volumes_ml"]) for name, entry in record.cases.items()
    ]
    splits = split_cases(facts, seed=seed, shares=shares, fixed=fixed)
    write_json(splits, path)
    return splits


def _key(cases: Sequence[SourceCase], names: Sequence[str]) -> bytes:
    """The private table: which case is whose."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["case", "source", "patient", "place"])
    writer.writerows([name, case.source, case.patient, case.place] for name, case in zip(names, cases, strict=True))
    return text.getvalue().encode("utf-8")


def _holds(path: Path, content: bytes) -> bool:
    """Whether a file has this content."""
    try:
        return path.read_bytes() == content
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error


def _write_key(path: Path, key: bytes) -> None:
    """Write the private table; only its owner may read it."""
    with atomic_path(path) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(key)


def _line(name: str, entry: Mapping[str, Any]) -> str:
    volumes = ", ".join(f"{key} {volume:.1f} mL" for key, volume in entry["volumes_ml"].items() if volume > 0.0)
    return " ".join([f"{name}: {volumes or 'no structure'}.", *entry["remarks"]])
