"""Recipes: what ships loads, and whatever is wrong with one is said before anything runs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from sentences import refusal

from ParotidSegLib.errors import RecipeError
from ParotidSegLib.model.networks import spatial_shape
from ParotidSegTrainingLib import recipe as recipes
from ParotidSegTrainingLib.cli import main
from ParotidSegTrainingLib.losses import build_loss


def written(folder: Path, data: object) -> str:
    path = folder / "recipe.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return str(path)


@pytest.fixture
def shipped() -> dict:
    """The shipped recipe as JSON data, to be changed."""
    return json.loads(recipes.load("parotid-ct").to_json())


def test_the_model_and_its_locator_have_a_recipe():
    assert {"parotid-ct", "parotid-locator"} <= set(recipes.names())


@pytest.mark.parametrize("name", recipes.names())
def test_a_shipped_recipe_loads_and_survives_writing_and_reading(name, tmp_path):
    recipe = recipes.load(name)
    path = tmp_path / "recipe.json"
    path.write_text(recipe.to_json(), encoding="utf-8")
    assert recipe.name == name
    assert recipes.load(str(path)) == recipe
    assert recipes.load(str(path)).to_json() == recipe.to_json()


@pytest.mark.parametrize("name", recipes.names())
def test_a_shipped_recipe_names_a_loss_that_exists_and_a_tile_that_the_network_can_halve(name):
    recipe = recipes.load(name)
    assert callable(build_loss(recipe.loss))
    factor = 2 ** (len(recipe.network_config["filters"]) - 1)
    assert not any(edge % factor for edge in spatial_shape(recipe.tile))


def test_a_recipe_is_written_with_every_field(shipped):
    assert list(shipped) == [field.name for field in dataclasses.fields(recipes.Recipe)]
    assert shipped["augmentation"]["mirror"] == recipes.load("parotid-ct").augmentation.mirror


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("colour", 1),
        ("optimisation.momentum", 0.9),
        ("sampling.anchor.deeper", 1),
        ("name", 3),
        ("tile", [16, 16]),
        ("tile", "16"),
        ("tile", [16, 16, 16.5]),
        ("tile", [16, 0, 16]),
        ("network_config", [16]),
        ("augmentation", 3),
        ("exclude", ["pt_1", 2]),
        ("seed", True),
        ("seed", -1),
        ("precision", "float8"),
        ("loss", {}),
        ("loss.name", ["hybrid"]),
        ("preprocessing.spacing", [3, 3, 0]),
        ("preprocessing.channels", [{"window": [300, -200]}]),
        ("preprocessing.channels", [{"input": 1}]),
        ("preprocessing.inputs", [{"name": "ct", "modality": "X-ray"}]),
        ("structures", []),
        ("augmentation.tones", [[0.0, 0.1]]),
        ("augmentation.gamma", -0.1),
        ("sampling.anchor", "nose"),
        ("sampling.foreground_share", 1.5),
        ("sampling.jitter", [1, 1, -1]),
        ("augmentation.mirror", 2),
        ("augmentation.truncation", -0.1),
        ("augmentation.streaks", -0.1),
        ("augmentation.bolus", 1.1),
        ("augmentation.devices", -0.1),
        ("augmentation.field", 2),
        ("augmentation.rotation", -1),
        ("augmentation.scale", 1),
        ("augmentation.gain", 1.0),
        ("augmentation.noise", float("nan")),
        ("optimisation.learning_rate", 0),
        ("optimisation.learning_rate", "fast"),
        ("optimisation.learning_rate", float("inf")),
        ("optimisation.schedule", "staircase"),
        ("optimisation.warmup_steps", -1),
        ("optimisation.step_epochs", 0),
        ("optimisation.step_factor", 0),
        ("optimisation.step_factor", 1.5),
        ("optimisation.power", 0),
        ("optimisation.accumulate", 0),
        ("optimisation.patience", -1),
        ("optimisation.weight_decay", -0.1),
        ("optimisation.clip_norm", 0),
        ("optimisation.ema", 1.0),
        ("optimisation.batch_size", 0),
        ("optimisation.epochs", 2.5),
        ("optimisation.steps_per_epoch", None),
    ],
)
def test_a_wrong_field_is_named(field, value):
    assert field in refusal(RecipeError, recipes.load, "parotid-ct", {field: value})


def test_a_wrong_field_in_a_file_is_named_too(shipped, tmp_path):
    shipped["optimisation"]["epochs"] = "many"
    assert "optimisation.epochs" in refusal(RecipeError, recipes.load, written(tmp_path, shipped))


@pytest.mark.parametrize(("table", "field"), [(None, "network"), ("preprocessing", "spacing"), (None, "tile")])
def test_a_missing_field_is_named(shipped, tmp_path, table, field):
    del (shipped[table] if table else shipped)[field]
    path = written(tmp_path, shipped)
    assert f"{table}.{field}" if table else field in refusal(RecipeError, recipes.load, path)


def test_fields_with_a_default_may_be_left_out(shipped, tmp_path):
    del shipped["augmentation"], shipped["optimisation"]["ema"]
    recipe = recipes.load(written(tmp_path, shipped))
    assert recipe.augmentation == recipes.Augmentation()
    assert recipe.optimisation.ema == recipes.Optimisation().ema


@pytest.mark.parametrize("content", [b"", b"{", b"name: tiny", b"\xff\xfe{}", b"[1, 2]", b'"tiny"'])
def test_a_file_that_holds_no_json_table_is_refused_with_and_without_overrides(tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    for overrides in ({}, {"name": "other"}):
        refusal(RecipeError, recipes.load, str(path), overrides)


def test_a_recipe_that_does_not_exist_is_refused_with_the_names_of_those_that_do(tmp_path):
    assert "parotid-locator" in refusal(RecipeError, recipes.load, "parotid")
    refusal(RecipeError, recipes.load, str(tmp_path))


def test_overrides_reach_every_level_and_nothing_else():
    overrides = {"seed": 7, "optimisation.epochs": 3, "network_config.filters": [4, 8], "sampling.jitter": [1, 2, 3]}
    plain, changed = recipes.load("parotid-ct"), recipes.load("parotid-ct", overrides)
    assert (changed.seed, changed.optimisation.epochs) == (7, 3)
    assert changed.network_config == {**plain.network_config, "filters": [4, 8]}
    assert changed.sampling.jitter == (1.0, 2.0, 3.0)
    back = dataclasses.replace(
        changed,
        seed=plain.seed,
        optimisation=plain.optimisation,
        network_config=plain.network_config,
        sampling=plain.sampling,
    )
    assert back == plain


def test_overrides_are_taken_in_their_order_and_stay_as_they_were():
    overrides = {"sampling": {"anchor": "voxel"}, "sampling.anchor": "midpoint"}
    assert recipes.load("parotid-ct", overrides).sampling.anchor == "midpoint"
    assert overrides["sampling"] == {"anchor": "voxel"}


def test_whole_numbers_serve_where_a_fraction_is_meant():
    rate = recipes.load("parotid-ct", {"optimisation.learning_rate": 1}).optimisation.learning_rate
    assert isinstance(rate, float)


def test_the_steps_of_a_run_are_those_of_all_its_epochs():
    assert recipes.Optimisation(steps_per_epoch=7, epochs=3).total_steps == 21


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_lists_the_recipes_and_shows_one_with_all_its_fields(capsys):
    assert main(["recipes"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == recipes.names()
    assert main(["recipes", "hie-unet"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(recipes.load("hie-unet").to_json())


def test_a_copy_of_a_recipe_is_a_recipe_of_its_own_and_replaces_nothing(tmp_path, capsys):
    copy = tmp_path / "my recipes" / "mine.json"
    assert main(["recipes", "abdomen-unet2d", "--copy", str(copy)]) == 0
    assert f"parotidseg-train fit '{copy}' ..." in capsys.readouterr().out
    assert recipes.load(str(copy)) == dataclasses.replace(recipes.load("abdomen-unet2d"), name="mine")
    assert main(["recipes", "hie-unet", "--copy", str(copy)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert recipes.load(str(copy)).network_config == recipes.load("abdomen-unet2d").network_config
