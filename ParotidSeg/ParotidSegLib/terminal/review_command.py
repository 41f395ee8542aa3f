"""`parotidseg review`: contours of any origin looked at, compared with others, and said in Gy."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BundleError, ParotidSegError
from ..files.file_names import given_path, means_folder
from ..structures import PAROTIDS, Structure
from .options import add_engine_options, hide_graphics_cards

if TYPE_CHECKING:
    import SimpleITK as sitk

    from ..reviewing.review import Review, ReviewedContours
    from ..segmentation import Model, Progress
    from .console import Reporter

#: What stands before the name of a model in the place of a file of contours.
BUNDLE = "bundle:"
_DEFAULT = f"{BUNDLE}parotid-ct"
#: What the page calls contours of a file that has no name: never after the file, which may be called after a patient.
_NAMES = {"A": "contours under review", "B": "contours for comparison"}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    what = "RTSTRUCT, DICOM SEG, label map, .seg.nrrd or a folder of masks"
    review = commands.add_parser(
        "review",
        help="look at contours of any origin, beside the automatic ones or others",
        description="Look at contours of any origin (A), compare them with the automatic ones or with others (B), and "
        "write one page with measures, the places where they differ most, remarks and, with a dose, what the glands "
        f"receive. Contours are files ({what}), or {BUNDLE}NAME for those that a model draws.",
    )
    review.add_argument("image", type=Path, metavar="CT", help="an image file or a DICOM folder")
    review.add_argument("contours", type=_source, metavar="CONTOURS", help="A, the contours under review")
    review.add_argument("--series", help="which DICOM series of the folder: its number or its UID")
    other = review.add_mutually_exclusive_group()
    other.add_argument(
        "--against",
        type=_source,
        default=_source(_DEFAULT),
        metavar="B",
        help=f"what they are compared with ({_DEFAULT})",
    )
    other.add_argument("--no-automatic", action="store_true", help="look at the contours alone")
    review.add_argument("--dose", type=Path, metavar="RTDOSE", help="the dose of the plan: RTDOSE, or an image")
    review.add_argument("--dose-unit", default="Gy", choices=("Gy", "cGy"), help="of a dose that is no RTDOSE")
    review.add_argument(
        "--names", nargs="+", default=[], metavar="NAME", help="what the page calls A and B: no names of patients"
    )
    review.add_argument(
        "--output", "-o", required=True, type=given_path, help="a folder: gets review.html, review.json, review.csv"
    )
    add_engine_options(review)
    review.set_defaults(run_command=_run)


@dataclass(frozen=True)
class _Source:
    """Where contours come from: a file, or a model that draws them."""

    path: Path | None = None
    bundle: str = ""


def _source(text: str) -> _Source:
    if text == BUNDLE:
        raise argparse.ArgumentTypeError(f"'{BUNDLE}' names no model: write it as {_DEFAULT}")
    return _Source(bundle=text.removeprefix(BUNDLE)) if text.startswith(BUNDLE) else _Source(Path(text))


@dataclass(frozen=True)
class _Given:
    """Contours as the command line names them: the letter, what the page calls them (empty: not said), and whence."""

    letter: str
    name: str
    source: _Source


def _given(arguments: argparse.Namespace) -> list[_Given]:
    sources = [arguments.contours] if arguments.no_automatic else [arguments.contours, arguments.against]
    names = [*arguments.names, *[""] * len(sources)]
    return [_Given(letter, name, source) for letter, name, source in zip("AB", names, sources, strict=False)]


def _wrong_use(arguments: argparse.Namespace, given: Sequence[_Given]) -> str:
    if not means_folder(arguments.output):
        return "--output must be a folder: name one without a suffix, or end it with a slash."
    if len(arguments.names) not in (0, len(given)):
        return f"--names must name as many contours as there are here ({len(given)})."
    sources = {(one.source.bundle, one.source.path and one.source.path.resolve()) for one in given}
    if len(sources) < len(given):
        return "A and B are one and the same: name others with --against, or look at A alone with --no-automatic."
    return ""


def _run(arguments: argparse.Namespace) -> int:
    from .console import reporter
    from .one_scan import enough_memory

    show = reporter(arguments.progress)
    hide_graphics_cards(arguments.device)
    given = _given(arguments)
    if fault := _wrong_use(arguments, given):
        show.failure(fault)
        return 2
    try:
        with enough_memory():
            _review(arguments, given, show)
    except ParotidSegError as error:
        show.failure(str(error))
        return 1
    return 0


def _review(arguments: argparse.Namespace, given: Sequence[_Given], show: Reporter) -> None:
    from ..dose.reading import read_dose
    from ..reading.images import read_image
    from ..reviewing.review import review
    from ..segmentation import software
    from ..writing.outputs import refuse_to_replace, refuse_unwritable
    from ..writing.pages.review_files import FILES, report_of, write_review

    outputs = [arguments.output / name for name in FILES]
    inputs = [arguments.image, arguments.dose, *(one.source.path for one in given)]
    refuse_to_replace([path for path in inputs if path], outputs)
    for path in outputs:
        refuse_unwritable(path)
    models = {name: _opened(name, arguments.engine, show) for one in given if (name := one.source.bundle)}
    show.progress("read", 0.05, "Reading the scan")
    image = read_image(arguments.image, series=arguments.series)
    dose = None
    if arguments.dose:
        scan = {"scan": arguments.image, "series": arguments.series}
        dose = read_dose(arguments.dose, image, unit=arguments.dose_unit, **scan)
    contours, regions = zip(*(_drawn(one, image, models, arguments, show) for one in given), strict=True)
    found = review(
        image,
        *contours,
        dose=dose,
        progress=lambda fraction, message: show.progress("review", 0.70 + 0.15 * fraction, message),
    )
    show.progress("write", 0.90, "Writing the page")
    made = {"software": software(), "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")}
    files = write_review(image, found, arguments.output, made=made)
    show.progress("done", 1.0, "Done")
    show.finished(_text(found, regions), files, report_of(found))


def _opened(bundle: str, engine: str, show: Reporter) -> Model:
    from ..segmentation import open_model

    show.progress("load", 0.0, "Loading the model")
    model = open_model(bundle, engine=engine)
    if model.bundle.structures != PAROTIDS:
        raise BundleError(f"The model '{model.bundle.name}' draws no parotid glands: name another one.")
    return model


def _drawn(
    one: _Given, image: sitk.Image, models: Mapping[str, Model], arguments: argparse.Namespace, show: Reporter
) -> tuple[ReviewedContours, Mapping[str, str]]:
    """The contours on the voxels of the CT; and by gland what its region is called in the file, if there is one."""
    start = 0.10 if one.letter == "A" else 0.40
    try:
        if one.source.path:
            show.progress("read", start, f"Reading the contours {one.letter}")
            return _read(one, one.source.path, image, arguments)

        def progress(stage: str, fraction: float, message: str) -> None:
            show.progress("segment", start + 0.30 * fraction, message)

        model = models[one.source.bundle]
        return _automatic(one, image, model, mirror=not arguments.no_mirror, progress=progress), {}
    except ParotidSegError as error:
        raise type(error)(f"{one.letter}: {error}") from error


def _read(
    one: _Given, path: Path, image: sitk.Image, arguments: argparse.Namespace
) -> tuple[ReviewedContours, Mapping[str, str]]:
    from ..reading.contours.reader import read_contours
    from ..reviewing.review import ReviewedContours

    read = read_contours(path, image, scan=arguments.image, series=arguments.series)
    return ReviewedContours(one.name or _NAMES[one.letter], read.labels, remarks=read.remarks), read.names


def _automatic(one: _Given, image: sitk.Image, model: Model, *, mirror: bool, progress: Progress) -> ReviewedContours:
    from ..reviewing.review import ReviewedContours
    from ..segmentation import segment

    result = segment(image, model, mirror=mirror, progress=progress)
    about = result.provenance["bundle"]
    name = one.name or f"automatic ({about['name']} {about['version']})"
    return ReviewedContours(name, result.labels, model=about, findings=tuple(result.findings))


def _text(review: Review, regions: Sequence[Mapping[str, str]]) -> str:
    """What a person reads on the terminal, with the names of regions, which the page leaves out: they may say whose."""
    lines = []
    for side, names in zip(review.sides, regions, strict=True):
        taken = ", ".join(f"{key} from '{name}'" for key, name in names.items())
        lines.append(f"{side.letter}: {side.contours.name}{taken and f' ({taken})'}")
    lines += [_row(review, structure) for structure in PAROTIDS]
    for side in review.sides:
        lines.append(f"Remarks on {side.letter}" + (":" if side.findings else ": none (they do not look for disease)"))
        lines += [f"  {finding.severity}: {finding.message}" for finding in side.findings]
        lines += [f"  reading: {remark}" for remark in side.contours.remarks]
    lines += [f"Dose: {remark}" for remark in review.dose_remarks]
    lines.append("For review by a clinician; not for use without one.")
    return "\n".join(lines)


def _row(review: Review, structure: Structure) -> str:
    volumes = [side.volumes_ml[structure.key] for side in review.sides]
    drawn = (f"{volume:.1f} mL" if volume else "not drawn" for volume in volumes)
    row = f"{structure.name:22s}" + "".join(f"{text:>12s}" for text in drawn)
    if structure.key in review.comparisons:
        scores = review.comparisons[structure.key].scores
        row += f"   Dice {scores.dice:.3f}, MSD {scores.msd:.2f} mm, HD95 {scores.hd95:.1f} mm"
    doses = [side.doses[structure.key].mean for side in review.sides if structure.key in side.doses]
    return row + (f"   mean dose {' and '.join(f'{mean:.1f}' for mean in doses)} Gy" if doses else "")
