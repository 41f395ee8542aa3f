"""Where are the glands? A small network looks at the whole scan on a coarse grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..errors import ImageError
from ..geometry.grids import Grid
from ..geometry.sampling import sample_whole
from ..model.bundle import NetworkSpec
from ..model.engines import Engine
from ..model.inference import tiled_probabilities
from ..model.networks import size_step
from ..structures import LEFT_PAROTID, RIGHT_PAROTID
from .anatomy import TYPICAL_DISTANCE_MM, choose_pair, pieces
from .scale import why_not_found

#: The region reaches this far from the middle of each gland, (x, y, z) in mm.
HALF_EXTENT_MM = (30.0, 42.0, 36.0)
#: Tiles here are larger than what is looked for, so a small overlap does; those with nothing but air are not run.
TILE_OVERLAP = 0.25
AIR_ONLY = -0.9
#: Tiles are about the size that the network learned from: given all of a scan at once it finds glands in shoulders.
LONGEST_TILE = 1.25
#: The region's centre lies on a lattice of this many of its voxels, fixed in the patient's space: a locator that is off
#: by a fraction of a voxel, as it is between two samplings of one patient, then leads to the very same grid.
LATTICE_VOXELS = 2.0
#: A gland of which the coarse network sees less than this is not there.
LEAST_ML = 1.0


@dataclass(frozen=True)
class Location:
    """Middles of the glands, (x, y, z) in mm, LPS; None for one that was not found."""

    right: np.ndarray | None
    left: np.ndarray | None

    @property
    def expected(self) -> tuple[np.ndarray, np.ndarray]:
        """Middles of the right and left gland, a missing one put where it should lie."""
        across = np.array([TYPICAL_DISTANCE_MM, 0.0, 0.0])
        right, left = self.right, self.left
        if right is None and left is not None:
            right = left - across
        if left is None and right is not None:
            left = right + across
        assert right is not None and left is not None
        return right, left


def locate(
    image: sitk.Image,
    engine: Engine,
    spec: NetworkSpec,
    *,
    advance: Callable[[float], None] = lambda fraction: None,
) -> Location:
    """Find the glands in a scan.

    Args:
        image: a CT in HU, any orientation.
        engine: the opened locator network.
        spec: its description.
        advance: called with the finished fraction, 0..1.

    Raises:
        ImageError: there is no parotid gland in the scan.
    """
    hounsfield, grid = sample_whole(image, spec.preprocessing.spacing, spec.preprocessing.resolution)
    normalised = spec.preprocessing.normalise([hounsfield], spec.preprocessing.limits([image]))
    probabilities = tiled_probabilities(
        engine,
        normalised,
        spec.tile,
        overlap=TILE_OVERLAP,
        empty_below=AIR_ONLY,
        longest=LONGEST_TILE,
        advance=advance,
    )
    geometry = grid.image(np.zeros(grid.shape, np.uint8))
    candidates = []
    for structure in (RIGHT_PAROTID, LEFT_PAROTID):
        probability = probabilities[..., structure.label]
        candidates.append(pieces(probability > 0.5, probability, geometry, least_ml=LEAST_ML))
    right, left = choose_pair(*candidates)
    if right is None and left is None:
        raise ImageError(f"No parotid gland was found in the scan: {why_not_found(hounsfield, grid, image)}.")
    return Location(right.centroid if right else None, left.centroid if left else None)


def whole_scan(image: sitk.Image, spec: NetworkSpec) -> Grid:
    """The grid over the whole scan, at least one tile, on which a network without a locator works."""
    grid = Grid.covering(image, spec.preprocessing.spacing)
    size = [max(edge, least) for edge, least in zip(grid.shape, spec.tile, strict=True)]
    return Grid.centred(grid.centre.tolist(), spec.preprocessing.spacing, size)


def region_around(location: Location, spec: NetworkSpec, widening: Sequence[float] = (0.0, 0.0, 0.0)) -> Grid:
    """The grid on which the segmenting network works: both glands and a margin, at least one tile.

    Args:
        location: middles of the glands.
        spec: the segmenting network.
        widening: extra reach beyond the glands in mm, (x, y, z).
    """
    middles = np.array(location.expected)
    reach = np.array(HALF_EXTENT_MM) + np.array(widening)
    low, high = middles.min(axis=0) - reach, middles.max(axis=0) + reach
    spacing, tile = spec.preprocessing.spacing, spec.tile
    extent = (high - low)[::-1]
    # An even number of voxels: one more would shift the grid by half of one. A multiple of what the network needs to
    # take the region in one piece: it sees what is there then, not a filled-up margin.
    step = max(2, size_step(spec.network, tile, spec.config) or 2)
    size = [max(t, step * math.ceil(e / s / step - 1e-6)) for t, e, s in zip(tile, extent, spacing, strict=True)]
    lattice = LATTICE_VOXELS * np.array(spacing[::-1])
    return Grid.centred(np.round((low + high) / 2.0 / lattice) * lattice, spacing, size)
