"""Training: it learns, keeps the right weights, and says what is wrong in a sentence.

All runs are tiny (a few steps of a network with 4 and 8 filters) and in float32; numbers are compared with a tolerance
because the order of summation over threads is not fixed.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from types import SimpleNamespace

import made_training as made
import numpy as np
import pytest
from run_checks import files, history, network, silent
from sentences import refusal

from ParotidSegLib.errors import DataError, RecipeError
from ParotidSegTrainingLib.data.dataset import DatasetFolder
from ParotidSegTrainingLib.losses import build_loss
from ParotidSegTrainingLib.recipe import Recipe
from ParotidSegTrainingLib.training import trainer
from ParotidSegTrainingLib.training.batches import Prefetcher
from ParotidSegTrainingLib.training.devices import OneDevice
from ParotidSegTrainingLib.training.network_training import averaged_weights, compiled_network
from ParotidSegTrainingLib.training.patches import Patch
from ParotidSegTrainingLib.training.progress import Clock, unseen
from ParotidSegTrainingLib.training.schedules import learning_rate
from ParotidSegTrainingLib.training.trainer import fit
from ParotidSegTrainingLib.training.validation import validate

pytestmark = pytest.mark.engine
keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

KEPT = [
    "best_dice.weights.h5",
    "history.csv",
    "hybrid.weights.h5",
    "last.weights.h5",
    "provenance.json",
    "recipe.json",
    "state.json",
    "tensorboard",
]


@pytest.fixture(scope="module")
def folder(made_dataset: Path) -> DatasetFolder:
    return DatasetFolder.open(made_dataset)


def test_the_loss_falls_and_the_run_holds_what_it_should(tiny_run):
    rows = history(tiny_run)
    losses = [float(row["loss"]) for row in rows]
    assert losses[2] < losses[1] < losses[0]
    assert losses[2] < 0.95 * losses[0]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [row["step"] for row in rows] == ["8", "16", "24"]
    assert [float(row["learning_rate"]) for row in rows] == [
        learning_rate(made.tiny_recipe().optimisation, step) for step in (7, 15, 23)
    ]
    assert rows[0]["kept"] == "hybrid"
    assert set(files(tiny_run)) == {*KEPT, "state-3.weights.h5"}
    assert (tiny_run / "recipe.json").read_text(encoding="utf-8") == made.tiny_recipe().to_json()


def test_the_history_has_a_column_for_each_gland(tiny_run):
    row = history(tiny_run)[0]
    columns = ["epoch", "step", "seconds", "waited", "learning_rate", "loss"]
    assert list(row) == [*columns, "val_loss", "val_dice", "val_dice_1", "val_dice_2", "kept"]
    mean = (float(row["val_dice_1"]) + float(row["val_dice_2"])) / 2.0
    assert float(row["val_dice"]) == pytest.approx(mean)


def test_the_averaged_weights_are_validated_and_kept_not_the_raw_ones(folder, tiny_run):
    recipe = made.tiny_recipe()
    patches = [
        patch
        for case in trainer._load(folder, folder.cases("validation"), recipe)
        for patch in trainer.validation_patches(case, recipe)
    ]
    loss = build_loss(recipe.loss)
    kept, raw = network(recipe, tiny_run / "last.weights.h5"), network(recipe, tiny_run / "state-3.weights.h5")
    reported = float(history(tiny_run)[-1]["val_loss"])
    assert validate(kept, patches, loss)["val_loss"] == pytest.approx(reported, abs=1e-5)
    assert abs(validate(raw, patches, loss)["val_loss"] - reported) > 1e-4


def test_without_a_moving_average_the_weights_themselves_are_kept():
    recipe = made.tiny_recipe(optimisation__ema=0.0)
    model = compiled_network(recipe, build_loss(recipe.loss))
    before = model.get_weights()
    with averaged_weights(model):
        inside = model.get_weights()
    for a, b in zip(before, inside, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_second_phase_starts_from_the_weights_of_the_first(folder, tiny_run, tmp_path):
    """With a rate of next to nothing the weights stay those that it started from."""
    recipe = made.tiny_recipe(
        optimisation__learning_rate=1e-12, optimisation__epochs=1, optimisation__steps_per_epoch=1
    )
    run = fit(recipe, folder, tmp_path / "run", report=silent, start_from=tiny_run / "last.weights.h5")
    before, after = (network(recipe, weights / "last.weights.h5") for weights in (tiny_run, run))
    for a, b in zip(before.get_weights(), after.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("name", ["missing.weights.h5", "damaged.weights.h5"])
def test_weights_to_start_from_that_cannot_be_read_are_refused(folder, tmp_path, name):
    (tmp_path / "damaged.weights.h5").write_bytes(b"no weights")
    text = refusal(
        DataError, fit, made.tiny_recipe(), folder, tmp_path / "run", report=silent, start_from=tmp_path / name
    )
    assert name in text


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"network_config__classes": 2}, "classes"),
        ({"network_config__classes": 4}, "classes"),
        ({"network_config__input_channels": 2}, "channel"),
        ({"loss": {"name": "focal", "alpha": [1, 1]}}, "loss.alpha"),
        ({"loss": {"name": "focal", "beta": 1}}, "focal"),
        ({"loss": {"name": "nothing"}}, "nothing"),
    ],
)
def test_a_network_or_loss_that_does_not_fit_is_refused_before_anything_is_read(folder, tmp_path, changes, named):
    lines: list[str] = []
    assert named in refusal(RecipeError, fit, made.tiny_recipe(**changes), folder, tmp_path, report=lines.append)
    assert lines == []


def test_an_empty_split_is_refused(folder, tmp_path):
    recipe = made.tiny_recipe(exclude=["head_4", "head_5"])
    assert "validation" in refusal(DataError, fit, recipe, folder, tmp_path)


def test_accumulated_batches_make_the_step_of_one_large_batch(folder, tmp_path):
    """With a loss that is a mean over voxels, and up to the order of summation."""
    settings = {"learning_rate": 0.01, "steps_per_epoch": 4, "epochs": 1, "ema": 0.5, "weight_decay": 0.01}
    kept = []
    for size, accumulate in ((4, 1), (2, 2)):
        recipe = made.tiny_recipe(
            optimisation={**settings, "batch_size": size, "accumulate": accumulate}, loss={"name": "focal"}
        )
        run = fit(recipe, folder, tmp_path / f"{accumulate}", report=silent)
        kept.append((network(recipe, run / "last.weights.h5").get_weights(), float(history(run)[0]["loss"])))
    assert kept[0][1] == pytest.approx(kept[1][1], rel=1e-5)
    for large, accumulated in zip(kept[0][0], kept[1][0], strict=True):
        np.testing.assert_allclose(large, accumulated, atol=2e-5)


def test_a_run_ends_early_without_gains_and_stays_ended(folder, tmp_path):
    """With a rate of next to nothing the Dice never changes after the first epoch."""
    settings = {"learning_rate": 1e-12, "steps_per_epoch": 1, "epochs": 9, "patience": 2}
    recipe = made.tiny_recipe(optimisation=settings)
    lines: list[str] = []
    run = fit(recipe, folder, tmp_path / "run", report=lines.append, stop_after_epochs=2)
    assert "without a better" not in lines[-1]
    fit(recipe, folder, run, report=lines.append)
    assert [row["kept"] for row in history(run)] == ["hybrid", "", ""]
    assert "2 epochs without a better validation Dice" in lines[-1]
    fit(recipe, folder, run, report=lines.append)
    assert "finished after 3 epochs" in lines[-1]
    assert len(history(run)) == 3


def test_the_kept_weights_hold_no_optimizer_and_the_state_does(tiny_run):
    import h5py

    for name, wanted in (("last", False), ("hybrid", False), ("best_dice", False), ("state-3", True)):
        with h5py.File(tiny_run / f"{name}.weights.h5") as file:
            assert ("optimizer" in file) is wanted, name


def test_the_provenance_says_what_the_run_was_made_with_and_names_no_case(tiny_run, made_dataset):
    text = (tiny_run / "provenance.json").read_text(encoding="utf-8")
    content = json.loads(text)
    assert content["precision"] == "float32"
    assert [content["data"][split]["cases"] for split in ("train", "validation")] == [3, 2]
    (session,) = content["sessions"]
    assert session["from_epoch"] == 1
    assert session["software"]["keras"] == keras.__version__
    assert session["software"]["backend"] == keras.config.backend()
    assert session["hardware"]["devices"] == ["CPU"]
    assert "head_" not in text
    assert str(made_dataset) not in text


def test_progress_tells_stage_share_and_time_left(folder, tmp_path):
    said: list[tuple[str, float, str]] = []
    recipe = made.tiny_recipe(optimisation__epochs=2, optimisation__steps_per_epoch=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ParotidSegTrainingLib.training.progress.INTERVAL", 0.0)
        fit(recipe, folder, tmp_path / "run", report=silent, progress=lambda *now: said.append(now))
    assert [stage for stage, _, _ in said] == [*["read"] * 5, *["train", "train", "validate", "epoch"] * 2]
    assert said[4][2] == "reading case 5 of 5"
    shares = [fraction for _, fraction, _ in said]
    assert shares == sorted(shares)
    assert shares[5:7] == [0.25, 0.5]
    assert shares[-1] == 1.0
    assert "epoch 1/2  step 1/2" in said[5][2]
    assert "left" in said[5][2]


def test_a_split_without_a_single_gland_is_refused(folder):
    case = trainer._load(folder, ["head_1"], made.tiny_recipe())[0]
    empty = dataclasses.replace(case, points=(np.zeros((0, 3)),) * 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "load_case", lambda *_: empty)
        refusal(DataError, trainer._load, folder, ["head_1"], made.tiny_recipe())


def test_a_training_loss_that_is_no_number_ends_the_run_with_a_sentence(folder):
    recipe = made.tiny_recipe()

    class Diverged(OneDevice):
        """Stands in for a network whose second step goes wrong."""

        losses = iter([0.5, math.nan])

        def train_on_batch(self, model: object, images: np.ndarray, labels: np.ndarray) -> float:
            return next(self.losses)

    model = SimpleNamespace(optimizer=SimpleNamespace(), variables=[])
    training = trainer._Training(recipe, model, model, build_loss(recipe.loss), Diverged(), {})
    training.cases = trainer._load(folder, ["head_1"], recipe)
    clock = Clock(1, 8, 0)
    assert "learning_rate" in refusal(RecipeError, trainer._train_epoch, training, 0, Prefetcher(1), clock, unseen)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_epoch_takes_each_position_once_and_in_order(monkeypatch, workers):
    recipe = made.tiny_recipe(optimisation__batch_size=3, optimisation__accumulate=2)

    def numbered(cases: object, recipe: Recipe, epoch: int, position: int) -> Patch:
        return Patch(np.full((1, 1, 1, 1), position, np.float32), np.full((1, 1, 1), epoch, np.uint8))

    monkeypatch.setattr(trainer, "random_patch", numbered)
    batches = list(trainer._batches([], recipe, 2, Prefetcher(workers)))
    assert [images.ravel().tolist() for images, _ in batches] == [[3 * i, 3 * i + 1, 3 * i + 2] for i in range(16)]
    assert {int(label) for _, labels in batches for label in labels.ravel()} == {2}


def test_the_precision_of_a_run_leaves_other_networks_alone():
    before = keras.config.dtype_policy().name
    recipe = made.tiny_recipe()
    model = compiled_network(recipe, build_loss(recipe.loss), precision="mixed_bfloat16")
    assert {layer.compute_dtype for layer in model.layers} == {"bfloat16", "float32"}
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert keras.config.dtype_policy().name == before


def test_the_state_is_plain_json_that_names_its_weights(tiny_run):
    state = json.loads((tiny_run / "state.json").read_text(encoding="utf-8"))
    assert (state["epoch"], state["weights"]) == (3, "state-3.weights.h5")
    assert state["checkpoint"]["best_loss"] == min(row["val_loss"] for row in state["rows"])
