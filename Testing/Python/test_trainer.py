"""Training: it learns, it goes on after any end as if nothing had happened, and it says what is wrong in a sentence.

All runs are tiny (a few steps of a network with 4 and 8 filters) and in float32; numbers are compared with a tolerance
because the order of summation over threads is not fixed.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import made_training as made
import numpy as np
import pytest
from sentences import refusal

from ParotidSegLib.errors import BundleError, DataError, OutputError, RecipeError
from ParotidSegLib.networks import build_network
from ParotidSegTrainingLib.data.dataset import DatasetFolder
from ParotidSegTrainingLib.losses import build_loss
from ParotidSegTrainingLib.recipe import Recipe, Sampling
from ParotidSegTrainingLib.training import trainer
from ParotidSegTrainingLib.training.batches import Prefetcher
from ParotidSegTrainingLib.training.devices import OneDevice
from ParotidSegTrainingLib.training.network_training import averaged_weights, compiled_network
from ParotidSegTrainingLib.training.patches import Patch
from ParotidSegTrainingLib.training.progress import Clock, unseen
from ParotidSegTrainingLib.training.run_folder import claim, locked
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


def silent(line: str) -> None:
    """A report that nobody reads."""


def history(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def begun(finished: Path, copy: Path) -> Path:
    """A copy of a finished run that takes its last epoch for not yet done."""
    shutil.copytree(finished, copy)
    state = json.loads((copy / "state.json").read_text(encoding="utf-8"))
    state.update(epoch=state["epoch"] - 1, rows=state["rows"][:-1])
    (copy / "state.json").write_text(json.dumps(state), encoding="utf-8")
    return copy


def network(recipe: Recipe, weights: Path):
    model = build_network(recipe.network, tile=recipe.tile, config=recipe.network_config)
    model.load_weights(weights)
    return model


def assert_same_run(first: Path, second: Path) -> None:
    """The same history but for the seconds, and the same weights."""
    one, two = history(first), history(second)
    assert [row["epoch"] for row in one] == [row["epoch"] for row in two]
    for a, b in zip(one, two, strict=True):
        assert (a["step"], a["kept"]) == (b["step"], b["kept"])
        for column in ("learning_rate", "loss", "val_loss", "val_dice", "val_dice_1", "val_dice_2"):
            assert float(a[column]) == pytest.approx(float(b[column]), abs=1e-5), column
    recipe = made.tiny_recipe()
    for name in ("last", "hybrid"):
        weights = [network(recipe, run / f"{name}.weights.h5").get_weights() for run in (first, second)]
        for a, b in zip(*weights, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)


def files(run: Path) -> list[str]:
    return sorted(path.name for path in run.iterdir())


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


def test_a_run_that_was_stopped_and_resumed_equals_one_that_was_not(folder, tiny_run, tmp_path):
    lines: list[str] = []
    run = fit(made.tiny_recipe(), folder, tmp_path / "run", report=lines.append, stop_after_epochs=1)
    assert len(history(run)) == 1
    fit(made.tiny_recipe(), folder, run, report=lines.append)
    assert_same_run(run, tiny_run)
    assert files(run) == files(tiny_run)
    assert [line.split()[1] for line in lines if line.startswith("epoch")] == ["1/3", "2/3", "3/3"]


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


def test_a_finished_run_is_left_as_it_is(folder, tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    before = files(run)
    fit(made.tiny_recipe(), folder, run, report=silent)
    assert files(run) == before
    for path in (path for path in tiny_run.rglob("*") if path.is_file()):
        assert (run / path.relative_to(tiny_run)).read_bytes() == path.read_bytes(), path.name


def test_another_recipe_in_the_folder_of_a_run_is_refused(folder, tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    changed = made.tiny_recipe(optimisation__learning_rate=0.02)
    assert "another recipe" in refusal(RecipeError, fit, changed, folder, run)
    assert files(run) == files(tiny_run)
    assert (run / "recipe.json").read_bytes() == (tiny_run / "recipe.json").read_bytes()


def test_a_run_from_before_a_field_was_added_can_be_resumed(tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    older = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    del older["sampling"]["foreground_share"], older["optimisation"]["clip_norm"]
    (run / "recipe.json").write_text(json.dumps(older), encoding="utf-8")
    claim(run, made.tiny_recipe(sampling__foreground_share=Sampling().foreground_share))
    refusal(RecipeError, claim, run, made.tiny_recipe(sampling__foreground_share=0.5))


def test_a_recipe_that_never_ran_does_not_bar_the_folder(folder, tmp_path):
    broken = made.tiny_recipe(network_config__filters=[4, 8, 16, 32, 64, 128])
    refusal(BundleError, fit, broken, folder, tmp_path)
    # The right recipe gets as far as what is wrong with the data.
    empty = dataclasses.replace(folder, splits={"train": ()})
    refusal(DataError, fit, made.tiny_recipe(), empty, tmp_path)
    assert (tmp_path / "recipe.json").read_text(encoding="utf-8") == made.tiny_recipe().to_json()


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


def test_two_processes_cannot_train_in_one_folder(folder, tmp_path):
    with locked(tmp_path / "run"):
        assert "Another process" in refusal(OutputError, fit, made.tiny_recipe(), folder, tmp_path / "run")
    assert files(tmp_path / "run") == []


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


def test_a_run_folder_that_is_a_file_is_refused(folder, tmp_path):
    (tmp_path / "run").write_text("a file", encoding="utf-8")
    refusal(OutputError, fit, made.tiny_recipe(), folder, tmp_path / "run")


def test_a_run_whose_state_lost_its_weights_is_refused(folder, tiny_run, tmp_path):
    run = begun(tiny_run, tmp_path / "run")
    (run / "state-3.weights.h5").unlink()
    refusal(DataError, fit, made.tiny_recipe(), folder, run, report=silent)


def test_a_run_goes_on_with_the_data_set_that_it_began_with_or_not_at_all(folder, tiny_run, tmp_path):
    run = begun(tiny_run, tmp_path / "run")
    fewer = dataclasses.replace(folder, splits={**folder.splits, "train": ("head_1", "head_2")})
    assert "data set" in refusal(DataError, fit, made.tiny_recipe(), fewer, run, report=silent)


def test_a_run_goes_on_in_the_precision_that_it_began_with(folder, tiny_run, tmp_path):
    run = begun(tiny_run, tmp_path / "run")
    content = json.loads((run / "provenance.json").read_text(encoding="utf-8"))
    (run / "provenance.json").write_text(json.dumps({**content, "precision": "mixed_bfloat16"}), encoding="utf-8")
    lines: list[str] = []
    fit(made.tiny_recipe(), folder, run, report=lines.append, stop_after_epochs=0)
    assert "mixed_bfloat16 because the run began with it" in lines[0]


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


def test_a_validation_loss_that_is_no_number_ends_the_run_with_a_sentence():
    patch = patch_of([0, 1, 2, 0])
    broken = SimpleNamespace(predict_on_batch=lambda images: np.full((1, *patch.labels.shape, 3), np.nan, np.float32))
    assert "validation" in refusal(RecipeError, validate, broken, [patch], build_loss({"name": "mdsc"}))


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


class Painter:
    """Stands in for a network: answers each patch with the logits of the labels that it was given."""

    def __init__(self, answers: list[np.ndarray]) -> None:
        self.answers = iter(answers)

    def predict_on_batch(self, images: np.ndarray) -> np.ndarray:
        return 50.0 * np.eye(3, dtype=np.float32)[next(self.answers)][np.newaxis]


def patch_of(labels: list[int]) -> Patch:
    array = np.array(labels, np.uint8).reshape(1, 1, -1)
    return Patch(np.zeros((*array.shape, 1), np.float32), array)


def test_validation_counts_each_gland_over_the_patches_that_hold_it():
    patches = [patch_of([0, 1, 1, 2]), patch_of([0, 1, 0, 0]), patch_of([0, 0, 0, 0])]
    answers = [np.array(a).reshape(1, 1, -1) for a in ([0, 1, 0, 2], [0, 1, 1, 0], [2, 0, 0, 0])]
    scores = validate(Painter(answers), patches, build_loss({"name": "cross_entropy"}))
    assert scores["val_dice_1"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert scores["val_dice_2"] == pytest.approx(1.0)
    assert scores["val_dice"] == pytest.approx((2 / 3 + 1.0) / 2)
    assert scores["val_loss"] == pytest.approx(np.mean([50.0 / 4, 50.0 / 4, 50.0 / 4]), rel=1e-5)


def test_a_gland_that_no_validation_patch_holds_is_left_out_of_the_mean():
    patch = patch_of([0, 1, 1, 0])
    scores = validate(Painter([patch.labels]), [patch], build_loss({"name": "mdsc"}))
    assert math.isnan(scores["val_dice_2"])
    assert scores["val_dice"] == scores["val_dice_1"] == 1.0


def test_the_state_is_plain_json_that_names_its_weights(tiny_run):
    state = json.loads((tiny_run / "state.json").read_text(encoding="utf-8"))
    assert (state["epoch"], state["weights"]) == (3, "state-3.weights.h5")
    assert state["checkpoint"]["best_loss"] == min(row["val_loss"] for row in state["rows"])
