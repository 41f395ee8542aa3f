"""Measures of what a contour holds and of what lies around it: values in HU, skin, bone, place in the head."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..geometry.surfaces import joint_bounding_box
from .drawn import Drawn, middle_of

BONE_HU, AIR_HU, FAT_HU, MUSCLE_HU = 180.0, -250.0, -60.0, (25.0, 90.0)
#: Bone and air cells are looked for so far from the middle of the gland, mm (z, y, x); and how many voxels are some.
BESIDE_MM, LEAST_BESIDE = ((-36.0, 36.0), (-48.0, 33.0), (-10.0, 40.0)), 20
#: Thickness of the layers on both sides of the surface, mm.
LAYER_MM = 4.0
SKIN_MM = 4.0
#: How far a contour is tried elsewhere, and how near a value is to count as like another, HU.
MOVED_MM, LIKE_HU = 6.0, 35.0
#: Name, axis (z, y, x) and sign: up is towards the head, in is towards the middle.
DIRECTIONS = (
    ("above", 0, 1),
    ("below", 0, -1),
    ("behind", 1, 1),
    ("before", 1, -1),
    ("medial", 2, 1),
    ("lateral", 2, -1),
)


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
        **_if_moved(gland),
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
    for name, axis, sign in DIRECTIONS:
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
    """Jaw, skull base and air cells beside the gland: how much there is, and which way its middle lies (mm)."""
    index = gland.middle / gland.spacing
    parts = [
        slice(max(0, int(i + low / s)), max(0, int(i + high / s) + 1))
        for i, (low, high), s in zip(index, BESIDE_MM, gland.spacing, strict=True)
    ]
    values, inside = gland.hounsfield[tuple(parts)], gland.skin[tuple(parts)] < -2.0 * SKIN_MM
    first = np.array([part.start for part in parts])
    found = {}
    for name, there in (("bone", (values > BONE_HU) & inside), ("cells", (values < AIR_HU) & inside)):
        found[f"{name}_beside"] = float(there.mean()) if there.size else 0.0
        way = np.full(3, np.nan)
        if np.count_nonzero(there) >= LEAST_BESIDE:
            way = (np.argwhere(there).mean(axis=0) + first - index) * gland.spacing
        found.update({f"{name}_{axis}": float(mm) for axis, mm in zip(("up", "back", "in"), way, strict=True)})
    return found


def _if_moved(gland: Drawn) -> dict[str, float]:
    """How much better the contour would part like from unlike if it lay elsewhere by `MOVED_MM`, in each direction.

    Like is what has the value of the middle of the contour; of it, more should lie within than in a layer around.
    """
    reach = np.ceil((MOVED_MM + LAYER_MM) / gland.spacing).astype(int) + 1
    box = joint_bounding_box(gland.mask, gland.mask)
    mask = np.pad(gland.mask[box], [(r, r) for r in reach])
    wide = tuple(slice(part.start - r, part.stop + r) for part, r in zip(box, reach, strict=True))
    values = _padded(gland.hounsfield, wide)
    like = np.exp(-0.5 * ((values - np.median(values[mask])) / LIKE_HU) ** 2)
    distance = signed_distance(mask, gland.spacing)
    within, around = np.argwhere(mask), np.argwhere(~mask & (distance < LAYER_MM))

    def parted(by: np.ndarray) -> float:
        inner, outer = (like[tuple(np.clip(part + by, 0, np.array(like.shape) - 1).T)] for part in (within, around))
        return float(inner.mean() - outer.mean())

    here = parted(np.zeros(3, int))
    steps = np.maximum(np.rint(MOVED_MM / gland.spacing).astype(int), 1)
    found = {"parted": here}
    for name, axis, sign in DIRECTIONS:
        by = np.zeros(3, int)
        by[axis] = sign * steps[axis]
        found[f"better_{name}"] = parted(by) - here
    return found


def _padded(array: np.ndarray, box: tuple[slice, ...]) -> np.ndarray:
    """The part of an array in a box that may reach beyond it, where the outermost values are repeated."""
    index = [np.clip(np.arange(part.start, part.stop), 0, n - 1) for part, n in zip(box, array.shape, strict=True)]
    return array[np.ix_(*index)]


def signed_distance(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Distance from the surface of a mask, mm, negative within, (z, y, x); infinite of an empty mask."""
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(spacing[::-1].tolist())
    return sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True))
