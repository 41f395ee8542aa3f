"""Tiles, blending and the mirrored pass: left and right are treated alike, exactly, by any network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ParotidSegLib.model.engines import open_engine, softmax
from ParotidSegLib.model.inference import (
    LARGEST_PIECE,
    blending_weight,
    mirrored,
    piece_size,
    region_probabilities,
    tile_starts,
    tiled_probabilities,
)
from ParotidSegLib.model.networks import size_step
from ParotidSegLib.structures import PAROTIDS, mirrored_labels

TILE = (4, 6, 8)
SWAP = mirrored_labels(PAROTIDS)


def swapped(probabilities: np.ndarray) -> np.ndarray:
    """The channels of the right and the left gland exchanged."""
    return probabilities[..., [0, 2, 1]]


class LopsidedEngine:
    """A fixed random function of the tile (seed 11) with no symmetry: sides, classes and places are all unlike."""

    name = "lopsided"

    def __init__(self, tile=TILE) -> None:
        rng = np.random.default_rng(11)
        self.bias = rng.normal(size=(*tile, 3)).astype(np.float32)
        self.gain = rng.normal(size=(*tile, 3)).astype(np.float32)
        self.tiles = 0

    def probabilities(self, tile: np.ndarray) -> np.ndarray:
        assert tile.shape == (*self.bias.shape[:3], 1)
        assert tile.dtype == np.float32
        self.tiles += 1
        beside = np.roll(tile, (1, 2, 3), axis=(0, 1, 2)) * tile
        return softmax(self.bias + self.gain * tile + np.cumsum(beside, axis=2))


class ConstantEngine:
    """The same answer everywhere."""

    name = "constant"
    answer = np.array([0.5, 0.2, 0.3], np.float32)

    def probabilities(self, tile: np.ndarray) -> np.ndarray:
        return np.broadcast_to(self.answer, (*tile.shape[:3], 3))


class EchoEngine:
    """The input as the probability of the right gland."""

    name = "echo"

    def probabilities(self, tile: np.ndarray) -> np.ndarray:
        return np.concatenate([1 - tile, tile, np.zeros_like(tile)], axis=-1)


def a_region(shape, seed: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (*shape, 1)).astype(np.float32)


SHAPES = [(4, 6, 8), (2, 3, 5), (3, 6, 7), (9, 13, 21), (4, 6, 11), (1, 20, 2), (7, 5, 8)]


# --- tiles -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
@pytest.mark.parametrize("tile", [4, 7, 16])
def test_tiles_cover_every_voxel_from_end_to_end_and_overlap_enough(tile, overlap):
    for length in range(1, 80):
        starts = tile_starts(length, tile, overlap)
        assert starts[0] == 0
        assert starts[-1] == max(0, length - tile)
        steps = np.diff(starts)
        assert np.all(steps >= 1)
        assert np.all(steps <= np.ceil(tile * (1 - overlap)))


def test_the_blending_weight_is_symmetric_largest_in_the_middle_and_never_zero():
    weight = blending_weight((5, 8, 9))
    assert weight.shape == (5, 8, 9)
    assert weight.dtype == np.float32
    assert weight.min() > 0
    assert weight.max() == weight[2, 3, 4] <= 1.0
    for axis in range(3):
        np.testing.assert_array_equal(weight, np.flip(weight, axis))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_blending_a_constant_gives_that_constant(shape):
    result = tiled_probabilities(ConstantEngine(), a_region(shape), TILE)
    assert result.shape == (*shape, 3)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, np.broadcast_to(ConstantEngine.answer, result.shape), atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_an_engine_says_of_a_voxel_lands_at_that_voxel(shape):
    image = a_region(shape)
    np.testing.assert_allclose(tiled_probabilities(EchoEngine(), image, TILE)[..., 1:2], image, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_blended_probabilities_sum_to_one(shape):
    result = region_probabilities(LopsidedEngine(), a_region(shape), TILE, mirror=SWAP)
    assert result.min() >= 0
    np.testing.assert_allclose(result.sum(axis=-1), 1.0, atol=1e-5)


def test_a_region_of_one_tile_is_the_engines_own_answer():
    image = a_region(TILE)
    expected = LopsidedEngine().probabilities(image)
    np.testing.assert_allclose(tiled_probabilities(LopsidedEngine(), image, TILE), expected, atol=1e-6)


def test_a_region_smaller_than_the_tile_is_padded_with_air_on_both_sides():
    seen = []

    class Watching(EchoEngine):
        def probabilities(self, tile):
            seen.append(tile[..., 0].copy())
            return super().probabilities(tile)

    image = np.ones((2, 6, 5, 1), np.float32)
    tiled_probabilities(Watching(), image, TILE)
    expected = np.full(TILE, -1.0, np.float32)
    expected[1:3, :, 1:6] = 1.0
    np.testing.assert_array_equal(seen, [expected])


def test_tiles_of_air_are_background_and_are_not_run():
    image = np.full((4, 6, 40, 1), -1.0, np.float32)
    image[:, :, 30:] = 0.5
    engine = LopsidedEngine()
    result = tiled_probabilities(engine, image, TILE, empty_below=-0.9)
    everywhere = LopsidedEngine()
    full = tiled_probabilities(everywhere, image, TILE)
    assert engine.tiles < everywhere.tiles
    np.testing.assert_allclose(result[:, :, 10:20], np.broadcast_to([1.0, 0.0, 0.0], (4, 6, 10, 3)), atol=1e-6)
    np.testing.assert_array_equal(result[:, :, 34:], full[:, :, 34:])


# --- the mirrored pass -----------------------------------------------------------------------------------------------


def test_mirroring_reverses_x_and_the_glands_change_places():
    array = a_region((2, 3, 4))[..., 0]
    np.testing.assert_array_equal(mirrored(array)[0, 1, 0], array[0, 1, 3])
    assert SWAP == (0, 2, 1)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_answer_for_a_mirrored_image_is_the_mirrored_answer_with_the_glands_exchanged(shape):
    engine, image = LopsidedEngine(), a_region(shape)
    straight = region_probabilities(engine, image, TILE, mirror=SWAP)
    of_mirrored = region_probabilities(engine, np.ascontiguousarray(mirrored(image)), TILE, mirror=SWAP)
    np.testing.assert_array_equal(of_mirrored, swapped(mirrored(straight)))
    assert not np.array_equal(straight[..., 1], straight[..., 2])


def test_without_the_mirrored_pass_this_does_not_hold():
    engine, image = LopsidedEngine(), a_region((9, 13, 21))
    straight = region_probabilities(engine, image, TILE, mirror=None)
    np.testing.assert_array_equal(straight, tiled_probabilities(engine, image, TILE))
    of_mirrored = region_probabilities(engine, mirrored(image), TILE, mirror=None)
    assert not np.allclose(of_mirrored, swapped(mirrored(straight)), atol=0.1)


@pytest.mark.engine
@pytest.mark.parametrize("shape", [(16, 16, 16), (12, 16, 9), (20, 16, 27)], ids=str)
def test_it_holds_exactly_for_a_real_network(tiny_bundle: Path, shape):
    from ParotidSegLib.model.bundle import load_bundle

    bundle = load_bundle(tiny_bundle)
    engine, image = open_engine(bundle, bundle.segmenter, "keras"), a_region(shape)
    straight = region_probabilities(engine, image, bundle.segmenter.tile, mirror=SWAP)
    reflected = np.ascontiguousarray(mirrored(image))
    of_mirrored = region_probabilities(engine, reflected, bundle.segmenter.tile, mirror=SWAP)
    np.testing.assert_array_equal(of_mirrored, swapped(mirrored(straight)))
    assert straight[..., 1:].std() > 0.01


# --- progress --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mirror", [SWAP, None])
@pytest.mark.parametrize("shape", [TILE, (9, 13, 21)], ids=str)
def test_progress_rises_to_one_and_is_told_of_every_tile(shape, mirror):
    fractions: list[float] = []
    engine = LopsidedEngine()
    region_probabilities(engine, a_region(shape), TILE, mirror=mirror, advance=fractions.append)
    assert fractions == sorted(set(fractions))
    assert fractions[-1] == 1.0
    assert len(fractions) == engine.tiles


@pytest.mark.parametrize(
    ("shape", "step", "expected"),
    [
        ((40, 48, 74), None, (40, 48, 72)),
        ((40, 48, 74), 8, (40, 48, 80)),
        ((20, 48, 72), 8, (40, 48, 72)),
        ((45, 86, 86), 8, (48, 88, 88)),
        ((80, 80, 80), 8, (80, 80, 80)),
        ((81, 80, 80), 8, (40, 48, 72)),
    ],
)
def test_a_region_is_one_piece_if_the_network_and_the_memory_allow_it(shape, step, expected):
    found = piece_size(shape, (40, 48, 72), step)
    assert found == expected
    assert step is None or np.prod(found) <= LARGEST_PIECE


def test_an_engine_for_any_size_is_given_a_region_in_one_piece():
    class AnySize(EchoEngine):
        step = 8

        def probabilities(self, tile):
            seen.append(tile.shape[:3])
            return super().probabilities(tile)

    seen: list[tuple[int, ...]] = []
    engine, image = AnySize(), a_region((TILE[0], TILE[1], TILE[2] + 2))
    result = tiled_probabilities(engine, image, TILE)
    assert len(seen) == 1 and seen[0][2] >= TILE[2] + 2
    np.testing.assert_allclose(result[..., 1:2], image, atol=1e-5)
    seen.clear()
    tiled_probabilities(engine, image, TILE, longest=1.0)
    assert len(seen) > 1 and set(seen) == {TILE}


@pytest.mark.parametrize(
    ("shape", "step", "expected"),
    [
        ((45, 84, 86), 8, (48, 48, 56)),
        ((40, 40, 56), 8, (40, 40, 56)),
        ((120, 70, 56), 8, (48, 40, 56)),
        ((45, 86, 86), None, (40, 40, 56)),
    ],
)
def test_a_piece_is_no_longer_than_it_may_be_and_no_longer_than_saves_one(shape, step, expected):
    assert piece_size(shape, (40, 40, 56), step, longest=1.25, overlap=0.25) == expected


@pytest.mark.parametrize(
    ("network", "tile", "expected"),
    [
        ("residual_unet", (16, 16, 16), 4),
        ("plain_unet", (16, 16, 16), 4),
        ("residual_unet", (1, 16, 16), None),
        ("attention_unet", (16, 16, 16), None),
        ("transunet", (16, 16, 16), None),
    ],
)
def test_only_networks_in_which_nothing_looks_across_a_tile_may_leave_it(network, tile, expected):
    assert size_step(network, tile, {"filters": [4, 8, 16]}) == expected
