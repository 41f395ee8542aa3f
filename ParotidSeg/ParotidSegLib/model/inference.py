"""Class probabilities of a region: tiles, Gaussian blending, and the mirrored pass with the sides swapped back."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import product

import numpy as np

from .engines import Engine

#: Share by which the tiles of a larger region overlap at least.
OVERLAP = 0.5
#: A region of up to this many voxels is one piece for a network that may be run at any size.
LARGEST_PIECE = 2**19
#: Standard deviation of the blending weight, in tile edges.
BLENDING_SIGMA = 0.25


def tile_starts(length: int, tile: int, overlap: float = OVERLAP) -> list[int]:
    """First voxels of the tiles along an axis: evenly spread, overlapping by at least `overlap` of their edge."""
    if length <= tile:
        return [0]
    step = max(1.0, tile * (1.0 - overlap))
    count = int(np.ceil((length - tile) / step)) + 1
    return [round(float(start)) for start in np.linspace(0, length - tile, count)]


def piece_size(
    shape: Sequence[int],
    tile: Sequence[int],
    step: int | None,
    *,
    longest: float = math.inf,
    overlap: float = OVERLAP,
) -> tuple[int, ...]:
    """Size of the pieces (z, y, x) in which a region is given to a network: as few as may be, none larger than it must.

    Args:
        shape: of the region.
        tile: of the network; no edge is shorter.
        step: what every edge must be a multiple of; None for a network that takes its tile alone.
        longest: so many times as long as the tile an edge may be.
        overlap: as of `tiled_probabilities`.

    Returns:
        The tile where the pieces would be larger than `LARGEST_PIECE`.
    """
    if step is None:
        return tuple(tile)
    edges = []
    for length, edge in zip(shape, tile, strict=True):
        most = min(longest * edge, math.ceil(length / step) * step)
        choices = range(edge, max(edge, int(most)) + 1, step)
        edges.append(min(choices, key=lambda e: (len(tile_starts(length, e, overlap)), e)))
    return tuple(edges) if math.prod(edges) <= LARGEST_PIECE else tuple(tile)


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
    longest: float = math.inf,
    advance: Callable[[float], None] = lambda fraction: None,
) -> np.ndarray:
    """Run the engine over a region, in as few pieces as network and memory allow (`piece_size`), blended.

    Args:
        engine: the network.
        image: normalised input, float32 (z, y, x, channels).
        tile: the network's tile (z, y, x).
        overlap: share by which neighbouring tiles overlap at least.
        empty_below: tiles without any value above this are background and are not run.
        longest: so many times as long as the network's tile a piece may be.
        advance: called with the finished fraction, 0..1.

    Returns:
        float32 (z, y, x, classes).
    """
    return _all_tiled(
        engine, [image], tile, overlap=overlap, empty_below=empty_below, longest=longest, advance=advance
    )[0]


def _all_tiled(
    engine: Engine,
    images: Sequence[np.ndarray],
    tile: Sequence[int],
    *,
    overlap: float = OVERLAP,
    empty_below: float | None = None,
    longest: float = math.inf,
    advance: Callable[[float], None],
) -> list[np.ndarray]:
    """`tiled_probabilities` of several regions, whose tiles are given to the engine as one row."""
    step = getattr(engine, "step", None)
    sizes = [piece_size(image.shape[:-1], tile, step, longest=longest, overlap=overlap) for image in images]
    regions = [_Region(image, size, overlap) for image, size in zip(images, sizes, strict=True)]
    jobs = [(region, window) for region in regions for window in region.windows]
    runs = [not region.is_empty(window, empty_below) for region, window in jobs]
    pieces = [region.padded[window] for (region, window), run in zip(jobs, runs, strict=True) if run]
    with closing(_answers(engine, pieces)) as answers:
        for done, ((region, window), run) in enumerate(zip(jobs, runs, strict=True), start=1):
            region.add(window, next(answers) if run else None)
            advance(done / len(jobs))
    getattr(engine, "rest", _nothing)()
    return [region.blended() for region in regions]


def _nothing() -> None:
    """An engine need not rest."""


def _answers(engine: Engine, pieces: Sequence[np.ndarray]) -> Generator[np.ndarray, None, None]:
    """The probabilities of each tile in turn; as many are worked on at once as is best for the engine."""
    at_once = getattr(engine, "at_once", 1)
    if at_once == 1:
        yield from map(engine.probabilities, pieces)
        return
    with ThreadPoolExecutor(at_once) as threads:
        try:
            yield from threads.map(engine.probabilities, pieces)
        finally:  # whatever ended it early: nobody waits for the rest
            threads.shutdown(wait=False, cancel_futures=True)


class _Region:
    """A region that is put together from the answers for its tiles.

    Attributes:
        padded: the region, at least as large as a tile.
        windows: where its tiles lie.
    """

    def __init__(self, image: np.ndarray, tile: Sequence[int], overlap: float) -> None:
        shape = image.shape[:-1]
        # A region smaller than the tile is padded with the lowest value (air), equally on both sides.
        padding = [(max(0, t - n) // 2, max(0, t - n) - max(0, t - n) // 2) for n, t in zip(shape, tile, strict=True)]
        self.padded = np.pad(image, [*padding, (0, 0)], constant_values=-1.0)
        size = self.padded.shape[:-1]
        starts = product(*(tile_starts(n, t, overlap) for n, t in zip(size, tile, strict=True)))
        self.windows = [tuple(slice(i, i + t) for i, t in zip(start, tile, strict=True)) for start in starts]
        self._inner = tuple(slice(low, low + n) for (low, _), n in zip(padding, shape, strict=True))
        self._weight = blending_weight(tile)[..., np.newaxis]
        self._weights = np.zeros((*size, 1), np.float32)
        self._total: np.ndarray | None = None

    def is_empty(self, window: tuple[slice, ...], below: float | None) -> bool:
        """Whether a tile holds no value above this; the first one never counts as such, since it tells the classes."""
        return below is not None and window != self.windows[0] and bool(self.padded[window].max() <= below)

    def add(self, window: tuple[slice, ...], probabilities: np.ndarray | None) -> None:
        """Blend in the answer for a tile, float32 (z, y, x, classes); None is background."""
        if self._total is None:
            assert probabilities is not None
            self._total = np.zeros((*self._weights.shape[:-1], probabilities.shape[-1]), np.float32)
        if probabilities is None:
            self._total[window][..., :1] += self._weight
        else:
            self._total[window] += self._weight * probabilities
        self._weights[window] += self._weight

    def blended(self) -> np.ndarray:
        """float32 (z, y, x, classes) of the region."""
        assert self._total is not None
        return (self._total / self._weights)[self._inner]


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
    if mirror is None:
        return tiled_probabilities(engine, image, tile, advance=advance)
    both = [image, np.ascontiguousarray(mirrored(image))]
    straight, flipped = _all_tiled(engine, both, tile, advance=advance)
    return (straight + mirrored(flipped)[..., list(mirror)]) / 2.0
