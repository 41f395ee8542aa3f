"""Which segments of a segmentation are taken for the glands: by code, name, or side."""

from __future__ import annotations

from typing import Any

import pytest
from made_corrections import made_scan
from made_reference import add_named, add_reference, mirrored
from made_strokes import LEFT, RIGHT

from ParotidSegLib.in_slicer.comparing.choosing import gland_segments
from ParotidSegLib.in_slicer.logic import volume_of
from ParotidSegLib.structures import PAROTIDS

_CONTEXT = "Segmentation category and type - 3D Slicer General Anatomy list"
_CATEGORY = "SCT^123037004^Anatomical Structure"
_GLAND = "SCT^45289007^Parotid gland"
_SIDES = {"right": "SCT^24028007^Right", "left": "SCT^7771000^Left"}


def named(node: Any, *names: str, mirror: bool = False) -> Any:
    """A segmentation with the right and the left gland under these names."""
    labels = made_scan().wanted
    return add_named(volume_of(node), mirrored(labels) if mirror else labels, dict(zip(names, (1, 2), strict=False)))


def code(reference: Any, segment_id: str, entry: str) -> None:
    segment = reference.GetSegmentation().GetSegment(segment_id)
    segment.SetTag(segment.GetTerminologyEntryTagName(), entry)


def test_our_own_segments_are_found_by_their_ids(node: Any) -> None:
    assert gland_segments(add_reference(node), PAROTIDS) == {RIGHT: RIGHT, LEFT: LEFT}


def test_a_code_with_its_side_comes_before_any_name(node: Any) -> None:
    reference = named(node, "A", "B")
    code(reference, "Segment_1", "~".join((_CONTEXT, _CATEGORY, _GLAND, _SIDES["left"])))
    code(reference, "Segment_2", "~".join((_CONTEXT, _CATEGORY, _GLAND, _SIDES["right"])))
    assert gland_segments(reference, PAROTIDS) == {RIGHT: "Segment_2", LEFT: "Segment_1"}


def test_a_region_that_is_coded_counts_as_the_type_does(node: Any) -> None:
    reference = named(node, "A", "B")
    organ = "~".join((_CONTEXT, _CATEGORY, "SCT^113343008^Organ", "^^", "Anatomic codes", _GLAND, _SIDES["right"]))
    code(reference, "Segment_2", organ)
    assert gland_segments(reference, PAROTIDS)[RIGHT] == "Segment_2"


@pytest.mark.parametrize(
    ("right", "left"),
    [("Parotid_R", "Parotid_L"), ("parotid_gland_right", "parotid_gland_left"), ("Parotide D", "Parotide G"),
     ("Ohrspeicheldrüse rechts", "Ohrspeicheldrüse links")],
)  # fmt: skip
def test_names_of_other_products_and_languages_are_known(right: str, left: str, node: Any) -> None:
    assert gland_segments(named(node, right, left), PAROTIDS) == {RIGHT: "Segment_1", LEFT: "Segment_2"}


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("names", [("parotid 1", "parotid 2"), ("Segment A", "Segment B")])
def test_two_segments_without_a_side_get_that_on_which_they_lie(
    names: tuple[str, str], mirror: bool, *, node: Any
) -> None:
    right, left = ("Segment_2", "Segment_1") if mirror else ("Segment_1", "Segment_2")
    assert gland_segments(named(node, *names, mirror=mirror), PAROTIDS) == {RIGHT: right, LEFT: left}


def test_no_side_is_guessed_of_one_segment_alone(node: Any) -> None:
    assert gland_segments(named(node, "parotid"), PAROTIDS) == {}


def test_a_part_of_a_gland_is_not_the_gland(node: Any) -> None:
    reference = named(node, "Parotid superficial lobe R", "Parotid_L")
    assert gland_segments(reference, PAROTIDS) == {LEFT: "Segment_2"}
