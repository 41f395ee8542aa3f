"""Signed distances by direction: in the patient's space, however the voxels are stored; positive is beyond."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import like
from orientations import all_orientations, image_of, rotation
from sentences import refusal

from ParotidSegLib.borders import DIRECTIONS, ENDS, compare_borders, directions_of
from ParotidSegLib.errors import DataError
from ParotidSegLib.structures import PAROTIDS

SIZE, SPACING, ORIGIN = (60, 40, 40), (1.5, 1.5, 2.0), (-45.0, -30.0, -40.0)
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
#: Half the edges of a gland's box and the middles of the right and the left one, mm, LPS.
HALF = np.array([9.0, 12.0, 16.0])
MIDDLES = {1: np.array([-24.0, 0.0, 0.0]), 2: np.array([24.0, 0.0, 0.0])}
#: What each direction of the patient is in LPS, for the right gland.
OUTWARD = {
    "superior": (2, 1),
    "inferior": (2, -1),
    "medial": (0, 1),
    "lateral": (0, -1),
    "anterior": (1, -1),
    "posterior": (1, 1),
}


def boxes(grown: dict[str, float] | None = None, direction: tuple[float, ...] | list[float] = IDENTITY) -> sitk.Image:
    """Both glands as boxes, each face moved outwards by so many mm: the left gland is the mirror image of the right."""

    def labelled(points: np.ndarray) -> np.ndarray:
        found = np.zeros(points.shape[:-1])
        for label, middle in MIDDLES.items():
            low, high = -HALF, HALF.copy()
            for name, mm in (grown or {}).items():
                axis, sign = OUTWARD[name]
                sign = -sign if label == 2 and axis == 0 else sign
                if sign > 0:
                    high = high + mm * np.eye(3)[axis]
                else:
                    low = low - mm * np.eye(3)[axis]
            inside = ((points - middle > low) & (points - middle < high)).all(axis=-1)
            found[inside] = label
        return found

    return sitk.Cast(image_of(labelled, SIZE, SPACING, ORIGIN, direction), sitk.sitkUInt8)


@pytest.mark.parametrize("name", DIRECTIONS)
@pytest.mark.parametrize("mm", [6.0, -6.0])
def test_a_side_moved_outwards_is_positive_there_and_only_there(name: str, mm: float) -> None:
    for of in compare_borders(boxes(), boxes({name: mm})).values():
        # The nearest surface of what lies behind the edge of the moved face is nearer than the face, so it is less.
        assert 4.0 < abs(of[name]) <= 6.0
        assert math.copysign(1.0, of[name]) == math.copysign(1.0, mm)
        others = [of[other] for other in DIRECTIONS if other != name]
        assert max(map(abs, others)) < 0.35 * abs(of[name])
        assert of["top"] == pytest.approx(mm if name == "superior" else 0.0)
        assert of["bottom"] == pytest.approx(mm if name == "inferior" else 0.0)


def test_both_sides_of_the_patient_are_measured_towards_his_middle() -> None:
    of = compare_borders(boxes(), boxes({"medial": 6.0, "lateral": -3.0}))
    assert of["Parotid_R"] == pytest.approx(of["Parotid_L"])
    assert of["Parotid_R"]["medial"] > 3.0
    assert of["Parotid_R"]["lateral"] < -1.5


def test_all_48_ways_to_store_the_same_contours_give_the_same_numbers() -> None:
    moved = {"superior": 4.0, "medial": 3.0, "anterior": -3.0}
    pairs = zip(all_orientations(boxes()), all_orientations(boxes(moved)), strict=True)
    results = [compare_borders(*pair) for pair in pairs]
    for result in results[1:]:
        for key, values in result.items():
            assert values == pytest.approx(results[0][key])


def test_an_oblique_scan_gives_nearly_the_numbers_of_a_straight_one() -> None:
    turned = rotation(0.0, 0.0, 12.0)
    moved = {"superior": 6.0, "lateral": -6.0}
    straight = compare_borders(boxes(), boxes(moved))
    oblique = compare_borders(boxes(direction=turned), boxes(moved, turned))
    for key, values in straight.items():
        assert oblique[key] == pytest.approx(values, abs=1.2)
        assert oblique[key]["top"] == pytest.approx(6.0)


def test_exchanging_the_contours_changes_the_sign_alone() -> None:
    one, other = boxes(), boxes({"superior": 6.0, "medial": -3.0, "inferior": 2.0})
    there, back = compare_borders(one, other), compare_borders(other, one)
    for key, values in there.items():
        assert {name: -value for name, value in back[key].items()} == pytest.approx(values)


def test_the_same_contours_differ_nowhere() -> None:
    for of in compare_borders(boxes(), boxes()).values():
        assert of == dict.fromkeys((*DIRECTIONS, *ENDS), 0.0)


def test_a_gland_that_one_of_both_lacks_has_no_borders() -> None:
    truth = boxes()
    array = sitk.GetArrayFromImage(truth)
    without_left = like(truth, np.where(array == 2, 0, array).astype(np.uint8))
    for pair in ((truth, without_left), (without_left, truth)):
        of = compare_borders(*pair)
        assert all(math.isnan(value) for value in of["Parotid_L"].values())
        assert of["Parotid_R"]["top"] == 0.0


def test_a_structure_without_a_side_has_right_and_left() -> None:
    assert list(directions_of("")) == ["superior", "inferior", "right", "left", "anterior", "posterior"]
    assert directions_of("")["left"] == directions_of("right")["medial"] == (1.0, 0.0, 0.0)


def test_contours_on_different_grids_are_refused() -> None:
    moved = boxes()
    moved.SetOrigin((0.0, 0.0, 0.0))
    assert "not on the same grid" in refusal(DataError, compare_borders, boxes(), moved, PAROTIDS)
