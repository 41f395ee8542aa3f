"""From the button to the scene: the real .ui file, the real worker, the shipped model, the real scene."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import slicer
import slicer.util
import vtk
from application.scripted import load_scripted_module
from made_dicom_results import write_ct
from made_panel import run_event_loop_until

from ParotidSegLib.in_slicer.parameters import ExportFormat
from ParotidSegLib.in_slicer.scene.results import report_of
from ParotidSegLib.model.bundle import load_bundle
from ParotidSegLib.model.engines import installed_engines
from ParotidSegLib.structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID
from ParotidSegLib.writing.export import terminology_tag

MODULE = Path(__file__).resolve().parents[2] / "ParotidSeg" / "ParotidSeg.py"
pytestmark = [pytest.mark.engine, pytest.mark.skipif(not installed_engines(), reason="no engine is installed")]


@pytest.fixture(scope="module")
def module(started_slicer: Any) -> Any:
    """The Python module, as the application loads it."""
    return load_scripted_module(started_slicer, MODULE)


@pytest.fixture
def panel(module: Any, slicer_app: Any) -> Iterator[Any]:
    """The panel of the module, on an empty scene."""
    widget = module.ParotidSegWidget()
    widget.enter()
    yield widget.panel
    widget.exit()
    widget.cleanup()
    widget.parent.deleteLater()


@pytest.fixture
def slice_node(slicer_app: Any) -> Any:
    """An axial slice view's node, of which no click has taken the view anywhere yet."""
    node = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLSliceNode")
    node.SetOrientationToAxial()
    return node


def press_and_wait(panel: Any) -> list[tuple[int, str]]:
    """Press the button and wait for the end; what the bar and the line below it showed."""
    seen: list[tuple[int, str]] = []
    panel.ui.segmentButton.click()

    def over() -> bool:
        seen.append((panel.ui.progressBar.value, panel.ui.statusLabel.text))
        return not panel.run.running

    run_event_loop_until(over, seconds=120)
    panel.measure()
    return seen


def cells(panel: Any) -> list[list[str]]:
    """The texts of the review's table."""
    table = panel.ui.reviewTable
    return [[table.item(row, column).text() for column in range(4)] for row in range(table.rowCount)]


def test_from_the_button_to_a_saved_scene(panel: Any, slice_node: Any, sample_ct: Path, tmp_path: Path) -> None:
    slicer.util.loadVolume(str(sample_ct), {"show": False})
    seen = press_and_wait(panel)
    assert panel.ui.messageLabel.text == ""
    assert len({value for value, _ in seen}) > 4
    assert any("Drawing the contours" in text for _, text in seen)
    node = panel.parameters.outputSegmentation
    check_segments(node, panel.parameters.inputVolume)
    check_review(panel, slice_node)
    check_correction(panel, node)
    check_undo(panel, node)
    check_saved_scene(panel, tmp_path / "größer und weiter" / "scene.mrb")


def check_segments(node: Any, volume: Any) -> None:
    """IDs, names, colours, codes, geometry and sides of the segments."""
    segmentation = node.GetSegmentation()
    assert list(segmentation.GetSegmentIDs()) == ["Parotid_R", "Parotid_L"]
    for structure in PAROTIDS:
        segment = segmentation.GetSegment(structure.key)
        assert segment.GetName() == structure.name
        np.testing.assert_allclose(segment.GetColor(), np.array(structure.colour) / 255, atol=1e-6)
        code = vtk.reference("")
        assert segment.GetTag(segment.GetTerminologyEntryTagName(), code)
        assert str(code) == terminology_tag(structure)
    # R, A, S: the patient's right is at larger R.
    right, left = (node.GetSegmentCenterRAS(structure.key) for structure in (RIGHT_PAROTID, LEFT_PAROTID))
    assert 97 < right[0] - left[0] < 140
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    assert node.GetNodeReference(role) is volume


def check_review(panel: Any, slice_node: Any) -> None:
    """The table shows both glands, and a click takes the slice views there."""
    rows = cells(panel)
    assert [row[0] for row in rows] == ["Right parotid gland", "Left parotid gland"]
    for _, volume, mean, findings in rows:
        assert 15 < float(volume.removesuffix(" mL")) < 45
        assert -90 < float(mean.removesuffix(" HU")) < 60
        assert findings == "none"
    assert panel.ui.provenanceLabel.text.startswith(f"Drawn by parotid-ct {load_bundle().version} with ")
    for row, side in ((0, 1), (1, -1)):
        panel.ui.reviewTable.cellClicked.emit(row, 0)
        centre = slice_node.GetSliceToRAS().GetElement(0, 3)
        assert 40 < side * centre < 90
    panel.ui.show3DButton.click()
    surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    assert panel.parameters.outputSegmentation.GetSegmentation().ContainsRepresentation(surface)
    panel.ui.show3DButton.click()
    assert not panel.parameters.outputSegmentation.GetSegmentation().ContainsRepresentation(surface)


def check_correction(panel: Any, node: Any) -> None:
    """An edit changes the table and the difference; Reset takes it back, and Undo of the editor takes Reset back."""
    panel.ui.correctSection.collapsed = False
    assert panel.ui.differenceLabel.text == "The contours are as the model drew them."
    drawn = slicer.util.arrayFromSegmentBinaryLabelmap(node, "Parotid_R", panel.parameters.inputVolume)
    eaten = drawn.copy()
    eaten[: eaten.shape[0] // 2] = 0
    slicer.util.updateSegmentBinaryLabelmapFromArray(eaten, node, "Parotid_R", panel.parameters.inputVolume)
    before = cells(panel)
    run_event_loop_until(lambda: cells(panel) != before)  # measured by itself
    assert panel.ui.differenceLabel.text.startswith("Right parotid gland: 0.0 mL added (0 voxels), ")
    editor = panel.ui.segmentEditor
    editor.setCurrentSegmentID("Parotid_R")
    panel.ui.resetButton.click()
    restored = slicer.util.arrayFromSegmentBinaryLabelmap(node, "Parotid_R", panel.parameters.inputVolume)
    np.testing.assert_array_equal(restored, drawn)
    editor.undo()
    again = slicer.util.arrayFromSegmentBinaryLabelmap(node, "Parotid_R", panel.parameters.inputVolume)
    np.testing.assert_array_equal(again, eaten)


def check_undo(panel: Any, node: Any) -> None:
    """A further run replaces both glands and leaves the user's own segment; Undo brings the former glands back."""
    volume = panel.parameters.inputVolume
    node.GetSegmentation().AddEmptySegment("Mandible", "My mandible")
    former = slicer.util.arrayFromSegmentBinaryLabelmap(node, "Parotid_R", volume)
    press_and_wait(panel)
    assert panel.parameters.outputSegmentation is node
    assert node.GetSegmentation().GetSegment("Mandible").GetName() == "My mandible"
    drawn = slicer.util.arrayFromSegmentBinaryLabelmap(node, "Parotid_R", volume)
    assert drawn.sum() > former.sum()
    panel.ui.undoButton.click()
    np.testing.assert_array_equal(slicer.util.arrayFromSegmentBinaryLabelmap(node, "Parotid_R", volume), former)
    assert node.GetSegmentation().GetSegment("Mandible") is not None


def check_saved_scene(panel: Any, path: Path) -> None:
    """A scene that is saved, closed and loaded restores the panel."""
    path.parent.mkdir()
    panel.parameters.exportFolder = str(path.parent)
    panel.ui.mirrorCheckBox.checked = False
    panel.ui.engineSelector.currentIndex = 1
    panel.measure()
    before, text = cells(panel), panel.ui.differenceLabel.text
    report = report_of(panel.parameters.outputSegmentation)
    slicer.util.saveScene(str(path))
    slicer.mrmlScene.Clear(False)
    assert panel.parameters.outputSegmentation is None
    panel.measure()
    assert cells(panel) == []
    slicer.util.loadScene(str(path))
    panel.measure()
    assert cells(panel) == before
    assert panel.ui.differenceLabel.text == text
    assert report_of(panel.parameters.outputSegmentation) == report
    assert panel.ui.inputSelector.currentNode() is panel.parameters.inputVolume is not None
    assert panel.ui.exportFolderEdit.currentPath == str(path.parent)
    assert not panel.ui.mirrorCheckBox.checked
    assert panel.ui.engineSelector.currentIndex == 1
    assert panel.ui.segmentButton.enabled


def test_a_gland_that_the_scan_cuts_is_a_finding_that_a_click_shows(
    panel: Any, slice_node: Any, add_volume: Any, sample_ct: Path, sample_labels: Path
) -> None:
    ct, labels = sitk.ReadImage(str(sample_ct)), sitk.ReadImage(str(sample_labels))
    last = int(np.nonzero(sitk.GetArrayViewFromImage(labels))[0].mean())
    add_volume(ct[:, :, :last])
    press_and_wait(panel)
    texts = [panel.ui.findingsList.item(row).text() for row in range(panel.ui.findingsList.count)]
    cut = next(row for row, text in enumerate(texts) if "reaches the end of the scan" in text)
    assert [row[3] for row in cells(panel)] != ["none", "none"]
    panel.ui.findingsList.itemClicked.emit(panel.ui.findingsList.item(cut))
    top = ct.TransformIndexToPhysicalPoint((0, 0, last - 1))[2]
    assert slice_node.GetSliceToRAS().GetElement(2, 3) == pytest.approx(top, abs=3.0)


def test_a_scan_without_glands_is_refused_in_one_sentence(panel: Any, add_volume: Any) -> None:
    air = sitk.GetImageFromArray(np.full((40, 64, 64), -1000, np.int16))
    air.SetSpacing((3.0, 3.0, 4.0))
    add_volume(air)
    press_and_wait(panel)
    assert panel.ui.messageLabel.text.endswith(".")
    assert panel.parameters.outputSegmentation is None


def test_what_is_exported_lies_where_the_message_says(panel: Any, sample_ct: Path, tmp_path: Path) -> None:
    slicer.util.loadVolume(str(sample_ct), {"show": False})
    press_and_wait(panel)
    folder = tmp_path / "für die Klinik"
    folder.mkdir()
    panel.ui.exportFolderEdit.currentPath = str(folder)
    for format_ in (ExportFormat.SLICER, ExportFormat.NIFTI, ExportFormat.STL, ExportFormat.CSV):
        panel.ui.exportFormatSelector.currentIndex = list(ExportFormat).index(format_)
        panel.ui.exportButton.click()
        told = panel.ui.exportMessageLabel.text.removeprefix("Written: ").split(", ")
        assert all(Path(file).is_file() and file.endswith(format_.value) for file in told), told
    assert len(list(folder.iterdir())) == 5
    panel.ui.exportFormatSelector.currentIndex = list(ExportFormat).index(ExportFormat.RTSTRUCT)
    panel.measure()
    assert not panel.ui.exportButton.enabled
    assert "DICOM files of this CT" in panel.ui.exportButton.toolTip
    check_dicom(panel, sitk.ReadImage(str(sample_ct)), tmp_path)


def check_dicom(panel: Any, ct: sitk.Image, folder: Path) -> None:
    """RTSTRUCT is written while the window lives, from the CT's DICOM files; files of another CT are refused."""
    other = sitk.Image((16, 16, 12), sitk.sitkInt16)
    for name, image in (("other", other), ("ct", ct)):
        write_ct(folder / name, sitk.Cast(image, sitk.sitkInt16))
        panel.ui.dicomFolderEdit.currentPath = str(folder / name)
        panel.ui.exportButton.click()
        assert panel.run.running
        assert "Wait" in panel.ui.exportButton.toolTip
        run_event_loop_until(lambda: not panel.run.running, seconds=60)
        told = panel.ui.exportMessageLabel.text
        assert told.startswith("Written: ") == (name == "ct"), told
    assert panel.ui.messageLabel.text == ""
    file = Path(told.removeprefix("Written: "))
    regions = pydicom.dcmread(file).StructureSetROISequence
    assert [region.ROIName for region in regions] == ["Parotid_R", "Parotid_L"]


def test_the_self_test_of_the_module_passes(module: Any, slicer_app: Any) -> None:
    module.ParotidSegTest().runTest()
