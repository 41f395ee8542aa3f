"""Writing the contours and the review to files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ctk
import slicer.util
from slicer.i18n import tr as _

from ...errors import ParotidSegError
from ..parameters import ParotidSegParameters
from .run_section import RunSection
from .styles import PROBLEM_STYLE


class ExportSection:
    """The format, the folders and the button.

    Args:
        ui: the widgets of the panel.
        logic: writes the files.
        run: installs what writes DICOM.
    """

    def __init__(self, ui: Any, logic: Any, run: RunSection) -> None:
        self._ui, self._logic, self._run = ui, logic, run
        self._parameters: ParotidSegParameters | None = None
        self._showing = False
        for edit, key, choose in (
            (ui.exportFolderEdit, "ParotidSeg/Export", self._choose_folder),
            (ui.dicomFolderEdit, "ParotidSeg/DICOM", self._choose_dicom),
        ):
            edit.filters = ctk.ctkPathLineEdit.Dirs
            edit.settingKey = key
            edit.connect("currentPathChanged(QString)", choose)
            edit.connect("validInputChanged(bool)", choose)  # of a line that was emptied only this is told
        ui.exportButton.connect("clicked()", self.press)
        ui.databaseButton.connect("clicked()", self.press_database)
        ui.exportMessageLabel.visible = False

    def show(self, parameters: ParotidSegParameters | None) -> None:
        """Take in the parameters (None while the scene is closed) and enable what can be pressed."""
        self._parameters = parameters
        missing = self.missing()
        self._ui.exportButton.enabled = not missing
        self._ui.exportHintLabel.text, self._ui.exportHintLabel.visible = missing, bool(missing)
        self._ui.exportButton.toolTip = missing or _(
            "Write the file. Before one of the same name is replaced, you are asked."
        )
        lacking = self.missing(into_database=True)
        self._ui.databaseButton.enabled = not lacking
        self._ui.databaseButton.toolTip = lacking or _(
            "Add the contours to Slicer's DICOM database, to the study of the CT: the module DICOM sends them on."
        )
        if parameters is None:
            return
        self._showing = True
        for edit, value in (
            (self._ui.exportFolderEdit, parameters.exportFolder),
            (self._ui.dicomFolderEdit, parameters.dicomFolder),
        ):
            if edit.currentPath != value:
                edit.currentPath = value
        for widget in (self._ui.dicomFolderEdit, self._ui.dicomFolderLabel, self._ui.databaseButton):
            widget.visible = parameters.exportFormat.is_dicom
        self._showing = False

    def missing(self, *, into_database: bool = False) -> str:
        """What is missing before the button can be pressed (or that of the database); empty if nothing is."""
        if self._run.running:
            return _("Wait until the run has ended.")
        if self._parameters is None or self._parameters.outputSegmentation is None:
            return _("Segment a CT first, or choose a segmentation above.")
        if self._parameters.inputVolume is None:
            return _("Choose the CT above to which the contours belong.")
        if not into_database and not self._parameters.exportFolder:
            return _("Choose the folder where the file shall go.")
        if self._parameters.exportFormat.is_dicom and not self._dicom_folder():
            return _("Choose the folder with the DICOM files of this CT: the format refers to them.")
        return ""

    def press(self) -> None:
        """Write what was chosen; for DICOM, install what writes it first, if the user agrees."""
        parameters = self._parameters
        if parameters is None or self.missing() or not self._may_write(parameters):
            return
        plan = self._logic.lackingDicomPlan(self._run.wheels) if parameters.exportFormat.is_dicom else None
        self._run.install(plan, _("RTSTRUCT and DICOM SEG need packages that are not installed yet."), self._write)

    def press_database(self) -> None:
        """Write RTSTRUCT or DICOM SEG into Slicer's DICOM database."""
        if self._parameters is not None and not self.missing(into_database=True):
            plan = self._logic.lackingDicomPlan(self._run.wheels)
            text = _("RTSTRUCT and DICOM SEG need packages that are not installed yet.")
            self._run.install(plan, text, self._write_into_database)

    def _may_write(self, parameters: ParotidSegParameters) -> bool:
        """Whether no file is in the way, or the user agrees that it goes: it may be another patient's."""
        files = self._logic.exportFiles(
            parameters.outputSegmentation, parameters.exportFolder, suffix=parameters.exportFormat.value
        )
        present = ", ".join(file.name for file in files if file.exists())
        text = _("The folder holds {files} already, perhaps of another patient.\n\nReplace it?")
        return not present or slicer.util.confirmOkCancelDisplay(text.format(files=present), _("ParotidSeg"))

    def _write(self) -> None:
        """Write the file, and say where it is or why it is not; DICOM, which takes seconds, while the panel goes on."""
        parameters = self._parameters
        if parameters is None or self.missing():
            return
        nodes = parameters.outputSegmentation, parameters.inputVolume
        folder, suffix = Path(parameters.exportFolder), parameters.exportFormat.value
        try:
            if parameters.exportFormat.is_dicom:
                job = self._logic.startDicomExport(*nodes, folder, suffix=suffix, dicom_folder=self._dicom_folder())
                self._watch(job, lambda: self._tell_written([job.target]))
            else:
                self._tell_written(self._logic.export(*nodes, folder, suffix=suffix))
        except ParotidSegError as error:
            self._tell(str(error), failed=True)

    def _write_into_database(self) -> None:
        parameters = self._parameters
        if parameters is None or self.missing(into_database=True):
            return
        try:
            job = self._logic.startDatabaseExport(
                parameters.outputSegmentation,
                parameters.inputVolume,
                suffix=parameters.exportFormat.value,
                dicom_folder=self._dicom_folder(),
            )
        except ParotidSegError as error:
            self._tell(str(error), failed=True)
            return
        text = _(
            "The contours are in Slicer's DICOM database, in the study of their CT. The module DICOM sends them on."
        )
        self._watch(job, lambda: self._tell(text))

    def _watch(self, job: Any, then: Callable[[], None]) -> None:
        """Let the panel go on while DICOM is written, which takes seconds."""
        status = _("Writing DICOM …")
        self._tell(status)
        self._run.watch(job, status, then, failed=lambda problem: self._tell(problem, failed=True))

    def _tell_written(self, files: Sequence[Path]) -> None:
        self._remember_folders()
        self._tell(_("Written: {files}").format(files=", ".join(str(file) for file in files)))

    def _remember_folders(self) -> None:
        """Offer the folders that served in the lists of their lines, in later sessions too."""
        self._showing = True  # while a line rearranges its list it passes through other paths, and tells of them
        self._ui.exportFolderEdit.addCurrentPathToHistory()
        self._ui.dicomFolderEdit.addCurrentPathToHistory()
        self._showing = False

    def _dicom_folder(self) -> Path | None:
        """The folder that the user named, else the one that Slicer's DICOM database knows."""
        assert self._parameters is not None
        if self._parameters.dicomFolder:
            return Path(self._parameters.dicomFolder)
        return self._logic.dicomFolder(self._parameters.inputVolume)

    def _choose_folder(self, _told: object) -> None:
        if self._parameters is not None and not self._showing:
            self._parameters.exportFolder = self._ui.exportFolderEdit.currentPath

    def _choose_dicom(self, _told: object) -> None:
        if self._parameters is not None and not self._showing:
            self._parameters.dicomFolder = self._ui.dicomFolderEdit.currentPath

    def _tell(self, text: str, *, failed: bool = False) -> None:
        label = self._ui.exportMessageLabel
        label.text, label.visible = text, bool(text)
        label.styleSheet = PROBLEM_STYLE if failed else ""
