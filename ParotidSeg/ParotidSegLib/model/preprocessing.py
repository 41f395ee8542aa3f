"""What a network takes: images, channels and intensities on its grid; the same code for training and for inference.

The smoothing before a coarser grid, the interpolation and the intensity window are stated by one small frozen
dataclass that a bundle stores.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..geometry.grids import Grid
from ..geometry.sampling import AIR_HU, sample_region

#: What an input can be: DICOM's codes; "OT" is any other.
MODALITIES = ("CT", "PT", "MR", "OT")
#: No image of a patient is sampled finer or coarser than this, in mm.
FINEST_MM, COARSEST_MM = 0.2, 20.0
#: Farther than this no slice says anything of what lay beyond it.
LONGEST_CONTINUATION_MM = 50.0


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
        continuation: how far a CT goes on beyond its ends along the body, by its own last slices, in mm; see
            `geometry.ends`.
    """

    spacing: tuple[float, float, float]
    channels: tuple[Channel, ...] = (Channel(),)
    inputs: tuple[Input, ...] = (Input(),)
    resolution: tuple[float, float, float] | None = None
    continuation: float = 0.0

    def __post_init__(self) -> None:
        if not all(FINEST_MM <= edge <= COARSEST_MM for edge in self.spacing):
            raise ValueError(f"spacing must lie between {FINEST_MM:g} and {COARSEST_MM:g} mm")
        if self.resolution and not all(FINEST_MM <= width <= COARSEST_MM for width in self.resolution):
            raise ValueError(f"resolution must lie between {FINEST_MM:g} and {COARSEST_MM:g} mm")
        if not 0.0 <= self.continuation <= LONGEST_CONTINUATION_MM:
            raise ValueError(f"continuation must lie between 0 and {LONGEST_CONTINUATION_MM:g} mm")
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
            sample_region(
                image,
                grid,
                outside=wanted.outside,
                resolution=self.resolution,
                continuation=self.continuation if wanted.modality == "CT" else 0.0,
            )
            for image, wanted in zip(images, self.inputs, strict=True)
        ]
        return self.normalise(sampled, self.limits(images))
