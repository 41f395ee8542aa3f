"""The lines for paths: they remember former ones, and do not tell of one that is empty or excluded by their filter."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_panel import MadeLogic, add_ct, make_panel

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


def test_without_a_path_ones_own_model_is_missing_again(panel: Any, models: list[Path]) -> None:
    panel.ui.modelSelector.currentIndex = panel.ui.modelSelector.count - 1
    panel.ui.bundlePathEdit.currentPath = str(models[0] / "bundle.json")
    panel.ui.bundlePathEdit.currentPath = ""
    assert panel.parameters.bundle == ""
    assert "Choose your model's zip" in panel.ui.segmentButton.toolTip
