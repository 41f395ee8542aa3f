"""Outlines of masks: filled again, whatever the rule, they give back the mask."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.path import Path

from ParotidSegLib.geometry.contours import INSET, outlines


def filled(polygons: list[np.ndarray], shape: tuple[int, int], combine: np.ufunc) -> np.ndarray:
    """The pixels (y, x) whose centres lie in the polygons."""
    rows, columns = np.indices(shape)
    centres = np.stack([columns, rows], axis=-1).reshape(-1, 2)
    mask = np.zeros(shape, bool)
    for polygon in polygons:
        inside = Path(np.vstack([polygon, polygon[:1]]), closed=True).contains_points(centres)
        combine(mask, inside.reshape(shape), out=mask)
    return mask


def area(polygon: np.ndarray) -> float:
    """Signed area in pixels, positive where the polygon turns from x towards y."""
    x, y = polygon.T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def mask_of(picture: str) -> np.ndarray:
    return np.array([[character == "#" for character in line] for line in picture.split()])


def random_mask(seed: int, smoothing: int, shape: tuple[int, int] = (37, 44)) -> np.ndarray:
    """Blobs with holes, islands in holes, corners that touch, and pieces at the border; two thirds are set."""
    noise = np.random.default_rng(seed).random(shape)
    for _ in range(smoothing):
        noise = (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1) + np.roll(noise, -1, 1)) / 4
    return noise > np.quantile(noise, 1 / 3)


@pytest.mark.parametrize("combine", [np.logical_xor, np.logical_or], ids=["xor", "or"])
@pytest.mark.parametrize("smoothing", [0, 1, 2, 4])
@pytest.mark.parametrize("seed", range(5))
def test_filled_outlines_give_back_the_mask(seed, smoothing, combine):
    mask = random_mask(seed, smoothing)
    assert np.array_equal(filled(outlines(mask), mask.shape, combine), mask)


@pytest.mark.parametrize("smoothing", [0, 2, 4])
def test_corners_rounded_to_the_nearest_pixel_find_one_inside(smoothing):
    mask = random_mask(11, smoothing)
    for polygon in outlines(mask):
        columns, rows = np.floor(polygon + 0.5).astype(int).T
        assert mask[rows, columns].all()


@pytest.mark.parametrize("radius", [0.5, 2.5, 6.2, 15.0])
def test_the_area_is_that_of_the_pixels_less_the_corners_and_the_inset(radius):
    rows, columns = np.indices((33, 35))
    mask = np.hypot(rows - 16, columns - 17.2) <= radius
    (polygon,) = outlines(mask)
    length = np.linalg.norm(polygon - np.roll(polygon, 1, axis=0), axis=1).sum()
    assert area(polygon) > 0  # from x towards y
    # There are four more corners that stand out than corners that go in, and each takes an eighth of a pixel.
    assert mask.sum() - 0.5 - INSET * length < area(polygon) < mask.sum() - 0.5


@pytest.mark.parametrize("smoothing", [0, 2, 4])
def test_every_outline_turns_the_same_way(smoothing):
    assert all(area(polygon) > 0 for polygon in outlines(random_mask(12, smoothing)))


def test_nothing_has_no_outline():
    assert outlines(np.zeros((4, 5))) == []


def test_a_rectangle_has_its_eight_corners():
    (polygon,) = outlines(mask_of("..... .###. .###. ....."))
    near, far = 1 - 0.5 + INSET, 0.5 - INSET
    corners = {(1, near), (3, near), (1, 2 + far), (3, 2 + far), (near, 1), (near, 2), (3 + far, 1), (3 + far, 2)}
    assert {(round(x, 6), round(y, 6)) for x, y in polygon} == {(round(x, 6), round(y, 6)) for x, y in corners}


def test_a_single_pixel_at_the_border_is_outlined_around_its_centre():
    (polygon,) = outlines(mask_of("#... ...."))
    assert len(polygon) == 4
    assert polygon.mean(axis=0) == pytest.approx([0, 0])


@pytest.mark.parametrize(
    ("picture", "pieces"),
    [
        ("##..## ##..##", 2),
        ("##.. ##.. ..## ..##", 2),  # corners touch
        ("##### #...# #.#.# #...# #####", 2),  # an island in a hole
        ("##### #.#.# ##### #.#.# #####", 1),  # four holes in rank and file
        ("####### #.....# #.###.# #.#.#.# #.###.# #.....# #######", 2),
    ],
)
def test_each_piece_is_one_polygon(picture, pieces):
    mask = mask_of(picture)
    polygons = outlines(mask)
    assert len(polygons) == pieces
    for combine in (np.logical_xor, np.logical_or):
        assert np.array_equal(filled(polygons, mask.shape, combine), mask)


def test_any_value_but_zero_is_inside():
    mask = mask_of(".... .##. ....")
    assert np.array_equal(outlines(mask * 7)[0], outlines(mask)[0])
