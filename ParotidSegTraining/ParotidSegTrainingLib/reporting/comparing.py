"""From two models, or from finished results, to one page: what the commands `compare` and `report` do."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.errors import OutputError
from ParotidSegLib.measuring.metrics import NSD_TOLERANCES
from ParotidSegLib.model.bundle import shipped_bundles
from ParotidSegLib.segmentation import Model, open_model
from ParotidSegLib.writing.drawing.views import WINDOW
from ParotidSegLib.writing.export import write_json

from ..data.dataset import DatasetFolder
from ..data.doses import DoseFolder
from ..data.masks import MaskFolder
from ..judging.comparison import Comparisons, compare_results
from ..judging.comparison_table import draw_comparison, write_comparison
from ..judging.curves import describe_run, draw_curves, read_history
from ..judging.evaluation import masks_of
from ..judging.judge import forget_progress, judge_contours, judge_model
from ..judging.overlays import disagreement_ml, draw_overlay
from ..judging.overview import draw_overview, survey
from ..judging.results import DOSE_PLOT, Results, has_doses, read_results
from ..provenance import provenance
from .report import Extras, write_comparison_page, write_evaluation_page
from .report_comparison import OverlayPicture


@dataclass(frozen=True)
class Options:
    """How A and B are scored.

    Attributes:
        split, exclude: the cases.
        engine, mirror: how a model is run.
        nsd_tolerances: of the normalised surface Dice, mm.
        doses: planned doses of the cases, or None.
    """

    split: str = "validation"
    exclude: Sequence[str] = ()
    engine: str = "auto"
    mirror: bool = True
    nsd_tolerances: Sequence[float] = NSD_TOLERANCES
    doses: DoseFolder | None = None


def compare(
    data: Path,
    models: tuple[str, str],
    output: Path,
    options: Options,
    *,
    names: Sequence[str] | None = None,
    runs: Sequence[Path] = (),
    overlays: int = 4,
    words: Sequence[str] = (),
    report: Callable[[str], None] = print,
) -> Path:
    """Score A and B on the same cases, compare them, and write everything into a folder.

    The folder gets a/ and b/ (results, and the label maps of a model), the files of `write_comparison`, overlays/,
    curves.png, overview.json and .png, and report.html. The same call goes on where a killed one stopped.

    Args:
        data: folder of the data set.
        models: A and B: a bundle (name, folder or zip), or a folder of contours of the same cases.
        output: the folder.
        options: how both are scored.
        names: what the page calls A and B.
        runs: run folders of A and B, for the training curves.
        overlays: how many cases are drawn.
        words: the command line, for the provenance.
        report: takes a line of text now and then.

    Returns:
        The page.

    Raises:
        ParotidSegError: a model, a case, a run or the output is not usable.
    """
    opened = [open_model(model, engine=options.engine) if _is_bundle(model) else None for model in models]
    folders = [_folder_for(data, model) for model in opened]
    folder = next((folder for folder, model in zip(folders, opened, strict=True) if model), folders[0])
    extras = _curves(runs, names, output / "curves.png")  # a run that is not usable is said now, not after an hour
    made = provenance(words)
    judged, maps = [], []
    for place, name in enumerate(models):
        report(f"{'AB'[place]}: {Path(name).name}")
        about = {**made, "split": options.split} | ({"name": names[place]} if names else {})
        results, contours = _judge(
            opened[place] or Path(name), folders[place], output / "ab"[place], options, about=about, report=report
        )
        judged.append(results)
        maps.append(contours)
    comparisons = compare_results(*_told_apart(judged))
    structures = comparisons.structures
    write_comparison(comparisons, output)
    overview = survey(folder, exclude=options.exclude, structures=structures, report=report)
    write_json(overview.figures(), output / "overview.json")
    extras = replace(
        extras,
        overlays=_draw_overlays(comparisons, folder, maps, output / "overlays", overlays),
        overview=overview,
        overview_plot=draw_overview(overview, output / "overview.png", structures=structures),
    )
    page = write_comparison_page(comparisons, output / "report.html", pictures=output, extras=extras, made=made)
    for letter in "ab":
        forget_progress(output / letter)
    return page


def _folder_for(data: Path, model: Model | None) -> DatasetFolder:
    """The data set, with the images that the model takes."""
    return DatasetFolder.open(data, model.bundle.segmenter.preprocessing.inputs) if model else DatasetFolder.open(data)


def _judge(
    model: Model | Path,
    folder: DatasetFolder,
    output: Path,
    options: Options,
    *,
    about: Mapping[str, Any],
    report: Callable[[str], None],
) -> tuple[Results, MaskFolder]:
    """The results of a model or of a folder of contours, and the contours."""
    exclude, tolerances = options.exclude, options.nsd_tolerances
    if isinstance(model, Path):
        reference = masks_of(folder, options.split, exclude)
        contours = MaskFolder.open(model, reference.structures).only(list(reference.files))
        results = judge_contours(
            reference,
            contours,
            output,
            exclude=exclude,
            doses=options.doses,
            nsd_tolerances=tolerances,
            about=about,
            report=report,
        )
        return results, contours
    results = judge_model(
        model,
        folder,
        options.split,
        output,
        exclude=exclude,
        mirror=options.mirror,
        masks=output / "masks",
        doses=options.doses,
        nsd_tolerances=tolerances,
        about=about,
        report=report,
    )
    return results, MaskFolder.open(output / "masks", results.structures)


def _is_bundle(model: str) -> bool:
    """Whether this names a model rather than a folder of contours."""
    path = Path(model)
    return model in shipped_bundles() or not path.is_dir() or (path / "bundle.json").is_file()


def _named(runs: Sequence[Path], names: Sequence[str] | None) -> dict[str, Path]:
    """Runs by the name that a reader sees: those given, or of the folders; told apart by their number."""
    given = names if names and len(names) == len(runs) else [run.name for run in runs]
    if len(set(given)) < len(given):
        given = [f"{name} ({number})" for number, name in enumerate(given, start=1)]
    return dict(zip(given, runs, strict=True))


def _told_apart(judged: Sequence[Results]) -> list[Results]:
    """The results, with numbers in their names where two have the same name."""
    names = [results.name for results in judged]
    if len(set(names)) == len(names):
        return list(judged)
    return [
        replace(results, about={**results.about, "name": f"{results.name} ({number})"})
        for number, results in enumerate(judged, start=1)
    ]


def _draw_overlays(
    comparisons: Comparisons, folder: DatasetFolder, maps: Sequence[MaskFolder], output: Path, count: int
) -> list[OverlayPicture]:
    """Pictures of the cases about which A and B disagree most."""
    structures = comparisons.structures
    amounts = {}
    for row in comparisons.a.rows:
        a, b = (contours.read(row.case) for contours in maps)
        amounts[row.case] = disagreement_ml(a, b, structures)
    pictures = []
    for case in sorted(amounts, key=lambda case: -amounts[case])[: max(count, 0)]:
        a, b = (contours.read(case) for contours in maps)
        labels = {"reference": folder.read_mask(case), "a": a, "b": b}
        path = output / f"{case}.png"
        names = (comparisons.a.name, comparisons.b.name)
        image = folder.read_images(case)[0]
        window = _window(image, folder.inputs[0].modality)
        shown = draw_overlay(image, labels, path, title=case, names=names, structures=structures, window=window)
        pictures.append(OverlayPicture(case, path, shown))
    return pictures


def _window(image: sitk.Image, modality: str) -> tuple[float, float]:
    """Soft tissue in CT; in other images all but the darkest and the brightest percent."""
    if modality == "CT":
        return WINDOW
    low, high = np.percentile(sitk.GetArrayViewFromImage(image), (1.0, 99.0))
    return float(low), float(max(high, low + 1e-6))


def report_on(
    folders: Sequence[Path],
    page: Path,
    *,
    names: Sequence[str] | None = None,
    runs: Sequence[Path] = (),
    data: Path | None = None,
    exclude: Sequence[str] = (),
    words: Sequence[str] = (),
    report: Callable[[str], None] = print,
) -> Path:
    """Write one page from finished results; two of them are compared.

    Args:
        folders: results of `evaluate`.
        page: the .html to write.
        names: what the page calls them.
        runs: run folders, for training curves.
        data, exclude: a data set for its overview, without these cases.
        words: the command line, for the provenance.
        report: takes a line of text now and then.

    Returns:
        The page.

    Raises:
        ParotidSegError: results, a run, the data set or the page are not usable.
    """
    if page.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"A page cannot be written as '{page.name}': let the name end with .html.")
    judged = [read_results(folder) for folder in folders]
    if names:
        judged = [
            replace(results, about={**results.about, "name": name}) for results, name in zip(judged, names, strict=True)
        ]
    judged = _told_apart(judged)
    made = provenance(words)
    with tempfile.TemporaryDirectory() as temporary:
        drawn = Path(temporary)
        extras = _curves(runs, [results.name for results in judged], drawn / "curves.png")
        if data:
            structures = judged[0].structures
            overview = survey(DatasetFolder.open(data), exclude=exclude, structures=structures, report=report)
            plot = draw_overview(overview, drawn / "overview.png", structures=structures)
            extras = replace(extras, overview=overview, overview_plot=plot)
        if len(judged) != 2:
            plots = [folder / "bland_altman.png" for folder in folders]
            if any(has_doses(results.rows) for results in judged):
                extras = replace(extras, dose_plots=[folder / DOSE_PLOT for folder in folders])
            return write_evaluation_page(list(zip(judged, plots, strict=True)), page, extras=extras, made=made)
        comparisons = compare_results(*judged)
        draw_comparison(comparisons, drawn)
        return write_comparison_page(comparisons, page, pictures=drawn, extras=extras, made=made)


def _curves(runs: Sequence[Path], names: Sequence[str] | None, path: Path) -> Extras:
    """The training curves, if there are runs."""
    if not runs:
        return Extras()
    named = _named(runs, names)
    plot = draw_curves({name: read_history(run) for name, run in named.items()}, path)
    return Extras(curves=plot, runs={name: describe_run(run) for name, run in named.items()})
