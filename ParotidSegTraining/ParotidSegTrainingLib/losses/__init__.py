"""The losses that a recipe can name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ParotidSegLib.errors import RecipeError

from .combined import hybrid
from .focal import cross_entropy, focal
from .overlap import mdsc

REGISTRY: dict[str, Callable[..., Callable]] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "mdsc": mdsc,
    "hybrid": hybrid,
}


def build_loss(settings: Mapping[str, Any]) -> Callable:
    """The loss that a recipe's {"name": …, parameters} asks for.

    Returns:
        loss(labels, logits) -> scalar.

    Raises:
        RecipeError: the name or a parameter is unknown.
    """
    parameters = dict(settings)
    name = parameters.pop("name")
    if name not in REGISTRY:
        raise RecipeError(f"The loss '{name}' is unknown; known are {', '.join(sorted(REGISTRY))}.")
    try:
        return REGISTRY[name](**parameters)
    except TypeError as error:
        raise RecipeError(f"The parameters of the loss '{name}' do not fit: {error}.") from error
