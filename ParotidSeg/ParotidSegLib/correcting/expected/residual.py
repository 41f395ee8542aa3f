"""The plain way to carry corrections: what they changed of the signed distances, kriged to the other slices."""

from __future__ import annotations

import numpy as np

from .gland import Gland, Strokes
from .kriging import kriging_weights


def residuals(gland: Gland, strokes: Strokes) -> np.ndarray:
    """What each corrected slice changed, float32 (n, row, column), mm; exactly nothing where it is as it was."""
    drawn = strokes.distances(gland)
    unchanged = (strokes.masks == gland.automatic[strokes.slices]).all(axis=(1, 2))
    change = drawn - gland.prior[strokes.slices]
    change[unchanged] = 0.0
    return change


def carried_distances(gland: Gland, strokes: Strokes) -> np.ndarray:
    """Signed distances to the gland as the corrections let expect it, float32 (slice, row, column), mm."""
    weights = kriging_weights(gland.positions, gland.positions[strokes.slices]).astype(np.float32)
    return gland.prior + np.tensordot(weights, residuals(gland, strokes), axes=1)
