"""The mark "reviewed" of a gland: it is about the contour that was looked at."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import made_head
from made_scene import made_glands, oblique_head

from ParotidSegLib.in_slicer.scene import undo
from ParotidSegLib.in_slicer.scene.reviewed import ATTRIBUTE, ReviewMark, mark_reviewed, review_mark, unmark_reviewed

TODAY = datetime.date.today().isoformat()


@pytest.fixture
def drawn_head(scene: Any, add_volume: Any) -> tuple[Any, Any]:
    """A segmentation with both glands, and its CT."""
    head = oblique_head()
    volume = add_volume(head, "CT")
    node = scene.new_segmentation(volume, "Glands")
    scene.put_segments(node, made_glands(head), volume)
    return node, volume


def test_a_mark_holds_the_date_for_one_gland(drawn_head):
    node, volume = drawn_head
    mark_reviewed(node, "Parotid_R", volume)
    assert review_mark(node, "Parotid_R", volume) == ReviewMark(TODAY, True)
    assert review_mark(node, "Parotid_L", volume) is None
    unmark_reviewed(node, "Parotid_R")
    assert review_mark(node, "Parotid_R", volume) is None
    assert node.GetAttribute(ATTRIBUTE) is None


def test_an_edit_ends_the_mark_of_that_gland_only(drawn_head, slicer_app):
    node, volume = drawn_head
    for key in ("Parotid_R", "Parotid_L"):
        mark_reviewed(node, key, volume)
    mask = slicer_app.util.arrayFromSegmentBinaryLabelmap(node, "Parotid_R", volume)
    mask[tuple(np.argwhere(mask)[0])] = 0  # a single voxel
    slicer_app.util.updateSegmentBinaryLabelmapFromArray(mask, node, "Parotid_R", volume)
    assert review_mark(node, "Parotid_R", volume) == ReviewMark(TODAY, False)
    assert review_mark(node, "Parotid_L", volume) == ReviewMark(TODAY, True)


def test_an_edit_of_the_same_volume_ends_it_too(drawn_head, scene, slicer_app):
    node, volume = drawn_head
    mark_reviewed(node, "Parotid_R", volume)
    mirrored = sitk.GetArrayFromImage(scene.gland_labels(node, volume))
    mask = (mirrored == 1)[::-1].astype("uint8")
    slicer_app.util.updateSegmentBinaryLabelmapFromArray(mask, node, "Parotid_R", volume)
    assert not review_mark(node, "Parotid_R", volume).holds


def test_another_run_ends_the_mark_and_its_undo_brings_it_back(drawn_head, scene):
    node, volume = drawn_head
    mark_reviewed(node, "Parotid_L", volume)
    smaller = made_glands(oblique_head())
    smaller[:, :, 0:14] = 0
    scene.put_segments(node, smaller, volume)
    assert not review_mark(node, "Parotid_L", volume).holds
    undo.undo(node)
    assert review_mark(node, "Parotid_L", volume) == ReviewMark(TODAY, True)


def test_the_mark_goes_with_the_scene_and_with_a_transform(drawn_head, slicer_app, add_transform, tmp_path):
    node, volume = drawn_head
    mark_reviewed(node, "Parotid_L", volume)
    transform = add_transform(np.array([[0, -1, 0, 100], [1, 0, 0, 20], [0, 0, 1, -30], [0, 0, 0, 1]], float))
    for moved in (node, volume):
        moved.SetAndObserveTransformNodeID(transform.GetID())
    assert review_mark(node, "Parotid_L", volume).holds
    slicer_app.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer_app.mrmlScene.Clear(True)
    slicer_app.util.loadScene(str(tmp_path / "scene.mrb"))
    node, volume = slicer_app.util.getNode("Glands"), slicer_app.util.getNode("CT")
    assert review_mark(node, "Parotid_L", volume) == ReviewMark(TODAY, True)


def test_that_a_gland_is_absent_can_be_reviewed_too(drawn_head):
    node, volume = drawn_head
    node.GetSegmentation().ClearSegment("Parotid_L")
    mark_reviewed(node, "Parotid_L", volume)
    assert review_mark(node, "Parotid_L", volume).holds


def test_the_mark_is_about_this_ct(drawn_head, add_volume):
    node, volume = drawn_head
    mark_reviewed(node, "Parotid_L", volume)
    assert not review_mark(node, "Parotid_L", add_volume(made_head((30, 30, 10)), "Another")).holds


@pytest.mark.parametrize("text", ["no such text", "[]", '{"Parotid_L": 3}', '{"Parotid_L": {"date": "2026-01-01"}}'])
def test_an_attribute_that_someone_else_changed_is_no_mark(drawn_head, text):
    node, volume = drawn_head
    node.SetAttribute(ATTRIBUTE, text)
    assert review_mark(node, "Parotid_L", volume) is None
