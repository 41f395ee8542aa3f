"""Class probabilities of a region: tiles, Gaussian blending, and the mirrored pass with the sides swapped back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from .engines import Engine

#: Share by which the tiles of a larger region overlap at least.
OVERLAP = 0.5
#: Standard deviation of the blending weight, in tile edges.
BLENDING_SIGMA = 0.25


def tile_starts(length: int, tile: int, overlap: float = OVERLAP) -> list[int]:
    """First voxels of the tiles along an axis: evenly spread, overlapping by at least `overlap` of their edge."""
    if length <= tile:
        return [0]
    step = max(1.0, tile * (1.0 - overlap))
    count = int(np.ceil((length - tile) / step)) + 1
    return [round(float(start)) for start in np.linspace(0, length - tile, count)]


def blending_weight(tile: Sequence[int]) -> np.ndarray:
    """Gaussian weight of a tile's voxels, float32 (z, y, x), 1 in the middle and never 0."""
    weight = np.ones(tuple(tile), np.float32)
    for axis, edge in enumerate(tile):
        distance = (np.arange(edge) - (edge - 1) / 2.0) / (BLENDING_SIGMA * edge)
        profile = np.exp(-0.5 * distance**2).astype(np.float32)
        weight *= profile.reshape([-1 if i == axis else 1 for i in range(3)])
    return np.maximum(weight, 1e-4)


def tiled_probabilities(
    engine: Engine,
    image: np.ndarray,
    tile: Sequence[int],
    *,
    overlap: float = OVERLAP,
    empty_below: float | None = None,
    advance: Callable[[float], None] = lambda fraction: None,
) -> np.ndarray:
    """Run the engine over a region at the tile size that it was trained with.

    Args:
        engine: the network.
        image: normalised input, float32 (z, y, x, channels).
        tile: the network's tile (z, y, x).
        overlap: share by which neighbouring tiles overlap at least.
        empty_below: tiles without any value above this are background and are not run.
        advance: called with the finished fraction, 0..1.

    Returns:
        float32 (z, y, x, classes).
    """
    shape = image.shape[:-1]
    # A region smaller than the tile is padded with the lowest value (air), equally on both sides.
    padding = [(max(0, t - n) // 2, max(0, t - n) - max(0, t - n) // 2) for n, t in zip(shape, tile, strict=True)]
    padded = np.pad(image, [*padding, (0, 0)], constant_values=-1.0)
    size = padded.shape[:-1]
    starts = list(product(*(tile_starts(n, t, overlap) for n, t in zip(size, tile, strict=True))))
    weight = blending_weight(tile)[..., np.newaxis]
    total: np.ndarray | None = None
    weights = np.zeros((*size, 1), np.float32)
    for done, start in enumerate(starts, start=1):
        window = tuple(slice(first, first + edge) for first, edge in zip(start, tile, strict=True))
        piece = padded[window]
        if empty_below is not None and piece.max() <= empty_below and total is not None:
            probabilities = np.zeros((*tile, total.shape[-1]), np.float32)
            probabilities[..., 0] = 1.0
        else:
            probabilities = engine.probabilities(piece)
        if total is None:
            total = np.zeros((*size, probabilities.shape[-1]), np.float32)
        total[window] += weight * probabilities
        weights[window] += weight
        advance(done / len(starts))
    assert total is not None
    inner = tuple(slice(low, low + n) for (low, _), n in zip(padding, shape, strict=True))
    return (total / weights)[inner]


def mirrored(array: np.ndarray) -> np.ndarray:
    """The left-right mirror image: the x axis (third of (z, y, x, …)) reversed; its labels have to be swapped, too."""
    return array[:, :, ::-1]


def region_probabilities(
    engine: Engine,
    image: np.ndarray,
    tile: Sequence[int],
    *,
    mirror: Sequence[int] | None,
    advance: Callable[[float], None] = lambda fraction: None,
) -> np.ndarray:
    """Class probabilities of a region, averaged over the image and its mirror image.

    With `mirror` the result g obeys g(flip(x)) = swap(flip(g(x))) exactly, for any network: the mirrored pass covers
    the whole region, and the sides change places with the image.

    Args:
        engine: the network.
        image: normalised input, float32 (z, y, x, channels); x rises to the patient's left.
        tile: the network's tile (z, y, x).
        mirror: the label that each label becomes in a mirror image (`structures.mirrored_labels`); None for no
            mirrored pass.
        advance: called with the finished fraction, 0..1.

    Returns:
        float32 (z, y, x, classes).
    """
    passes = 1 if mirror is None else 2
    straight = tiled_probabilities(engine, image, tile, advance=lambda f: advance(f / passes))
    if mirror is None:
        return straight
    flipped = tiled_probabilities(
        engine, np.ascontiguousarray(mirrored(image)), tile, advance=lambda f: advance((1.0 + f) / 2.0)
    )
    return (straight + mirrored(flipped)[..., list(mirror)]) / 2.0
