"""What a run can start from: the same network's weights, another network's, of a run or of a bundle."""

from __future__ import annotations

import shutil
from pathlib import Path

import made_training as made
import numpy as np
import pytest
from sentences import refusal

from ParotidSegLib.errors import DataError
from ParotidSegLib.model.bundle import load_bundle
from ParotidSegLib.model.networks import build_network
from ParotidSegTrainingLib.training.start_weights import START_WEIGHTS, keep, start

RESIDUAL = made.tiny_recipe()
ATTENTION = made.tiny_recipe(network="attention_unet")


def network(recipe):
    return build_network(recipe.network, tile=recipe.tile, config=recipe.network_arguments)


def by_layer(model) -> dict[str, list[np.ndarray]]:
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


@pytest.fixture(scope="module")
def residual(tmp_path_factory) -> tuple[Path, dict[str, list[np.ndarray]]]:
    """The weights of a residual network in a run folder, and what they are."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "recipe.json").write_text(RESIDUAL.to_json(), encoding="utf-8")
    model = network(RESIDUAL)
    model.save_weights(folder / "last.weights.h5")
    return folder / "last.weights.h5", by_layer(model)


def test_the_same_network_takes_all_weights(residual):
    path, expected = residual
    model = network(RESIDUAL)
    assert start(model, path, RESIDUAL) == "took over all weights"
    for name, weights in by_layer(model).items():
        for a, b in zip(weights, expected[name], strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_attention_network_takes_what_the_residual_network_knows_and_nothing_else_changes(residual):
    path, known = residual
    model = network(ATTENTION)
    before = by_layer(model)
    told = start(model, path, ATTENTION)
    after = by_layer(model)
    assert set(known) < set(after)
    assert told == f"took over the weights of {len(known)} of {len(after)} layers; the others start at random"
    for name, weights in after.items():
        for a, b in zip(weights, known.get(name, before[name]), strict=True):
            np.testing.assert_array_equal(a, b)


def test_layers_of_another_width_are_left_as_they_are(residual):
    path, known = residual
    wider = made.tiny_recipe(network_config={**RESIDUAL.network_config, "filters": [4, 16]})
    model = network(wider)
    before = by_layer(model)
    start(model, path, wider)
    fits = {name for name, weights in before.items() if [w.shape for w in weights] == [w.shape for w in known[name]]}
    assert set() < fits < set(before)
    for name, weights in by_layer(model).items():
        for a, b in zip(weights, (known if name in fits else before)[name], strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_weights_of_a_bundle_start_a_network_of_another_kind(tiny_bundle: Path):
    spec = load_bundle(tiny_bundle).segmenter
    donor = build_network(spec.network, tile=spec.tile, config=spec.config)
    donor.load_weights(tiny_bundle / spec.weights)
    recipe = made.tiny_recipe(network="attention_unet", network_config={"filters": list(spec.config["filters"])})
    model = network(recipe)
    start(model, tiny_bundle / spec.weights, recipe)
    started = by_layer(model)
    for name, weights in by_layer(donor).items():
        for a, b in zip(weights, started[name], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "neighbour", [None, "no JSON", '{"segmenter": {}}', '{"segmenter": {"network": "none", "config": {}}}']
)
def test_weights_of_another_network_that_nothing_describes_are_refused(residual, tmp_path, neighbour):
    shutil.copy(residual[0], tmp_path / "last.weights.h5")
    if neighbour is not None:
        (tmp_path / "bundle.json").write_text(neighbour, encoding="utf-8")
    assert "another network" in refusal(DataError, start, network(ATTENTION), tmp_path / "last.weights.h5", ATTENTION)


def test_what_a_run_starts_with_is_kept_and_goes_when_it_starts_anew_at_random(tmp_path):
    model, again = network(RESIDUAL), network(RESIDUAL)
    keep(tmp_path, model)
    start(again, tmp_path / START_WEIGHTS, RESIDUAL)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    keep(tmp_path, None)
    assert list(tmp_path.iterdir()) == []
