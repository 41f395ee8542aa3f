"""Grids of voxels, and squares that are drawn on their slices, in patient space."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk


def grid(size=(30, 24, 12), spacing=(2.0, 2.0, 3.0), origin=(-10.0, 5.0, 100.0)) -> sitk.Image:
    image = sitk.Image(list(size), sitk.sitkInt16)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    return image


def polygon(image: sitk.Image, corners: list[tuple[float, float]], k: float) -> np.ndarray:
    """Corners in pixels (x, y) of a slice, as points in mm."""
    return np.array([image.TransformContinuousIndexToPhysicalPoint((x, y, k)) for x, y in corners])


def square(image: sitk.Image, low: float, high: float, k: float) -> np.ndarray:
    return polygon(image, [(low, low), (high, low), (high, high), (low, high)], k)
