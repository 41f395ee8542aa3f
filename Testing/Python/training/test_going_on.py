"""A run goes on as what it began as, or not at all: after a stop, with other data, in a folder of something else."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import made_training as made
import numpy as np
import pytest
from run_checks import files, history, network, silent
from sentences import refusal

from ParotidSegLib.errors import BundleError, DataError, OutputError, RecipeError
from ParotidSegTrainingLib.data.dataset import DatasetFolder
from ParotidSegTrainingLib.recipe import Sampling
from ParotidSegTrainingLib.training.run_folder import claim, locked
from ParotidSegTrainingLib.training.trainer import fit

pytestmark = pytest.mark.engine
pytest.importorskip("keras")
pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def folder(made_dataset: Path) -> DatasetFolder:
    return DatasetFolder.open(made_dataset)


def begun(finished: Path, copy: Path) -> Path:
    """A copy of a finished run that takes its last epoch for not yet done."""
    shutil.copytree(finished, copy)
    state = json.loads((copy / "state.json").read_text(encoding="utf-8"))
    state.update(epoch=state["epoch"] - 1, rows=state["rows"][:-1])
    (copy / "state.json").write_text(json.dumps(state), encoding="utf-8")
    return copy


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


def test_a_run_that_was_stopped_and_resumed_equals_one_that_was_not(folder, tiny_run, tmp_path):
    lines: list[str] = []
    run = fit(made.tiny_recipe(), folder, tmp_path / "run", report=lines.append, stop_after_epochs=1)
    assert len(history(run)) == 1
    fit(made.tiny_recipe(), folder, run, report=lines.append)
    assert_same_run(run, tiny_run)
    assert files(run) == files(tiny_run)
    assert [line.split()[1] for line in lines if line.startswith("epoch")] == ["1/3", "2/3", "3/3"]


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


def test_two_processes_cannot_train_in_one_folder(folder, tmp_path):
    with locked(tmp_path / "run"):
        assert "Another process" in refusal(OutputError, fit, made.tiny_recipe(), folder, tmp_path / "run")
    assert files(tmp_path / "run") == []


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
