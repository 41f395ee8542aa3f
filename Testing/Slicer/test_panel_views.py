"""The panel borrows the slice views while it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import slicer
from made_panel import UI, MadeLogic, add_ct

from ParotidSegLib.in_slicer.panel.panel import ParotidSegPanel


@pytest.fixture
def panel(slicer_app: Any, slice_views: list[Any]) -> Iterator[Any]:
    """The panel beside views that show a volume of a person's; a CT is chosen, and the module is not shown yet."""
    ct, mine = add_ct("CT"), add_ct("Mine")
    for logic in slice_views:
        logic.GetSliceCompositeNode().SetBackgroundVolumeID(mine.GetID())
    made = ParotidSegPanel(slicer.util.loadUI(str(UI)), MadeLogic())
    assert made.parameters.inputVolume is ct
    yield made
    made.cleanup()


def shown(slice_views: list[Any]) -> set[str]:
    """The names of the volumes in the views."""
    ids = {logic.GetSliceCompositeNode().GetBackgroundVolumeID() for logic in slice_views}
    return {slicer.mrmlScene.GetNodeByID(node_id).GetName() if node_id else "" for node_id in ids}


def test_the_ct_is_shown_from_entering_to_leaving(panel: Any, slice_views: list[Any]) -> None:
    assert shown(slice_views) == {"Mine"}  # loading the module touches no view
    panel.enter()
    assert shown(slice_views) == {"CT"}
    panel.exit()
    assert shown(slice_views) == {"Mine"}
    add_ct("Third")
    panel.parameters.inputVolume = slicer.util.getNode("Third")
    assert shown(slice_views) == {"Mine"}


def test_the_views_follow_the_choice(panel: Any, slice_views: list[Any]) -> None:
    panel.enter()
    third = add_ct("Third")
    panel.ui.inputSelector.setCurrentNode(third)
    assert shown(slice_views) == {"Third"}
    assert third.GetDisplayNode().GetWindow() == 400.0
    panel.parameters.inputVolume = None
    assert shown(slice_views) == {"Mine"}


def test_a_ct_that_gets_its_image_later_is_shown_then(panel: Any, slice_views: list[Any]) -> None:
    panel.enter()
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Late")
    panel.parameters.inputVolume = empty
    assert shown(slice_views) == {"Mine"}
    empty.SetAndObserveImageData(slicer.util.getNode("CT").GetImageData())
    assert shown(slice_views) == {"Late"}


def test_what_a_person_shows_while_the_panel_is_open_is_not_taken_away(panel: Any, slice_views: list[Any]) -> None:
    panel.enter()
    mine = slicer.util.getNode("Mine")
    slice_views[0].GetSliceCompositeNode().SetBackgroundVolumeID(mine.GetID())
    panel.refresh()
    panel.ui.mirrorCheckBox.checked = False  # any change of a choice
    assert slice_views[0].GetSliceCompositeNode().GetBackgroundVolumeID() == mine.GetID()
    panel.exit()
    assert shown(slice_views) == {"Mine"}


def test_closing_the_scene_and_loading_one_leave_no_former_state(
    panel: Any, slice_views: list[Any], tmp_path: Any
) -> None:
    panel.enter()
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    panel.exit()
    panel.enter()
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert shown(slice_views) == {"CT"}
    panel.exit()
    assert shown(slice_views) == {"CT"}  # as the scene was saved
