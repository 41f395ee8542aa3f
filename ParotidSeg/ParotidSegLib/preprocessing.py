"""From a scan to the grid and intensities of a network, and back: the same code for training and for inference.

Everything is done in physical space. A network sees an axis-aligned grid in patient coordinates (LPS), whatever the
orientation of the scan; the smoothing before a coarser grid, the interpolation and the intensity window are stated by
one small frozen dataclass that a bundle stores.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

AIR_HU = -1024.0
#: What an input can be: DICOM's codes; "OT" is any other.
MODALITIES = ("CT", "PT", "MR", "OT")
#: No image of a patient is sampled finer or coarser than this, in mm.
FINEST_MM, COARSEST_MM = 0.2, 20.0
#: Full width at half maximum of a Gaussian, in standard deviations.
_FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))
#: Below this many voxels a Gaussian changes nothing that interpolation does not blur anyway.
_SMALLEST_SIGMA = 0.2


@dataclass(frozen=True)
class Input:
    """One image that a network takes.

    Attributes:
        name: what the image is called in a data set and on the command line.
        modality: as DICOM codes it: "CT" (values are HU), "PT", "MR", or "OT" for anything else.
    """

    name: str = "ct"
    modality: str = "CT"

    def __post_init__(self) -> None:
        if self.modality not in MODALITIES:
            raise ValueError(f"modality must be one of {', '.join(MODALITIES)}, not '{self.modality}'")
        if not re.fullmatch(r"[A-Za-z0-9-]{1,32}", self.name):
            raise ValueError(f"name must be made of letters and digits, not '{self.name}'")

    @property
    def outside(self) -> float:
        """Value beyond the edges of the image: air in CT, nothing elsewhere."""
        return AIR_HU if self.modality == "CT" else 0.0


@dataclass(frozen=True)
class Channel:
    """One channel of what a network sees.

    Attributes:
        window: lowest and highest value; mapped to -1 and 1, values outside are clipped.
        unit: "value" (HU in CT), or "sd": standard deviations from the mean of the image's voxels that are not zero.
        input: index of the image that the channel is made from.
    """

    window: tuple[float, float] = (-200.0, 300.0)
    unit: str = "value"
    input: int = 0

    def __post_init__(self) -> None:
        # Written so that NaN fails too.
        if not -math.inf < self.window[0] < self.window[1] < math.inf:
            raise ValueError("window must rise")
        if self.unit not in ("value", "sd"):
            raise ValueError("unit must be 'value' or 'sd'")

    def limits(self, image: sitk.Image) -> tuple[float, float]:
        """The window in the values of the whole image."""
        if self.unit == "value":
            return self.window
        values = sitk.GetArrayViewFromImage(image)
        values = values[values != 0]
        if not values.size:
            return self.window
        mean, sd = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64)) or 1.0
        return mean + self.window[0] * sd, mean + self.window[1] * sd


@dataclass(frozen=True)
class Preprocessing:
    """How a network wants its input.

    Attributes:
        spacing: edge of a voxel in mm, (z, y, x).
        channels: what it sees.
        inputs: the images that it takes; results lie on the grid of the first.
        resolution: how sharp an image may look: the full width at half maximum of a point in mm, (z, y, x). Sharper
            scans are smoothed to it, so that a network that learned from coarse scans sees no others, and one patient
            gets one contour, whatever the voxels. None: as sharp as the spacing allows.
    """

    spacing: tuple[float, float, float]
    channels: tuple[Channel, ...] = (Channel(),)
    inputs: tuple[Input, ...] = (Input(),)
    resolution: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if not all(FINEST_MM <= edge <= COARSEST_MM for edge in self.spacing):
            raise ValueError(f"spacing must lie between {FINEST_MM:g} and {COARSEST_MM:g} mm")
        if self.resolution and not all(FINEST_MM <= width <= COARSEST_MM for width in self.resolution):
            raise ValueError(f"resolution must lie between {FINEST_MM:g} and {COARSEST_MM:g} mm")
        if not self.channels or not self.inputs:
            raise ValueError("channels and inputs must not be empty")
        if not all(0 <= channel.input < len(self.inputs) for channel in self.channels):
            raise ValueError(f"channels must take an input from 0 to {len(self.inputs) - 1}")
        if len({channel.input for channel in self.channels}) != len(self.inputs):
            raise ValueError("inputs must each be taken by a channel")
        if len({i.name for i in self.inputs}) != len(self.inputs):
            raise ValueError("inputs must have names of their own")

    def limits(self, images: Sequence[sitk.Image]) -> list[tuple[float, float]]:
        """The window of each channel in the values of its whole image."""
        return [channel.limits(images[channel.input]) for channel in self.channels]

    def normalise(self, sampled: Sequence[np.ndarray], limits: Sequence[tuple[float, float]]) -> np.ndarray:
        """The network's input, float32 (..., channels) in -1..1, from the values of each image and `limits`."""
        return np.clip(self.scale(sampled, limits), -1.0, 1.0)

    def scale(self, sampled: Sequence[np.ndarray], limits: Sequence[tuple[float, float]]) -> np.ndarray:
        """As `normalise`, but not clipped."""
        scaled = [
            (sampled[channel.input] - low) * (2.0 / (high - low)) - 1.0
            for channel, (low, high) in zip(self.channels, limits, strict=True)
        ]
        return np.stack(scaled, axis=-1).astype(np.float32)

    def sample_region(self, images: Sequence[sitk.Image], grid: Grid) -> np.ndarray:
        """The network's input on the grid, float32 (z, y, x, channels)."""
        sampled = [
            sample_region(image, grid, outside=wanted.outside, resolution=self.resolution)
            for image, wanted in zip(images, self.inputs, strict=True)
        ]
        return self.normalise(sampled, self.limits(images))


@dataclass(frozen=True)
class Grid:
    """An axis-aligned grid in patient space.

    Attributes:
        origin: centre of the first voxel in mm, LPS, (x, y, z).
        spacing: edge of a voxel in mm, (x, y, z).
        size: voxels, (x, y, z).
    """

    origin: tuple[float, float, float]
    spacing: tuple[float, float, float]
    size: tuple[int, int, int]

    @classmethod
    def centred(cls, centre: Sequence[float], spacing_zyx: Sequence[float], size_zyx: Sequence[int]) -> Grid:
        """The grid of this spacing and size (both z, y, x) whose middle lies at `centre` (x, y, z in mm)."""
        spacing = (float(spacing_zyx[2]), float(spacing_zyx[1]), float(spacing_zyx[0]))
        size = (int(size_zyx[2]), int(size_zyx[1]), int(size_zyx[0]))
        x, y, z = (c - (n - 1) / 2.0 * s for c, n, s in zip(centre, size, spacing, strict=True))
        return cls((float(x), float(y), float(z)), spacing, size)

    @classmethod
    def covering(cls, image: sitk.Image, spacing_zyx: Sequence[float]) -> Grid:
        """The smallest grid of this spacing (z, y, x) that covers the whole image, centred on it."""
        low, high = physical_bounds(image)
        size_zyx = [
            max(1, math.ceil((h - lo) / s - 1e-6))
            for lo, h, s in zip(reversed(low), reversed(high), spacing_zyx, strict=True)
        ]
        return cls.centred((low + high) / 2.0, spacing_zyx, size_zyx)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an array on this grid, (z, y, x)."""
        return self.size[2], self.size[1], self.size[0]

    @property
    def centre(self) -> np.ndarray:
        """Middle of the grid in mm, (x, y, z)."""
        return np.array([o + (n - 1) / 2.0 * s for o, n, s in zip(self.origin, self.size, self.spacing, strict=True)])

    @property
    def corners(self) -> np.ndarray:
        """The eight outermost voxel centres in mm, shape (8, 3), (x, y, z)."""
        last = [o + (n - 1) * s for o, n, s in zip(self.origin, self.size, self.spacing, strict=True)]
        return np.array(np.meshgrid(*zip(self.origin, last, strict=True))).reshape(3, 8).T

    def image(self, array: np.ndarray) -> sitk.Image:
        """The array (z, y, x) as an image on this grid."""
        image = sitk.GetImageFromArray(array)
        image.SetOrigin(self.origin)
        image.SetSpacing(self.spacing)
        return image


def physical_bounds(image: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest patient coordinates (x, y, z in mm) of the image, to the outer faces of its voxels."""
    faces = [(-0.5, n - 0.5) for n in image.GetSize()]
    corners = [(i, j, k) for i in faces[0] for j in faces[1] for k in faces[2]]
    points = np.array([image.TransformContinuousIndexToPhysicalPoint(corner) for corner in corners])
    return points.min(axis=0), points.max(axis=0)


@dataclass(frozen=True)
class Box:
    """A box of voxels of an image: first index and size, (x, y, z)."""

    index: tuple[int, int, int]
    size: tuple[int, int, int]

    def crop(self, image: sitk.Image) -> sitk.Image:
        """That part of the image, with its geometry."""
        return sitk.RegionOfInterest(image, self.size, self.index)

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The same box for an array (z, y, x)."""
        z, y, x = (slice(i, i + n) for i, n in zip(reversed(self.index), reversed(self.size), strict=True))
        return z, y, x


def box_around(image: sitk.Image, points: np.ndarray, margin: Sequence[float] = (0.0, 0.0, 0.0)) -> Box | None:
    """The box of voxels of `image` that holds the physical points (n, 3) and `margin` mm along each image axis.

    Returns:
        The box, cut to the image; None if nothing of it lies inside.
    """
    indices = np.array([image.TransformPhysicalPointToContinuousIndex(point) for point in points.tolist()])
    margins = np.array(margin) / np.array(image.GetSpacing())
    first = np.maximum(np.floor(indices.min(axis=0) - margins), 0).astype(int)
    last = np.minimum(np.ceil(indices.max(axis=0) + margins), np.array(image.GetSize()) - 1).astype(int)
    if np.any(last < first):
        return None
    return Box(tuple(first.tolist()), tuple((last - first + 1).tolist()))


def smooth_for(
    image: sitk.Image, spacing_zyx: Sequence[float], resolution_zyx: Sequence[float] | None = None
) -> sitk.Image:
    """Low-pass the image before it is sampled at a coarser spacing, or at a lower resolution; else leave it as it is.

    A Gaussian along each image axis, as wide as the wider of the two asks for:

    - the spacing: a point spread of one source voxel (full width at half maximum) becomes one of a target voxel;
    - the resolution: the sampled image has this point spread. Its variance is what a source voxel gives it (s²/12 for
      its extent and s²/6 for linear interpolation, on average over the places between the voxels) and the Gaussian's.

    Args:
        image: scalar image.
        spacing_zyx: the coming spacing in mm, in patient axes (z, y, x).
        resolution_zyx: full width at half maximum of a point in mm, in patient axes (z, y, x).

    Returns:
        The image itself, or a float32 image on the same grid.
    """
    # How much of each patient axis (x, y, z) there is in each image axis; one row each.
    shares = np.array(image.GetDirection()).reshape(3, 3).T ** 2
    coming = shares @ np.array(spacing_zyx[::-1])
    sharpest = shares @ np.array(resolution_zyx[::-1]) if resolution_zyx else np.zeros(3)
    for axis, source in enumerate(image.GetSpacing()):
        variance = max(
            (coming[axis] ** 2 - source**2) / _FWHM**2,
            (sharpest[axis] / _FWHM) ** 2 - source**2 / 4.0,
        )
        sigma = math.sqrt(max(0.0, variance))
        if sigma > _SMALLEST_SIGMA * source and image.GetSize()[axis] >= 4:
            image = sitk.RecursiveGaussian(sitk.Cast(image, sitk.sitkFloat32), sigma, direction=axis)
    return image


def sample(
    image: sitk.Image,
    grid: Grid,
    *,
    transform: sitk.Transform | None = None,
    outside: float = AIR_HU,
) -> np.ndarray:
    """Linear interpolation of the image on the grid.

    Args:
        image: scalar image, already smoothed for the grid (`smooth_for`).
        grid: where to sample.
        transform: maps a point of the grid to the point of the image that is read there (training draws random ones).
        outside: value beyond the image.

    Returns:
        float32 array (z, y, x).
    """
    resampled = sitk.Resample(
        image,
        grid.size,
        transform or sitk.Transform(),
        sitk.sitkLinear,
        grid.origin,
        grid.spacing,
        (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
        outside,
        sitk.sitkFloat32,
    )
    return sitk.GetArrayFromImage(resampled)


def sample_region(
    image: sitk.Image, grid: Grid, *, outside: float = AIR_HU, resolution: Sequence[float] | None = None
) -> np.ndarray:
    """Values of the image on the grid, float32 (z, y, x): only the part under the grid is smoothed and read.

    Args:
        image: scalar image.
        grid: where to sample.
        outside: value beyond the image.
        resolution: see `smooth_for`.
    """
    margin = [3.0 * max(*grid.spacing, *(resolution or ()))] * 3
    box = box_around(image, grid.corners, margin)
    if box is None:
        return np.full(grid.shape, outside, np.float32)
    return sample(smooth_for(box.crop(image), tuple(reversed(grid.spacing)), resolution), grid, outside=outside)


def sample_back(probabilities: np.ndarray, grid: Grid, image: sitk.Image) -> tuple[np.ndarray, Box] | None:
    """Carry probabilities from a grid to the voxels of the scan under it.

    Args:
        probabilities: float32 (z, y, x, structures), background left out.
        grid: where they lie.
        image: the scan; only its geometry is used.

    Returns:
        float32 array (z, y, x, structures) for a box of the scan, and that box; None if the grid lies beyond the scan.
    """
    box = box_around(image, grid.corners)
    if box is None:
        return None
    reference_origin = image.TransformIndexToPhysicalPoint(box.index)
    carried = np.empty((*reversed(box.size), probabilities.shape[-1]), np.float32)
    for structure in range(probabilities.shape[-1]):
        channel = grid.image(np.ascontiguousarray(probabilities[..., structure], dtype=np.float32))
        resampled = sitk.Resample(
            channel,
            box.size,
            sitk.Transform(),
            sitk.sitkLinear,
            reference_origin,
            image.GetSpacing(),
            image.GetDirection(),
            0.0,
            sitk.sitkFloat32,
        )
        carried[..., structure] = sitk.GetArrayViewFromImage(resampled)
    return carried, box


def sample_whole(
    image: sitk.Image, spacing_zyx: Sequence[float], resolution_zyx: Sequence[float] | None = None
) -> tuple[np.ndarray, Grid]:
    """The whole scan on a coarse patient grid.

    Smoothing and thinning go axis by axis, so that only the first pass touches the scan at its full size.

    Args:
        image: scalar image.
        spacing_zyx: the coarse spacing in mm (z, y, x).
        resolution_zyx: see `smooth_for`.

    Returns:
        HU, float32 (z, y, x), and the grid that they lie on.
    """
    grid = Grid.covering(image, spacing_zyx)
    finest_wanted = min(spacing_zyx) / 2.0
    thinned = image
    for axis in np.argsort(image.GetSpacing()):
        source = image.GetSpacing()[axis]
        if source >= finest_wanted or image.GetSize()[axis] < 4:
            continue
        sigma = math.sqrt(finest_wanted**2 - source**2) / _FWHM
        if sigma > _SMALLEST_SIGMA * source:
            thinned = sitk.RecursiveGaussian(sitk.Cast(thinned, sitk.sitkFloat32), sigma, direction=int(axis))
        thinned = _thin(thinned, int(axis), finest_wanted)
    return sample(smooth_for(thinned, spacing_zyx, resolution_zyx), grid), grid


def _thin(image: sitk.Image, axis: int, spacing: float) -> sitk.Image:
    """Fewer voxels along one image axis, to its ends, spread evenly about the middle: the same for a reversed axis."""
    size, old = list(image.GetSize()), list(image.GetSpacing())
    new = list(old)
    count = math.ceil(size[axis] * old[axis] / spacing - 1e-6)
    new[axis] = spacing
    first = [0.0, 0.0, 0.0]
    first[axis] = (size[axis] - 1) / 2.0 - (count - 1) / 2.0 * spacing / old[axis]
    size[axis] = count
    origin = image.TransformContinuousIndexToPhysicalPoint(first)
    return sitk.Resample(
        image, size, sitk.Transform(), sitk.sitkLinear, origin, new, image.GetDirection(), AIR_HU, image.GetPixelID()
    )
