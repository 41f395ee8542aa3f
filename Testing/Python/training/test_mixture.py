"""Weights between those of two runs."""

from __future__ import annotations

from pathlib import Path

import made_training as made
import numpy as np
import pytest

from ParotidSegLib.errors import DataError
from ParotidSegLib.model.bundle import load_bundle
from ParotidSegLib.model.engines import open_engine, softmax
from ParotidSegLib.model.networks import build_network
from ParotidSegTrainingLib.training.bundling import make_bundle
from ParotidSegTrainingLib.training.mixture import Mixture

pytestmark = pytest.mark.engine
pytest.importorskip("keras")
pytest.importorskip("tensorflow")


def network(seed: int):
    """The tiny recipe's network with random weights."""
    recipe = made.tiny_recipe()
    model = build_network(recipe.network, tile=recipe.tile, config=recipe.network_arguments)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0.0, 0.1, weight.shape).astype(np.float32) for weight in model.get_weights()])
    return model


def saved(model, path: Path) -> Path:
    model.save_weights(path)
    return path


def test_a_network_gets_the_weighted_mean(tmp_path):
    mine, other = network(1), network(2)
    own = mine.get_weights()
    Mixture(saved(other, tmp_path / "other.weights.h5"), 0.25).into(mine)
    for mixed, first, second in zip(mine.get_weights(), own, other.get_weights(), strict=True):
        np.testing.assert_allclose(mixed, 0.75 * first + 0.25 * second, atol=1e-6)


def test_a_bundle_holds_the_mixed_weights_and_says_so(tiny_run, tmp_path):
    other = network(3)
    mixture = Mixture(saved(other, tmp_path / "other.weights.h5"), 0.4)
    folder = make_bundle(
        tmp_path / "tiny",
        name="tiny",
        version="0.1.0",
        segmenter_run=tiny_run,
        locator_run=None,
        choice="last",
        training={"data": "made heads"},
        description="Mixed.",
        mixed_with=mixture,
    )
    bundle, expected = load_bundle(folder), network(0)
    expected.load_weights(tiny_run / "last.weights.h5")
    mixture.into(expected)
    tile = np.random.default_rng(8).uniform(-1.0, 1.0, (*bundle.segmenter.tile, 1)).astype(np.float32)
    found = open_engine(bundle, bundle.segmenter, "keras").probabilities(tile)
    np.testing.assert_allclose(found, softmax(np.asarray(expected.predict_on_batch(tile[np.newaxis]))[0]), atol=1e-2)
    assert bundle.training["mixed_with"] == mixture.described()
    assert bundle.training["mixed_with"]["share"] == 0.4


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_a_share_that_leaves_one_of_the_two_out_is_refused(share):
    with pytest.raises(DataError, match="between 0 and 1"):
        Mixture(Path("some.weights.h5"), share)


def test_weights_that_are_missing_or_of_another_network_are_refused(tmp_path):
    recipe = made.tiny_recipe(network_config__filters=[6, 12])
    wider = build_network(recipe.network, tile=recipe.tile, config=recipe.network_arguments)
    for path in (tmp_path / "none.weights.h5", saved(wider, tmp_path / "wider.weights.h5")):
        model = network(1)
        with pytest.raises(DataError, match="missing or of another network"):
            Mixture(path, 0.5).into(model)
