"""The losses that a recipe can name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ParotidSegLib.errors import RecipeError

from .boundary import distance_weighted_cross_entropy, hausdorff_dt
from .combined import dice_focal, dice_focal_hausdorff, hybrid, pet_ct_hybrid, tversky_hausdorff
from .focal import binary_cross_entropy, cross_entropy, focal
from .overlap import binary_weighted_focal_tversky, dice, focal_tversky, mdsc, tversky

REGISTRY: dict[str, Callable[..., Callable]] = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "distance_weighted_cross_entropy": distance_weighted_cross_entropy,
    "focal": focal,
    "mdsc": mdsc,
    "dice": dice,
    "tversky": tversky,
    "focal_tversky": focal_tversky,
    "binary_weighted_focal_tversky": binary_weighted_focal_tversky,
    "hausdorff_dt": hausdorff_dt,
    "hybrid": hybrid,
    "dice_focal": dice_focal,
    "dice_focal_hausdorff": dice_focal_hausdorff,
    "tversky_hausdorff": tversky_hausdorff,
    "pet_ct_hybrid": pet_ct_hybrid,
}

#: The parameters that are true or false; all others are numbers, or lists of them.
_SWITCHES = {"opposite_weighting"}


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
        _check_kind(key, value)
    try:
        return REGISTRY[name](**parameters)
    except TypeError as error:
        raise RecipeError(f"The parameters of the loss '{name}' do not fit: {error}.") from error


def _check_kind(key: str, value: Any) -> None:
    """Raise a RecipeError unless a parameter's value is of the kind that its name asks for."""
    if key in _SWITCHES:
        if not isinstance(value, bool):
            raise RecipeError(f"The recipe is not valid: loss.{key} must be true or false, not {value!r}.")
        return
    takes_list = key == "alpha"
    numbers = value if isinstance(value, list | tuple) else [value]
    of_kind = isinstance(value, list | tuple) is takes_list
    if not of_kind or not all(isinstance(n, int | float) and not isinstance(n, bool) and n >= 0 for n in numbers):
        kind = "a list of numbers" if takes_list else "a number"
        raise RecipeError(f"The recipe is not valid: loss.{key} must be {kind}, none negative, not {value!r}.")
