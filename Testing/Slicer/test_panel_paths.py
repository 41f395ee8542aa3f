"""What the panel remembers: the choices in the scene, and in the lines for paths the former ones.

The lines do not tell of a path that is empty or excluded by their filter.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import slicer
from made_panel import MadeLogic, add_ct, made_segmentation, make_panel, run_event_loop_until

from ParotidSegLib.errors import OutputError
from ParotidSegLib.in_slicer.parameters import ExportFormat
from ParotidSegLib.model.bundle import bundles_folder


@pytest.fixture
def panel(slicer_app: Any) -> Iterator[Any]:
    add_ct()
    made = make_panel(MadeLogic())
    yield made
    made.cleanup()


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    """Two models of one's own."""
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        shutil.copytree(bundles_folder() / "parotid-ct", folder)
    return folders


def test_a_former_model_can_be_chosen_again_and_again(panel: Any, models: list[Path]) -> None:
    panel.ui.modelSelector.currentIndex = panel.ui.modelSelector.count - 1
    for folder in (models[0], *models, models[1], models[0]):
        panel.ui.bundlePathEdit.currentPath = ""
        panel.ui.bundlePathEdit.currentPath = str(folder / "bundle.json")
        assert panel.ui.bundlePathEdit.currentPath == str(folder / "bundle.json")
        assert panel.parameters.bundle == str(folder)
        assert panel.ui.segmentButton.enabled


def test_only_a_sound_model_is_remembered(panel: Any, models: list[Path]) -> None:
    (models[0] / "bundle.json").write_text("{")
    panel.ui.modelSelector.currentIndex = panel.ui.modelSelector.count - 1
    for folder in models:
        panel.ui.bundlePathEdit.currentPath = str(folder / "bundle.json")
    line = panel.ui.bundlePathEdit
    assert line.histories[line.settingKey] == [str(models[1] / "bundle.json")]


@pytest.mark.parametrize(
    ("line", "parameter"), [("exportFolderEdit", "exportFolder"), ("dicomFolderEdit", "dicomFolder")]
)
def test_a_line_that_was_emptied_stays_empty(panel: Any, line: str, parameter: str) -> None:
    edit = getattr(panel.ui, line)
    edit.currentPath = "/of/another/patient"
    assert getattr(panel.parameters, parameter) == "/of/another/patient"
    edit.currentPath = ""
    assert getattr(panel.parameters, parameter) == ""
    panel.refresh()
    assert edit.currentPath == ""


def offered(panel: Any, line: str) -> list[str]:
    """The former paths in the list of a line."""
    return list(getattr(panel.ui, line)._former)


def test_the_folders_of_an_export_are_offered_in_later_sessions(
    panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = panel.parameters
    parameters.outputSegmentation, parameters.exportFormat = made_segmentation(), ExportFormat.CSV
    monkeypatch.setattr(panel.logic, "exportFiles", lambda *_, **__: [], raising=False)
    monkeypatch.setattr(panel.logic, "export", lambda node, ct, folder, **_: [folder / "parotids.csv"], raising=False)
    folders = [tmp_path / name for name in ("first", "second", "first")]
    for folder in folders:
        panel.ui.exportFolderEdit.currentPath = str(folder)
        panel.ui.dicomFolderEdit.currentPath = str(folder / "ct")
        panel.ui.exportButton.click()
        # While the line rearranges its list it passes through other paths.
        assert panel.ui.exportFolderEdit.currentPath == parameters.exportFolder == str(folder)
        assert panel.ui.dicomFolderEdit.currentPath == parameters.dicomFolder == str(folder / "ct")
    slicer.mrmlScene.Clear(False)
    later = make_panel(MadeLogic())
    assert offered(later, "exportFolderEdit") == [str(folders[0]), str(folders[1])]
    assert offered(later, "dicomFolderEdit") == [str(folders[0] / "ct"), str(folders[1] / "ct")]
    # Nothing is chosen by itself: it may be the folder of another patient.
    assert later.ui.exportFolderEdit.currentPath == later.parameters.exportFolder == ""
    later.cleanup()


def test_an_export_that_fails_leaves_its_folder_out(panel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def export(*_: object, **__: object) -> None:
        raise OutputError("The disk is full.")

    panel.parameters.outputSegmentation, panel.parameters.exportFormat = made_segmentation(), ExportFormat.CSV
    monkeypatch.setattr(panel.logic, "exportFiles", lambda *_, **__: [], raising=False)
    monkeypatch.setattr(panel.logic, "export", export, raising=False)
    panel.ui.exportFolderEdit.currentPath = "/full"
    panel.ui.exportButton.click()
    assert offered(panel, "exportFolderEdit") == []


def test_the_folder_of_packages_comes_back_unless_it_is_gone(
    panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slicer.util.confirmOkCancelDisplay", lambda *_: True)
    panel.ui.wheelsFolderEdit.currentPath = str(tmp_path)
    done: list[int] = []
    panel.run.install(SimpleNamespace(what="packages"), "Install?", lambda: done.append(1))
    run_event_loop_until(lambda: done)
    later = make_panel(MadeLogic())
    assert later.run.wheels == str(tmp_path)
    later.cleanup()
    tmp_path.rmdir()
    last = make_panel(MadeLogic())
    assert last.run.wheels == ""
    last.cleanup()


def test_without_a_path_ones_own_model_is_missing_again(panel: Any, models: list[Path]) -> None:
    panel.ui.modelSelector.currentIndex = panel.ui.modelSelector.count - 1
    panel.ui.bundlePathEdit.currentPath = str(models[0] / "bundle.json")
    panel.ui.bundlePathEdit.currentPath = ""
    assert panel.parameters.bundle == ""
    assert "Choose your model's zip" in panel.ui.segmentButton.toolTip


def test_all_choices_live_in_the_scene(panel: Any) -> None:
    panel.ui.engineSelector.currentIndex = 2
    panel.ui.deviceSelector.currentIndex = 1
    panel.ui.mirrorCheckBox.checked = False
    panel.ui.exportFormatSelector.currentIndex = 3
    panel.ui.dicomFolderEdit.currentPath = "/ct"
    other = make_panel(MadeLogic())
    assert other.ui.inputSelector.currentNode() is panel.parameters.inputVolume is not None
    assert other.ui.engineSelector.currentIndex == 2
    assert other.ui.deviceSelector.currentIndex == 1
    assert not other.ui.mirrorCheckBox.checked
    assert other.ui.exportFormatSelector.currentIndex == 3
    assert other.ui.dicomFolderEdit.currentPath == "/ct"
    other.cleanup()
