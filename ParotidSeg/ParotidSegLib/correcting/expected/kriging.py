"""Between corrected slices: simple kriging of what the corrections changed, along the axis of the slices.

The residual (corrected minus automatic signed distance) is taken for a random field whose correlation falls off
exponentially along the axis, seen with noise: a hand is never exact, and without the noise one slice that was drawn
differently from its neighbour would make both of them overshoot (Cressie, Statistics for Spatial Data, 1993, ch. 3).
"""

from __future__ import annotations

import numpy as np

#: Chosen on training patients (Testing/Benchmarks/correction.py measures the result on others).
LENGTH_MM = 10.0
NOISE = 0.3


def kriging_weights(positions: np.ndarray, drawn: np.ndarray, length_mm: float = LENGTH_MM) -> np.ndarray:
    """How much of the residual of each drawn slice every slice takes.

    Args:
        positions: of all slices along the axis (slices,), mm.
        drawn: positions of the corrected ones (corrected,), mm.
        length_mm: the correlation falls to 1/e over this distance.

    Returns:
        float64 (slices, corrected).
    """
    among = _correlation(drawn[:, None] - drawn, length_mm) + NOISE * np.eye(drawn.size)
    return np.linalg.solve(among, _correlation(drawn[:, None] - positions, length_mm)).T


def kriging_variance(positions: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """What the corrected slices leave open in each slice, as a share of the variance without any: 0 to 1 (slices,)."""
    if not drawn.size:
        return np.ones(positions.size)
    weights = kriging_weights(positions, drawn)
    return 1.0 - (weights * _correlation(positions[:, None] - drawn, LENGTH_MM)).sum(axis=1)


def _correlation(distances: np.ndarray, length_mm: float) -> np.ndarray:
    return np.exp(-np.abs(distances) / length_mm)
