"""The training loop: backend-neutral Keras, resumable after any kill, validated on the averaged weights.

A run folder holds everything that is needed to repeat or resume the run:

    recipe.json             what was run
    history.csv             one row an epoch
    state.json              the last finished epoch and the best values; names the state file that belongs to it
    state-N.weights.h5      weights and optimizer after epoch N
    hybrid.weights.h5       the averaged weights of the HybridCheckpoint
    best_dice.weights.h5    the averaged weights with the best validation Dice
    last.weights.h5         the averaged weights of the last epoch
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ParotidSegLib.atomic import atomic_path
from ParotidSegLib.errors import DataError, RecipeError
from ParotidSegLib.networks import build_network

from . import recipe as recipes
from .checkpoints import RunState, save_weights
from .dataset import Case, DatasetFolder, load_case
from .losses import build_loss
from .patches import Patch, random_patch, stack, validation_patches
from .recipe import Recipe
from .structure_sets import title_of

PREFETCHED_BATCHES = 4


def fit(
    recipe: Recipe,
    folder: DatasetFolder,
    run: Path,
    *,
    report: Callable[[str], None] = print,
    start_from: Path | None = None,
    stop_after_epochs: int | None = None,
) -> Path:
    """Train a network, or go on with a run that was interrupted.

    Args:
        recipe: what to run; of an existing run folder it must be the same recipe.
        folder: the data set; `train` trains, `validation` chooses.
        run: folder of the run, made if needed.
        report: takes one line of text an epoch.
        start_from: weights of another run to begin with, for a second phase; of the same network.
        stop_after_epochs: leave after this many epochs of this call (the run can be resumed).

    Returns:
        The run folder.

    Raises:
        RecipeError, DataError: before the first step, if the recipe, the data set or the state of the run is not
            usable; a RecipeError later on, if the loss is no longer a number.
        OutputError: the run folder cannot be written.
    """
    if recipe.structures != folder.structures:
        raise RecipeError(f"The recipe '{recipe.name}' and the data set {folder.root} have different structures.")
    _claim(run, recipe)
    train_names = folder.cases("train", recipe.exclude)
    validation_names = folder.cases("validation", recipe.exclude)
    loss = build_loss(recipe.loss)
    model = _compiled_network(recipe, loss, start_from)
    count = len(train_names) + len(validation_names)
    report(f"{recipe.name}: {model.count_params():,} weights; reading {count} cases")
    train_cases = _load(folder, train_names, recipe)
    validation = [p for case in _load(folder, validation_names, recipe) for p in validation_patches(case, recipe)]

    state = RunState.load(run, model)
    end = recipe.optimisation.epochs
    if stop_after_epochs is not None:
        end = min(end, state.epoch + stop_after_epochs)
    for epoch in range(state.epoch, end):
        started = time.monotonic()
        train_loss = _train_epoch(model, train_cases, recipe, epoch)
        with _averaged_weights(model, recipe):
            scores = validate(model, validation, loss)
            both, dice = state.checkpoint.update(scores["val_dice"], scores["val_loss"])
            for name, wanted in (("hybrid", both), ("best_dice", dice), ("last", True)):
                if wanted:
                    save_weights(model, run / f"{name}.weights.h5")
        state.rows.append(
            {
                "epoch": epoch + 1,
                "step": (epoch + 1) * recipe.optimisation.steps_per_epoch,
                "seconds": round(time.monotonic() - started, 1),
                "learning_rate": float(model.optimizer.learning_rate),
                "loss": train_loss,
                **scores,
                "kept": "hybrid" if both else "best_dice" if dice else "",
            }
        )
        state.epoch = epoch + 1
        state.save(run, model)
        report(_line(state.rows[-1], recipe))
    return run


def _claim(run: Path, recipe: Recipe) -> None:
    """Write the recipe into a run folder; refuse a folder in which another recipe has finished an epoch.

    What a killed process left half written is removed: one process at a time works in a run folder.
    """
    path = run / "recipe.json"
    # Compared as recipes, not as text: a field that came later has its default in the older file.
    if (run / "state.json").is_file() and recipes.load(str(path)) != recipe:
        raise RecipeError(f"{run} holds a run of another recipe; choose an empty folder or the recipe that it holds.")
    with atomic_path(path) as temporary:
        temporary.write_text(recipe.to_json(), encoding="utf-8")
    for leftover in run.glob(".*.tmp*"):
        leftover.unlink()


def _compiled_network(recipe: Recipe, loss: Callable, start_from: Path | None = None) -> Any:
    """The network with its optimizer, untrained or with the weights to start from.

    Raises:
        RecipeError: the network or the loss does not fit the data.
        DataError: the weights to start from are missing or of another network.
    """
    import keras

    keras.utils.set_random_seed(recipe.seed)
    precision = "mixed_bfloat16" if recipe.precision == "auto" else recipe.precision
    model = build_network(recipe.network, tile=recipe.tile, config=recipe.network_arguments, precision=precision)
    channels, classes = model.input_shape[-1], model.output_shape[-1]
    wanted = len(recipe.preprocessing.channels), 1 + len(recipe.structures)
    if (channels, classes) != wanted:
        raise RecipeError(
            f"The recipe is not valid: network_config must give {wanted[0]} input channel(s) and {wanted[1]} classes, "
            f"not {channels} and {classes}."
        )
    space = (1,) * (len(model.output_shape) - 2)
    loss(keras.ops.zeros((1, *space), "int32"), keras.ops.zeros((1, *space, classes)))
    if start_from is not None:
        try:
            model.load_weights(start_from)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"The weights {start_from} to start from are missing or of another network.") from error
    model.compile(optimizer=_optimizer(recipe), loss=loss, jit_compile=False)
    return model


@contextmanager
def _averaged_weights(model: Any, recipe: Recipe) -> Iterator[None]:
    """The moving average in place of the weights, for the length of a block; without one, the weights as they are."""
    trained = model.get_weights()
    if recipe.optimisation.ema:
        model.optimizer.finalize_variable_values(model.trainable_variables)
    try:
        yield
    finally:
        model.set_weights(trained)


def _load(folder: DatasetFolder, names: Sequence[str], recipe: Recipe) -> list[Case]:
    half_diagonal = float(np.linalg.norm(np.array(recipe.tile) * recipe.preprocessing.spacing)) / 2.0
    margin = half_diagonal + max(recipe.sampling.jitter)
    with ThreadPoolExecutor(max_workers=2) as pool:
        cases = list(pool.map(lambda name: load_case(folder, name, recipe, margin), names))
    if not any(len(points) for case in cases for points in case.points):
        raise DataError("No mask of this split holds a structure: there is nothing to learn or to validate on.")
    return cases


def _optimizer(recipe: Recipe) -> Any:
    import keras

    settings = recipe.optimisation
    rate: Any = settings.learning_rate
    if settings.schedule == "cosine":
        warmup = min(settings.warmup_steps, settings.total_steps - 1)
        rate = keras.optimizers.schedules.CosineDecay(
            settings.learning_rate / 100.0 if warmup else settings.learning_rate,
            settings.total_steps - warmup,
            warmup_target=settings.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
    return keras.optimizers.AdamW(
        rate,
        weight_decay=settings.weight_decay,
        global_clipnorm=settings.clip_norm,
        use_ema=settings.ema > 0,
        ema_momentum=settings.ema or 0.99,
    )


def _train_epoch(model: Any, cases: Sequence[Case], recipe: Recipe, epoch: int) -> float:
    losses = []
    for images, labels in _batches(cases, recipe, epoch):
        # Keras 3.12 would give the mean since the start of the run, later versions that of the batch.
        model.reset_metrics()
        losses.append(_finite(float(model.train_on_batch(images, labels)), "training"))
    return float(np.mean(losses))


def _finite(loss: float, which: str) -> float:
    if not math.isfinite(loss):
        raise RecipeError(f"The {which} loss is no longer a number: lower optimisation.learning_rate.")
    return loss


def _batches(cases: Sequence[Case], recipe: Recipe, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of an epoch, made ahead by a thread (SimpleITK and numpy release the interpreter while they work)."""
    size, steps = recipe.optimisation.batch_size, recipe.optimisation.steps_per_epoch

    def make(step: int) -> tuple[np.ndarray, np.ndarray]:
        return stack([random_patch(cases, recipe, epoch, step * size + i) for i in range(size)])

    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = [pool.submit(make, step) for step in range(min(PREFETCHED_BATCHES, steps))]
        for step in range(steps):
            batch = pending.pop(0).result()
            if step + PREFETCHED_BATCHES < steps:
                pending.append(pool.submit(make, step + PREFETCHED_BATCHES))
            yield batch


def validate(model: Any, patches: Sequence[Patch], loss: Callable) -> dict[str, float]:
    """Mean loss and mean hard Dice of the fixed validation patches.

    Returns:
        val_loss, val_dice (mean over the structures that there are) and val_dice_N for each label N, a mean over the
        patches that hold the structure, NaN if none does.

    Raises:
        RecipeError: the loss is no longer a number.
    """
    from keras import ops

    losses, scores = [], []
    for patch in patches:
        images, labels = stack([patch])
        logits = model.predict_on_batch(images)
        losses.append(float(ops.convert_to_numpy(loss(ops.convert_to_tensor(labels), ops.convert_to_tensor(logits)))))
        predicted = np.argmax(logits, axis=-1)
        scores.append([_dice(labels == label, predicted == label) for label in range(1, logits.shape[-1])])
    per_structure = [_mean_of_numbers(column) for column in np.transpose(scores)]
    named = {f"val_dice_{label}": score for label, score in enumerate(per_structure, start=1)}
    loss_of_all = _finite(float(np.mean(losses)), "validation")
    return {"val_loss": loss_of_all, "val_dice": _mean_of_numbers(np.array(per_structure)), **named}


def _mean_of_numbers(values: np.ndarray) -> float:
    """Mean without the NaN; NaN if there is nothing else."""
    numbers = values[~np.isnan(values)]
    return float(numbers.mean()) if numbers.size else math.nan


def _dice(reference: np.ndarray, candidate: np.ndarray) -> float:
    """Dice; NaN where the patch holds none of the structure."""
    if not reference.any():
        return float("nan")
    return 2.0 * float(np.sum(reference & candidate)) / float(reference.sum() + candidate.sum())


def _line(row: dict[str, Any], recipe: Recipe) -> str:
    minutes_left = (recipe.optimisation.epochs - row["epoch"]) * row["seconds"] / 60.0
    dice = " ".join(f"{title_of(s)} {row[f'val_dice_{s.label}']:.3f}" for s in recipe.structures)
    return (
        f"epoch {row['epoch']}/{recipe.optimisation.epochs}  loss {row['loss']:.4f}  validation loss "
        f"{row['val_loss']:.4f}  Dice {dice}  {row['kept']:9s}  "
        f"{row['seconds']:.0f} s, about {minutes_left:.0f} min left"
    )
