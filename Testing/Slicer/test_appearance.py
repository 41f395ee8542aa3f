"""Eye, fill and outline of the glands."""

from __future__ import annotations

from typing import Any

import pytest

from ParotidSegLib.in_slicer.showing.appearance import appearance_of, set_fill, set_outline, set_visible
from ParotidSegLib.structures import PAROTIDS

KEYS = [structure.key for structure in PAROTIDS]


@pytest.fixture
def node(slicer_app: Any) -> Any:
    """Both glands beside a segment of a person's own; no display node yet."""
    made = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    for key in (*KEYS, "Mandible"):
        made.GetSegmentation().AddEmptySegment(key, key)
    return made


def test_what_is_set_is_read_again(node):
    set_visible(node, "Parotid_L", False)
    set_fill(node, KEYS, 0.25)
    set_outline(node, KEYS, False)
    shown = appearance_of(node, KEYS)
    assert shown.visible == {"Parotid_R"}
    assert shown.fill == pytest.approx(0.25)
    assert not shown.outline


def test_a_persons_other_segments_stay_as_they_are(node):
    set_visible(node, "Parotid_L", False)
    set_fill(node, KEYS, 0.0)
    set_outline(node, KEYS, False)
    display = node.GetDisplayNode()
    assert display.GetSegmentVisibility("Mandible")
    assert display.GetSegmentOpacity2DFill("Mandible") == 1.0
    assert display.GetSegmentVisibility2DOutline("Mandible")


def test_a_gland_of_a_hidden_segmentation_is_hidden_and_can_be_shown(node):
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetVisibility(False)
    assert appearance_of(node, KEYS).visible == set()
    set_visible(node, "Parotid_R", True)
    assert "Parotid_R" in appearance_of(node, KEYS).visible


def test_glands_that_are_not_there_are_not_made(node):
    node.GetSegmentation().RemoveSegment("Parotid_R")
    node.GetSegmentation().RemoveSegment("Parotid_L")
    set_visible(node, "Parotid_R", True)
    set_fill(node, KEYS, 0.5)
    set_outline(node, KEYS, True)
    assert list(node.GetSegmentation().GetSegmentIDs()) == ["Mandible"]
    assert appearance_of(node, KEYS).visible == set()
