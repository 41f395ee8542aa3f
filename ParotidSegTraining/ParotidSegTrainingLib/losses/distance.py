"""Exact Euclidean distance transform, any number of dimensions, any Keras backend. Distances are squared, in voxels.

Two ways give the same whole numbers: on the processor SciPy's transform, called from within the graph, and elsewhere
(on a GPU, or where SciPy is missing) a loop over tensors. Testing/Benchmarks/hausdorff_step.py times both.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np


def squared_distances(sites: Any, *, axes: Sequence[int]) -> Any:
    """The squared distance of every voxel to the nearest site.

    Args:
        sites: boolean tensor of any shape; its lengths along `axes` must be known.
        axes: the axes of space, from 0; every other axis holds volumes of its own.

    Returns:
        float32 tensor shaped as sites, 0 at the sites, infinite throughout a volume without any; no gradient. The
        squares are whole numbers, exact as long as they stay below 2²⁴.
    """
    if find_spec("scipy") and _on_processor(sites):
        return _called_on_processor(sites, tuple(axes))
    return squared_distances_by_tensors(sites, axes=axes)


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


# --- with numpy and SciPy --------------------------------------------------------------------------------------------


def squared_distances_of_array(sites: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """As `squared_distances`, for arrays.

    Only the box around what is no site is worked on, and a voxel more: of a small structure's inside it is small. A
    site farther away is never nearer than the one that it is clamped to on the rim of that box.
    """
    from scipy import ndimage

    moved = np.moveaxis(np.asarray(sites, bool), axes, range(-len(axes), 0))
    squares = np.zeros(moved.shape, np.float32)
    for index in np.ndindex(*moved.shape[: -len(axes)]):
        volume = moved[index]
        if not volume.any():
            squares[index] = np.inf
            continue
        box = ndimage.find_objects(np.logical_not(volume).astype(np.uint8))
        if not box:
            continue
        around = tuple(slice(max(0, span.start - 1), span.stop + 1) for span in box[0])
        distances = ndimage.distance_transform_edt(np.logical_not(volume[around]))
        squares[index][around] = np.rint(np.square(distances))
    return np.moveaxis(squares, range(-len(axes), 0), axes)


def _on_processor(sites: Any) -> bool:
    """Whether the backend computes on the processor, so that it costs nothing to leave the graph."""
    import keras

    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return not tf.config.list_logical_devices("GPU")
    if backend == "torch":
        return sites.device.type == "cpu"
    if backend == "jax":
        import jax

        return jax.default_backend() == "cpu"
    return False


def _called_on_processor(sites: Any, axes: tuple[int, ...]) -> Any:
    import keras

    def transform(array: Any) -> np.ndarray:
        return squared_distances_of_array(np.asarray(array), axes)

    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        squares = tf.numpy_function(transform, [sites], tf.float32, stateful=False)
        squares.set_shape(sites.shape)
        return squares
    if backend == "torch":
        return keras.ops.convert_to_tensor(transform(sites.detach().numpy()))
    import jax

    return jax.pure_callback(transform, jax.ShapeDtypeStruct(sites.shape, np.float32), jax.lax.stop_gradient(sites))


# --- with tensors ----------------------------------------------------------------------------------------------------


def squared_distances_by_tensors(sites: Any, *, axes: Sequence[int]) -> Any:
    """As `squared_distances`, by tensors alone (Felzenszwalb and Huttenlocher 2012: axis by axis).

    Along each axis min_j (i − j)² + f(j) is found by a loop over j: n steps a voxel, memory a few times the array.
    """
    from keras import ops

    squares = ops.stop_gradient(ops.where(sites, 0.0, float("inf")))
    for axis in axes:
        squares = _nearest_along(squares, axis)
    return squares


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
