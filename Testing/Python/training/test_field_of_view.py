"""The field of view ends where its parameters say, with the background beyond and no label there."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ParotidSegTrainingLib.recipe import Augmentation
from ParotidSegTrainingLib.training.field_of_view import FieldEdge, beyond, draw_edges, end_field

SPACING = (2.0, 2.0, 2.0)
SHAPE = (12, 60, 80)
WINDOW = {0: (-200.0, 300.0)}


def skin(shoulders: bool = False) -> np.ndarray:
    """Distance from the skin of an upright cylinder of 80 mm, the lowest slices 140 mm wide if there are shoulders."""
    y, x = (np.arange(n) * 2.0 - (n - 1.0) for n in SHAPE[1:])
    radius = np.full(SHAPE[0], 40.0)
    if shoulders:
        radius[:4] = 70.0
    return (np.hypot(y[:, None], x)[None] - radius[:, None, None]).astype(np.float32)


@pytest.mark.parametrize(("azimuth", "side"), [(0.0, 1), (math.pi, -1)])
def test_a_straight_edge_cuts_its_side_so_many_mm_into_the_skin(azimuth, side):
    where = beyond(FieldEdge(azimuth, 10.0), skin(), slice(0, 12), SPACING)
    x = np.arange(SHAPE[2]) * 2.0 - (SHAPE[2] - 1.0)
    assert np.count_nonzero(where.all(axis=0) != where.any(axis=0)) <= 1  # a column that rounding parts
    assert (side * x[where.any(axis=0)]).min() == pytest.approx(30.0, abs=2.0)


def test_a_round_edge_cuts_more_away_from_the_middle():
    where = beyond(FieldEdge(0.0, 10.0, radius=60.0), skin(), slice(0, 12), SPACING)
    first = [np.flatnonzero(row)[0] for row in where]
    assert first[SHAPE[1] // 2] > first[SHAPE[1] // 2 + 15] + 2
    assert not where[SHAPE[1] // 2, : SHAPE[2] // 2].any()


def test_an_edge_that_passes_by_the_patient_takes_nothing_of_it():
    where = beyond(FieldEdge(0.0, -6.0), skin(), slice(0, 12), SPACING)
    assert where.any()
    assert not (where & (skin() < 0.0).any(axis=0)).any()


def test_the_cheeks_decide_and_not_the_shoulders_and_both_the_labels_and_the_image_end():
    shown = np.zeros((*SHAPE, 2), np.float32)
    labels = np.zeros(SHAPE, np.uint8)
    labels[6:10, 25:35, 15:65] = 1
    limits = {0: (-200.0, 300.0)}
    end_field(
        shown, labels, skin(shoulders=True), [FieldEdge(0.0, 10.0, background=-100.0)], spacing=SPACING, limits=limits
    )
    x = np.arange(SHAPE[2]) * 2.0 - (SHAPE[2] - 1.0)
    beyond_it = x > 31.0
    assert not labels[:, :, beyond_it].any()
    assert labels[7, 30, 15:50].all()
    assert shown[..., beyond_it, 0] == pytest.approx(-0.6)
    assert not shown[..., ~beyond_it, 0][..., :-1].any()
    assert not shown[..., 1].any()  # another image than the CT has a field of its own


@pytest.mark.parametrize(("background", "value"), [(-3024.0, -1.0), (0.0, -0.2), (3000.0, 1.0)])
def test_the_background_is_shown_through_the_window(background, value):
    shown = np.zeros((*SHAPE, 1), np.float32)
    end_field(
        shown,
        np.zeros(SHAPE, np.uint8),
        skin(),
        [FieldEdge(0.0, 5.0, background=background)],
        spacing=SPACING,
        limits=WINDOW,
    )
    assert shown[5, 30, -1, 0] == pytest.approx(value)


def test_edges_are_drawn_as_often_as_the_recipe_says_on_both_sides():
    drawn = [draw_edges(Augmentation(field=0.4), np.random.default_rng(seed)) for seed in range(400)]
    assert np.mean([bool(edges) for edges in drawn]) == pytest.approx(0.4, abs=0.07)
    edges = [edge for some in drawn for edge in some]
    assert np.mean([math.cos(edge.azimuth) > 0.0 for edge in edges]) == pytest.approx(0.5, abs=0.12)
    assert min(edge.depth for edge in edges) < 0.0
    assert max(edge.depth for edge in edges) > 20.0
    assert {math.isinf(edge.radius) for edge in edges} == {True, False}
