"""A field of view that ends within the patient: what lies beside it is not in the scan."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..recipe import Augmentation

#: How deep the edge of the field lies below the farthest skin, as a rule an ear's, mm; below 0 it passes by.
DEPTH_MM = (-6.0, 34.0)
#: Radius of a round field, mm.
RADIUS_MM = (90.0, 260.0)
#: What scanners and programs write where they have nothing: mostly air, some padding, some zero.
BACKGROUNDS_HU = (-1024.0, -1024.0, -1024.0, -1000.0, -2048.0, -3024.0, 0.0)


@dataclass(frozen=True)
class FieldEdge:
    """One edge of the field of view.

    Attributes:
        azimuth: the side that is cut: 0 towards larger x, π/2 towards larger y, in radians.
        depth: how far below the farthest point of the skin on that side the edge lies, mm.
        radius: of a round field, mm; infinite for a straight edge.
        background: value beyond it, HU.
    """

    azimuth: float
    depth: float
    radius: float = math.inf
    background: float = -1024.0


def draw_edges(ranges: Augmentation, rng: np.random.Generator) -> tuple[FieldEdge, ...]:
    """Draw the edges of the field, as `ranges.field` says: of one side, or of both."""
    if rng.random() >= ranges.field:
        return ()
    first = math.pi * float(rng.integers(2)) + rng.normal(0.0, 0.15)
    sides = [first, first + math.pi] if rng.random() < 0.3 else [first]
    radius = math.inf if rng.random() < 0.6 else float(rng.uniform(*RADIUS_MM))
    background = float(rng.choice(BACKGROUNDS_HU))
    return tuple(FieldEdge(side, float(rng.uniform(*DEPTH_MM)), radius, background) for side in sides)


def beyond(edge: FieldEdge, skin: np.ndarray, rows: slice, spacing: tuple[float, float, float]) -> np.ndarray:
    """Which columns of a patch lie beyond the edge, bool (y, x).

    Args:
        edge: the drawn edge.
        skin: distance from the skin in mm, (z, y, x), negative in the body.
        rows: the slices whose skin counts: where the structures are, so that shoulders do not decide about cheeks.
        spacing: edge of a voxel in mm, (z, y, x).
    """
    height, width = (np.arange(n) * s for n, s in zip(skin.shape[1:], spacing[1:], strict=True))
    cosine, sine = math.cos(edge.azimuth), math.sin(edge.azimuth)
    body = (skin[rows] < 0.0).any(axis=0)
    if not body.any():
        return np.zeros(skin.shape[1:], bool)
    y0, x0 = (float(np.average(at, weights=body.sum(axis=1 - axis))) for axis, at in enumerate((height, width)))
    y, x = np.meshgrid(height - y0, width - x0, indexing="ij")
    ahead, aside = x * cosine + y * sine, y * cosine - x * sine
    at = float(ahead[body].max()) - edge.depth
    if math.isinf(edge.radius):
        return ahead > at
    return (ahead > at - edge.radius) & (np.hypot(ahead - (at - edge.radius), aside) > edge.radius)


def end_field(
    shown: np.ndarray,
    labels: np.ndarray,
    skin: np.ndarray,
    edges: Sequence[FieldEdge],
    *,
    spacing: tuple[float, float, float],
    limits: Mapping[int, tuple[float, float]],
) -> None:
    """Empty what lies beyond the edges of the field, in place: the background's value, and no label.

    Args:
        shown: what the network sees, float32 (z, y, x, channels) in -1..1.
        labels: uint8 (z, y, x).
        skin: distance from the skin in mm, (z, y, x), negative in the body.
        edges: of the field.
        spacing: edge of a voxel in mm, (z, y, x).
        limits: the window of each channel that shows the CT.
    """
    levels = np.flatnonzero(labels.any(axis=(1, 2)))
    count = labels.shape[0]
    rows = slice(levels[0], levels[-1] + 1) if levels.size else slice(count // 3, count - count // 3)
    outside = [(edge, beyond(edge, skin, rows, spacing)) for edge in edges]
    for edge, where in outside:
        for channel, (low, high) in limits.items():
            value = 2.0 * (edge.background - low) / (high - low) - 1.0
            shown[:, where, channel] = min(1.0, max(-1.0, value))
        labels[:, where] = 0
