"""The patch sampler: batches for training and fixed patches for validation.

Every random number derives from (seed, epoch, position in the epoch): a run that was killed and resumed sees the very
patches that it would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ParotidSegLib.geometry.grids import Grid
from ParotidSegLib.geometry.sampling import sample
from ParotidSegLib.model.networks import spatial_shape
from ParotidSegLib.structures import mirrored_labels

from ..data.dataset import Case
from ..data.skin import distances_on
from ..recipe import Recipe
from .augmentation import Parameters, change_intensity, draw, end_scan, spatial_transform
from .field_of_view import end_field
from .surroundings import lay_around

#: Slices of a case that a network for slices is validated on.
VALIDATION_SLICES = 8


@dataclass(frozen=True)
class Patch:
    """One patch: float32 image (z, y, x, channels) as the network sees it, uint8 labels (z, y, x)."""

    image: np.ndarray
    labels: np.ndarray


def draw_centre(case: Case, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """A random centre for a patch (x, y, z in mm), as the recipe's sampling says."""
    sampling = recipe.sampling
    present = [points for points in case.points if len(points)]
    if not present or rng.random() >= sampling.foreground_share:
        low, high = case.bounds
        half = np.minimum(np.array(recipe.tile[::-1]) * recipe.preprocessing.spacing[::-1], high - low) / 2.0
        return rng.uniform(low + half, high - half + 1e-6)
    if sampling.anchor == "midpoint":
        anchor = case.midpoint
    else:
        points = present[rng.integers(len(present))]
        anchor = points[rng.integers(len(points))]
    jitter = np.array(sampling.jitter[::-1])
    return anchor + rng.uniform(-jitter, jitter)


def cut(case: Case, recipe: Recipe, centre: Sequence[float] | np.ndarray, parameters: Parameters) -> Patch:
    """Sample images and labels around a centre, transformed, each interpolated once from the scan's own voxels."""
    preprocessing = recipe.preprocessing
    grid = Grid.centred(np.asarray(centre).tolist(), preprocessing.spacing, recipe.tile)
    transform = spatial_transform(parameters, grid)
    sampled = [
        sample(image, grid, transform=transform, outside=wanted.outside)
        for image, wanted in zip(case.images, preprocessing.inputs, strict=True)
    ]
    skin = None
    if case.skin is not None and (parameters.things or parameters.edges):
        skin = distances_on(case.skin, grid, transform)
        lay_around(sampled[0], skin, parameters.things, preprocessing.spacing)
    shown = change_intensity(preprocessing.scale(sampled, case.limits), parameters, preprocessing.spacing)
    labels = np.zeros(grid.shape, np.uint8)
    origin = mirrored_labels(recipe.structures) if parameters.mirror else range(len(recipe.structures) + 1)
    for structure in recipe.structures:
        mask = case.masks[origin[structure.label] - 1]
        if mask is not None:
            labels[sample(mask, grid, transform=transform, outside=0.0) > 0.5] = structure.label
    if skin is not None:
        limits = {i: case.limits[i] for i, channel in enumerate(preprocessing.channels) if channel.input == 0}
        end_field(shown, labels, skin, parameters.edges, spacing=preprocessing.spacing, limits=limits)
    end_scan(shown, labels, parameters, round(preprocessing.continuation / preprocessing.spacing[0]))
    return Patch(shown, labels)


def random_patch(cases: Sequence[Case], recipe: Recipe, epoch: int, position: int) -> Patch:
    """The patch at a position of an epoch: each case comes as often as the recipe says before a new round begins."""
    entries = [case for case in cases for _ in range(recipe.sampling.times(case.name))]
    count = len(entries)
    turn = epoch * recipe.optimisation.patches_per_epoch + position
    order = np.random.default_rng([recipe.seed, 0, turn // count]).permutation(count)
    case = entries[order[turn % count]]
    rng = np.random.default_rng([recipe.seed, 1, epoch, position])
    return cut(case, recipe, draw_centre(case, recipe, rng), draw(recipe.augmentation, rng))


def validation_patches(case: Case, recipe: Recipe) -> list[Patch]:
    """Fixed patches that tell how well a case is segmented.

    The patch between the structures; for the anchor "voxel", whose tile may hold one of them only, a patch around each;
    for slices, up to `VALIDATION_SLICES` spread over their height.
    """
    present = [points for points in case.points if len(points)]
    if present and recipe.tile[0] == 1:
        everything = np.concatenate(present)
        heights = np.unique(everything[:, 2])
        chosen = heights[np.unique(np.linspace(0, len(heights) - 1, VALIDATION_SLICES).round().astype(int))]
        x, y, _ = (everything.min(axis=0) + everything.max(axis=0)) / 2.0
        centres = [np.array([x, y, height]) for height in chosen]
    elif present and recipe.sampling.anchor == "voxel":
        centres = [points.mean(axis=0) for points in present]
    else:
        centres = [case.midpoint]
    return [cut(case, recipe, centre, Parameters()) for centre in centres]


def stack(patches: Sequence[Patch]) -> tuple[np.ndarray, np.ndarray]:
    """Patches as a batch: images (batch, *space, channels) float32 and labels (batch, *space) uint8.

    Space is (z, y, x), or (y, x) for tiles of one slice.
    """
    space = spatial_shape(patches[0].labels.shape)
    images = np.stack([patch.image.reshape((*space, -1)) for patch in patches])
    return images, np.stack([patch.labels.reshape(space) for patch in patches])
