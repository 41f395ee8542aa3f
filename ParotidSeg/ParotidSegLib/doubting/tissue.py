"""Measures of what a contour holds and of what lies around it: values in HU, skin, bone, place in the head."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..geometry.surfaces import joint_bounding_box
from .drawn import Drawn, middle_of

BONE_HU, AIR_HU, FAT_HU, MUSCLE_HU = 180.0, -250.0, -60.0, (25.0, 90.0)
#: Beside the gland bone is looked for so far: mm (z, y, x), from a little outside of its middle towards the middle of the head.
BONE_REACH_MM = ((-36.0, 36.0), (-48.0, 33.0), (-10.0, 48.0))
#: Thickness of the layers on both sides of the surface, mm.
LAYER_MM = 4.0
SKIN_MM = 4.0


def tissue_measures(gland: Drawn) -> dict[str, float]:
    """Values within, along the boundary and beyond the ends; the way to the skin; the place in the head."""
    margin = np.ceil(2.0 * LAYER_MM / gland.spacing).astype(int)
    box = tuple(
        slice(max(0, part.start - m), part.stop + m)
        for part, m in zip(joint_bounding_box(gland.mask, gland.mask), margin, strict=True)
    )
    mask, values, skin = gland.mask[box], gland.hounsfield[box], gland.skin[box]
    return {
        **_within(values[mask]),
        **_boundary(mask, values, gland.spacing),
        **_ends(gland),
        "least_depth": float(-np.quantile(skin[mask], 0.98)),
        "mean_depth": float(-skin[mask].mean()),
        "on_skin": float((skin[mask] > -SKIN_MM).mean()),
        **_place(gland),
        **_bone_beside(gland),
    }


def _within(values: np.ndarray) -> dict[str, float]:
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    return {
        "hu": float(middle),
        "hu_low": float(low),
        "hu_high": float(high),
        "hu_spread": float(np.log(values.std() + 5.0)),
        "bone": float((values > BONE_HU).mean()),
        "air": float((values < AIR_HU).mean()),
        "fat": float((values < FAT_HU).mean()),
        "muscle": float(((values > MUSCLE_HU[0]) & (values < MUSCLE_HU[1])).mean()),
    }


def _boundary(mask: np.ndarray, values: np.ndarray, spacing: np.ndarray) -> dict[str, float]:
    """Values in a layer within the surface and in one outside of it: all around, and towards each direction."""
    distance = signed_distance(mask, spacing)
    inner, outer = mask & (distance > -LAYER_MM), ~mask & (distance < LAYER_MM)
    core = mask & ~inner
    middle = np.median(values[core]) if core.any() else np.median(values[mask])
    normal = np.stack(np.gradient(distance, *spacing))
    found = {
        "rim": float(np.median(values[inner]) - middle),
        "edge": float(np.abs(values[outer] - middle).mean()),
        "rim_bone": float((values[inner] > BONE_HU).mean()),
        "bone_around": float((values[outer] > BONE_HU).mean()),
        "like_inside": float((np.abs(values[outer] - middle) < 30.0).mean()),
    }
    for name, axis, sign in (
        ("above", 0, 1),
        ("below", 0, -1),
        ("behind", 1, 1),
        ("before", 1, -1),
        ("medial", 2, 1),
        ("lateral", 2, -1),
    ):
        facing = outer & (sign * normal[axis] > 0.7)
        clipped = np.clip(values[facing], -200.0, 300.0)
        found[f"hu_{name}"] = float(clipped.mean()) if clipped.size else float("nan")
    return found


def _ends(gland: Drawn) -> dict[str, float]:
    """How like the end slices the next slices beyond them are, within the same outline: a cut gland goes on."""
    filled = np.flatnonzero(gland.mask.any(axis=(1, 2)))
    core = gland.hounsfield[gland.mask]
    low, high = np.quantile(core, (0.15, 0.85))
    found = {}
    for name, end, step in (("top", filled[-1], 1), ("bottom", filled[0], -1)):
        beyond = end + step * max(1, round(4.0 / gland.spacing[0]))
        if 0 <= beyond < len(gland.mask):
            values = gland.hounsfield[beyond][gland.mask[end]]
            found[f"goes_on_at_{name}"] = float(((values >= low) & (values <= high)).mean())
        else:
            found[f"goes_on_at_{name}"] = float("nan")
    return found


def _place(gland: Drawn) -> dict[str, float]:
    """Where the gland lies in the cross-section of the body: from its middle, in mm and as shares."""
    filled = np.flatnonzero(gland.mask.any(axis=(1, 2)))
    planes = gland.body[filled]
    if not planes.any():
        return dict.fromkeys(("to_the_side", "side_share", "depth_share"), float("nan"))
    centre = np.median([middle_of(plane[None], gland.spacing) for plane in planes if plane.any()], axis=0)
    rows, columns = (np.flatnonzero(planes.any(axis=(0, axis))) for axis in (2, 1))
    half = max(1.0, np.ptp(columns) / 2.0 * gland.spacing[2])
    lateral = centre[2] - gland.middle[2]
    ahead = gland.middle[1] - rows[0] * gland.spacing[1]
    return {
        "to_the_side": float(lateral),
        "side_share": float(lateral / half),
        "depth_share": float(ahead / max(1.0, np.ptp(rows) * gland.spacing[1])),
    }


def _bone_beside(gland: Drawn) -> dict[str, float]:
    """The jaw and the skull base beside the gland: how much there is, and which way its middle lies (mm)."""
    index = gland.middle / gland.spacing
    parts = [
        slice(max(0, int(i + low / s)), max(0, int(i + high / s) + 1))
        for i, (low, high), s in zip(index, BONE_REACH_MM, gland.spacing, strict=True)
    ]
    bone = gland.hounsfield[tuple(parts)] > BONE_HU
    if np.count_nonzero(bone) < 20:
        return {"bone_beside": float(np.mean(bone)) if bone.size else 0.0} | dict.fromkeys(
            ("bone_up", "bone_back", "bone_in"), float("nan")
        )
    way = (np.argwhere(bone).mean(axis=0) + [part.start for part in parts] - index) * gland.spacing
    return {
        "bone_beside": float(bone.mean()),
        "bone_up": float(way[0]),
        "bone_back": float(way[1]),
        "bone_in": float(way[2]),
    }


def signed_distance(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Distance from the surface of a mask, mm, negative within, (z, y, x); infinite of an empty mask."""
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(spacing[::-1].tolist())
    return sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True))
