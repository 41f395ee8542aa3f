"""Where in a contour the doubt lies: how doubtful each place is, and the point to look at first."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import SimpleITK as sitk

from ..geometry.surfaces import joint_bounding_box
from .drawn import Drawn
from .shape import without_holes
from .tissue import AIR_HU, BONE_HU, signed_distance

#: From `SURE` on a place is marked.
SURE = 0.5
#: A difference from what was expected, mm: nothing, and beyond doubt; what hangs together with a marked place is marked
#: down to `NEAR_MM`.
NOTHING_MM, CERTAIN_MM, NEAR_MM = 2.0, 8.0, 2.0
#: What of a contour cannot be gland has to be so large to count, mL; the skin counts so deep, mm.
LEAST_ML, SKIN_MM = 0.4, 2.0
#: A slice is expected to be like so many to each side of it.
NEIGHBOURS = 4
#: What lies so far on both sides of an end is doubtful if the end is, mm.
END_MM = 6.0
#: Kinds of errors that are everywhere in a contour rather than somewhere.
EVERYWHERE = ("other structure", "wrong side")


def doubtful_places(gland: Drawn, kind: str | None = None) -> np.ndarray:
    """How doubtful each place is, 0 to 1, float32 (z, y, x), in the contour and where it may lack something.

    Args:
        gland: with the automatic contour if there is one.
        kind: of error, if the contour as a whole was judged doubtful.
    """
    doubt = np.zeros(gland.mask.shape, np.float32)
    box = _box(gland)
    mask = gland.mask[box]
    evidence = [_slices_apart(mask, gland.spacing), _no_gland(gland, box), _pieces(mask, gland.spacing)]
    if gland.automatic is not None and gland.automatic.any():
        evidence.append(_apart(mask, gland.automatic[box], gland.spacing))
    elif kind == "end cut":
        evidence.append(_ends(mask, gland.spacing))
    if kind in EVERYWHERE:
        evidence.append(np.where(mask, 1.0, 0.0))
    doubt[box] = np.max(evidence, axis=0)
    return doubt


def place_to_look(doubt: np.ndarray, spacing: np.ndarray) -> np.ndarray | None:
    """The middle of the largest marked region, an index (z, y, x) within it; None if nothing is marked."""
    marked = doubt >= SURE
    if not marked.any():
        return None
    box = joint_bounding_box(marked, marked)
    region = np.argwhere(_largest(marked[box])) + [part.start for part in box]
    away = np.linalg.norm((region - region.mean(axis=0)) * spacing, axis=1)
    return np.asarray(region[away.argmin()])


def _box(gland: Drawn) -> tuple[slice, ...]:
    """Around the contour and the automatic one, and somewhat more."""
    other = gland.mask if gland.automatic is None else gland.automatic
    extra = np.ceil(2.0 * END_MM / gland.spacing).astype(int)
    return tuple(
        slice(max(0, part.start - e), part.stop + e)
        for part, e in zip(joint_bounding_box(gland.mask, other), extra, strict=True)
    )


def _apart(mask: np.ndarray, expected: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """By how far a contour and another one are apart."""
    if not mask.any() or not expected.any():
        return np.zeros(mask.shape)
    depth = np.zeros(mask.shape)
    for one, other in ((mask, expected), (expected, mask)):
        only = one & ~other
        depth[only] = signed_distance(other, spacing)[only]
    return _with_surroundings(depth)


def _slices_apart(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """By how far each slice is apart from what its neighbours make one expect: the median of their distances."""
    depth = np.zeros(mask.shape)
    filled = np.flatnonzero(mask.any(axis=(1, 2)))
    if len(filled) < 3:
        return depth
    whole = mask[filled[0] : filled[-1] + 1]
    known = np.unique(filled - filled[0])
    flat = {i: signed_distance(whole[i : i + 1], spacing)[0] for i in known.tolist()}
    for i in range(len(whole)):
        near = known[(np.abs(known - i) <= NEIGHBOURS)]
        if len(near) < 3:
            continue
        expected = np.median([flat[n] for n in near.tolist()], axis=0)
        here = flat.get(i, np.full(expected.shape, np.inf))
        apart = (expected < 0.0) != (here < 0.0)
        depth[filled[0] + i] = np.where(apart, np.maximum(np.abs(expected), _finite(here)), 0.0)
    # Where the gland tapers, neighbours mislead.
    taper = max(1, round(END_MM / spacing[0]))
    depth[: filled[0] + taper] = depth[filled[-1] + 1 - taper :] = 0.0
    return _with_surroundings(depth)


def _finite(distance: np.ndarray) -> np.ndarray:
    """Absolute distances; that from an empty slice is beyond doubt."""
    return np.minimum(np.abs(distance), CERTAIN_MM)


def _with_surroundings(depth: np.ndarray) -> np.ndarray:
    """Doubt from distances in mm, (z, y, x): 1 where they are certain, and `SURE` in what hangs together with such."""
    doubt = np.clip((depth - NOTHING_MM) / (CERTAIN_MM - NOTHING_MM), 0.0, 1.0)
    pieces = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray((depth > NEAR_MM).astype(np.uint8))))
    sure = np.unique(pieces[(doubt >= SURE) & (pieces > 0)])
    return np.where(np.isin(pieces, sure) & (pieces > 0), np.maximum(doubt, SURE), doubt)


def _no_gland(gland: Drawn, box: tuple[slice, ...]) -> np.ndarray:
    """What of a contour is bone, air, skin or outside of the patient, unless it is little; and holes in it."""
    mask, values = gland.mask[box], gland.hounsfield[box]
    found = np.zeros(mask.shape)
    voxel_ml = gland.spacing.prod() / 1000.0
    for there in (mask & (values > BONE_HU), mask & ((values < AIR_HU) | (gland.skin[box] > -SKIN_MM))):
        pieces = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(there.astype(np.uint8))))
        large = np.flatnonzero(np.bincount(pieces.ravel()) * voxel_ml >= LEAST_ML)
        found[np.isin(pieces, large[large > 0])] = 1.0
    found[without_holes(mask) & ~mask] = 1.0
    return found


def _pieces(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """All but the largest piece, unless a slice without a contour parts it."""
    bridged = mask.copy()
    filled = np.flatnonzero(mask.any(axis=(1, 2)))
    for before, after in pairwise(filled):
        bridged[before + 1 : after] = mask[before] | mask[after]
    return np.where(mask & ~_largest(bridged), 1.0, 0.0)


def _ends(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Both ends, within and beyond."""
    filled = np.flatnonzero(mask.any(axis=(1, 2)))
    reach = max(1, round(END_MM / spacing[0]))
    found = np.zeros(mask.shape)
    for end, beyond in ((filled[0], -1), (filled[-1], 1)):
        for step in range(1 - reach, reach + 1):
            index = end + beyond * step
            if 0 <= index < len(mask):
                found[index] = np.where(mask[end] if step > 0 else mask[index], 0.6, 0.0)
    return found


def _largest(mask: np.ndarray) -> np.ndarray:
    pieces = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)), True))
    counts = np.bincount(pieces.ravel())
    return pieces == 1 + int(counts[1:].argmax()) if len(counts) > 1 else mask
