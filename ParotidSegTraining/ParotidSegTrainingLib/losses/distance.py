"""Exact Euclidean distance transform, any number of dimensions, any Keras backend. Distances are squared, in voxels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def squared_distances(sites: Any, *, axes: Sequence[int]) -> Any:
    """The squared distance of every voxel to the nearest site (Felzenszwalb and Huttenlocher 2012: axis by axis).

    Along each axis min_j (i − j)² + f(j) is found by a loop over j: n steps a voxel, memory a few times the array.
    The squares are whole numbers in float32: exact as long as they stay below 2²⁴.

    Args:
        sites: boolean tensor of any shape; its lengths along `axes` must be known.
        axes: the axes of space, from 0; every other axis holds volumes of its own.

    Returns:
        float32 tensor shaped as sites, 0 at the sites, infinite throughout a volume without any; no gradient.
    """
    from keras import ops

    squares = ops.stop_gradient(ops.where(sites, 0.0, float("inf")))
    for axis in axes:
        squares = _nearest_along(squares, axis)
    return squares


def squared_boundary_distances(masks: Any, *, axes: Sequence[int]) -> Any:
    """The squared distance of every voxel to the nearest one on the other side of its mask's boundary.

    Args:
        masks: boolean tensor of any shape; its lengths along `axes` must be known.
        axes: the axes of space, from 0; every other axis holds masks of their own.

    Returns:
        float32 tensor shaped as masks, at least 1; infinite throughout a mask that is empty or full; no gradient.
    """
    from keras import ops

    both = ops.stack([masks, ops.logical_not(masks)])
    to_inside, to_outside = ops.unstack(squared_distances(both, axes=[axis + 1 for axis in axes]), axis=0)
    return ops.where(masks, to_outside, to_inside)


def _nearest_along(squares: Any, axis: int) -> Any:
    """min over j of (i − j)² + squares[j], along one axis."""
    from keras import ops

    length = squares.shape[axis]
    column = [1] * len(squares.shape)
    column[axis] = length
    positions = np.arange(length, dtype=np.float32).reshape(column)
    nearest = squares
    for j in range(length):
        slab = squares[(slice(None),) * axis + (slice(j, j + 1),)]
        step = ops.convert_to_tensor(np.square(positions - j), dtype="float32")
        nearest = ops.minimum(nearest, slab + step)
    return nearest
