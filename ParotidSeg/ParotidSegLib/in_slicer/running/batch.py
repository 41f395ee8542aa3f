"""The batch inside Slicer: `parotidseg batch` in a process of its own, where the engine is installed; and the DICOM
database as a further source of scans.
"""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ...errors import ImageError, ParotidSegError
from ...files.debris import temporary_folder
from ...model.bundle import load_bundle
from ...reading.dicom_series import list_series
from ...terminal import cli
from ...terminal.batch.command import LISTING
from ...writing.export import write_json
from ..installing.engine_packages import DICOM, python_path
from ..worker.job import child_environment, module_command
from ..worker.process_tree import kill_tree, wait_for_tree
from .run import worker_python

_DATABASE = "--dicom-database"
#: Slicer takes --help for itself, wherever it stands, and shows its own.
_LIST_OPTIONS = "--options"
_MODALITY = "0008,0060"
#: How long a batch that was interrupted may put its files in order.
_GRACE_SECONDS = 10.0


def main(arguments: Sequence[str]) -> int:
    """Run a batch and wait for it; what it prints goes to the terminal that Slicer was started from.

    Args:
        arguments: those of `parotidseg batch`; --dicom-database may stand in place of the folder, and --options alone
            lists them all.

    Returns:
        The exit code: 0 all done, 1 some failed, 2 wrong use.
    """
    words = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not words or _LIST_OPTIONS in words:
        _list_options()
        return 0 if words else 2
    with temporary_folder(Path(tempfile.gettempdir()), "parotidseg-") as folder:
        listing = folder / "series.json"
        from_database = _DATABASE in words
        if from_database:
            words = [word for word in words if word != _DATABASE] + [LISTING, str(listing)]
        try:
            parsed = cli.parser().parse_args(["batch", *words])
            if from_database:
                modality = load_bundle(parsed.bundle).segmenter.preprocessing.inputs[0].modality
                write_json(database_series(modality), listing)
        except SystemExit as end:  # argparse has said what is wrong, or has printed its help
            return end.code if isinstance(end.code, int) else 1
        except ParotidSegError as error:
            print(f"parotidseg: {error}", flush=True)
            return 1
        packages = [parsed.engine, *([DICOM.name] if parsed.dicom else [])]
        return _run(["batch", *words], packages, folder)


def _list_options() -> None:
    with contextlib.suppress(SystemExit):  # argparse ends after its help
        cli.parser().parse_args(["batch", "--help"])
    print(f"\n{_DATABASE} in place of FOLDER takes all series of Slicer's DICOM database.", flush=True)


def _run(words: Sequence[str], packages: Sequence[str], folder: Path) -> int:
    """Run the command line in PythonSlicer, with the packages that the module has installed for it."""
    mark = secrets.token_hex(16)
    process = subprocess.Popen(
        module_command(worker_python(), "ParotidSegLib", *words),
        env=child_environment(folder, python_path=python_path(*packages), mark=mark),
        stdin=subprocess.DEVNULL,
    )
    try:
        return process.wait()
    except BaseException:
        # An interruption from the keyboard reaches the whole family, and ends a launcher at once: the worker below it
        # may tidy up.
        wait_for_tree(process, mark, _GRACE_SECONDS)
        raise
    finally:
        kill_tree(process, mark)  # nothing of it stays


def database_series(modality: str) -> dict[str, list[str]]:
    """The files of each series of a modality in the application's DICOM database, by SeriesInstanceUID.

    Raises:
        ImageError: the database is not open, or holds none.
    """
    import slicer

    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        raise ImageError("Slicer's DICOM database is not open: open the module DICOM once, or give a folder.")
    series: dict[str, list[str]] = {}
    for patient in database.patients():
        for study in database.studiesForPatient(patient):
            for uid in database.seriesForStudy(study):
                files = [Path(name) for name in database.filesForSeries(uid)]
                if files and modality in (database.fileValue(str(files[0]), _MODALITY), "OT"):
                    # Once more by the headers themselves: a localizer is a CT for the database.
                    found = list_series(files, modality)
                    series.update({name: list(map(str, paths)) for name, paths in found.items()})
    if not series:
        raise ImageError(f"Slicer's DICOM database holds no {modality} series: import one in the module DICOM.")
    return dict(sorted(series.items()))
