"""The patch sampler: batches for training and fixed patches for validation.

Every random number derives from (seed, epoch, position in the epoch): a run that was killed and resumed sees the very
patches that it would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ParotidSegLib.preprocessing import Grid, sample
from ParotidSegLib.structures import PAROTIDS

from .augmentation import Parameters, change_intensity, draw, end_scan, spatial_transform
from .dataset import Case
from .recipe import Recipe


@dataclass(frozen=True)
class Patch:
    """One patch: float32 image (z, y, x, 1) as the network sees it, uint8 labels (z, y, x)."""

    image: np.ndarray
    labels: np.ndarray


def draw_centre(case: Case, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """A random centre for a patch (x, y, z in mm), as the recipe's sampling says."""
    sampling = recipe.sampling
    glands = [points for points in case.gland_points if len(points)]
    if not glands or rng.random() >= sampling.foreground_share:
        low, high = case.bounds
        half = np.minimum(np.array(recipe.tile[::-1]) * recipe.preprocessing.spacing[::-1], high - low) / 2.0
        return rng.uniform(low + half, high - half + 1e-6)
    if sampling.anchor == "midpoint":
        anchor = case.midpoint
    else:
        points = glands[rng.integers(len(glands))]
        anchor = points[rng.integers(len(points))]
    jitter = np.array(sampling.jitter[::-1])
    return anchor + rng.uniform(-jitter, jitter)


def cut(case: Case, recipe: Recipe, centre: Sequence[float] | np.ndarray, parameters: Parameters) -> Patch:
    """Sample image and labels around a centre, transformed, each interpolated once from the scan's own voxels."""
    grid = Grid.centred(np.asarray(centre).tolist(), recipe.preprocessing.spacing, recipe.tile)
    transform = spatial_transform(parameters, grid.centre)
    hounsfield = change_intensity(sample(case.image, grid, transform=transform), parameters)
    labels = np.zeros(grid.shape, np.uint8)
    masks = reversed(case.masks) if parameters.mirror else case.masks
    for structure, mask in zip(PAROTIDS, masks, strict=True):
        labels[sample(mask, grid, transform=transform, outside=0.0) > 0.5] = structure.label
    end_scan(hounsfield, labels, parameters)
    return Patch(recipe.preprocessing.normalise(hounsfield)[..., np.newaxis], labels)


def random_patch(cases: Sequence[Case], recipe: Recipe, epoch: int, position: int) -> Patch:
    """The patch at a position of an epoch: each case comes once before any comes again."""
    count = len(cases)
    turn = epoch * recipe.optimisation.steps_per_epoch * recipe.optimisation.batch_size + position
    order = np.random.default_rng([recipe.seed, 0, turn // count]).permutation(count)
    case = cases[order[turn % count]]
    rng = np.random.default_rng([recipe.seed, 1, epoch, position])
    return cut(case, recipe, draw_centre(case, recipe, rng), draw(recipe.augmentation, rng))


def validation_patches(case: Case, recipe: Recipe) -> list[Patch]:
    """The patch between the glands; for the anchor "voxel", whose tile may hold one gland only, a patch around each."""
    glands = [points for points in case.gland_points if len(points)]
    around_each = recipe.sampling.anchor == "voxel" and glands
    centres = [points.mean(axis=0) for points in glands] if around_each else [case.midpoint]
    return [cut(case, recipe, centre, Parameters()) for centre in centres]
