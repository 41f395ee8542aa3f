"""What the correcting network sees on a coarse lattice around one gland: the CT, the model's opinion and the strokes.

The lattice is as coarse as the scans that the network learned from, so that a scan of any resolution looks alike, and a
step is quick. What it gives is a change of smooth distances, which loses nothing when it is interpolated.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ...geometry.grids import Grid
from ...geometry.sampling import sample, sample_back, sample_region
from .distances import REACH_MM
from .gland import Gland, Strokes
from .kriging import LENGTH_MM, kriging_weights
from .residual import residuals

#: The lattice's spacing (across the slices, row, column), mm, unless the scan's own is coarser.
LATTICE_MM = (2.0, 3.5, 3.5)
#: A second, longer range over which corrections agree: the way in which this user draws the whole gland.
LONG_MM = 40.0
CHANNELS = 13
#: The channel that the network changes: the distances that the residual gives, in units of `REACH_MM`.
CARRIED = 4
#: HU that become 0, and the HU that are one unit, of the two channels of the CT: soft tissue, and everything.
_WINDOWS = ((20.0, 100.0), (0.0, 500.0))
#: Share of the drawn slices that has to be changed for the network to have its full say.
_FULL_SAY = 0.05


def lattice_of(gland: Gland) -> Grid:
    """The lattice over a gland's surroundings; its first voxel has the coordinates 0, 0, 0."""
    spacing = [max(own, wanted) for own, wanted in zip(gland.spacing, LATTICE_MM, strict=True)]
    return Grid.covering(_image(gland.automatic.astype(np.uint8), gland.spacing), spacing)


def network_input(gland: Gland, strokes: Strokes, lattice: Grid) -> np.ndarray:
    """The network's input, float32 (slice, row, column, `CHANNELS`); left glands are mirrored into right ones."""
    ct = sample_region(_image(gland.ct, gland.spacing), lattice)
    prior, automatic = (_on(lattice, field, gland.spacing) for field in (gland.prior, gland.geometric))
    modelled = automatic if gland.modelled is None else _on(lattice, gland.modelled, gland.spacing)
    change = _in_plane(lattice, residuals(gland, strokes), gland.spacing)
    drawn = _in_plane(lattice, strokes.distances(gland), gland.spacing)
    before = _in_plane(lattice, gland.geometric[strokes.slices], gland.spacing)

    positions = lattice.origin[2] + np.arange(lattice.size[2]) * lattice.spacing[2]
    places = gland.positions[strokes.slices]
    near, far = (kriging_weights(positions, places, length).astype(np.float32) for length in (LENGTH_MM, LONG_MM))
    below, above = _neighbours(positions, places)
    nearest = np.where(_closeness(positions, places, below) >= _closeness(positions, places, above), below, above)
    other = np.where(nearest == below, above, below)
    home = np.abs(places[nearest][:, None] - positions).argmin(axis=1)  # the lattice's slice at the nearest stroke

    scale = 1.0 / REACH_MM
    soft, wide = (np.clip((ct - level) / width, -2.0, 2.0) for level, width in _WINDOWS)
    everything = [
        soft,
        wide,
        automatic * scale,
        modelled * scale,
        (prior + np.tensordot(near, change, axes=1)) * scale,
        np.tensordot(far, change, axes=1) * scale,
        np.broadcast_to(_closeness(positions, places, nearest)[:, None, None], ct.shape),
        drawn[nearest] * scale,
        before[nearest] * scale,
        soft[home],
        drawn[other] * scale,
        before[other] * scale,
        np.broadcast_to((_closeness(positions, places, other) * (other >= 0))[:, None, None], ct.shape),
    ]
    stacked = np.stack(everything, axis=-1).astype(np.float32)
    stacked[other < 0, ..., 10:12] = 0.0
    return stacked[:, :, ::-1] if gland.is_left else stacked


def say(gland: Gland, strokes: Strokes) -> float:
    """How much the network has to say, 0 to 1: a stroke that changed next to nothing should change next to nothing."""
    before = gland.automatic[strokes.slices]
    drawn = max(1, int(np.count_nonzero(before | strokes.masks)))
    return min(1.0, np.count_nonzero(before ^ strokes.masks) / drawn / _FULL_SAY)


def from_lattice(values: np.ndarray, lattice: Grid, gland: Gland) -> np.ndarray:
    """The network's output (slice, row, column) on the gland's own voxels; 0 beyond the lattice."""
    turned = values[:, :, ::-1] if gland.is_left else values
    whole = np.zeros(gland.automatic.shape, np.float32)
    carried = sample_back(turned[..., None], lattice, _image(gland.automatic.astype(np.uint8), gland.spacing))
    if carried is not None:
        field, box = carried
        whole[box.slices] = field[..., 0]
    return whole


def _neighbours(positions: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The next corrected slice below or at each position, and above; -1 where there is none (places ascend)."""
    above = np.searchsorted(places, positions + 1e-6)
    return above - 1, np.where(above < places.size, above, -1)


def _closeness(positions: np.ndarray, places: np.ndarray, which: np.ndarray) -> np.ndarray:
    """1 at a corrected slice, 1/e at the kriging's length from it, 0 where there is none."""
    return np.where(which >= 0, np.exp(-np.abs(positions - places[which]) / LENGTH_MM), 0.0)


def _image(array: np.ndarray, spacing: tuple[float, float, float]) -> sitk.Image:
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(spacing[::-1])
    return image


def _on(lattice: Grid, field: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """A field of smooth distances on the lattice."""
    return sample(_image(field, spacing), lattice, outside=-REACH_MM)


def _in_plane(lattice: Grid, slices: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """Slices (n, row, column) on the lattice's rows and columns."""
    plane = Grid((*lattice.origin[:2], 0.0), (*lattice.spacing[:2], 1.0), (*lattice.size[:2], len(slices)))
    return sample(_image(slices.astype(np.float32), (1.0, *spacing[1:])), plane, outside=0.0)
