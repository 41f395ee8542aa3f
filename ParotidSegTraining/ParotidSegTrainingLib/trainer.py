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

import csv
import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ParotidSegLib.atomic import atomic_path
from ParotidSegLib.errors import DataError, RecipeError
from ParotidSegLib.networks import build_network

from .checkpoints import HybridCheckpoint
from .dataset import Case, DatasetFolder, load_case
from .losses import build_loss
from .patches import Patch, random_patch, validation_patch
from .recipe import Recipe

HISTORY = ("epoch", "step", "seconds", "learning_rate", "loss", "val_loss", "val_dice", "val_dice_1", "val_dice_2", "kept")
PREFETCHED_BATCHES = 4


def fit(
    recipe: Recipe,
    folder: DatasetFolder,
    run: Path,
    *,
    report: Callable[[str], None] = print,
    stop_after_epochs: int | None = None,
) -> Path:
    """Train a network, or go on with a run that was interrupted.

    Args:
        recipe: what to run; of an existing run folder it must be the same recipe.
        folder: the data set; `train` trains, `validation` chooses.
        run: folder of the run, made if needed.
        report: takes one line of text an epoch.
        stop_after_epochs: leave after this many epochs of this call (the run can be resumed).

    Returns:
        The run folder.

    Raises:
        RecipeError, DataError: before the first step, if the recipe or the data set is not usable.
    """
    import keras

    run.mkdir(parents=True, exist_ok=True)
    _claim(run, recipe)
    train_names = folder.cases("train", recipe.exclude)
    validation_names = folder.cases("validation", recipe.exclude)
    loss = build_loss(recipe.loss)
    keras.utils.set_random_seed(recipe.seed)
    keras.config.set_dtype_policy("mixed_bfloat16" if recipe.precision == "auto" else recipe.precision)
    model = build_network(recipe.network, tile=recipe.tile, config=recipe.network_config)
    model.compile(optimizer=_optimizer(recipe), loss=loss, jit_compile=False)
    report(f"{recipe.name}: {model.count_params():,} weights; reading {len(train_names)} + {len(validation_names)} cases")
    train_cases = _load(folder, train_names, recipe)
    validation = [validation_patch(case, recipe) for case in _load(folder, validation_names, recipe)]

    state = _State.load(run, model)
    first = state.epoch
    for epoch in range(first, recipe.optimisation.epochs):
        if stop_after_epochs is not None and epoch - first >= stop_after_epochs:
            break
        started = time.monotonic()
        train_loss = _train_epoch(model, train_cases, recipe, epoch)
        trained = model.get_weights()
        if recipe.optimisation.ema:
            model.optimizer.finalize_variable_values(model.trainable_variables)
        scores = validate(model, validation, loss)
        both, dice = state.checkpoint.update(scores["val_dice"], scores["val_loss"])
        for name, wanted in (("hybrid", both), ("best_dice", dice), ("last", True)):
            if wanted:
                save_weights(model, run / f"{name}.weights.h5")
        model.set_weights(trained)
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
    """Write the recipe into a new run folder, or check that an old one holds the same."""
    path = run / "recipe.json"
    if path.is_file() and path.read_text(encoding="utf-8") != recipe.to_json():
        raise RecipeError(f"{run} holds a run of another recipe; choose an empty folder or the recipe that it holds.")
    with atomic_path(path) as temporary:
        temporary.write_text(recipe.to_json(), encoding="utf-8")


def _load(folder: DatasetFolder, names: Sequence[str], recipe: Recipe) -> list[Case]:
    half_diagonal = float(np.linalg.norm(np.array(recipe.tile) * recipe.preprocessing.spacing)) / 2.0
    margin = half_diagonal + max(recipe.sampling.jitter)
    with ThreadPoolExecutor(max_workers=2) as pool:
        cases = list(pool.map(lambda name: load_case(folder, name, recipe.preprocessing.spacing, margin), names))
    if not any(len(points) for case in cases for points in case.gland_points):
        raise DataError("No mask of this split holds a gland: there is nothing to learn or to validate on.")
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


def _train_epoch(model, cases: Sequence[Case], recipe: Recipe, epoch: int) -> float:
    losses = [float(model.train_on_batch(images, labels)) for images, labels in _batches(cases, recipe, epoch)]
    mean = float(np.mean(losses))
    if not np.isfinite(mean):
        raise RecipeError("The training loss is no longer a number: lower optimisation.learning_rate.")
    return mean


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


def stack(patches: Sequence[Patch]) -> tuple[np.ndarray, np.ndarray]:
    """Patches as a batch: images (batch, z, y, x, 1) float32 and labels (batch, z, y, x) uint8."""
    return np.stack([p.image for p in patches]), np.stack([p.labels for p in patches])


def validate(model, patches: Sequence[Patch], loss: Callable) -> dict[str, float]:
    """Mean loss and mean hard Dice of the fixed validation patches.

    Returns:
        val_loss, val_dice (mean over glands) and val_dice_1, val_dice_2 (right, left), each a mean over the patches that
        hold the gland.
    """
    from keras import ops

    losses, scores = [], []
    for patch in patches:
        images, labels = stack([patch])
        logits = model.predict_on_batch(images)
        losses.append(float(ops.convert_to_numpy(loss(ops.convert_to_tensor(labels), ops.convert_to_tensor(logits)))))
        predicted = np.argmax(logits[0], axis=-1)
        scores.append([_dice(patch.labels == label, predicted == label) for label in range(1, logits.shape[-1])])
    per_gland = np.nanmean(np.array(scores), axis=0)
    named = {f"val_dice_{label}": float(score) for label, score in enumerate(per_gland, start=1)}
    return {"val_loss": float(np.mean(losses)), "val_dice": float(np.mean(per_gland)), **named}


def _dice(reference: np.ndarray, candidate: np.ndarray) -> float:
    """Dice; NaN where the patch holds none of the gland."""
    if not reference.any():
        return float("nan")
    return 2.0 * float(np.sum(reference & candidate)) / float(reference.sum() + candidate.sum())


def save_weights(model, path: Path) -> None:
    """Write Keras weights whole or not at all; the path ends in .weights.h5."""
    with atomic_path(path) as temporary:
        model.save_weights(temporary)


@dataclasses.dataclass
class _State:
    """What a resumed run needs beside its recipe."""

    epoch: int = 0
    checkpoint: HybridCheckpoint = dataclasses.field(default_factory=HybridCheckpoint)
    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    @classmethod
    def load(cls, run: Path, model) -> _State:
        """The state of the run folder, with weights and optimizer put into the model; a new one if there is none."""
        path = run / "state.json"
        if not path.is_file():
            return cls()
        data = json.loads(path.read_text(encoding="utf-8"))
        model.optimizer.build(model.trainable_variables)
        model.load_weights(run / data["weights"])
        return cls(data["epoch"], HybridCheckpoint(**data["checkpoint"]), data["rows"])

    def save(self, run: Path, model) -> None:
        """Write weights first, then the file that names them: a kill between the two leaves the older state."""
        weights = run / f"state-{self.epoch}.weights.h5"
        save_weights(model, weights)
        content = {
            "epoch": self.epoch,
            "weights": weights.name,
            "checkpoint": dataclasses.asdict(self.checkpoint),
            "rows": self.rows,
        }
        with atomic_path(run / "state.json") as temporary:
            temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
        with atomic_path(run / "history.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, HISTORY)
            writer.writeheader()
            writer.writerows(self.rows)
        for old in run.glob("state-*.weights.h5"):
            if old != weights:
                old.unlink()


def _line(row: dict[str, Any], recipe: Recipe) -> str:
    left = (recipe.optimisation.epochs - row["epoch"]) * row["seconds"] / 60.0
    return (
        f"epoch {row['epoch']}/{recipe.optimisation.epochs}  loss {row['loss']:.4f}  validation loss "
        f"{row['val_loss']:.4f}  Dice right {row['val_dice_1']:.3f} left {row['val_dice_2']:.3f}  {row['kept']:9s}  "
        f"{row['seconds']:.0f} s, about {left:.0f} min left"
    )
