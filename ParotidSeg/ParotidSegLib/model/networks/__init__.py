"""The networks that a recipe or a bundle can name, and nothing else: a bundle never brings code of its own."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any, TypeVar

from ...errors import BundleError
from .attention_unet import attention_unet
from .blocks import check_levels
from .plain_unet import plain_unet
from .residual_unet import residual_unet
from .transunet import transunet

# TensorFlow reads this when it is loaded, which is after this module. By itself it takes oneDNN's convolutions only on
# processors with instructions for neural networks; without them a training step took six times as long on AVX2.
if platform.machine() in ("x86_64", "AMD64"):
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

Edge = TypeVar("Edge", int, int | None)

REGISTRY: dict[str, Callable] = {
    "residual_unet": residual_unet,
    "attention_unet": attention_unet,
    "plain_unet": plain_unet,
    "transunet": transunet,
}
#: Networks that may be run at another size than that of their tile: norms are over channels or fixed averages, and
#: nothing in them looks beyond a voxel but convolutions and poolings, as far as they reach. Not the attention
#: network, whose channel attention is a mean and a maximum over the tile, nor TransUNet, whose patches have places.
ANY_SIZE = ("residual_unet", "plain_unet")


def spatial_shape(tile: Sequence[Edge]) -> tuple[Edge, ...]:
    """The space in which the network of a tile (z, y, x) works: the slice (y, x) alone if the tile is one slice."""
    return tuple(tile[1:]) if len(tile) == 3 and tile[0] == 1 else tuple(tile)


def size_step(name: str, tile: Sequence[int], config: Mapping[str, Any]) -> int | None:
    """What every edge of a network's input must be a multiple of; None if it has to be run at the size of its tile.

    Args:
        name, tile, config: as in `build_network`. Of two dimensions only the tile is known to do.

    Raises:
        BundleError: the configuration does not fit the tile.
    """
    space = spatial_shape(tile)
    if name not in ANY_SIZE or len(space) != 3:
        return None
    filters = config.get("filters", signature(REGISTRY[name]).parameters["filters"].default)
    try:
        check_levels(space, filters)
    except (TypeError, ValueError) as error:
        raise BundleError(f"The configuration of the network '{name}' does not fit: {error}.") from error
    return int(2 ** (len(filters) - 1))


def build_network(name: str, *, tile: Sequence[int | None], config: Mapping[str, Any], precision: str = "float32"):
    """Build a network from its registered name.

    Args:
        name: key of REGISTRY.
        tile: input size in voxels, (z, y, x) or (y, x); (1, y, x) makes a two-dimensional network; None is any size.
        config: keyword arguments of the network's function.
        precision: a Keras dtype policy, for this network alone: the global one stays as it was.

    Returns:
        An untrained keras.Model that gives logits.

    Raises:
        BundleError: the name is unknown or the configuration does not fit.
    """
    if name not in REGISTRY:
        raise BundleError(f"The network '{name}' is unknown; this version knows {', '.join(sorted(REGISTRY))}.")
    import keras

    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(precision)
        return REGISTRY[name](tile=spatial_shape(tile), **config)
    except (TypeError, ValueError, ArithmeticError) as error:
        # Keras explains itself at length; its first sentence says what is wrong.
        reason = re.split(r"\n|\.(?=\s|$)", str(error).strip())[0]
        raise BundleError(f"The configuration of the network '{name}' does not fit: {reason}.") from error
    finally:
        keras.config.set_dtype_policy(before)
