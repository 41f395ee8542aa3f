"""Two made glands in a made CT, on any grid, and what a person might draw in their slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from orientations import image_of

from ParotidSegLib.correcting.expected.network import CorrectingNetwork
from ParotidSegLib.correcting.expected.network_input import CARRIED, CHANNELS

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
#: Middles of the right and the left gland, mm, LPS, and their half axes.
MIDDLES = ((-55.0, 10.0, 30.0), (55.0, 12.0, 33.0))
HALF_AXES = (14.0, 18.0, 27.0)


@dataclass(frozen=True)
class Scan:
    """A made scan: CT, automatic contours, what the user wants, and how unsure the model was (percent)."""

    image: sitk.Image
    automatic: sitk.Image
    wanted: sitk.Image
    uncertainty: sitk.Image


def made_scan(
    size: Sequence[int] = (48, 26, 40),
    spacing: Sequence[float] = (3.5, 3.5, 2.5),
    direction: Sequence[float] = IDENTITY,
) -> Scan:
    """A scan of this grid about the glands; the user wants them wider in front and longer above than the model."""
    centre = np.array([0.0, 10.0, 31.0])
    matrix = np.reshape(direction, (3, 3))
    origin = centre - matrix @ ((np.array(size) - 1) / 2.0 * np.array(spacing))

    def labels(shift: Sequence[float], grown: float):
        def value(points: np.ndarray) -> np.ndarray:
            found = np.zeros(points.shape[:-1])
            for label, middle in enumerate(MIDDLES, start=1):
                away = (points - np.array(middle) - shift) / (np.array(HALF_AXES) + grown)
                found = np.where((away**2).sum(axis=-1) < 1.0, label, found)
            return found

        return value

    def unsure(points: np.ndarray) -> np.ndarray:
        nearest = np.min(
            [np.abs(np.linalg.norm((points - np.array(m)) / np.array(HALF_AXES), axis=-1) - 1.0) for m in MIDDLES],
            axis=0,
        )
        return 60.0 * np.exp(-6.0 * nearest)

    def hu(points: np.ndarray) -> np.ndarray:
        tissue = np.where(labels((0.0, -3.0, 3.0), 1.0)(points) > 0, -10.0, 55.0)
        tissue = tissue + 20.0 * np.sin(points.sum(axis=-1) / 9.0)
        away = np.hypot(points[..., 0] / 85.0, (points[..., 1] - 10.0) / 95.0)
        return np.select([away < 0.9, away < 1.0], [tissue, -100.0], -1000.0)

    def on_grid(function, kind: int) -> sitk.Image:
        return sitk.Cast(image_of(function, size, spacing, origin, direction), kind)

    return Scan(
        on_grid(hu, sitk.sitkInt16),
        on_grid(labels((0.0, 0.0, 0.0), 0.0), sitk.sitkUInt8),
        on_grid(labels((0.0, -3.0, 3.0), 1.0), sitk.sitkUInt8),
        on_grid(unsure, sitk.sitkUInt8),
    )


def array_of(image: sitk.Image) -> np.ndarray:
    """The labels (z, y, x), as a copy."""
    return sitk.GetArrayFromImage(image)


def with_slices(base: sitk.Image, other: sitk.Image, slices: Sequence[int], axis: int = 0) -> sitk.Image:
    """A label map with these slices (along an axis of the array) of another one."""
    labels, source = array_of(base), array_of(other)
    for number in slices:
        place = tuple(number if a == axis else slice(None) for a in range(3))
        labels[place] = source[place]
    return image_like(base, labels)


def image_like(image: sitk.Image, labels: np.ndarray) -> sitk.Image:
    """A label map (z, y, x) on the grid of an image."""
    made = sitk.GetImageFromArray(labels)
    made.CopyInformation(image)
    return made


def slices_of(labels: sitk.Image, label: int, axis: int = 0) -> np.ndarray:
    """The slices along an axis of the array in which a label is."""
    others = tuple(other for other in range(3) if other != axis)
    return np.flatnonzero((array_of(labels) == label).any(axis=others))


def dice(one: sitk.Image, other: sitk.Image, label: int) -> float:
    """Overlap of a label in two maps."""
    a, b = array_of(one) == label, array_of(other) == label
    return float(2.0 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)))


def made_network(seed: int = 5) -> CorrectingNetwork:
    """A network with weights from a seed: what it adds is neither nothing nor sensible."""
    generator = np.random.default_rng(seed)

    def layer(size: int, given: int, made: int) -> tuple[np.ndarray, np.ndarray]:
        kernel = generator.normal(0.0, 0.5 / np.sqrt(size**3 * given), (size, size, size, given, made))
        return kernel, np.zeros(made, np.float32)

    layers = [layer(3, CHANNELS, 6), layer(3, 6, 6), layer(1, 6, 1)]
    layers[0][0][1, 1, 1, CARRIED] += 0.25
    # Numbers that a file keeps exactly.
    return CorrectingNetwork(tuple((kernel.astype(np.float16).astype(np.float32), bias) for kernel, bias in layers))
