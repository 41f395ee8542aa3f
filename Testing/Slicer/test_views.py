"""The chosen CT in the slice views, and the views given back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_images import made_head

from ParotidSegLib.in_slicer.showing.views import LentViews


@pytest.fixture
def other(add_volume: Any, slice_views: list[Any]) -> Any:
    """A volume that the views show before the panel comes, each at a place of its own."""
    node = add_volume(made_head(), "Other")
    for step, logic in enumerate(slice_views):
        logic.GetSliceCompositeNode().SetBackgroundVolumeID(node.GetID())
        logic.FitSliceToBackground()
        logic.GetSliceNode().SetFieldOfView(80.0 + step, 60.0, 1.0)
        logic.SetSliceOffset(7.0 * step - 3.0)
    return node


@pytest.fixture
def moved_ct(add_volume: Any) -> Any:
    """A CT that lies where the views do not look."""
    head = made_head()
    head.SetOrigin([300.0 + value for value in head.GetOrigin()])
    return add_volume(head, "CT")


def state_of(logic: Any) -> tuple[Any, ...]:
    """What a view shows, and where."""
    node = logic.GetSliceNode()
    matrix = node.GetSliceToRAS()
    place = [round(matrix.GetElement(row, column), 6) for row in range(4) for column in range(4)]
    return logic.GetSliceCompositeNode().GetBackgroundVolumeID(), place, node.GetFieldOfView(), node.GetXYZOrigin()


def window_of(volume: Any) -> tuple[int, float, float]:
    display = volume.GetDisplayNode()
    return display.GetAutoWindowLevel(), display.GetWindow(), display.GetLevel()


def test_a_ct_appears_in_all_slice_views_with_a_soft_tissue_window(slice_views, other, moved_ct):
    LentViews().show(moved_ct)
    bounds = [0.0] * 6
    moved_ct.GetRASBounds(bounds)
    for logic, axis in zip(slice_views, (2, 1, 0), strict=True):
        assert logic.GetSliceCompositeNode().GetBackgroundVolumeID() == moved_ct.GetID()
        assert bounds[2 * axis] < logic.GetSliceNode().GetSliceToRAS().GetElement(axis, 3) < bounds[2 * axis + 1]
    assert window_of(moved_ct) == (0, 400.0, 40.0)


def test_the_views_are_given_back_as_they_were(slice_views, other, moved_ct):
    before, window = [state_of(logic) for logic in slice_views], window_of(moved_ct)
    views = LentViews()
    views.show(moved_ct)
    slice_views[0].SetSliceOffset(310.0)  # looking at other slices takes no view away
    views.give_back()
    assert [state_of(logic) for logic in slice_views] == before
    assert window_of(moved_ct) == window
    assert window_of(other)[1:] != (400.0, 40.0)


def test_another_ct_and_none_give_the_first_one_back(slice_views, add_volume, other, moved_ct):
    before, windows = [state_of(logic) for logic in slice_views], window_of(moved_ct)
    second = add_volume(made_head(), "Second")
    views = LentViews()
    views.show(moved_ct)
    views.show(second)
    assert {state_of(logic)[0] for logic in slice_views} == {second.GetID()}
    assert window_of(moved_ct) == windows
    views.show(None)
    assert [state_of(logic) for logic in slice_views] == before


def test_a_view_that_showed_the_ct_already_stays_where_it_is(slice_views, other):
    before = [state_of(logic) for logic in slice_views]
    views = LentViews()
    views.show(other)
    assert [state_of(logic) for logic in slice_views] == before
    slice_views[1].SetSliceOffset(9.0)
    place = state_of(slice_views[1])
    views.give_back()
    assert state_of(slice_views[1]) == place


def test_what_a_person_shows_meanwhile_stays(slice_views, other, moved_ct, add_volume):
    mine = add_volume(made_head(), "Mine")
    views = LentViews()
    views.show(moved_ct)
    slice_views[0].GetSliceCompositeNode().SetBackgroundVolumeID(mine.GetID())
    slice_views[1].GetSliceCompositeNode().SetBackgroundVolumeID(None)
    views.give_back()
    shown = [logic.GetSliceCompositeNode().GetBackgroundVolumeID() for logic in slice_views]
    assert shown == [mine.GetID(), None, other.GetID()]


def test_a_view_that_a_person_has_turned_keeps_its_orientation(slice_views, other, moved_ct):
    views = LentViews()
    views.show(moved_ct)
    slice_views[0].GetSliceNode().SetOrientation("Coronal")
    views.give_back()
    assert slice_views[0].GetSliceNode().GetOrientation() == "Coronal"
    assert slice_views[0].GetSliceCompositeNode().GetBackgroundVolumeID() == other.GetID()


def test_a_window_that_a_person_sets_is_theirs_from_then_on(slice_views, moved_ct):
    views = LentViews()
    views.show(moved_ct)
    moved_ct.GetDisplayNode().SetWindowLevel(2000, 500)
    views.give_back()
    assert window_of(moved_ct) == (0, 2000.0, 500.0)
    views.show(moved_ct)
    assert window_of(moved_ct) == (0, 2000.0, 500.0)


@pytest.mark.parametrize("automatic", [True, False])
def test_a_window_that_was_there_comes_back(slice_views, moved_ct, automatic):
    display = moved_ct.GetDisplayNode()
    display.SetAutoWindowLevel(automatic)
    if not automatic:
        display.SetWindowLevel(1500, 300)
    before = window_of(moved_ct)
    views = LentViews()
    views.show(moved_ct)
    views.give_back()
    assert window_of(moved_ct) == before


def test_a_ct_that_is_deleted_meanwhile_leaves_the_former_one(slice_views, slicer_app, other, moved_ct):
    before = [state_of(logic) for logic in slice_views]
    views = LentViews()
    views.show(moved_ct)
    slicer_app.mrmlScene.RemoveNode(moved_ct)
    views.show(None)
    assert [state_of(logic) for logic in slice_views] == before


def test_a_former_volume_that_is_gone_leaves_the_view_empty(slice_views, slicer_app, other, moved_ct):
    views = LentViews()
    views.show(moved_ct)
    slicer_app.mrmlScene.RemoveNode(other)
    views.give_back()
    assert {logic.GetSliceCompositeNode().GetBackgroundVolumeID() for logic in slice_views} == {None}


def test_where_the_application_has_no_window_only_the_ct_is_prepared(moved_ct):
    views = LentViews()
    views.show(moved_ct)
    views.give_back()
    assert np.isfinite(window_of(moved_ct)[1])


def test_a_volume_without_an_image_changes_no_view(slice_views, slicer_app, other):
    before = [state_of(logic) for logic in slice_views]
    LentViews().show(slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"))
    assert [state_of(logic) for logic in slice_views] == before
