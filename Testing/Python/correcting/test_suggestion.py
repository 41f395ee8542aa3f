"""Which slice to look at next: never a corrected one, at its place in space, and enough in the end."""

from __future__ import annotations

import numpy as np
import pytest
from made_corrections import array_of, image_like, made_network, made_scan, slices_of, with_slices
from orientations import all_orientations
from sentences import refusal

from ParotidSegLib import propagate, suggest
from ParotidSegLib.correcting.suggestion import ENOUGH_MM2
from ParotidSegLib.errors import ImageError


@pytest.fixture(scope="module")
def scan():
    return made_scan()


def test_both_glands_get_a_suggestion_before_any_correction(scan):
    found = suggest(scan.image, scan.automatic, scan.automatic, uncertainty=scan.uncertainty)
    assert sorted(one.structure for one in found) == ["Parotid_L", "Parotid_R"]
    for one in found:
        assert "unsure" in one.reason
        assert one.most_mm2 >= one.expected_mm2 > 0.0


def test_where_the_model_is_less_sure_comes_first(scan):
    unsure = array_of(scan.uncertainty)
    number = int(slices_of(scan.automatic, 2)[12])
    unsure[number][array_of(scan.automatic)[number] == 2] = 63
    found = suggest(scan.image, scan.automatic, scan.automatic, uncertainty=image_like(scan.uncertainty, unsure))
    assert (found[0].structure, found[0].slice) == ("Parotid_L", number)


def test_a_corrected_slice_is_never_suggested_again_and_less_and_less_is_expected_wrong(scan):
    contours, slices, expected = scan.automatic, None, []
    for _ in range(12):
        found = [
            one
            for one in suggest(scan.image, scan.automatic, contours, slices=slices, uncertainty=scan.uncertainty)
            if one.structure == "Parotid_R"
        ]
        if not found:
            break
        assert slices is None or found[0].slice not in slices.get("Parotid_R", ())
        expected.append(found[0].most_mm2)
        drawn = with_slices(contours, scan.wanted, [found[0].slice])
        done = {"Parotid_R": [*(slices or {}).get("Parotid_R", ()), found[0].slice]}
        result = propagate(scan.image, scan.automatic, drawn, slices=done, uncertainty=scan.uncertainty)
        contours, slices = result.labels, result.slices
    assert expected[-1] < 0.7 * expected[0]


def test_it_is_enough_once_every_slice_was_corrected(scan):
    every = {"Parotid_R": [int(n) for n in slices_of(scan.automatic, 1)]}
    found = suggest(scan.image, scan.automatic, scan.automatic, slices=every, uncertainty=scan.uncertainty)
    assert {one.structure: one.is_enough for one in found} == {"Parotid_R": True, "Parotid_L": False}
    assert all(one.is_enough == (one.most_mm2 <= ENOUGH_MM2) for one in found)


def test_all_48_orientations_suggest_the_same_place_in_space(scan):
    corrected = with_slices(scan.automatic, scan.wanted, [15])
    options = {"network": made_network()}
    result = propagate(scan.image, scan.automatic, corrected, **options)
    first = suggest(scan.image, scan.automatic, result.labels, slices=result.slices, **options)
    for image, automatic, drawn in zip(*map(all_orientations, (scan.image, scan.automatic, corrected)), strict=True):
        again = propagate(image, automatic, drawn, **options)
        found = suggest(image, automatic, again.labels, slices=again.slices, **options)
        assert [one.structure for one in found] == [one.structure for one in first]
        for one, other in zip(found, first, strict=True):
            assert one.point == pytest.approx(other.point, abs=1e-6)
            assert one.reason == other.reason


def test_the_point_lies_in_the_slice_within_the_gland(scan):
    for one in suggest(scan.image, scan.automatic, scan.automatic, uncertainty=scan.uncertainty):
        x, y, z = scan.image.TransformPhysicalPointToIndex(one.point)
        assert z == one.slice
        nearest = slices_of(scan.automatic, 1 if one.structure == "Parotid_R" else 2)
        z = int(nearest[np.abs(nearest - z).argmin()])
        assert array_of(scan.automatic)[z, y, x] == (1 if one.structure == "Parotid_R" else 2)


def test_no_gland_no_suggestion(scan):
    empty = image_like(scan.automatic, np.zeros_like(array_of(scan.automatic)))
    assert suggest(scan.image, empty, empty) == []


def test_bad_input_gets_one_sentence(scan):
    for options, words in (
        ({"plane": "oblique"}, "no plane"),
        ({"slices": {"Parotid_R": [-1]}}, "no slice -1"),
        ({"uncertainty": scan.uncertainty[:, 1:]}, "grid of the CT"),
    ):
        assert words in refusal(ImageError, suggest, scan.image, scan.automatic, scan.automatic, **options)
