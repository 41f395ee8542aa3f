"""The training loop: backend-neutral Keras, resumable after any kill, validated on the averaged weights.

A run folder holds everything that is needed to repeat or resume the run:

    recipe.json             what was run
    provenance.json         data (hashes), precision, versions of software, hardware
    history.csv             one row an epoch
    tensorboard/            the same as curves, and the loss of every step
    state.json              the last finished epoch and the best values; names the state file that belongs to it
    state-N.weights.h5      weights and optimizer after epoch N
    start.weights.h5        the weights that the run started from, if it did not start from random ones
    hybrid.weights.h5       the averaged weights of the HybridCheckpoint
    best_dice.weights.h5    the averaged weights with the best validation Dice
    last.weights.h5         the averaged weights of the last epoch
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ParotidSegLib.errors import DataError, RecipeError

from ..data.dataset import Case, DatasetFolder, load_case
from ..data.structure_sets import title_of
from ..losses import build_loss
from ..recipe import Recipe
from . import start_weights
from .batches import Batch, Prefetcher
from .checkpoints import RunState, epochs_without_gain, save_weights
from .devices import MirroredDevices, OneDevice, chosen_devices, open_devices
from .hardware import choose_precision, cores, input_workers, processor_flags, processor_model, visible_gpus
from .network_training import averaged_weights, compiled_network, inference_twin, reseed
from .patches import Patch, random_patch, stack, validation_patches
from .progress import Clock, Progress, duration, unseen
from .run_folder import Provenance, claim, fingerprint, locked, open_provenance, software
from .run_log import RunLog, open_log
from .schedules import learning_rate
from .validation import finite, validate


def fit(
    recipe: Recipe,
    folder: DatasetFolder,
    run: Path,
    *,
    report: Callable[[str], None] = print,
    progress: Progress = unseen,
    start_from: Path | None = None,
    stop_after_epochs: int | None = None,
    workers: int | None = None,
    devices: Sequence[str] | None = None,
    wandb_project: str | None = None,
) -> Path:
    """Train a network, or go on with a run that was interrupted.

    Args:
        recipe: what to run; of an existing run folder it must be the same recipe.
        folder: the data set; `train` trains, `validation` chooses.
        run: folder of the run, made if needed.
        report: takes one line of text an epoch, and others worth keeping.
        progress: takes (stage, share of the run that is done, message) while it works.
        start_from: weights to begin with, for a second phase or a related network: see `start_weights.start`.
        stop_after_epochs: leave after this many epochs of this call (the run can be resumed).
        workers: threads that prepare batches; None for what suits the hardware.
        devices: names of the devices that share each batch; None for all GPUs that can.
        wandb_project: a project on Weights & Biases that shows the curves too.

    Returns:
        The run folder.

    Raises:
        RecipeError, DataError: before the first step, if the recipe, the data set or the state of the run is not
            usable; a RecipeError later on, if the loss is no longer a number.
        OutputError: the run folder cannot be written, or another process trains in it.
    """
    if recipe.structures != folder.structures:
        raise RecipeError(f"The recipe '{recipe.name}' and the data set {folder.root} have different structures.")
    with locked(run):
        claim(run, recipe)
        state = RunState.read(run)
        if is_over(state, recipe):
            report(f"{recipe.name}: the run is finished after {state.epoch} epochs")
            return run
        training, provenance = _prepare(
            recipe, folder, run, state, report=report, wanted=devices, start_from=start_from
        )
        log = open_log(
            run,
            recipe,
            step=state.epoch * recipe.optimisation.steps_per_epoch,
            identity=provenance.id,
            wandb_project=wandb_project,
            report=report,
        )
        try:
            training.read_cases(folder, state.epoch / recipe.optimisation.epochs, progress)
            provenance.save(run)
            prefetcher = Prefetcher(input_workers(bool(visible_gpus())) if workers is None else workers)
            _train(
                training,
                state,
                run,
                log=log,
                prefetcher=prefetcher,
                report=report,
                progress=progress,
                stop_after_epochs=stop_after_epochs,
            )
        finally:
            log.close()
    return run


def _prepare(
    recipe: Recipe,
    folder: DatasetFolder,
    run: Path,
    state: RunState,
    *,
    report: Callable[[str], None],
    wanted: Sequence[str] | None,
    start_from: Path | None,
) -> tuple[_Training, Provenance]:
    """Everything that can be checked before the cases are read: devices, network, state and data set."""
    names = {split: folder.cases(split, recipe.exclude) for split in ("train", "validation")}
    loss = build_loss(recipe.loss)
    gpus = visible_gpus()
    used = chosen_devices(recipe.optimisation, gpus, wanted, report)
    known = Provenance.load(run)
    precision, reason = choose_precision(recipe.precision, gpus, processor_flags())
    if known and known.precision != precision:
        precision, reason = known.precision, "the run began with it"

    def begin(model: Any) -> None:
        if start_from and not state.epoch:
            report(f"{recipe.name}: {start_weights.start(model, start_from, recipe)}")

    shared = open_devices(used)
    with shared.scope():
        model = compiled_network(recipe, loss, precision, begin=begin)
    state.restore(run, model)
    provenance = open_provenance(run, precision, fingerprint(folder, names), start_from)
    if not state.epoch:
        start_weights.keep(run, model if start_from else None)
    hardware = {
        "devices": used or [gpu.name for gpu in gpus[:1]] or ["CPU"],
        "processor": processor_model(),
        "cores": cores(),
        "gpus": [gpu.model for gpu in gpus],
    }
    provenance.note_session(state.epoch, {"software": software(), "hardware": hardware, "precision_because": reason})
    report(
        f"{recipe.name}: {model.count_params():,} weights; {precision} because {reason}; "
        f"reading {sum(map(len, names.values()))} cases"
    )
    return _Training(recipe, model, inference_twin(model), loss, shared, names), provenance


@dataclass
class _Training:
    """What the epochs of a run share.

    Attributes:
        recipe, loss: of the run.
        model: the compiled network.
        twin: the same layers, not compiled.
        devices: that train.
        names: of the cases, by split.
        cases: those of the split "train".
        validation: the fixed patches.
    """

    recipe: Recipe
    model: Any
    twin: Any
    loss: Callable
    devices: OneDevice | MirroredDevices
    names: dict[str, list[str]]
    cases: Sequence[Case] = ()
    validation: Sequence[Patch] = ()

    def read_cases(self, folder: DatasetFolder, fraction: float, progress: Progress) -> None:
        """Read every case of both splits; the fraction is what is done of the run already."""
        total, numbers = sum(map(len, self.names.values())), itertools.count(1)

        def read(name: str) -> None:
            progress("read", fraction, f"reading case {next(numbers)} of {total}")

        self.cases = _load(folder, self.names["train"], self.recipe, read)
        cases = _load(folder, self.names["validation"], self.recipe, read)
        self.validation = [patch for case in cases for patch in validation_patches(case, self.recipe)]


def is_over(state: RunState, recipe: Recipe) -> bool:
    """Whether all epochs are done, or too many went by without a better validation Dice."""
    settings = recipe.optimisation
    stale = bool(settings.patience) and epochs_without_gain(state.rows) >= settings.patience
    return state.epoch >= settings.epochs or stale


def _train(
    training: _Training,
    state: RunState,
    run: Path,
    *,
    log: RunLog,
    prefetcher: Prefetcher,
    report: Callable[[str], None],
    progress: Progress,
    stop_after_epochs: int | None,
) -> None:
    recipe, model = training.recipe, training.model
    settings = recipe.optimisation
    last = settings.epochs if stop_after_epochs is None else min(settings.epochs, state.epoch + stop_after_epochs)
    clock = Clock(settings.epochs, settings.steps_per_epoch, state.epoch)
    while state.epoch < last and not is_over(state, recipe):
        clock.start_epoch()
        waited = prefetcher.waited
        losses = _train_epoch(training, state.epoch, prefetcher, clock, progress)
        progress("validate", clock.fraction(settings.steps_per_epoch), f"epoch {state.epoch + 1}: validating")
        with averaged_weights(model):
            scores = validate(training.twin, training.validation, training.loss)
            both, dice = state.checkpoint.update(scores["val_dice"], scores["val_loss"])
            for name, wanted in (("hybrid", both), ("best_dice", dice), ("last", True)):
                if wanted:
                    save_weights(training.twin, run / f"{name}.weights.h5")
        state.epoch += 1
        step = state.epoch * settings.steps_per_epoch
        state.rows.append(
            {
                "epoch": state.epoch,
                "step": step,
                "seconds": round(clock.end_epoch(), 1),
                "waited": round(prefetcher.waited - waited, 1),
                "learning_rate": learning_rate(settings, step - 1),
                "loss": float(np.mean(losses)),
                **scores,
                "kept": "hybrid" if both else "best_dice" if dice else "",
            }
        )
        log.epoch(state.rows[-1], losses)
        state.save(run, model)
        line = _line(state.rows[-1], recipe)
        report(f"{line}, about {duration(clock.seconds_left())} left")
        progress("epoch", clock.fraction(), f"epoch {state.epoch}/{settings.epochs} finished")
    if state.epoch < last:
        report(f"{recipe.name}: {settings.patience} epochs without a better validation Dice, the run ends here")


def _load(
    folder: DatasetFolder, names: Sequence[str], recipe: Recipe, read: Callable[[str], None] = lambda name: None
) -> list[Case]:
    """The cases in memory; `read` is told of each one."""
    half_diagonal = float(np.linalg.norm(np.array(recipe.tile) * recipe.preprocessing.spacing)) / 2.0
    margin = half_diagonal + max(recipe.sampling.jitter)
    with ThreadPoolExecutor(max_workers=2) as pool:
        cases = []
        for case in pool.map(lambda name: load_case(folder, name, recipe, margin), names):
            cases.append(case)
            read(case.name)
    if not any(len(points) for case in cases for points in case.points):
        raise DataError("No mask of this split holds a structure: there is nothing to learn or to validate on.")
    return cases


def _train_epoch(
    training: _Training, epoch: int, prefetcher: Prefetcher, clock: Clock, progress: Progress
) -> list[float]:
    """The steps of an epoch; the loss of each, a mean over its batches."""
    settings = training.recipe.optimisation
    steps, accumulate = settings.steps_per_epoch, settings.accumulate
    reseed(training.model, training.recipe.seed, epoch)
    batches = _batches(training.cases, training.recipe, epoch, prefetcher)
    losses = []
    for step in range(steps):
        training.model.optimizer.learning_rate = learning_rate(settings, epoch * steps + step)
        of_step = [training.devices.train_on_batch(training.model, *next(batches)) for _ in range(accumulate)]
        losses.append(finite(float(np.mean(of_step)), "training"))
        if clock.due():
            left = duration(clock.seconds_left(step + 1))
            message = f"epoch {epoch + 1}/{settings.epochs}  step {step + 1}/{steps}  loss {losses[-1]:.4f}"
            progress("train", clock.fraction(step + 1), f"{message}  about {left} left")
    return losses


def _batches(cases: Sequence[Case], recipe: Recipe, epoch: int, prefetcher: Prefetcher) -> Iterator[Batch]:
    """The batches of an epoch."""
    size = recipe.optimisation.batch_size

    def make(index: int) -> Batch:
        return stack([random_patch(cases, recipe, epoch, index * size + i) for i in range(size)])

    return prefetcher.batches(make, recipe.optimisation.patches_per_epoch // size)


def _line(row: dict[str, Any], recipe: Recipe) -> str:
    dice = " ".join(f"{title_of(s)} {row[f'val_dice_{s.label}']:.3f}" for s in recipe.structures)
    return (
        f"epoch {row['epoch']}/{recipe.optimisation.epochs}  loss {row['loss']:.4f}  validation loss "
        f"{row['val_loss']:.4f}  Dice {dice}  {row['kept']:9s}  {row['seconds']:.0f} s"
    )
