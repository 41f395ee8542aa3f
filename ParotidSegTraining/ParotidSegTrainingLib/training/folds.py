"""Cross-validation: every case of training and validation validates once, each fold in a run folder of its own.

    folds.json       recipe, number of folds, hash of the cases
    fold_1/ …        an ordinary run folder each, with fold.json
    summary.json     the best validation Dice of each fold, their mean and standard deviation
    summary.csv      the same, a row a fold

Folds run one after another on this machine, or as tasks of a Dask cluster whose workers see the same paths.
"""

from __future__ import annotations

import csv
import json
import statistics
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ParotidSegLib.errors import DataError, ParotidSegError, RecipeError
from ParotidSegLib.files.atomic import atomic_path
from ParotidSegLib.files.json_text import parse_json
from ParotidSegLib.terminal.batch.cluster import connected
from ParotidSegLib.writing.export import write_json

from .. import recipe as recipes
from ..data.dataset import DatasetFolder
from ..data.preparation_record import recorded_patients
from ..recipe import Recipe
from .checkpoints import RunState
from .progress import Progress, unseen
from .run_folder import fingerprint_of_names
from .trainer import fit, is_over

#: Keras builds networks under settings of the whole process: a worker with several threads takes one fold at a time.
_ONE_AT_A_TIME = threading.Lock()
#: A fold whose worker dies is tried this often again; it goes on from its last finished epoch.
RETRIES = 3


def cross_validate(
    recipe: Recipe,
    folder: DatasetFolder,
    run: Path,
    *,
    folds: int,
    only: int | None = None,
    scheduler: str | None = None,
    report: Callable[[str], None] = print,
    progress: Progress = unseen,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Train once for each fold, or go on with what was interrupted.

    Args:
        recipe: what to run in every fold.
        folder: the data set; its split "test" is left alone.
        run: folder of the folds, made if needed.
        folds: their number.
        only: the one fold to train, from 1; None for all.
        scheduler: address of a Dask scheduler; None for this machine.
        report, progress: as of `trainer.fit`; the fraction is of all folds.
        options: further ones of `trainer.fit`: workers, devices, wandb_project.

    Returns:
        The summary over the folds that are finished, as summary.json has it.

    Raises:
        RecipeError, DataError, OutputError: as of `trainer.fit`, or there are fewer patients than folds, no such fold,
            no such scheduler, or the run folder holds other folds.
    """
    divided = divide(folder, recipe, folds)
    if only is not None and not 1 <= only <= folds:
        raise RecipeError(f"There is no fold {only}: they are numbered from 1 to {folds}.")
    _claim(run, recipe, folds, divided)
    numbers = [only] if only is not None else list(range(1, folds + 1))
    settings = dict(options or {})
    if scheduler:
        _on_cluster(scheduler, recipe, folder.root, run, folds=folds, numbers=numbers, report=report, options=settings)
    else:
        for done, number in enumerate(numbers):

            def overall(stage: str, fraction: float, message: str, done: int = done, number: int = number) -> None:
                progress(stage, (done + fraction) / len(numbers), f"fold {number}: {message}")

            train_fold(
                recipe,
                divided[number - 1],
                run,
                number=number,
                folds=folds,
                report=_prefixed(report, number),
                progress=overall,
                options=settings,
            )
    return summarise_folds(run, recipe, folds)


def divide(folder: DatasetFolder, recipe: Recipe, folds: int) -> list[DatasetFolder]:
    """The data set once for each fold, with that fold as its validation split and the others as training.

    Cases of one patient stay in one fold; which is whose patient says preparation.json, as `prepare` writes it, and
    without that file every case is a patient's only one. The division goes by the recipe's seed.

    Raises:
        RecipeError: there are fewer than two folds.
        DataError: there are fewer patients than folds.
    """
    if folds < 2:
        raise RecipeError("Cross-validation needs at least 2 folds.")
    names = sorted(name for split in ("train", "validation") for name in folder.cases(split, recipe.exclude))
    patients: dict[str, list[str]] = {}
    known = recorded_patients(folder.root)
    for name in names:
        patients.setdefault(known.get(name, f"case {name}"), []).append(name)
    if len(patients) < folds:
        raise DataError(f"{len(patients)} patients cannot be divided into {folds} folds: ask for fewer folds.")
    order = np.random.default_rng([recipe.seed, 3]).permutation(sorted(patients)).tolist()
    # Patients with many cases first, each to the fold with the fewest cases so far: the folds come out even.
    parts: list[list[str]] = [[] for _ in range(folds)]
    for patient in sorted(order, key=lambda patient: -len(patients[patient])):
        min(parts, key=len).extend(patients[patient])
    return [
        replace(
            folder,
            splits={
                **folder.splits,
                "train": tuple(sorted(name for part in parts if part is not own for name in part)),
                "validation": tuple(sorted(own)),
            },
        )
        for own in parts
    ]


def _claim(run: Path, recipe: Recipe, folds: int, divided: Sequence[DatasetFolder]) -> None:
    """Record what the folds are; refuse a folder that holds others."""
    path = run / "folds.json"
    content = {"folds": folds, "cases": [fingerprint_of_names(fold.splits["validation"]) for fold in divided]}
    if path.is_file():
        try:
            known = parse_json(path.read_text(encoding="utf-8"))
            # Compared as recipes, not as text: a field that came later has its default in the older file.
            begun = recipes.from_fields(known.pop("recipe"))
        except (OSError, ValueError, KeyError, AttributeError, RecipeError) as error:
            raise DataError(f"{path} is damaged: choose another folder.") from error
        if (known, begun) != (content, recipe):
            raise DataError(f"{run} holds other folds: choose an empty folder, or the recipe and data set of those.")
        return
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({**content, "recipe": asdict(recipe)}, indent=2) + "\n", encoding="utf-8")


def train_fold(
    recipe: Recipe,
    folder: DatasetFolder,
    run: Path,
    *,
    number: int,
    folds: int,
    report: Callable[[str], None],
    progress: Progress = unseen,
    options: Mapping[str, Any],
) -> None:
    """Train one fold in its own run folder; `folder` is the data set as divided for it."""
    import keras

    own = run / f"fold_{number}"
    write_json({"fold": number, "folds": folds, "seed": recipe.seed}, own / "fold.json")
    # What earlier folds left of their networks goes before the next one is built.
    keras.utils.clear_session(free_memory=True)
    fit(recipe, folder, own, report=report, progress=progress, **options)


def _prefixed(report: Callable[[str], None], number: int) -> Callable[[str], None]:
    return lambda line: report(f"fold {number}: {line}")


# --- on a cluster ----------------------------------------------------------------------------------------------------


def _on_cluster(
    scheduler: str,
    recipe: Recipe,
    root: Path,
    run: Path,
    *,
    folds: int,
    numbers: Sequence[int],
    report: Callable[[str], None],
    options: Mapping[str, Any],
) -> None:
    with connected(scheduler, RecipeError) as client:
        from distributed import as_completed

        report(f"{len(client.nthreads())} workers at {scheduler}")
        client.subscribe_topic(_topic(run), lambda event: report(event[1]))
        # Paths as the workers see them: whole ones, which have to be the same everywhere.
        paths = {"root": str(root.resolve()), "run": str(run.resolve())}
        once = {"pure": False, "retries": RETRIES}
        futures = {
            client.submit(
                fold_task, recipe.to_json(), **paths, number=number, folds=folds, options=dict(options), **once
            ): number
            for number in numbers
        }
        failed = []
        for future in as_completed(futures, loop=client.loop):
            number = futures[future]
            # Of an error that is no user's, such as a worker that died again and again, its kind and text.
            problem = repr(future.exception()) if future.exception() else future.result()
            report(f"fold {number}: {problem or 'finished'}")
            if problem:
                failed.append(number)
    if failed:
        shown = ", ".join(map(str, sorted(failed)))
        raise DataError(f"Folds failed ({shown}): see above, then the same command goes on with them.")


def fold_task(recipe: str, *, root: str, run: str, number: int, folds: int, options: dict[str, Any]) -> str:
    """Train one fold on a worker of a cluster; what it reports goes to the one who asked.

    Args:
        recipe: as JSON.
        root, run: folders of the data set and of the folds.
        number: of the fold, from 1.
        folds: how many there are.
        options: as of `cross_validate`.

    Returns:
        What is wrong, as a sentence; empty if nothing is. (A task that raised would be tried again.)
    """
    from distributed import get_worker

    worker = get_worker()

    def report(line: str) -> None:
        worker.log_event(_topic(Path(run)), f"fold {number}: {line}")

    try:
        own = recipes.from_fields(parse_json(recipe))
        divided = divide(DatasetFolder.open(root, own.preprocessing.inputs), own, folds)
        with _ONE_AT_A_TIME:
            train_fold(own, divided[number - 1], Path(run), number=number, folds=folds, report=report, options=options)
    except ParotidSegError as error:
        return str(error)
    return ""


def _topic(run: Path) -> str:
    return f"parotidseg {run.resolve()}"


# --- the summary -----------------------------------------------------------------------------------------------------


def summarise_folds(run: Path, recipe: Recipe, folds: int) -> dict[str, Any]:
    """Write and return the summary over the folds that are finished."""
    rows = []
    for number in range(1, folds + 1):
        state = RunState.read(run / f"fold_{number}")
        if not is_over(state, recipe):
            continue
        history = state.rows
        best = max(history, key=lambda row: -1.0 if np.isnan(row["val_dice"]) else row["val_dice"])
        scores = {name: value for name, value in best.items() if name.startswith("val_dice")}
        rows.append({"fold": number, "epochs": len(history), "best_epoch": best["epoch"], **scores})
    names = [name for name in rows[0] if name.startswith("val_dice")] if rows else []
    summary: dict[str, Any] = {"folds": folds, "finished": len(rows), "rows": rows, "mean": {}, "sd": {}}
    for name in names:
        values = [row[name] for row in rows if not np.isnan(row[name])]
        summary["mean"][name] = statistics.fmean(values) if values else None
        summary["sd"][name] = statistics.stdev(values) if len(values) > 1 else None
    write_json(summary, run / "summary.json")
    if rows:
        with atomic_path(run / "summary.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return summary


def table(summary: Mapping[str, Any]) -> str:
    """The summary as text: a line a fold, then mean and standard deviation of the Dice."""
    lines = [
        f"fold {row['fold']}  best Dice {row['val_dice']:.3f} after epoch {row['best_epoch']} of {row['epochs']}"
        for row in summary["rows"]
    ]
    mean, sd = summary["mean"].get("val_dice"), summary["sd"].get("val_dice")
    if mean is not None:
        lines.append(f"mean Dice {mean:.3f}" + (f" ± {sd:.3f} (SD over {summary['finished']} folds)" if sd else ""))
    return "\n".join(lines)
