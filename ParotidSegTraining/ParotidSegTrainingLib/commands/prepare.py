"""`parotidseg-train prepare` and `check`: make a data set of scans and contours, and look at what is in it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ParotidSegLib.errors import DataError
from ParotidSegLib.model.preprocessing import MODALITIES, Input
from ParotidSegLib.structures import PAROTIDS


def add_prepare(commands: Any) -> None:
    """Add both commands to the sub-commands of a parser."""
    prepare = commands.add_parser(
        "prepare",
        help="make a data set from DICOM series with structure sets, or from images with masks",
        description="Write images/, masks/ and splits.json. Cases are numbered, and no patient is named in them. The "
        "same command goes on with an interrupted one. The layouts of sources are described in "
        "Documentation/Training data.md.",
    )
    prepare.add_argument("sources", nargs="+", metavar="[NAME=]SOURCE", help="a folder; the name is that of a mapping")
    prepare.add_argument("--output", required=True, type=Path, help="a new or empty folder")
    prepare.add_argument(
        "--patterns", type=Path, metavar="JSON", help="regular expressions for the names of regions, by structure"
    )
    prepare.add_argument(
        "--mapping", metavar="JSON", help="what the labels of each source become: a file, or one of: abdomen-twelve"
    )
    prepare.add_argument(
        "--recipe", help="take the structures and the images of a case from a recipe: a file or a name that `fit` knows"
    )
    prepare.add_argument("--seed", type=int, default=0, help="of the division (default: 0)")
    prepare.add_argument(
        "--shares",
        nargs=3,
        type=float,
        default=(70.0, 15.0, 15.0),
        metavar=("TRAIN", "VALIDATION", "TEST"),
        help="in per cent of the cases, by patient (default: 70 15 15)",
    )
    add_inputs(prepare)
    prepare.add_argument(
        "--patient-pattern",
        default="",
        metavar="REGEX",
        help="finds the patient in the name of a case of NIfTI or NRRD files, so that all of one stay in one split",
    )
    prepare.add_argument("--allow-missing", action="store_true", help="take cases that lack a named structure")
    prepare.add_argument("--newest", action="store_true", help="of several structure sets take the one made last")
    prepare.add_argument(
        "--keep-names", action="store_true", help="name cases as their files (they must name no patient)"
    )
    prepare.add_argument(
        "--key-file", type=Path, metavar="CSV", help="write which case is whose: private, outside the data set"
    )
    prepare.set_defaults(run_command=_prepare)

    check = commands.add_parser(
        "check",
        help="find what is suspicious in a data set",
        description="Write tables of findings and pictures of every suspicious case. Nothing in the data set changes.",
    )
    check.add_argument("data", type=Path, help="folder with images/ and masks/")
    check.add_argument("--output", required=True, type=Path, help="folder for the tables and pictures")
    add_inputs(check)
    check.add_argument("--patient-pattern", default="", metavar="REGEX", help="finds the patient in the name of a case")
    check.add_argument("--no-pictures", action="store_true", help="write the tables only")
    check.add_argument("--strict", action="store_true", help="end with 1 if there is an error among the findings")
    check.set_defaults(run_command=_check)


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """The images of a case."""
    parser.add_argument(
        "--inputs",
        nargs="+",
        metavar="NAME[:MODALITY]",
        help="images of a case, if it has several or is no CT (case_ct.nii.gz, case_pet.nii.gz): ct:CT pet:PT; "
        f"modalities: {', '.join(MODALITIES)}",
    )


def inputs_of(texts: list[str] | None) -> tuple[Input, ...] | None:
    """The inputs that were asked for; None if none were.

    Raises:
        DataError: a name or a modality is impossible, or a name comes twice.
    """
    if texts is None:
        return None
    inputs = []
    for text in texts:
        name, _, modality = text.partition(":")
        try:
            inputs.append(Input(name, modality or "CT"))
        except ValueError as error:
            raise DataError(f"--inputs takes NAME or NAME:MODALITY, not '{text}': {error}.") from error
    if len({one.name for one in inputs}) < len(inputs):
        raise DataError("--inputs has a name twice: give each image a name of its own.")
    return tuple(inputs)


def _prepare(arguments: argparse.Namespace) -> int:
    from ParotidSegLib.reading.contours.label_rules import SourceLabels
    from ParotidSegLib.reading.contours.region_names import RegionPatterns

    from .. import recipe as recipes
    from ..data.json_files import read_json
    from ..preparing.label_mapping import LabelMapping
    from ..preparing.preparation import prepare
    from ..preparing.sources import Options, Source

    recipe = recipes.load(arguments.recipe) if arguments.recipe else None
    mapping = LabelMapping.read(arguments.mapping) if arguments.mapping else None
    structures = mapping.structures if mapping else recipe.structures if recipe else PAROTIDS
    if recipe and recipe.structures != structures:
        raise DataError("The mapping and the recipe have different structures: make them the same, or leave one out.")
    keys = [structure.key for structure in structures]
    own = None
    if arguments.patterns:
        own = RegionPatterns.from_data(
            read_json(arguments.patterns), keys, f"The file of patterns {arguments.patterns}"
        )
    sources = []
    for text in arguments.sources:
        name, path = named(text)
        labels = mapping.of(name or path.resolve().name) if mapping else SourceLabels.plain(structures)
        sources.append(Source(name, path, labels.with_patterns(own) if own else labels))
    prepared = prepare(
        sources,
        structures,
        arguments.output,
        options=Options(
            inputs=inputs_of(arguments.inputs) or (recipe.preprocessing.inputs if recipe else (Input(),)),
            allow_missing=arguments.allow_missing,
            newest=arguments.newest,
            patient_pattern=arguments.patient_pattern,
        ),
        seed=arguments.seed,
        shares=[share / 100.0 for share in arguments.shares],
        keep_names=arguments.keep_names,
        key_file=arguments.key_file,
        report=_say,
    )
    counts = ", ".join(f"{len(cases)} {split}" for split, cases in prepared.splits.items())
    _say(f"{arguments.output} is ready: {counts}; {len(prepared.left_out)} case(s) left out.")
    return 1 if prepared.left_out else 0


def named(text: str) -> tuple[str, Path]:
    """NAME=SOURCE, or SOURCE alone; a folder that has "=" in its name is taken as it is."""
    name, separator, path = text.partition("=")
    if separator and name and not Path(text).exists():
        return name, Path(path)
    return "", Path(text)


def _check(arguments: argparse.Namespace) -> int:
    from ..checking.dataset_check import check_dataset, open_for_check

    folder = open_for_check(arguments.data, inputs_of(arguments.inputs))
    findings = check_dataset(
        folder,
        arguments.output,
        patient_pattern=arguments.patient_pattern,
        pictures=not arguments.no_pictures,
        report=_say,
    )
    errors = sum(finding.severity == "error" for finding in findings)
    cases = len({finding.case for finding in findings})
    _say(f"{len(findings)} finding(s) in {cases} case(s), {errors} of them errors: see {arguments.output}.")
    return 1 if arguments.strict and errors else 0


def _say(line: str) -> None:
    print(line, flush=True)
