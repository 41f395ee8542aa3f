"""RTSTRUCT and DICOM SEG of the contours as they are now, as a job: polled as a run is, so that no window waits.

`parotidseg export` writes them in a process like the worker's: the packages that write DICOM are only there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ...errors import OutputError
from ...structures import PAROTIDS, Structure
from ...writing.export import write_segmentation
from ..installing.engine_packages import DICOM, missing, python_path, set_to_install
from ..scene.hierarchy import add_to_database, open_database
from ..scene.scene import dicom_files, gland_labels, is_edited
from ..worker.events import Cancelled, Event, Failure, Progress, Result
from ..worker.job import WorkerJob, module_command
from .run import BUNDLE, worker_python

STALL_SECONDS = 300.0
#: The command line begins the sentence of a failure with its own name.
_CLI_FAILURE = "parotidseg: "


def dicom_problem(volume: Any, dicom_folder: str | Path | None = None) -> str:
    """Why RTSTRUCT and DICOM SEG cannot be written now, one sentence; empty if they can."""
    if dicom_folder is None and not dicom_files(volume):
        return _(
            "This CT was not loaded from Slicer's DICOM database, and the format refers to its DICOM files: choose "
            "their folder, or write a .seg.nrrd."
        )
    if missing(DICOM.name):
        return _("The packages that write DICOM are not installed: install {title} first.").format(
            title=set_to_install(DICOM.name).title
        )
    return ""


class DicomJob:
    """A process that writes one DICOM file; it starts at once, with the scene as it is now.

    Args:
        segmentation: the node with the contours.
        volume: the node of their CT.
        target: ends with .rtstruct.dcm or .seg.dcm.
        structures: what to write.
        dicom_folder: the CT's DICOM files; None: those of Slicer's DICOM database.

    Raises:
        OutputError: see `dicom_problem`; or the DICOM files cannot be read.
        ImageError: the volume's geometry cannot be expressed.
    """

    def __init__(
        self,
        segmentation: Any,
        volume: Any,
        target: Path,
        *,
        structures: Sequence[Structure],
        dicom_folder: str | Path | None = None,
    ) -> None:
        problem = dicom_problem(volume, dicom_folder)
        if problem:
            raise OutputError(problem)
        # In the volume's own space: that of its DICOM files, whatever transform the scene has put above it.
        labels = gland_labels(segmentation, volume, structures)
        self.target = target
        self._begun = False

        def command(folder: Path) -> list[str]:
            handed = write_segmentation(labels, folder / "labels.nrrd", structures=structures)
            source = (
                Path(dicom_folder) if dicom_folder is not None else _gathered(dicom_files(volume), folder / "dicom")
            )
            words = module_command(worker_python(), "ParotidSegLib", "export", handed, "--output", target)
            words += ["--dicom", str(source.absolute())]
            if is_edited(segmentation, volume, structures):
                words.append("--edited")
            if tuple(structures) != PAROTIDS:
                words += ["--bundle", segmentation.GetAttribute(BUNDLE) or ""]
            return words

        self.job = WorkerJob(
            command, python_path=python_path(DICOM.name), stall_seconds=STALL_SECONDS, needs_result=False
        )
        self.job.start()

    def poll(self) -> list[Event]:
        """What happened since the last call; a `Result` with the file, or a `Failure`, is the last event of all."""
        events = [self._told(event) for event in self.job.poll()]
        if not self._begun:
            self._begun = True
            events.insert(0, Progress("write", 0.5, _("Writing DICOM")))
        return events

    def cancel(self) -> None:
        """Stop; no file is left."""
        self.job.cancel()

    def close(self) -> None:
        """Leave neither process nor temporary file."""
        self.job.close()

    @property
    def log(self) -> str:
        """What the process printed."""
        return self.job.log

    def wait(self) -> Path:
        """Wait for the end; the file.

        Raises:
            OutputError: it was not written; the text says why.
        """
        self.job.wait()
        last = self.poll()[-1]
        if isinstance(last, Failure):
            raise OutputError(last.message)
        return self.target

    def _told(self, event: Event) -> Event:
        if isinstance(event, Result):
            return Result({}, [self.target])
        if isinstance(event, Failure) and not isinstance(event, Cancelled):
            told = [line.removeprefix(_CLI_FAILURE) for line in self.log.splitlines() if line.startswith(_CLI_FAILURE)]
            return Failure(told[-1]) if told else event
        return event


class DatabaseJob(DicomJob):
    """A `DicomJob` whose file goes into Slicer's DICOM database, and nowhere else.

    Args:
        segmentation, volume, structures, dicom_folder: as of `DicomJob`.
        suffix: .rtstruct.dcm or .seg.dcm.

    Raises:
        OutputError: as of `DicomJob`; or the database is not open.
        ImageError: as of `DicomJob`.
    """

    def __init__(
        self,
        segmentation: Any,
        volume: Any,
        suffix: str,
        *,
        structures: Sequence[Structure],
        dicom_folder: str | Path | None = None,
    ) -> None:
        if open_database() is None:
            raise OutputError(
                _("Slicer's DICOM database is not open: open the module DICOM once, and let it make a database.")
            )
        self._folder = tempfile.TemporaryDirectory(prefix="parotidseg-dicom-")
        target = Path(self._folder.name) / f"contours{suffix}"
        try:
            super().__init__(segmentation, volume, target, structures=structures, dicom_folder=dicom_folder)
        except BaseException:
            self._folder.cleanup()
            raise

    def close(self) -> None:
        """Leave neither process nor temporary file."""
        super().close()
        self._folder.cleanup()

    def _told(self, event: Event) -> Event:
        told = super()._told(event)
        if isinstance(told, Result) and not add_to_database(self.target.parent):
            return Failure(_("Slicer's DICOM database did not take the file: look whether its disk is full."))
        return told


def _gathered(files: Sequence[Path], folder: Path) -> Path:
    """One folder with the files of a series, which may lie among others: links where the disk allows, else copies."""
    folder.mkdir()
    for index, file in enumerate(files):
        place = folder / f"{index:05d}.dcm"
        try:
            os.link(file, place)
        except OSError:
            try:
                shutil.copyfile(file, place)
            except OSError as error:
                raise OutputError(
                    _("The DICOM files of the CT cannot be read: look whether their disk is there.")
                ) from error
    return folder
