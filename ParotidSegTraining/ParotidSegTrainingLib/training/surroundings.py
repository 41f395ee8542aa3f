"""Things outside the body: bolus, masks, headrests and other material on or near the skin of a training patch.

Planning CTs have them, the training data have nothing but air out there. As with `augmentation`, drawing is apart from
applying: a drawn `Thing` can be printed, tested and replayed. A thing is laid where the patch shows air, and takes the
air's share of a voxel on the skin, so that what touches the skin leaves no seam; the patient's own voxels stay as they
are, and so do the labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..recipe import Augmentation

AIR_HU = -1000.0
#: A voxel at this value holds no air; below it the rest of the way to air is air's share.
NO_AIR_HU = -150.0
#: Nothing is laid farther from the skin than this, mm, nor deeper than this below it (in the airways).
FARTHEST_MM, DEEPEST_MM = 60.0, 8.0
#: Full width at half maximum of the edges of things, mm: that of the scans that a patch is sampled from.
EDGE_MM = 4.0
#: A layer nearer than this touches the skin.
CONTACT_MM = 0.3
#: Wavelengths of the waves of a gap, mm, and how many are added.
WAVES_MM, WAVES = (15.0, 60.0), 4
#: How often a bolus is of the kind that costs most.
HARDEST = 0.5
#: Directions, in radians.
LARGER_X, BACK = 0.0, math.pi / 2.0


@dataclass(frozen=True)
class Thing:
    """One piece of material outside the body.

    Attributes:
        hounsfield: its value, HU.
        texture: standard deviation of the value, HU.
        shape: "layer" (follows the skin), "filled" (begins at the skin, its outside is flat), "plate" (flat on both
            sides, touches the farthest point of the skin) or "rod" (upright, round; it touches that point, too).
        azimuth: in which direction it lies, seen from the middle of the body: 0 towards larger x, π/2 towards larger y
            (the back), in radians.
        half_width: how far it reaches to both sides of this direction along the skin, mm.
        middle: its height as a share of the patch, from 0 (bottom) to 1 (top).
        half_height: how far it reaches up and down from there, mm.
        thickness: mm; of a rod its diameter.
        gap: between skin and thing, mm.
        waviness: how much the gap varies from place to place, mm: where it is above 0, there are pockets of air.
        seed: of the texture and of the waves.
    """

    hounsfield: float
    texture: float = 0.0
    shape: str = "layer"
    azimuth: float = 0.0
    half_width: float = 1000.0
    middle: float = 0.5
    half_height: float = 1000.0
    thickness: float = 10.0
    gap: float = 0.0
    waviness: float = 0.0
    seed: int = 0


def draw_things(ranges: Augmentation, rng: np.random.Generator) -> tuple[Thing, ...]:
    """Draw what lies outside the body, as `ranges.bolus` and `ranges.devices` say; what comes first lies inside."""
    things: list[Thing] = []
    if rng.random() < ranges.bolus:
        things += _bolus(rng)
    if rng.random() < ranges.devices:
        chosen = rng.permutation(len(_DEVICES))[: rng.integers(1, 4)]
        for index in chosen:
            things += _DEVICES[index](rng)
    return tuple(replace(thing, seed=int(rng.integers(2**31))) for thing in things)


def _bolus(rng: np.random.Generator) -> list[Thing]:
    """A pad on one cheek, or one on each: tissue-like, in contact or with a small gap.

    Half of the time it is what costs most: thick, in contact, over the gland, of a gland's value.
    """
    sides = [LARGER_X, math.pi] if rng.random() < 0.6 else [math.pi * float(rng.integers(2))]
    if rng.random() < HARDEST:
        return [_hardest_pad(side, rng) for side in sides]
    pads = []
    material = (rng.uniform(-60.0, 60.0), rng.uniform(0.0, 10.0))
    for side in sides:
        if rng.random() < 0.2:
            material = (rng.uniform(-60.0, 60.0), rng.uniform(0.0, 10.0))
        pads.append(
            Thing(
                *material,
                shape="layer" if rng.random() < 0.75 else "filled",
                azimuth=side + rng.normal(0.0, math.radians(35.0)),
                half_width=rng.uniform(15.0, 90.0),
                middle=rng.uniform(0.0, 1.0),
                half_height=rng.uniform(20.0, 100.0),
                thickness=rng.uniform(0.0, 20.0),
                gap=0.0 if rng.random() < 0.6 else rng.uniform(0.0, 3.0),
                waviness=0.0 if rng.random() < 0.6 else rng.uniform(0.0, 4.0),
            )
        )
    return pads


def _hardest_pad(side: float, rng: np.random.Generator) -> Thing:
    return Thing(
        rng.uniform(-60.0, 20.0),
        rng.uniform(0.0, 10.0),
        azimuth=side + rng.normal(0.0, math.radians(15.0)),
        half_width=rng.uniform(40.0, 90.0),
        middle=rng.uniform(0.25, 0.75),
        half_height=rng.uniform(35.0, 80.0),
        thickness=rng.uniform(8.0, 20.0),
    )


def _mask(rng: np.random.Generator) -> list[Thing]:
    """A thermoplastic shell over face and neck."""
    return [
        Thing(
            rng.uniform(-200.0, 200.0),
            rng.uniform(0.0, 60.0),
            azimuth=-BACK + rng.uniform(-0.2, 0.2),
            half_width=rng.uniform(100.0, 260.0),
            thickness=rng.uniform(1.5, 4.0),
            gap=rng.uniform(0.0, 4.0),
            waviness=rng.uniform(0.0, 3.0),
        )
    ]


def _headrest(rng: np.random.Generator) -> list[Thing]:
    """A cup behind the head, to the ears: a shell, foam behind or before it."""
    shell = Thing(
        rng.uniform(-200.0, 300.0),
        shape="layer" if rng.random() < 0.6 else "filled",
        azimuth=BACK + rng.uniform(-0.3, 0.3),
        half_width=rng.uniform(60.0, 180.0),
        gap=rng.uniform(0.0, 8.0),
        thickness=rng.uniform(2.0, 8.0),
    )
    foam = replace(
        shell,
        hounsfield=rng.uniform(-980.0, -800.0),
        texture=rng.uniform(0.0, 30.0),
        shape="layer",
        thickness=rng.uniform(20.0, 60.0),
    )
    return [foam, shell] if rng.random() < 0.3 else [shell, foam]


def _couch(rng: np.random.Generator) -> list[Thing]:
    """A board behind the patient with foam in it."""
    gap, board = rng.uniform(0.0, 30.0), rng.uniform(2.0, 8.0)
    azimuth = BACK + rng.uniform(-0.1, 0.1)
    return [
        Thing(rng.uniform(-100.0, 400.0), shape="plate", azimuth=azimuth, gap=gap, thickness=board),
        Thing(rng.uniform(-980.0, -850.0), shape="plate", azimuth=azimuth, gap=gap + board, thickness=50.0),
    ]


def _ear_piece(rng: np.random.Generator) -> list[Thing]:
    """A plug, a marker or a cushion beside an ear, or beside both."""
    piece = Thing(
        rng.uniform(-900.0, 500.0),
        rng.uniform(0.0, 30.0),
        azimuth=rng.normal(0.0, 0.4),
        half_width=rng.uniform(4.0, 35.0),
        middle=rng.uniform(0.2, 1.0),
        half_height=rng.uniform(4.0, 40.0),
        thickness=rng.uniform(3.0, 30.0),
        gap=rng.uniform(0.0, 2.0),
    )
    other = replace(piece, azimuth=math.pi - piece.azimuth)
    return [[piece], [other], [piece, other]][rng.integers(3)]


def _blanket(rng: np.random.Generator) -> list[Thing]:
    """Cloth: light, uneven, with air beneath it."""
    return [
        Thing(
            rng.uniform(-950.0, -200.0),
            rng.uniform(20.0, 120.0),
            azimuth=rng.uniform(-math.pi, math.pi),
            half_width=rng.uniform(40.0, 250.0),
            middle=rng.uniform(0.0, 0.7),
            half_height=rng.uniform(20.0, 100.0),
            thickness=rng.uniform(3.0, 25.0),
            gap=rng.uniform(0.0, 8.0),
            waviness=rng.uniform(0.0, 10.0),
        )
    ]


def _arm(rng: np.random.Generator) -> list[Thing]:
    """An arm beside the head: muscle in a rind of fat."""
    rind, thickness, gap = rng.uniform(3.0, 12.0), rng.uniform(40.0, 90.0), rng.uniform(0.0, 15.0)
    arm = Thing(
        rng.uniform(-120.0, -80.0),
        texture=10.0,
        shape="rod",
        azimuth=math.pi * float(rng.integers(2)) + rng.uniform(-0.6, 0.6),
        middle=rng.uniform(-0.2, 1.2),
        half_height=rng.uniform(30.0, 120.0),
        thickness=thickness,
        gap=gap,
    )
    return [replace(arm, hounsfield=rng.uniform(30.0, 70.0), thickness=thickness - 2.0 * rind, gap=gap + rind), arm]


_DEVICES: tuple[Callable[[np.random.Generator], list[Thing]], ...] = (
    *(_mask, _headrest, _couch, _ear_piece, _blanket, _arm),
)


def lay_around(hounsfield: np.ndarray, skin: np.ndarray, things: Sequence[Thing], spacing: Sequence[float]) -> None:
    """Lay things around the body of a patch, in place.

    Args:
        hounsfield: HU, float32 (z, y, x), sampled and not yet clipped.
        skin: distance from the skin in mm, float32 (z, y, x), negative in the body.
        things: the inner ones first; where two overlap, the first one stays.
        spacing: edge of a voxel in mm, (z, y, x).
    """
    if not things or not (skin < 0.0).any():
        return
    places = _Places(skin, spacing)
    air = np.clip((NO_AIR_HU - hounsfield) / (NO_AIR_HU - AIR_HU), 0.0, 1.0)
    air[(skin > FARTHEST_MM) | (skin < -DEEPEST_MM)] = 0.0
    for thing in things:
        taken = np.minimum(places.share_of(thing), air)
        hounsfield += np.float32(thing.hounsfield - AIR_HU) * taken
        if thing.texture:
            rng = np.random.default_rng([thing.seed, 0])
            hounsfield += rng.standard_normal(skin.shape, dtype=np.float32) * np.float32(thing.texture) * taken
        air -= taken


class _Places:
    """Where the voxels of a patch lie, seen from the middle of the body in it."""

    def __init__(self, skin: np.ndarray, spacing: Sequence[float]) -> None:
        self.skin, self.body = skin, skin < 0.0
        depth, height, width = (np.arange(n, dtype=np.float32) * s for n, s in zip(skin.shape, spacing, strict=True))
        weights = self.body.sum(axis=0, dtype=np.float64)
        self.x = (width - np.average(width, weights=weights.sum(axis=0))).reshape(1, 1, -1).astype(np.float32)
        self.y = (height - np.average(height, weights=weights.sum(axis=1))).reshape(1, -1, 1).astype(np.float32)
        self.z = depth.reshape(-1, 1, 1)
        self.top = float(depth[-1])

    def share_of(self, thing: Thing) -> np.ndarray:
        """The thing's share of each voxel, were there nothing but air, float32 (z, y, x)."""
        cosine, sine = math.cos(thing.azimuth), math.sin(thing.azimuth)
        ahead, aside = self.x * cosine + self.y * sine, self.y * cosine - self.x * sine
        level = self.z - thing.middle * self.top
        share = _within(thing.half_height - np.abs(level))
        if thing.shape == "rod":
            beside = self._support(thing, ahead, aside, level) + thing.gap + thing.thickness / 2.0
            return share * _within(thing.thickness / 2.0 - np.hypot(ahead - beside, aside))
        # The way along the skin, as if the body were round.
        along = np.hypot(self.x, self.y) * np.abs(np.arctan2(aside, ahead))
        share = share * _within(thing.half_width - along)
        inner = outer = self.skin
        if thing.shape != "layer":
            outer = ahead - self._support(thing, ahead, aside, level)
            inner = outer if thing.shape == "plate" else self.skin
        gap = thing.gap + self._waves(thing)
        share = share * _within(np.where(gap > CONTACT_MM, inner - gap, np.float32(1000.0)))
        return share * _within(thing.gap + thing.thickness - outer)

    def _support(self, thing: Thing, ahead: np.ndarray, aside: np.ndarray, level: np.ndarray) -> float:
        """How far ahead the skin's farthest point under the thing lies; of the whole patch if none is under it."""
        reach = min(thing.half_width, 80.0)
        under = (np.abs(level) < thing.half_height) & (np.abs(aside) < reach) & (ahead > 0.0) & self.body
        everywhere = np.broadcast_to(ahead, self.body.shape)
        return float(everywhere[under if under.any() else self.body].max())

    def _waves(self, thing: Thing) -> np.ndarray:
        """What the gap varies by, mm: some plane waves in random directions, from −waviness to waviness."""
        if not thing.waviness:
            return np.zeros((1, 1, 1), np.float32)
        rng = np.random.default_rng([thing.seed, 1])
        total = np.zeros(self.skin.shape, np.float32)
        for _ in range(WAVES):
            direction = rng.standard_normal(3)
            wave = direction * (2.0 * math.pi / (rng.uniform(*WAVES_MM) * np.linalg.norm(direction)))
            phase = rng.uniform(0.0, 2.0 * math.pi)
            total += np.sin(self.x * wave[0] + self.y * wave[1] + self.z * wave[2] + phase, dtype=np.float32)
        return total * np.float32(thing.waviness / WAVES)


def _within(depth: np.ndarray) -> np.ndarray:
    """From 0 outside to 1 inside, by the depth below an edge in mm: the edge blurred by about `EDGE_MM`."""
    # A logistic function is as steep as a Gaussian's integral of that width if its scale is 0.6 of the deviation.
    scale = EDGE_MM / 2.355 * 0.6
    return (1.0 / (1.0 + np.exp(np.clip(-depth / scale, -30.0, 30.0)))).astype(np.float32)
