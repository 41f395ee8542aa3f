"""RTSTRUCT and DICOM SEG into Slicer's DICOM database."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Shared"))
from made_dicom_results import made_scan, write_ct
from made_panel import make_panel, run_event_loop_until

from ParotidSegLib.errors import OutputError
from ParotidSegLib.in_slicer.parameters import ExportFormat


@pytest.fixture
def from_database(dicom_database: Any, ct: Any, tmp_path: Path) -> Any:
    """The CT comes from the database."""
    files = write_ct(tmp_path / "ct", made_scan("oblique")[0])
    dicom_database.addFolder(tmp_path / "ct")
    uids = [str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID) for file in files]
    ct.SetAttribute("DICOM.instanceUIDs", " ".join(uids))
    return dicom_database


@pytest.fixture
def panel(logic: Any, drawn: Any, from_database: Any) -> Iterator[Any]:
    made = make_panel(logic)
    made.root.show()
    made.parameters.outputSegmentation = drawn
    made.measure()
    yield made
    made.cleanup()
    made.root.deleteLater()


def wait(panel: Any) -> str:
    run_event_loop_until(lambda: not panel.run.running, seconds=60)
    return panel.ui.exportMessageLabel.text


@pytest.mark.parametrize(("chosen", "modality"), [(ExportFormat.RTSTRUCT, "RTSTRUCT"), (ExportFormat.DICOM_SEG, "SEG")])
def test_one_click_puts_the_contours_beside_their_ct(
    panel: Any, from_database: Any, chosen: ExportFormat, modality: str
) -> None:
    panel.parameters.exportFormat = chosen
    panel.measure()
    (patient,) = from_database.patients()
    (study,) = from_database.studiesForPatient(patient)
    before = set(from_database.seriesForStudy(study))
    panel.ui.databaseButton.click()  # no folder is needed
    assert "in Slicer's DICOM database" in wait(panel)
    (series,) = set(from_database.seriesForStudy(study)) - before
    (file,) = from_database.filesForSeries(series)
    assert pydicom.dcmread(file).Modality == modality  # a copy of its own: the temporary file has gone
    assert Path(file).is_relative_to(from_database.databaseDirectory)
    assert from_database.shown_images == from_database.imagesCount()
    assert list(Path(tempfile.gettempdir()).glob("parotidseg-dicom-*")) == []


def test_each_click_adds_the_contours_as_they_are_now(panel: Any, from_database: Any) -> None:
    before = from_database.imagesCount()
    for _ in range(2):
        panel.ui.databaseButton.click()
        wait(panel)
    assert from_database.imagesCount() == before + 2


def test_the_button_stands_with_the_dicom_formats_only(panel: Any) -> None:
    panel.ui.exportSection.collapsed = False
    assert not panel.ui.databaseButton.isHidden()
    panel.parameters.exportFormat = ExportFormat.NIFTI
    assert panel.ui.databaseButton.isHidden()
    panel.parameters.exportFormat = ExportFormat.RTSTRUCT
    panel.parameters.outputSegmentation = None
    assert not panel.ui.databaseButton.enabled
    assert "Segment a CT first" in panel.ui.databaseButton.toolTip


def test_a_database_that_is_not_open_is_one_sentence(logic: Any, ct: Any, drawn: Any, tmp_path: Path) -> None:
    write_ct(tmp_path / "ct", made_scan("oblique")[0])
    with pytest.raises(OutputError, match="open the module DICOM once"):
        logic.startDatabaseExport(drawn, ct, suffix=".seg.dcm", dicom_folder=tmp_path / "ct")


def test_a_database_that_takes_nothing_is_told(panel: Any, from_database: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(from_database, "take", lambda path, copy: None)
    panel.ui.databaseButton.click()
    assert wait(panel).startswith("Slicer's DICOM database did not take the file")


def test_cancelling_adds_nothing_and_leaves_no_file(panel: Any, from_database: Any) -> None:
    before = from_database.imagesCount()
    panel.ui.databaseButton.click()
    panel.ui.segmentButton.click()
    wait(panel)
    assert from_database.imagesCount() == before
    assert list(Path(tempfile.gettempdir()).glob("parotidseg-dicom-*")) == []
