"""The weights that a run starts from: those of the same network, or what another network shares with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ParotidSegLib.errors import DataError, ParotidSegError
from ParotidSegLib.files.json_text import parse_json
from ParotidSegLib.model.networks import build_network

from .. import recipe as recipes
from ..recipe import Recipe
from .checkpoints import UNFIT, load_weights, save_weights
from .network_training import inference_twin

START_WEIGHTS = "start.weights.h5"


def start(model: Any, weights: Path, recipe: Recipe) -> str:
    """Load weights into a network; from another network, those of every layer with the same name and shape.

    What another network is, the file beside its weights tells: the recipe.json of a run, the bundle.json of a bundle.
    So the attention network can begin with all that a trained residual network knows.

    Args:
        model: the network to start.
        weights: a .weights.h5 file.
        recipe: of the model.

    Returns:
        What was taken over, for people.

    Raises:
        DataError: the weights are missing or damaged, or nothing of them fits.
    """
    refused = DataError(f"The weights {weights} to start from are missing or of another network.")
    at_random = model.get_weights()
    try:
        load_weights(model, weights)
    except UNFIT as error:
        model.set_weights(at_random)  # Keras may have filled some layers before it met one that does not fit
        donor = _network_of(weights, recipe)
        if donor is None:
            raise refused from error
        taken = _take_over(model, donor)
        if not taken:
            raise refused from error
        total = sum(bool(layer.weights) for layer in model.layers)
        return f"took over the weights of {taken} of {total} layers; the others start at random"
    return "took over all weights"


def keep(run: Path, model: Any | None) -> None:
    """Write the weights that a run starts with into its folder; of a run that starts at random (None), none.

    Raises:
        OutputError: the folder cannot be written.
    """
    if model is None:
        (run / START_WEIGHTS).unlink(missing_ok=True)
    else:
        save_weights(inference_twin(model), run / START_WEIGHTS)


def _network_of(weights: Path, recipe: Recipe) -> Any | None:
    """The network that the file's neighbour describes, with these weights; None if it cannot be known or read."""
    run, bundle = weights.with_name("recipe.json"), weights.with_name("bundle.json")
    try:
        if run.is_file():
            other = recipes.load(str(run))
            name, config = other.network, other.network_arguments
        else:
            segmenter = parse_json(bundle.read_text(encoding="utf-8"))["segmenter"]
            name, config = segmenter["network"], segmenter["config"]
        donor = build_network(name, tile=recipe.tile, config=config)
        load_weights(donor, weights)
    except (*UNFIT, ParotidSegError):
        return None
    return donor


def _take_over(model: Any, donor: Any) -> int:
    """Copy the weights of the layers that both have; their number."""
    known = {layer.name: layer for layer in donor.layers if layer.weights}
    taken = 0
    for layer in model.layers:
        other = known.get(layer.name)
        if other is not None and [w.shape for w in layer.weights] == [w.shape for w in other.weights]:
            layer.set_weights(other.get_weights())
            taken += 1
    return taken
