"""What the values of a mask mean: which voxels are inside. Nothing but zero and one other value is taken on trust."""

from __future__ import annotations

import numpy as np

from ...errors import DataError

#: Values this near to a whole number are that number: files that scale their values round them.
_ROUNDING = 1e-3
#: Where the values are fractions, what is at least this is inside.
THRESHOLD = 0.5


def whole_numbers(array: np.ndarray) -> np.ndarray:
    """The values of a label map as whole numbers.

    Args:
        array: any shape and kind.

    Returns:
        The same shape; the array itself if its kind knows whole numbers alone.

    Raises:
        DataError: there are fractions, or values that are no numbers.
    """
    if np.issubdtype(array.dtype, np.integer):
        return array
    rounded = np.rint(np.where(np.isfinite(array), array, 0))
    between = ~(np.abs(array - rounded) <= _ROUNDING)  # true for what is no number, too
    if between.any():
        raise DataError(
            f"The label map holds {array[between][0]:.3g}, which is no label: it was interpolated, or holds "
            "probabilities; export it with whole numbers (nearest neighbour)."
        )
    return rounded.astype(np.int64)


def inside(array: np.ndarray, name: str) -> tuple[np.ndarray, list[str]]:
    """Where the mask of one structure is, and remarks.

    Zero is outside and any one other value inside. Fractions from 0 to 1 (probabilities, shares of a voxel) are inside
    from one half on, which is remarked.

    Args:
        array: any shape and kind.
        name: of the structure, for sentences.

    Returns:
        bool, the same shape; sentences.

    Raises:
        DataError: it holds several values, or values that are no numbers.
    """
    values = array[array != 0]
    if not values.size:
        return np.zeros(array.shape, bool), []
    lowest, highest = float(values.min()), float(values.max())
    if highest - lowest <= _ROUNDING * abs(highest) and lowest > 0.0:
        if highest >= THRESHOLD:
            return array != 0, []
    elif not np.issubdtype(array.dtype, np.integer) and lowest >= -_ROUNDING and highest <= 1.0 + _ROUNDING:
        soft = np.count_nonzero(np.abs(values - np.rint(values)) > _ROUNDING)
        sentence = f"The mask of {name} has fractions in {soft} voxels: what is at least {THRESHOLD:g} is inside."
        return array >= THRESHOLD, [sentence]
    raise DataError(
        f"The mask of {name} holds several values, from {min(lowest, 0.0):g} to {highest:g}, so that it is not clear "
        "what is inside: export it with 0 outside and 1 inside."
    )
