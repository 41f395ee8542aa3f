"""Evaluate a model or a folder of contours, and write the results: what the commands `evaluate` and `compare` do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ParotidSegLib.measuring.metrics import NSD_TOLERANCES
from ParotidSegLib.segmentation import Model
from ParotidSegLib.version import __version__

from ..data.dataset import DatasetFolder
from ..data.doses import DoseFolder
from ..data.masks import MaskFolder
from .case_log import CaseLog
from .evaluation import compare_folders, evaluate
from .results import Results, write_results

#: In the folder of the results while an evaluation is under way.
LOG = "cases.jsonl"


def judge_model(
    model: Model,
    folder: DatasetFolder,
    split: str,
    output: Path,
    *,
    exclude: Sequence[str] = (),
    mirror: bool = True,
    masks: Path | None = None,
    doses: DoseFolder | None = None,
    nsd_tolerances: Sequence[float] = NSD_TOLERANCES,
    about: Mapping[str, Any],
    report: Callable[[str], None] = print,
) -> Results:
    """Score a model on a split and write the results; the same call goes on where a killed one stopped.

    Args:
        model, folder, split, exclude, mirror, masks, doses, nsd_tolerances, report: as `evaluate` takes them.
        output: folder of the results.
        about: what else the results say of themselves (`provenance`, a name).

    Raises:
        DataError, ImageError, OutputError, ParotidSegError: as `evaluate` and `write_results`.
    """
    structures = model.bundle.structures
    of_bundle = {name: getattr(model.bundle, name) for name in ("name", "version", "sha256")}
    settings = {
        "parotidseg": __version__,
        "bundle": of_bundle,
        "engine": model.segmenter.name,
        "mirror": mirror,
        "structures": [structure.key for structure in structures],
        "nsd_tolerances": list(nsd_tolerances),
        "doses": doses.unit if doses else "",
    }
    rows = evaluate(
        model,
        folder,
        split,
        exclude=exclude,
        mirror=mirror,
        masks=masks,
        doses=doses,
        nsd_tolerances=nsd_tolerances,
        log=CaseLog.open(output / LOG, settings),
        report=report,
    )
    described = {
        "name": f"{of_bundle['name']} {of_bundle['version']}",
        "kind": "model",
        "bundle": of_bundle,
        "engine": model.segmenter.name,
        "mirror": mirror,
        "split": split,
        "excluded": list(exclude),
    }
    results = Results(tuple(rows), structures, {**described, **about})
    write_results(results, output)
    return results


def judge_contours(
    reference: MaskFolder,
    candidate: MaskFolder,
    output: Path,
    *,
    exclude: Sequence[str] = (),
    doses: DoseFolder | None = None,
    nsd_tolerances: Sequence[float] = NSD_TOLERANCES,
    about: Mapping[str, Any],
    report: Callable[[str], None] = print,
) -> Results:
    """Score a folder of contours against another and write the results; otherwise as `judge_model`."""
    structures = reference.structures
    settings = {
        "parotidseg": __version__,
        "structures": [structure.key for structure in structures],
        "nsd_tolerances": list(nsd_tolerances),
        "doses": doses.unit if doses else "",
    }
    log = CaseLog.open(output / LOG, settings)
    rows = compare_folders(
        reference, candidate, exclude=exclude, doses=doses, nsd_tolerances=nsd_tolerances, log=log, report=report
    )
    described = {"name": candidate.root.name, "kind": "contours", "excluded": list(exclude)}
    results = Results(tuple(rows), structures, {**described, **about})
    write_results(results, output, candidate="candidate")
    return results


def forget_progress(output: Path) -> None:
    """Remove the log of an evaluation that is done with: the next one in this folder starts anew."""
    (output / LOG).unlink(missing_ok=True)
