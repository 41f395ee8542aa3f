"""Comparing in the panel: what goes with the section, the reference and the scene, and that all of it fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import qt
import slicer
import slicer.util
from made_compare import cells, segmentations, settle
from made_corrections import made_scan
from made_reference import add_dose
from made_strokes import RIGHT, correct

from ParotidSegLib.in_slicer.logic import volume_of
from ParotidSegLib.in_slicer.scene import scene


@pytest.mark.parametrize("ending", ["fold", "leave", "no reference", "reference deleted", "segmentation deleted"])
def test_what_the_section_shows_goes_with_it(ending: str, compared: Any, add_volume: Any, *, reference: Any) -> None:
    compared.parameters.doseVolume = add_dose(add_volume)
    settle(compared)
    compared.ui.dosePlotButton.click()
    if ending == "fold":
        compared.ui.compareSection.collapsed = True
    elif ending == "leave":
        compared.exit()
    elif ending == "no reference":
        compared.parameters.referenceSegmentation = None
    elif ending == "reference deleted":
        slicer.mrmlScene.RemoveNode(reference)
    else:
        slicer.mrmlScene.RemoveNode(compared.parameters.outputSegmentation)
    settle(compared)
    assert compared.compare.overlay.node is None
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 0
    assert compared.ui.overlayRow.isHidden()
    assert cells(compared) == {}


def test_it_comes_back_with_the_section_and_the_module(compared: Any) -> None:
    compared.ui.compareSection.collapsed = True
    compared.ui.compareSection.collapsed = False
    settle(compared)
    assert cells(compared)["Dice"] == ["0.843", "0.839"]
    compared.exit()
    compared.enter()
    settle(compared)
    assert compared.compare.overlay.is_shown


def test_nothing_is_measured_while_the_section_is_folded(compared: Any, node: Any) -> None:
    compared.ui.compareSection.collapsed = True
    correct(node, RIGHT, (20,))
    settle(compared)
    assert compared.compare._comparison is None


def test_another_ct_than_the_references_is_said(compared: Any, add_volume: Any) -> None:
    scan = made_scan()
    other = type(scan.image)(scan.image)
    other.SetOrigin((900.0, 0.0, 0.0))
    compared.parameters.inputVolume = add_volume(other, "Elsewhere")
    settle(compared)
    assert "of another CT" in compared.ui.compareLabel.text
    assert compared.compare.overlay.node is None


def test_a_closed_scene_is_no_error_and_a_loaded_one_goes_on(compared: Any, add_volume: Any, tmp_path: Path) -> None:
    compared.parameters.doseVolume = add_dose(add_volume)
    compared.compare.rows.selectors[RIGHT].activated.emit(2)
    settle(compared)
    before, said = cells(compared), compared.ui.compareLabel.text
    assert said
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    assert cells(compared) == {}
    for button in (compared.ui.nextDifferenceButton, compared.ui.keepDifferencesButton, compared.ui.dosePlotButton):
        button.click()
    settle(compared)
    assert compared.compare.overlay.node is None
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    settle(compared)
    assert sorted(name for name in segmentations() if "not saved" not in name) == ["CT glands", "Second reader"]
    assert cells(compared) == before
    assert compared.ui.compareLabel.text == said


def test_a_click_right_after_a_stroke_knows_what_is_there_now(compared: Any, node: Any, reference: Any) -> None:
    scene.put_segments(node, made_scan().wanted, volume_of(node))
    compared.ui.nextDifferenceButton.click()
    assert compared.ui.differencePlaceLabel.text == "No place differs by more than 2 mm."


def test_it_fits_into_slicers_column(compared: Any, add_volume: Any, reference: Any) -> None:
    reference.SetName("Contours of a colleague from the other hospital, drawn on the second of three planning CTs")
    reference.GetSegmentation().GetSegment(RIGHT).SetName(
        "Right parotid gland as it was before the second operation, without its deep lobe"
    )
    compared.parameters.doseVolume = add_dose(add_volume)
    settle(compared)
    compared.ui.nextDifferenceButton.click()
    compared.root.show()
    for _ in range(4):
        compared.root.resize(400, compared.root.layout().totalHeightForWidth(400))
        qt.QApplication.processEvents()
    assert compared.root.layout().totalMinimumSize().width() <= 400
    table, margin = compared.ui.compareTable, 8
    for row in range(table.rowCount):
        for column in range(table.columnCount):
            text = table.item(row, column).text()
            needed = table.fontMetrics().horizontalAdvance(text) + margin
            assert needed <= table.columnWidth(column), text  # what does not fit Qt cuts
