"""What cannot be carried on in the scene is refused with one sentence, and nothing is changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
import slicer.util
from made_images import made_head
from made_scene import add_ball, made_glands, oblique_head
from made_strokes import LEFT, RIGHT, correct, draw, voxels

from ParotidSegLib.errors import ImageError
from ParotidSegLib.in_slicer.logic import ParotidSegLogic, volume_of
from ParotidSegLib.in_slicer.scene import scene, undo

FIRST = 20


@pytest.fixture
def logic(slicer_app: Any) -> ParotidSegLogic:
    return ParotidSegLogic()


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("no difference", "correct a slice first"),
        ("nothing since", "correct a slice first"),
        ("empty gland", "lack the whole right"),
        ("other gland", "right and left may be mixed up"),
        ("other voxels", "segment it first"),
        ("bent", "bends it"),
    ],
)
def test_what_cannot_be_carried_on_is_one_sentence_and_changes_nothing(
    kind: str, sentence: str, logic: Any, *, node: Any, add_volume: Any
) -> None:
    if kind == "nothing since":
        correct(node, RIGHT, (FIRST,))
        logic.carryOn(node)
    elif kind == "empty gland":
        node.GetSegmentation().ClearSegment(RIGHT)
    elif kind == "other gland":
        mask = voxels(node, RIGHT)
        mask[FIRST] = voxels(node, LEFT)[FIRST]
        draw(node, RIGHT, mask)
        erased = voxels(node, LEFT)
        erased[FIRST] = False
        draw(node, LEFT, erased)
    elif kind == "other voxels":
        node.SetReferenceImageGeometryParameterFromVolumeNode(add_volume(made_head(), "Other"))
    elif kind == "bent":
        correct(node, RIGHT, (FIRST,))
        bent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
        volume_of(node).SetAndObserveTransformNodeID(bent.GetID())
    before = {key: voxels(node, key) for key in (RIGHT, LEFT)} if kind != "other voxels" else {}
    attributes = {name: node.GetAttribute(name) for name in node.GetAttributeNames()}
    could_undo = undo.can_undo(node)
    with pytest.raises(ImageError, match=sentence) as caught:
        logic.carryOn(node)
    assert "\n" not in str(caught.value)
    for key, mask in before.items():
        np.testing.assert_array_equal(voxels(node, key), mask)
    assert {name: node.GetAttribute(name) for name in node.GetAttributeNames()} == attributes
    assert undo.can_undo(node) == could_undo


def test_what_no_model_drew_cannot_be_carried_on(logic: Any, add_volume: Any) -> None:
    volume = add_volume(oblique_head())
    node = scene.new_segmentation(volume, "Mine")
    scene.put_segments(node, made_glands(oblique_head()), volume, is_automatic=False)
    with pytest.raises(ImageError, match="segment it first"):
        logic.carryOn(node)
    add_ball(slicer, node, RIGHT, centre=(10, 20, 10), radius=9.0, grid=oblique_head())
    with pytest.raises(ImageError, match="segment it first"):
        logic.correcting(node).next_slice()
