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
        RecipeError: the name or a parameter is unknown, or a parameter is of the wrong kind.
    """
    parameters = dict(settings)
    name = parameters.pop("name")
    if name not in REGISTRY:
        raise RecipeError(f"The loss '{name}' is unknown; known are {', '.join(sorted(REGISTRY))}.")
    for key, value in parameters.items():
        numbers = value if key == "alpha" and isinstance(value, list | tuple) else [value]
        if not all(isinstance(n, int | float) and not isinstance(n, bool) and n >= 0 for n in numbers):
            kind = "a list of numbers" if key == "alpha" else "a number"
            raise RecipeError(f"The recipe is not valid: loss.{key} must be {kind}, none negative, not {value!r}.")
    try:
        return REGISTRY[name](**parameters)
    except TypeError as error:
        raise RecipeError(f"The parameters of the loss '{name}' do not fit: {error}.") from error
