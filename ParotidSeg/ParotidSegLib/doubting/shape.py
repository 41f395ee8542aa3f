"""Measures of a contour by itself: its size, its slices, its likeness to the other gland."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..geometry.surfaces import joint_bounding_box
from .drawn import Drawn, middle_of

#: Where the profile of areas is read, as shares of the height from below.
HEIGHTS = (0.1, 0.3, 0.5, 0.7, 0.9)


def shape_measures(gland: Drawn) -> dict[str, float]:
    """Size and form in mm and mL: of the gland, of its slices, and against the other gland."""
    box = joint_bounding_box(gland.mask, gland.mask)
    return {
        **_size(gland.mask[box], gland.spacing),
        **_profile(gland.mask[box]),
        **_steps(gland.mask[box], gland.spacing),
        **_pieces(gland.mask[box], gland.spacing),
        **_against_the_other(gland),
    }


def _size(mask: np.ndarray, spacing: np.ndarray) -> dict[str, float]:
    volume = mask.sum() * spacing.prod()
    index = np.argwhere(mask) * spacing
    height, depth, width = np.quantile(index, 0.97, axis=0) - np.quantile(index, 0.03, axis=0) + spacing
    spread = np.linalg.eigvalsh(np.cov(index.T) + np.diag(spacing**2 / 12.0)) if len(index) > 3 else np.ones(3)
    padded = np.pad(mask, 1)
    # Faces between inside and outside, weighed to be the surface of a ball if it is one.
    faces = [np.count_nonzero(np.diff(padded, axis=axis)) * spacing.prod() / spacing[axis] for axis in range(3)]
    return {
        "volume": float(np.log(volume / 1000.0)),
        "height": float(height),
        "depth": float(depth),
        "width": float(width),
        "slenderness": float(np.log(spread[2] / spread[1])),
        "flatness": float(np.log(spread[1] / spread[0])),
        "roughness": float(np.log(sum(faces) / volume ** (2.0 / 3.0))),
    }


def _profile(mask: np.ndarray) -> dict[str, float]:
    areas = mask.sum(axis=(1, 2)).astype(float)
    largest = areas.max()
    at = np.interp(np.array(HEIGHTS) * (len(areas) - 1), np.arange(len(areas)), areas) / areas.mean()
    return {
        "bottom_end": float(areas[0] / largest),
        "top_end": float(areas[-1] / largest),
        **{f"area_at_{round(100 * height)}": float(area) for height, area in zip(HEIGHTS, at, strict=True)},
    }


def _steps(mask: np.ndarray, spacing: np.ndarray) -> dict[str, float]:
    """From slice to slice: gaps, jumps of the middle, changes of the area; holes within slices."""
    areas = mask.sum(axis=(1, 2))
    filled = np.flatnonzero(areas)
    middles = np.array([middle_of(mask[i : i + 1], spacing)[1:] for i in filled])
    thickness = spacing[0] * np.diff(filled)
    jumps = np.linalg.norm(np.diff(middles, axis=0), axis=1) if len(filled) > 1 else np.zeros(1)
    # A run of moved slices is a step there and a step back; a slanting gland has steps of one direction.
    bends = np.linalg.norm(np.diff(middles, n=2, axis=0), axis=1) if len(filled) > 2 else np.zeros(1)
    root = np.sqrt(areas[filled] * spacing[1:].prod())
    ripple = np.abs(np.diff(root, n=2)) if len(filled) > 2 else np.zeros(1)
    overlap = [
        2.0 * np.count_nonzero(mask[a] & mask[b]) / (areas[a] + areas[b])
        for a, b in zip(filled[:-1], filled[1:], strict=True)
    ] or [1.0]
    within = overlap[1:-1] or overlap
    holes = sum(
        sitk.GetArrayFromImage(sitk.BinaryFillhole(sitk.GetImageFromArray(plane))).sum() - plane.sum()
        for plane in np.pad(mask, 1).astype(np.uint8)
        if plane.any()
    )
    return {
        "empty_slices": float(len(areas) - len(filled)),
        "largest_gap": float((thickness.max() if len(thickness) else spacing[0]) - spacing[0]),
        "jump": float(jumps.max()),
        "bend": float(bends.max()),
        "usual_bend": float(np.median(bends)),
        "ripple": float(ripple.max()),
        "usual_ripple": float(np.median(ripple)),
        "least_overlap": float(min(within)),
        "usual_overlap": float(np.median(overlap)),
        "holes": float(holes * spacing.prod() / 1000.0),
    }


def _pieces(mask: np.ndarray, spacing: np.ndarray) -> dict[str, float]:
    """What is not connected with the largest piece: its share, and how far away it lies."""
    labels = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)), True))
    counts = np.bincount(labels.ravel())[1:]
    largest = labels == 1 + int(counts.argmax())
    stray = mask & ~largest
    if not stray.any():
        return {"stray_share": 0.0, "stray_distance": 0.0}
    away = np.linalg.norm(np.argwhere(stray) * spacing - middle_of(largest, spacing), axis=1).max()
    return {"stray_share": float(stray.sum() / mask.sum()), "stray_distance": float(away)}


def _against_the_other(gland: Drawn) -> dict[str, float]:
    """Differences of the two glands, this one less the other, and how alike they are once laid upon each other."""
    names = ("volume_ratio", "height_ratio", "higher", "farther_back", "likeness")
    if not gland.other.any():
        return dict.fromkeys(names, float("nan"))
    here, there = (mask[joint_bounding_box(mask, mask)] for mask in (gland.mask, gland.other[..., ::-1]))
    apart = gland.middle - middle_of(gland.other, gland.spacing)
    shape = np.maximum(here.shape, there.shape) + 4
    one, two = (_centred(mask, shape) for mask in (here, there))
    return {
        "volume_ratio": float(np.log(here.sum() / there.sum())),
        "height_ratio": float(np.log(here.shape[0] / there.shape[0])),
        "higher": float(apart[0]),
        "farther_back": float(apart[1]),
        "likeness": float(2.0 * np.count_nonzero(one & two) / (here.sum() + there.sum())),
    }


def _centred(mask: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """The mask in an array of this shape, its middle (to the voxel) in the middle."""
    whole = np.zeros(shape, bool)
    first = np.rint((shape - 1) / 2.0 - middle_of(mask, np.ones(3))).astype(int)
    first = np.clip(first, 0, shape - np.array(mask.shape))
    whole[tuple(slice(start, start + n) for start, n in zip(first, mask.shape, strict=True))] = mask
    return whole
