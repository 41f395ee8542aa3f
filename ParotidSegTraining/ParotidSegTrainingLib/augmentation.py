"""Random transforms of training patches.

Drawing the parameters is apart from applying them: a drawn `Parameters` can be printed, tested and replayed. The
spatial part is one affine map in patient space, so a patch is interpolated once, from the scan's own voxels. A mirror
image swaps the two gland labels, always: there is no way to ask for the one without the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.preprocessing import AIR_HU

from .recipe import Augmentation


@dataclass(frozen=True)
class Parameters:
    """One draw.

    Attributes:
        mirror: left and right change places.
        rotation: about the x, y and z axis, in radians; the earlier of the two other axes turns towards the later one.
        scale: along x, y and z.
        shear: the three upper off-diagonal elements of the affine matrix: y to x, z to x, z to y.
        gain, offset: contrast about 0 HU, and HU added.
        noise: standard deviation in HU.
        blur: standard deviation in voxels.
        noise_seed: seed of the noise.
        in_scan: part of the patch's height that the scan covers, from 0 (bottom) to 1 (top).
    """

    mirror: bool = False
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shear: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gain: float = 1.0
    offset: float = 0.0
    noise: float = 0.0
    blur: float = 0.0
    noise_seed: int = 0
    in_scan: tuple[float, float] = (0.0, 1.0)


def draw(ranges: Augmentation, rng: np.random.Generator) -> Parameters:
    """Draw parameters, uniformly within the ranges."""

    def within(limit: float) -> tuple[float, float, float]:
        x, y, z = rng.uniform(-limit, limit, 3)
        return float(x), float(y), float(z)

    stretch = within(ranges.scale)
    return Parameters(
        mirror=bool(rng.random() < ranges.mirror),
        rotation=within(math.radians(ranges.rotation)),
        scale=(1.0 + stretch[0], 1.0 + stretch[1], 1.0 + stretch[2]),
        shear=within(ranges.shear),
        gain=1.0 + float(rng.uniform(-ranges.gain, ranges.gain)),
        offset=float(rng.uniform(-ranges.offset, ranges.offset)),
        noise=float(rng.uniform(0.0, ranges.noise)),
        blur=float(rng.uniform(0.0, ranges.blur)),
        noise_seed=int(rng.integers(2**31)),
        in_scan=_draw_in_scan(ranges.truncation, rng),
    )


def _draw_in_scan(chance: float, rng: np.random.Generator) -> tuple[float, float]:
    if rng.random() >= chance:
        return 0.0, 1.0
    end = float(rng.random())
    return (0.0, end) if rng.random() < 0.5 else (end, 1.0)


def spatial_transform(parameters: Parameters, centre: np.ndarray) -> sitk.AffineTransform:
    """The map from a point of the patch to the point of the scan that is read there.

    What the patch shows is changed the other way round: a scale of 1.1 reads a larger part of the scan, so that the
    head looks smaller. First comes the mirror, then scale, shear, and the rotations about x, y and z.

    Args:
        parameters: the draw.
        centre: fixed point of rotation, scale, shear and mirror (x, y, z in mm).
    """
    rotations = [_rotation(axis, angle) for axis, angle in enumerate(parameters.rotation)]
    shear = np.eye(3)
    shear[0, 1], shear[0, 2], shear[1, 2] = parameters.shear
    matrix = rotations[2] @ rotations[1] @ rotations[0] @ shear @ np.diag(parameters.scale)
    if parameters.mirror:
        matrix = matrix @ np.diag([-1.0, 1.0, 1.0])
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix.ravel().tolist())
    transform.SetCenter([float(c) for c in centre])
    return transform


def _rotation(axis: int, angle: float) -> np.ndarray:
    cosine, sine = math.cos(angle), math.sin(angle)
    first, second = (i for i in range(3) if i != axis)
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = cosine
    matrix[first, second], matrix[second, first] = -sine, sine
    return matrix


def change_intensity(hounsfield: np.ndarray, parameters: Parameters) -> np.ndarray:
    """Contrast, offset, blur and noise; float32 HU (z, y, x) in and out. Labels are not touched by any of them."""
    changed = hounsfield * np.float32(parameters.gain) + np.float32(parameters.offset)
    if parameters.blur > 0.2:
        image = sitk.DiscreteGaussian(sitk.GetImageFromArray(changed), parameters.blur**2, 9, 0.02, False)
        changed = sitk.GetArrayFromImage(image)
    if parameters.noise > 0.0:
        rng = np.random.default_rng(parameters.noise_seed)
        changed = changed + rng.standard_normal(changed.shape, dtype=np.float32) * np.float32(parameters.noise)
    return changed


def end_scan(hounsfield: np.ndarray, labels: np.ndarray, parameters: Parameters) -> None:
    """Empty what lies beyond the end of the scan, in place: air in the image, background in the labels; (z, y, x)."""
    first, last = (round(share * labels.shape[0]) for share in parameters.in_scan)
    for beyond in (slice(0, first), slice(last, None)):
        hounsfield[beyond] = AIR_HU
        labels[beyond] = 0
