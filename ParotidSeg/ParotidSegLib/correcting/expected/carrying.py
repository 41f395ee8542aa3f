"""The carrying itself: the residual of signed distances, and what the network adds to it."""

from __future__ import annotations

import numpy as np

from .gland import Gland, Strokes
from .network import CorrectingNetwork
from .pieces import whole_gland
from .residual import carried_distances


def expected_distances(gland: Gland, strokes: Strokes, network: CorrectingNetwork | None = None) -> np.ndarray:
    """Signed distances to the expected gland, float32 (slice, row, column), mm: the residual's, and the network's part.

    Corrections that change nothing leave the sign of the automatic contour everywhere.
    """
    distances = carried_distances(gland, strokes)
    return distances if network is None else distances + network.change(gland, strokes)


def carried_mask(gland: Gland, strokes: Strokes, network: CorrectingNetwork | None = None) -> np.ndarray:
    """The expected gland, boolean (slice, row, column); the corrected slices are as drawn."""
    if (strokes.masks == gland.automatic[strokes.slices]).all():
        return gland.automatic.copy()
    return whole_gland(expected_distances(gland, strokes, network) > 0.0, gland, strokes)
