"""What stands with the table of the review: eyes, fill and outline, the marks of review, and what remarks are about."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer.util
from made_panel import add_ct, made_segmentation, make_panel, run_event_loop_until

from ParotidSegLib.in_slicer.panel.review.appearance_row import EYE_COLUMN
from ParotidSegLib.structures import PAROTIDS

TODAY = datetime.date.today().isoformat()


@pytest.fixture
def panel(slicer_app: Any) -> Iterator[Any]:
    """The panel with the module's own logic, and a CT with two glands."""
    from ParotidSegLib.in_slicer.logic import ParotidSegLogic

    ct, node = add_ct(), made_segmentation()
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    for z, structure in enumerate(PAROTIDS):
        draw(node, structure.key, ct, z)
    made = make_panel(ParotidSegLogic())
    made.root.show()
    made.parameters.outputSegmentation = node
    made.measure()
    yield made
    made.cleanup()
    made.root.deleteLater()


def draw(node: Any, key: str, ct: Any, z: int, width: int = 3) -> None:
    mask = np.zeros((4, 5, 6), np.uint8)
    mask[z, 1:3, 1 : 1 + width] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, key, ct)


def eye(panel: Any, row: int) -> tuple[str, Any]:
    """What an eye says, and its colour left of the pupil."""
    item = panel.ui.reviewTable.item(row, EYE_COLUMN)
    picture = item.icon().pixmap(36, 36).toImage()
    return item.toolTip(), picture.pixelColor(picture.width() // 4, picture.height() // 2).getRgb()


def marks(panel: Any) -> list[tuple[str, bool]]:
    return [(box.text, box.checked) for box in panel.marks.boxes]


def test_a_click_on_an_eye_hides_that_gland_and_goes_nowhere(panel: Any, slice_views: list[Any]) -> None:
    node = panel.parameters.outputSegmentation
    before = [logic.GetSliceNode().GetSliceToRAS().GetElement(2, 3) for logic in slice_views]
    assert eye(panel, 1) == ("Shown: click to hide the gland.", (*PAROTIDS[1].colour, 255))
    panel.ui.reviewTable.cellClicked.emit(1, EYE_COLUMN)
    assert not node.GetDisplayNode().GetSegmentVisibility("Parotid_L")
    assert node.GetDisplayNode().GetSegmentVisibility("Parotid_R")
    assert eye(panel, 1)[0] == "Hidden: click to show the gland."
    assert eye(panel, 1)[1] != eye(panel, 0)[1]
    assert [logic.GetSliceNode().GetSliceToRAS().GetElement(2, 3) for logic in slice_views] == before
    panel.ui.reviewTable.cellClicked.emit(1, EYE_COLUMN)
    assert node.GetDisplayNode().GetSegmentVisibility("Parotid_L")


def test_fill_and_outline_of_the_glands_follow_the_row(panel: Any) -> None:
    display = panel.parameters.outputSegmentation.GetDisplayNode()
    assert panel.ui.fillSlider.value == 100
    panel.ui.fillSlider.value = 30
    panel.ui.outlineCheckBox.click()
    for structure in PAROTIDS:
        assert display.GetSegmentOpacity2DFill(structure.key) == pytest.approx(0.3)
        assert not display.GetSegmentVisibility2DOutline(structure.key)


def test_the_row_follows_what_is_changed_elsewhere(panel: Any) -> None:
    display = panel.parameters.outputSegmentation.GetDisplayNode()
    for structure in PAROTIDS:
        display.SetSegmentOpacity2DFill(structure.key, 0.6)
    display.SetSegmentVisibility("Parotid_R", False)
    assert panel.ui.fillSlider.value == 60
    assert eye(panel, 0)[0].startswith("Hidden")
    assert display.GetSegmentOpacity2DFill("Parotid_R") == pytest.approx(0.6)


def test_without_contours_there_is_nothing_to_show_or_to_mark(panel: Any) -> None:
    former = panel.parameters.outputSegmentation
    panel.parameters.outputSegmentation = None
    panel.measure()
    for widget in (panel.ui.appearanceRow, panel.ui.reviewedBox, panel.ui.remarksLabel):
        assert widget.isHidden()
    panel.ui.fillSlider.value = 10
    assert former.GetDisplayNode().GetSegmentOpacity2DFill("Parotid_R") == 1.0


def test_no_remark_is_said_to_be_no_clean_bill_of_health(panel: Any) -> None:
    table = panel.ui.reviewTable
    headers = [table.horizontalHeaderItem(column).text() for column in range(table.columnCount)]
    assert headers == ["Gland", "Volume", "Mean", "Remarks", ""]
    assert not panel.ui.remarksLabel.isHidden()
    assert "do not look for disease" in panel.ui.remarksLabel.text


def test_a_gland_is_marked_as_reviewed_with_the_date(panel: Any) -> None:
    assert marks(panel) == [("Right parotid gland: reviewed", False), ("Left parotid gland: reviewed", False)]
    panel.marks.boxes[1].click()
    assert marks(panel) == [
        ("Right parotid gland: reviewed", False),
        (f"Left parotid gland: reviewed on {TODAY}", True),
    ]
    panel.marks.boxes[1].click()
    assert marks(panel)[1] == ("Left parotid gland: reviewed", False)


def test_a_change_of_the_contour_ends_the_mark_and_says_so(panel: Any) -> None:
    node, ct = panel.parameters.outputSegmentation, panel.parameters.inputVolume
    for box in panel.marks.boxes:
        box.click()
    draw(node, "Parotid_L", ct, 1, width=4)
    run_event_loop_until(lambda: not panel.marks.boxes[1].checked, seconds=3)
    assert marks(panel) == [
        (f"Right parotid gland: reviewed on {TODAY}", True),
        (f"Left parotid gland: changed since {TODAY}", False),
    ]
    panel.marks.boxes[1].click()
    assert marks(panel)[1] == (f"Left parotid gland: reviewed on {TODAY}", True)


def test_the_marks_come_back_with_the_scene_and_stand_in_the_table(panel: Any, tmp_path: Path) -> None:
    panel.marks.boxes[0].click()
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    panel.measure()
    assert marks(panel) == []
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    panel.measure()
    assert marks(panel)[0] == (f"Right parotid gland: reviewed on {TODAY}", True)
    (file,) = panel.logic.export(
        panel.parameters.outputSegmentation, panel.parameters.inputVolume, tmp_path, suffix=".csv"
    )
    with file.open(encoding="utf-8-sig", newline="") as opened:
        assert [row["reviewed"] for row in csv.DictReader(opened)] == [TODAY, ""]


def test_a_mark_that_lapsed_is_no_date_in_the_table(panel: Any, tmp_path: Path) -> None:
    node, ct = panel.parameters.outputSegmentation, panel.parameters.inputVolume
    panel.marks.boxes[0].click()
    draw(node, "Parotid_R", ct, 0, width=2)
    (file,) = panel.logic.export(node, ct, tmp_path, suffix=".csv")
    with file.open(encoding="utf-8-sig", newline="") as opened:
        assert {row["reviewed"] for row in csv.DictReader(opened)} == {""}
