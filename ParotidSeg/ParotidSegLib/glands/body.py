"""Where the patient ends: the body in a CT, and how far every point lies from the skin."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

#: Half way between air and the fat below the skin: where a blurred skin has its true place.
SKIN_HU = -500.0


def body_mask(hounsfield: np.ndarray) -> np.ndarray:
    """The largest connected piece above `SKIN_HU`, without holes in any axial slice, bool (z, y, x).

    Whatever touches the patient counts as patient.

    Args:
        hounsfield: HU (z, y, x) on an axis-aligned patient grid.
    """
    pieces = sitk.ConnectedComponent(sitk.GetImageFromArray((hounsfield > SKIN_HU).astype(np.uint8)))
    labels = sitk.GetArrayFromImage(pieces)
    sizes = np.bincount(labels.ravel())
    if len(sizes) < 2:
        return np.zeros(hounsfield.shape, bool)
    body = (labels == 1 + int(sizes[1:].argmax())).astype(np.uint8)
    for plane in body:
        if plane.any():
            plane[:] = sitk.GetArrayFromImage(sitk.BinaryFillhole(sitk.GetImageFromArray(plane)))
    return body.astype(bool)


def skin_distance(body: np.ndarray, spacing_zyx: tuple[float, float, float]) -> np.ndarray:
    """Distance from the skin in mm, float32 (z, y, x): negative in the body, everywhere infinite without one.

    Args:
        body: bool (z, y, x).
        spacing_zyx: edge of a voxel in mm.
    """
    if not body.any():
        return np.full(body.shape, np.inf, np.float32)
    # ITK counts from the middle of the nearest voxel; the surface is half a voxel nearer.
    half = np.float32(np.mean(spacing_zyx) / 2.0)
    return np.where(body, half - _distance_to(~body, spacing_zyx), _distance_to(body, spacing_zyx) - half)


def _distance_to(mask: np.ndarray, spacing_zyx: tuple[float, float, float]) -> np.ndarray:
    """From every voxel outside the mask to the nearest one in it, mm, float32 (z, y, x)."""
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(spacing_zyx[::-1])
    return sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True))
