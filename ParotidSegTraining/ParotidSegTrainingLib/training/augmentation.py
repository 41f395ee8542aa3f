"""Random transforms of training patches.

Drawing the parameters is apart from applying them: a drawn `Parameters` can be printed, tested and replayed. The
spatial part is one map in patient space, so a patch is interpolated once, from the scan's own voxels. A mirror image
swaps the labels of the two sides, always: there is no way to ask for the one without the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.geometry.grids import Grid

from ..recipe import Augmentation
from .field_of_view import FieldEdge, draw_edges
from .surroundings import Thing, draw_things

#: Control points of the elastic deformation along each axis, less the order of the spline.
ELASTIC_MESH = 4
#: Distance in mm over which a streak of metal fades to 1/e.
STREAK_LENGTH = 60.0
#: Largest displacement as a share of the distance of the control points: a B-spline stays one to one below 0.48.
LARGEST_ELASTIC_SHARE = 0.4


@dataclass(frozen=True)
class Parameters:
    """One draw.

    Attributes:
        mirror: left and right change places.
        rotation: about the x, y and z axis, in radians; the earlier of the two other axes turns towards the later one.
        scale: along x, y and z.
        shear: the three upper off-diagonal elements of the affine matrix: y to x, z to x, z to y.
        elastic: largest displacement of the control points of a smooth deformation in mm.
        gain, offset: contrast about the middle of the window, and brightness added, in half windows.
        gamma: exponent of the shown values, taken from 0 to 1.
        noise: standard deviation in half windows.
        blur: standard deviation in voxels.
        sharpness: so much of the fine detail is added; a patch that is sharpened is not blurred.
        coarseness: factor by which the resolution is lowered along `coarse_axis` (0, 1, 2 for z, y, x); 1 for none.
        seed: of the noise, of the deformation and of the streaks.
        in_scan: part of the patch's height that the scan covers, from 0 (bottom) to 1 (top).
        streaks: standard deviation of the streaks of one piece of metal where they begin, in half windows.
        things: what lies outside the body, see `surroundings`.
        edges: of the field of view, see `field_of_view`.
    """

    mirror: bool = False
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shear: tuple[float, float, float] = (0.0, 0.0, 0.0)
    elastic: float = 0.0
    gain: float = 1.0
    offset: float = 0.0
    gamma: float = 1.0
    noise: float = 0.0
    blur: float = 0.0
    coarseness: float = 1.0
    coarse_axis: int = 0
    seed: int = 0
    in_scan: tuple[float, float] = (0.0, 1.0)
    streaks: float = 0.0
    things: tuple[Thing, ...] = ()
    edges: tuple[FieldEdge, ...] = ()
    sharpness: float = 0.0


def draw(ranges: Augmentation, rng: np.random.Generator) -> Parameters:
    """Draw parameters, uniformly within the ranges."""

    def within(limit: float) -> tuple[float, float, float]:
        x, y, z = rng.uniform(-limit, limit, 3)
        return float(x), float(y), float(z)

    stretch = within(ranges.scale)
    rotation = within(math.radians(ranges.rotation))
    if ranges.quarter_turns:
        rotation = (*rotation[:2], rotation[2] + float(rng.integers(4)) * math.pi / 2.0)
    gain, offset = (
        1.0 + float(rng.uniform(-ranges.gain, ranges.gain)),
        float(rng.uniform(-ranges.offset, ranges.offset)),
    )
    if ranges.tones:
        tone_gain, tone_offset = ranges.tones[rng.integers(len(ranges.tones))]
        gain, offset = gain * tone_gain, offset + tone_offset
    return Parameters(
        mirror=bool(rng.random() < ranges.mirror),
        rotation=rotation,
        scale=(1.0 + stretch[0], 1.0 + stretch[1], 1.0 + stretch[2]),
        shear=within(ranges.shear),
        elastic=float(rng.uniform(0.0, ranges.elastic)),
        gain=gain,
        offset=offset,
        gamma=math.exp(float(rng.uniform(-ranges.gamma, ranges.gamma))),
        noise=float(rng.uniform(0.0, ranges.noise)),
        blur=float(rng.uniform(0.0, ranges.blur)),
        coarseness=float(rng.uniform(1.0, max(1.0, ranges.anisotropy))),
        coarse_axis=int(rng.integers(3)),
        seed=int(rng.integers(2**31)),
        in_scan=_draw_in_scan(ranges.truncation, rng),
        streaks=max(0.0, float(rng.uniform(-ranges.streaks, ranges.streaks))),
        things=draw_things(ranges, rng),
        edges=draw_edges(ranges, rng),
        # Drawn last, and only if asked for: recipes without it see the patches that they always saw.
        sharpness=max(0.0, float(rng.uniform(-ranges.sharpness, ranges.sharpness))) if ranges.sharpness else 0.0,
    )


def _draw_in_scan(chance: float, rng: np.random.Generator) -> tuple[float, float]:
    if rng.random() >= chance:
        return 0.0, 1.0
    end = float(rng.random())
    return (0.0, end) if rng.random() < 0.5 else (end, 1.0)


def spatial_transform(parameters: Parameters, grid: Grid) -> sitk.Transform:
    """The map from a point of the patch to the point of the scan that is read there.

    What the patch shows is changed the other way round: a scale of 1.1 reads a larger part of the scan, so that the
    head looks smaller. First comes the mirror, then scale, shear, the rotations about x, y and z, and the deformation.

    Args:
        parameters: the draw.
        grid: of the patch; its centre is the fixed point of rotation, scale, shear and mirror.
    """
    affine = _affine(parameters, grid.centre)
    if not parameters.elastic:
        return affine
    # The transform that was added last is applied first: the deformation stays on the grid of the patch.
    return sitk.CompositeTransform([affine, _deformation(parameters, grid)])


def _affine(parameters: Parameters, centre: np.ndarray) -> sitk.AffineTransform:
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


def _deformation(parameters: Parameters, grid: Grid) -> sitk.DisplacementFieldTransform:
    """A cubic B-spline whose control points move by up to `elastic` mm along each axis, never so far that it folds.

    Its value at every voxel of the patch is found once, axis by axis: an ITK B-spline would find it anew, from 64
    control points a voxel, for the image and for each mask.
    """
    edge = np.array(grid.size) * grid.spacing
    largest = np.minimum(parameters.elastic, LARGEST_ELASTIC_SHARE * edge / ELASTIC_MESH)
    points = [ELASTIC_MESH + 3] * 3
    rng = np.random.default_rng([parameters.seed, 1])
    moved = rng.uniform(-1.0, 1.0, (3, *points)) * largest.reshape(3, 1, 1, 1)
    weights = [_spline_weights(count) for count in grid.shape]
    field = np.einsum("cabd,za,yb,xd->zyxc", moved, *weights, optimize=True)
    image = sitk.GetImageFromArray(field, isVector=True)
    image.SetOrigin(grid.origin)
    image.SetSpacing(grid.spacing)
    return sitk.DisplacementFieldTransform(image)


def _spline_weights(count: int) -> np.ndarray:
    """Weight of each control point of a uniform cubic B-spline in the middle of each of `count` voxels along an axis.

    Returns:
        float64 (count, control points); the outermost control points lie beyond the axis, as in ITK.
    """
    place = (np.arange(count) + 0.5) / count * ELASTIC_MESH
    first = np.floor(place).astype(int)
    t = place - first
    basis = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    weights = np.zeros((count, ELASTIC_MESH + 3))
    for offset, values in enumerate(basis):
        weights[np.arange(count), first + offset] = values / 6.0
    return weights


def change_intensity(
    shown: np.ndarray, parameters: Parameters, spacing: Sequence[float] = (1.0, 1.0, 1.0)
) -> np.ndarray:
    """Contrast, brightness, resolution, blur, streaks and noise, then the clip to -1..1 and gamma; never the labels.

    Args:
        shown: what the network sees before it is clipped (`Preprocessing.scale`), float32 (z, y, x, channels).
        parameters: the draw.
        spacing: of the patch in mm (z, y, x).

    Returns:
        float32 (z, y, x, channels) in -1..1.
    """
    changed = shown * np.float32(parameters.gain) + np.float32(parameters.offset)
    if parameters.coarseness > 1.0:
        changed = _per_channel(changed, lambda image: _coarsened(image, parameters))
    if parameters.sharpness > 0.0:
        changed = changed + np.float32(parameters.sharpness) * (changed - _per_channel(changed, _smoothed))
    elif parameters.blur > 0.2:
        changed = _per_channel(changed, lambda image: sitk.DiscreteGaussian(image, parameters.blur**2, 9, 0.02, False))
    if parameters.streaks > 0.0:
        changed = changed + _streaks(changed.shape[:3], parameters, spacing)[..., np.newaxis]
    if parameters.noise > 0.0:
        rng = np.random.default_rng([parameters.seed, 0])
        changed = changed + rng.standard_normal(changed.shape, dtype=np.float32) * np.float32(parameters.noise)
    changed = np.clip(changed, -1.0, 1.0)
    if parameters.gamma != 1.0:
        changed = ((changed + 1.0) / 2.0) ** np.float32(parameters.gamma) * 2.0 - 1.0
    return changed.astype(np.float32)


def _per_channel(shown: np.ndarray, change: Callable[[sitk.Image], sitk.Image]) -> np.ndarray:
    channels = (np.ascontiguousarray(shown[..., channel]) for channel in range(shown.shape[-1]))
    return np.stack([sitk.GetArrayFromImage(change(sitk.GetImageFromArray(values))) for values in channels], axis=-1)


def _smoothed(image: sitk.Image) -> sitk.Image:
    """Without the fine detail that a sharp kernel brings out: of one to three voxels."""
    return sitk.DiscreteGaussian(image, 1.3**2, 9, 0.02, False)


def _coarsened(image: sitk.Image, parameters: Parameters) -> sitk.Image:
    """The image read from fewer planes along one axis, as a scan with thicker voxels would have them."""
    axis = 2 - parameters.coarse_axis
    size, spacing, origin = list(image.GetSize()), [1.0] * 3, [0.0] * 3
    size[axis] = max(1, round(size[axis] / parameters.coarseness))
    spacing[axis] = image.GetSize()[axis] / size[axis]
    origin[axis] = (spacing[axis] - 1.0) / 2.0
    nearest, linear = sitk.sitkNearestNeighbor, sitk.sitkLinear
    coarse = sitk.Resample(image, size, sitk.Transform(), nearest, origin, spacing, image.GetDirection(), -1.0)
    if size[axis] > 1:
        # Beyond the middle of the outermost planes there is nothing to interpolate: they go on as they are.
        coarse = sitk.ZeroFluxNeumannPad(coarse, [int(a == axis) for a in range(3)], [int(a == axis) for a in range(3)])
        return sitk.Resample(coarse, image, sitk.Transform(), linear, -1.0)
    return sitk.Expand(coarse, [image.GetSize()[axis] if a == axis else 1 for a in range(3)], nearest)


def _streaks(shape: tuple[int, ...], parameters: Parameters, spacing: Sequence[float]) -> np.ndarray:
    """Bright and dark rays from one to three pieces of metal anywhere at one height of the patch, float32 (z, y, x).

    A ray is as bright as a random profile over the angle says, a few degrees wide; it fades with the distance from the
    metal in the slice and above and below it.
    """
    rng = np.random.default_rng([parameters.seed, 2])
    depth, height, width = (np.arange(count) * step for count, step in zip(shape, spacing, strict=True))
    thickness = rng.uniform(4.0, 12.0)
    above = np.exp(-0.5 * ((depth - rng.uniform(0.0, depth[-1])) / thickness) ** 2)
    plane = np.zeros(shape[1:])
    for _ in range(rng.integers(1, 4)):
        y, x = np.meshgrid(height - rng.uniform(0.0, height[-1]), width - rng.uniform(0.0, width[-1]), indexing="ij")
        degrees = np.degrees(np.arctan2(y, x)) % 360.0
        directions = np.arange(0.0, 360.0, rng.uniform(3.0, 15.0))
        profile = np.interp(degrees, directions, rng.standard_normal(len(directions)), period=360.0)
        plane += profile * np.exp(-np.hypot(y, x) / STREAK_LENGTH)
    return (parameters.streaks * above[:, None, None] * plane).astype(np.float32)


def end_scan(shown: np.ndarray, labels: np.ndarray, parameters: Parameters, continuation: int = 0) -> None:
    """Empty what lies beyond the end of the scan, in place: the lowest value, background; (z, y, x, …).

    Args:
        shown, labels: of the patch.
        parameters: the draw.
        continuation: so many planes beyond its end the scan goes on as its last plane is, and the labels with it.
    """
    count = labels.shape[0]
    first, last = (round(share * count) for share in parameters.in_scan)
    if first < last:
        for values in (shown, labels):
            values[max(first - continuation, 0) : first] = values[first]
            values[last : last + continuation] = values[last - 1]
        first, last = max(first - continuation, 0), min(last + continuation, count)
    for beyond in (slice(0, first), slice(last, None)):
        shown[beyond] = -1.0
        labels[beyond] = 0
