"""Things outside the body lie where their parameters say, touch the skin without a seam, and change no patient."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import made_training as made
import numpy as np
import pytest

from ParotidSegLib.geometry.grids import Grid
from ParotidSegTrainingLib.data.dataset import Case, DatasetFolder, load_case
from ParotidSegTrainingLib.data.skin import distances_on
from ParotidSegTrainingLib.recipe import Augmentation
from ParotidSegTrainingLib.training.augmentation import Parameters, draw
from ParotidSegTrainingLib.training.patches import cut
from ParotidSegTrainingLib.training.surroundings import AIR_HU, Thing, draw_things, lay_around

SPACING = (2.0, 2.0, 2.0)
SHAPE = (30, 60, 80)
RECIPE = made.tiny_recipe(tile=[24, 32, 40], augmentation__bolus=1.0)


def neck(edge: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """An upright cylinder of fat, 40 mm wide, its edge blurred: HU, and the distance from its skin in mm."""
    y, x = (np.arange(n) * 2.0 - (n - 1.0) for n in SHAPE[1:])
    distance = np.broadcast_to(np.hypot(y[:, None], x) - 40.0, SHAPE).astype(np.float32)
    fat = 0.5 * (1.0 - np.tanh(distance / edge))
    return (AIR_HU + (AIR_HU * -1.0 - 100.0) * fat).astype(np.float32), distance


def with_thing(thing: Thing) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """HU before and after one thing is laid around the neck, and the distance from its skin."""
    before, skin = neck()
    after = before.copy()
    lay_around(after, skin, [thing], SPACING)
    return before, after, skin


@pytest.mark.parametrize("shape", ["layer", "filled", "plate", "rod"])
def test_the_inside_of_the_body_stays_as_it_is(shape):
    before, after, skin = with_thing(Thing(50.0, texture=30.0, shape=shape, thickness=15.0))
    inside = skin < -6.0
    np.testing.assert_array_equal(after[inside], before[inside])
    assert np.abs(after - before).max() > 500.0


def test_a_layer_in_contact_has_its_value_up_to_its_thickness_and_leaves_no_seam():
    _, after, skin = with_thing(Thing(-40.0, thickness=14.0))
    assert after[(skin > 2.0) & (skin < 9.0)] == pytest.approx(-40.0, abs=15.0)
    assert after[np.abs(skin) < 6.0].min() > -150.0  # no air between the two
    assert after[skin > 20.0].max() < -990.0


def test_a_gap_shows_air_between_skin_and_layer():
    _, after, skin = with_thing(Thing(-40.0, thickness=14.0, gap=8.0))
    assert after[(skin > 3.0) & (skin < 5.0)].mean() < -700.0
    assert after[(skin > 12.0) & (skin < 18.0)].mean() == pytest.approx(-40.0, abs=60.0)


def test_a_wavy_gap_is_contact_in_places_and_air_in_others():
    _, after, skin = with_thing(Thing(-40.0, thickness=20.0, gap=3.0, waviness=8.0, seed=4))
    values = after[(skin > 2.0) & (skin < 5.0)]
    assert np.mean(values > -150.0) > 0.1
    assert np.mean(values < -700.0) > 0.1


@pytest.mark.parametrize(("azimuth", "axis", "side"), [(0.0, 2, 1), (math.pi, 2, -1), (math.pi / 2, 1, 1)])
def test_a_thing_lies_in_its_direction_and_at_its_height(azimuth, axis, side):
    before, after, _ = with_thing(Thing(0.0, azimuth=azimuth, half_width=12.0, middle=0.25, half_height=8.0))
    z, *others = (at.mean() for at in np.nonzero(after - before > 500.0))
    assert z == pytest.approx(0.25 * (SHAPE[0] - 1), abs=0.5)
    place = dict(zip((1, 2), np.array(others) * 2.0 - (np.array(SHAPE[1:]) - 1.0), strict=True))
    assert place.pop(axis) == pytest.approx(side * 44.0, abs=4.0)
    assert place.popitem()[1] == pytest.approx(0.0, abs=0.5)


def test_the_outside_of_a_filled_pad_is_flat_and_that_of_a_layer_round():
    _, filled, _ = with_thing(Thing(0.0, shape="filled", half_width=40.0, thickness=10.0))
    _, layer, _ = with_thing(Thing(0.0, shape="layer", half_width=40.0, thickness=10.0))

    def outermost(image: np.ndarray, row: int) -> float:
        return float(np.flatnonzero(image[15, row] > -500.0).max() * 2.0 - (SHAPE[2] - 1.0))

    middle, aside = SHAPE[1] // 2, SHAPE[1] // 2 + 11
    assert outermost(filled, aside) == pytest.approx(outermost(filled, middle), abs=2.1)
    assert outermost(layer, aside) < outermost(layer, middle) - 4.0


def test_a_rod_touches_the_skin_and_is_round():
    before, after, _ = with_thing(Thing(50.0, shape="rod", thickness=20.0, gap=2.0))
    _, y, x = np.nonzero(after - before > 525.0)
    assert (x.max() - x.min() + 1) * 2.0 == pytest.approx(20.0, abs=4.0)
    assert (y.max() - y.min() + 1) * 2.0 == pytest.approx(20.0, abs=4.0)
    assert x.min() * 2.0 - (SHAPE[2] - 1.0) == pytest.approx(42.0, abs=3.0)


def test_of_two_things_in_one_place_the_first_stays():
    before, skin = neck()
    lay_around(before, skin, [Thing(0.0, thickness=10.0), Thing(300.0, thickness=20.0)], SPACING)
    assert before[(skin > 3.0) & (skin < 6.0)] == pytest.approx(0.0, abs=25.0)
    assert before[(skin > 14.0) & (skin < 16.0)] == pytest.approx(300.0, abs=25.0)


def test_things_are_drawn_as_often_as_the_recipe_says_and_alike_for_one_seed():
    ranges = Augmentation(bolus=0.3, devices=0.0)
    drawn = [draw_things(ranges, np.random.default_rng(seed)) for seed in range(400)]
    assert np.mean([bool(things) for things in drawn]) == pytest.approx(0.3, abs=0.06)
    pads = [thing for things in drawn for thing in things]
    assert all(-60.0 <= pad.hounsfield <= 60.0 and pad.thickness <= 20.0 and pad.gap <= 3.0 for pad in pads)
    assert {pad.shape for pad in pads} == {"layer", "filled"}
    # On both sides of the patient, as often.
    assert np.mean([math.cos(pad.azimuth) > 0.0 for pad in pads]) == pytest.approx(0.5, abs=0.1)
    assert drawn[:20] == [draw_things(ranges, np.random.default_rng(seed)) for seed in range(20)]
    devices = Augmentation(bolus=0.0, devices=1.0)
    shapes = {t.shape for seed in range(40) for t in draw_things(devices, np.random.default_rng(seed))}
    assert shapes == {"layer", "filled", "plate", "rod"}


def test_what_was_drawn_before_there_were_things_is_drawn_as_it_was():
    ranges = Augmentation()
    plain = draw(ranges, np.random.default_rng(9))
    more = draw(dataclasses.replace(ranges, bolus=1.0, devices=1.0, field=1.0), np.random.default_rng(9))
    assert more.things
    assert more.edges
    assert dataclasses.replace(more, things=(), edges=()) == plain


@pytest.fixture(scope="module")
def cases(made_dataset: Path) -> list[Case]:
    folder = DatasetFolder.open(made_dataset)
    return [load_case(folder, name, RECIPE, 1000.0) for name in folder.cases("train")]


def test_the_skin_of_a_case_is_where_its_head_ends_whatever_the_orientation(cases):
    for case in cases:
        middle = case.midpoint - (made.RIGHT + made.LEFT) / 2.0
        if case.name == "head_3":
            continue  # it is turned: its middle is that of the glands only
        grid = Grid.centred(middle.tolist(), (6.0, 6.0, 6.0), (3, 3, 51))
        distance = distances_on(case.skin, grid)[1, 1]
        x = np.arange(-25, 26) * 6.0
        near = np.abs(x) > made.HEAD[0] - 25.0  # farther in another side is nearer
        assert distance[near] == pytest.approx(np.abs(x[near]) - made.HEAD[0], abs=4.0)


def test_a_patch_with_bolus_keeps_its_labels_and_its_inside(cases):
    thing = Thing(0.0, thickness=18.0)
    for case in cases:
        plain = cut(case, RECIPE, case.midpoint, Parameters())
        padded = cut(case, RECIPE, case.midpoint, Parameters(things=(thing,)))
        np.testing.assert_array_equal(padded.labels, plain.labels)
        assert np.mean(padded.image != plain.image) > 0.02
        np.testing.assert_array_equal(padded.image[plain.labels > 0], plain.image[plain.labels > 0])


def test_without_things_in_the_recipe_no_case_has_a_skin(made_dataset):
    plain = dataclasses.replace(RECIPE, augmentation=Augmentation())
    assert load_case(DatasetFolder.open(made_dataset), "head_1", plain, 100.0).skin is None
