"""A gland is one piece: what corrections leave over of it is taken away, and never what was drawn."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .gland import Gland, Strokes

#: A piece smaller than this share of the largest one is left over, unless it reaches a corrected slice.
_LEAST_SHARE = 0.1


def whole_gland(mask: np.ndarray, gland: Gland, strokes: Strokes) -> np.ndarray:
    """The mask (slice, row, column) with the corrected slices as drawn, cut where one was emptied, without crumbs."""
    mask = _cut_where_emptied(mask, gland, strokes)
    mask[strokes.slices] = strokes.masks
    components = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)), True)
    numbered = sitk.GetArrayViewFromImage(components)
    sizes = np.bincount(numbered.ravel())
    if sizes.size <= 2:
        return mask
    kept = sizes >= _LEAST_SHARE * sizes[1:].max()
    kept[np.unique(numbered[strokes.slices])] = True
    kept[0] = False
    return np.asarray(kept[numbered])


def _cut_where_emptied(mask: np.ndarray, gland: Gland, strokes: Strokes) -> np.ndarray:
    """Without the smaller end beyond a slice from which the gland was removed, unless it was drawn there."""
    held = strokes.slices[strokes.masks.any(axis=(1, 2))]
    for emptied in strokes.slices[~strokes.masks.any(axis=(1, 2)) & gland.automatic[strokes.slices].any(axis=(1, 2))]:
        below, above = slice(0, emptied), slice(emptied + 1, None)
        smaller = below if np.count_nonzero(mask[below]) < np.count_nonzero(mask[above]) else above
        inside = held < emptied if smaller is below else held > emptied
        if not inside.any():
            mask[smaller] = False
    return mask
