"""Which model: one that ships, or the user's own from a folder or zip; and the exact reason when it is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ctk
from slicer.i18n import tr as _

from ...errors import BundleError
from ...model.bundle import Bundle, shipped_bundles
from ..parameters import ParotidSegParameters
from ..running.run import checked_bundle, modified
from .styles import PROBLEM_STYLE


class ModelChoice:
    """The selector of the model and the line for a path of one's own.

    Args:
        ui: the widgets of the panel.
        changed: called with the new value of `ParotidSegParameters.bundle`.
    """

    def __init__(self, ui: Any, changed: Callable[[str], None]) -> None:
        self._ui, self._changed = ui, changed
        self._shipped = shipped_bundles()
        self._checked: tuple[tuple[str, float], Bundle | None, str] | None = None
        self._showing = False
        for name in self._shipped:
            ui.modelSelector.addItem(_("{name} (comes with ParotidSeg)").format(name=name))
        ui.modelSelector.addItem(_("My own model…"))
        ui.bundlePathEdit.filters = ctk.ctkPathLineEdit.Files
        # The line tells of no path that the filter excludes, and understands none without a star: not "bundle.json".
        ui.bundlePathEdit.nameFilters = [_("Models (*.zip *.json)")]
        ui.bundlePathEdit.settingKey = "ParotidSeg/Bundle"
        ui.modelSelector.connect("currentIndexChanged(int)", self._choose)
        ui.bundlePathEdit.connect("currentPathChanged(QString)", self._choose_path)
        # Of a line that was emptied only this is told.
        ui.bundlePathEdit.connect("validInputChanged(bool)", self._choose_path)

    def show(self, parameters: ParotidSegParameters) -> None:
        """Bring the widgets to what the parameters say."""
        self._showing = True
        own = parameters.bundle not in self._shipped
        if own:
            self._ui.modelSelector.currentIndex = len(self._shipped)
            if self._path_of_edit() != parameters.bundle:
                self._ui.bundlePathEdit.currentPath = parameters.bundle
        else:
            self._ui.modelSelector.currentIndex = self._shipped.index(parameters.bundle)
        for widget in (self._ui.bundlePathEdit, self._ui.bundlePathLabel):
            widget.visible = own
        bundle, refusal = self.check(parameters.bundle)
        self._ui.modelLabel.text = refusal or (_describe(bundle) if bundle else "")
        self._ui.modelLabel.styleSheet = PROBLEM_STYLE if refusal else ""
        self._showing = False

    def check(self, name_or_path: str) -> tuple[Bundle | None, str]:
        """The verified bundle and no text, or None and one sentence that says why it is refused or missing."""
        if not name_or_path:
            return None, _("Choose your model's zip, or the bundle.json in its folder, under Advanced.")
        key = (name_or_path, modified(name_or_path))
        if self._checked is None or self._checked[0] != key:
            self._checked = (key, *_verify(name_or_path))
        return self._checked[1:]

    def _choose(self, index: int) -> None:
        if not self._showing and index >= 0:
            self._changed(self._shipped[index] if index < len(self._shipped) else self._path_of_edit())

    def _choose_path(self, _told: object) -> None:
        if self._showing:
            return
        path = self._path_of_edit()
        if self.check(path)[0] is not None:
            self._showing = True  # while the line rearranges its list it passes through other paths, and tells of them
            self._ui.bundlePathEdit.addCurrentPathToHistory()
            self._showing = False
        self._changed(path)

    def _path_of_edit(self) -> str:
        """The path as a bundle: the folder in place of the bundle.json in it."""
        text = self._ui.bundlePathEdit.currentPath.strip()
        return str(Path(text).parent) if Path(text).name == "bundle.json" else text


def _verify(name_or_path: str) -> tuple[Bundle | None, str]:
    try:
        return checked_bundle(name_or_path), ""
    except BundleError as error:
        return None, str(error)


def _describe(bundle: Bundle) -> str:
    text = _("{name} {version}: {description}")
    return text.format(name=bundle.name, version=bundle.version, description=bundle.description)
