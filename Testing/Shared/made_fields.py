"""Values that depend on the place in the patient alone, so that any shift of a grid or an image shows at once."""

from __future__ import annotations

import numpy as np
from orientations import rotation, voxel_centres

from ParotidSegLib.geometry.grids import Grid

IDENTITY = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
OBLIQUE = rotation(20.0, -15.0, 35.0)
SLOPE = np.array([2.0, -3.0, 0.7])


def linear(points: np.ndarray) -> np.ndarray:
    """Linear interpolation and symmetric smoothing leave a linear function as it is: any shift shows at once."""
    return points @ SLOPE + 11.0


def blob(centre, radius):
    """A Gaussian of 1000 HU above air-like -1000, its standard deviation in mm."""
    return lambda points: 1000.0 * np.exp(-((points - np.array(centre)) ** 2).sum(axis=-1) / (2 * radius**2)) - 1000.0


def grid_points(grid: Grid) -> np.ndarray:
    return voxel_centres(grid.image(np.zeros(grid.shape, np.uint8)))


def centroid(values: np.ndarray, points: np.ndarray) -> np.ndarray:
    return (points * values[..., np.newaxis]).sum(axis=(0, 1, 2)) / values.sum()
