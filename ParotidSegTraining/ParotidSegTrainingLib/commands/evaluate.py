"""`parotidseg-train evaluate`: score a model, or one folder of contours against another."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ParotidSegLib.dose.reading import UNITS
from ParotidSegLib.errors import DataError
from ParotidSegLib.measuring.metrics import NSD_TOLERANCES
from ParotidSegLib.model.engines import ENGINES

from ..data.dataset import SPLITS, DatasetFolder
from .prepare import named

if TYPE_CHECKING:
    from ..data.doses import DoseFolder
    from ..data.masks import MaskFolder

DEFAULT_MODEL = "parotid-ct"
#: Where a model card gets its table.
FIGURES = "{figures}"
#: What a model card shows as a picture (Markdown), and what it may be: a PNG file beside it.
PICTURE = re.compile(r"!\[.*?\]\((.*?)\)")
PNG_NAME, PNG_START = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.png"), b"\x89PNG\r\n\x1a\n"


def add_evaluate(commands: Any) -> None:
    """Add the command to the sub-commands of a parser."""
    evaluate = commands.add_parser(
        "evaluate",
        help="score a model, or one folder of contours against another",
        description="Score a model on a split (--data), through the segment() that users run; or, without a model, the "
        "contours of one folder against those of another (--reference and --candidate). The same command goes on with "
        "an interrupted evaluation. Several folders, or --reference with --images, give one table of all against all "
        "references, with signed distances by direction and at the ends of the gland; the first reference says which "
        "cases count.",
    )
    source = evaluate.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder with images/, masks/ and splits.json")
    source.add_argument(
        "--reference",
        nargs="+",
        metavar="[NAME=]FOLDER",
        help="label maps by case, or a folder a case with a mask a gland",
    )
    evaluate.add_argument(
        "--candidate",
        nargs="+",
        default=[],
        metavar="[NAME=]FOLDER",
        help="the same cases by another reader or program; the first of several is compared with the others",
    )
    evaluate.add_argument(
        "--images",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="CTs of the references' cases, for pictures and for the model of --bundle, which is the first candidate",
    )
    evaluate.add_argument(
        "--overlays", type=int, default=0, metavar="N", help="draw N patients with the lowest Dice (several folders)"
    )
    evaluate.add_argument("--bundle", help="a model: name, folder or zip (default: parotid-ct, unless --candidate)")
    add_case_options(evaluate)
    add_model_options(evaluate)
    evaluate.add_argument("--output", required=True, type=Path, help="folder for tables, summary and plot")
    evaluate.add_argument("--masks", type=Path, help="folder for the label maps that are made")
    evaluate.add_argument(
        "--card",
        type=Path,
        metavar="TEXT",
        help="record the figures in the bundle, and this text ({figures}: the table) with its pictures as model card",
    )
    evaluate.set_defaults(run_command=_evaluate, wrong_use=evaluate.error)


def add_case_options(parser: argparse.ArgumentParser) -> None:
    """Which cases count, how near a surface has to be, and the doses of the cases."""
    parser.add_argument(
        "--doses", type=Path, metavar="FOLDER", help="planned doses by case (RTDOSE, NIfTI, …): compare the mean doses"
    )
    parser.add_argument("--dose-unit", default="Gy", choices=UNITS, help="of doses that are no DICOM (default: Gy)")
    parser.add_argument("--split", default="validation", choices=SPLITS)
    parser.add_argument("--exclude", nargs="*", default=[], metavar="CASE", help="cases to leave out")
    parser.add_argument(
        "--nsd-tolerances",
        nargs="+",
        type=_tolerance,
        default=list(NSD_TOLERANCES),
        metavar="MM",
        help=f"of the normalised surface Dice (default: {' '.join(f'{mm:g}' for mm in NSD_TOLERANCES)})",
    )


def doses_of(arguments: argparse.Namespace) -> DoseFolder | None:
    """The folder of doses, if one is named."""
    from ..data.doses import DoseFolder

    return DoseFolder.open(arguments.doses, arguments.dose_unit) if arguments.doses else None


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """How a model is run."""
    parser.add_argument("--engine", default="auto", choices=ENGINES)
    parser.add_argument("--no-mirror", action="store_true", help="skip the mirrored pass")


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value < 100.0:
        raise argparse.ArgumentTypeError(f"a tolerance in mm, above 0, is needed, not {text}")
    return value


def _evaluate(arguments: argparse.Namespace) -> None:
    if arguments.reference is None:
        if arguments.candidate or arguments.images:
            arguments.wrong_use("--candidate and --images go with --reference")
        _evaluate_model(arguments)
        return
    several = len(arguments.reference) > 1 or len(arguments.candidate) > 1 or arguments.images
    if not several and not arguments.candidate:
        arguments.wrong_use("--reference goes with --candidate, --images or another reference")
    has_model = arguments.images and (arguments.bundle or not arguments.candidate)
    if arguments.card or (arguments.masks and not has_model):
        arguments.wrong_use("--masks and --card are for a model: folders are compared without one")
    if arguments.overlays and not arguments.images:
        arguments.wrong_use("--overlays needs the CTs: --images")
    if several and arguments.doses:
        arguments.wrong_use("--doses goes with --data, or with one reference and one candidate")
    if several:
        _compare_readers(arguments)
    else:
        _compare_folders(arguments)


def _compare_readers(arguments: argparse.Namespace) -> None:
    from ..data.masks import require_cases
    from ..judging import readers
    from ..provenance import provenance

    references, candidates = (
        [readers.Contours(name, folder) for name, folder in map(_named_folder, texts)]
        for texts in (arguments.reference, arguments.candidate)
    )
    require_cases(arguments.exclude, [one.folder for one in references])
    if arguments.images and (arguments.bundle or not candidates):
        from ParotidSegLib.segmentation import open_model

        model = open_model(arguments.bundle or DEFAULT_MODEL, engine=arguments.engine)
        cases = [case for case in references[0].folder.files if case not in arguments.exclude]
        masks = arguments.masks or arguments.output / "masks"
        made = readers.contour_all(model, cases, arguments.images, masks, mirror=not arguments.no_mirror, report=say)
        candidates.insert(0, readers.Contours(f"{model.bundle.name} {model.bundle.version}", made))
    pairs = readers.compare_all(candidates, references, exclude=arguments.exclude, report=say)
    gains = readers.gains(pairs, [one.name for one in candidates])
    readers.write_comparison(pairs, gains, arguments.output, provenance(arguments.words))
    if arguments.overlays:
        from ..judging.reader_pictures import draw_lowest

        pictures, count = arguments.output / "overlays", arguments.overlays
        draw_lowest(pairs, candidates[0], references, arguments.images, pictures, count=count, report=say)
    print(readers.table(pairs, gains))
    print("Files:", *(f"  {arguments.output / name}" for name in readers.FILES), sep="\n")


def _named_folder(text: str) -> tuple[str, MaskFolder]:
    """NAME=FOLDER, or FOLDER alone, which is then called what it is called on disk."""
    from ..data.masks import MaskFolder

    name, path = named(text)
    return name or path.resolve().name, MaskFolder.open(path)


def _compare_folders(arguments: argparse.Namespace) -> None:
    from ..data.masks import MaskFolder, require_cases
    from ..judging.judge import judge_contours
    from ..provenance import provenance

    reference, candidate = (MaskFolder.open(named(text)[1]) for (text,) in (arguments.reference, arguments.candidate))
    require_cases(arguments.exclude, (reference, candidate))
    results = judge_contours(
        reference,
        candidate,
        arguments.output,
        exclude=arguments.exclude,
        doses=doses_of(arguments),
        nsd_tolerances=arguments.nsd_tolerances,
        about={"reference": reference.root.name, **provenance(arguments.words)},
        report=say,
    )
    _finish(results, arguments.output, "candidate")


def _evaluate_model(arguments: argparse.Namespace) -> None:
    from ParotidSegLib.segmentation import open_model

    from ..judging.judge import judge_model
    from ..judging.results import figures, table
    from ..provenance import provenance

    card, pictures = _read_card(arguments.card) if arguments.card else (None, {})
    model = open_model(arguments.bundle or DEFAULT_MODEL, engine=arguments.engine)
    if card and not model.bundle.path.is_dir():
        raise DataError(f"Figures cannot be recorded in {model.bundle.path}: unpack it and name the folder.")
    folder = DatasetFolder.open(arguments.data, model.bundle.segmenter.preprocessing.inputs)
    results = judge_model(
        model,
        folder,
        arguments.split,
        arguments.output,
        exclude=arguments.exclude,
        mirror=not arguments.no_mirror,
        masks=arguments.masks,
        doses=doses_of(arguments),
        nsd_tolerances=arguments.nsd_tolerances,
        about=provenance(arguments.words),
        report=say,
    )
    _finish(results, arguments.output, "automatic")
    if card:
        from ..training.bundling import record_validation

        rows, structures = results.rows, results.structures
        about = {"split": arguments.split, "excluded": arguments.exclude}
        validation = {**about, **figures(rows, structures)}
        record_validation(model.bundle.path, validation, card.replace(FIGURES, table(rows, structures)), pictures)


def _finish(results: Any, output: Path, candidate: str) -> None:
    from ..judging.judge import forget_progress
    from ..judging.results import DOSE_PLOT, FILES, agreement_tables, has_doses, table

    rows, structures = results.rows, results.structures
    print(table(rows, structures), agreement_tables(rows, candidate, structures), sep="\n\n")
    files = (*FILES, *([DOSE_PLOT] if has_doses(rows) else []))
    print("Files:", *(f"  {output / name}" for name in files), sep="\n")
    forget_progress(output)


def _read_card(path: Path) -> tuple[str, dict[str, bytes]]:
    """The text, and the pictures beside it that it shows."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The model card {path} cannot be read as text.") from error
    if FIGURES not in text:
        raise DataError(f"The model card {path} has no place for the table: write {FIGURES} where it belongs.")
    return text, {name: _read_picture(path, name) for name in PICTURE.findall(text)}


def _read_picture(card: Path, name: str) -> bytes:
    if not PNG_NAME.fullmatch(name):
        raise DataError(f"The model card {card} shows '{name}': a bundle takes PNG files that lie beside the card.")
    try:
        content = (card.parent / name).read_bytes()
    except OSError as error:
        raise DataError(f"The model card {card} shows {name}, which does not lie beside it.") from error
    if not content.startswith(PNG_START):
        raise DataError(f"The model card {card} shows {name}, which is no PNG file.")
    return content


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)
