"""The commands that `kill.py` kills: what they need, and what they leave when nobody kills them."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import made_training as made
import SimpleITK as sitk
from made_contours import TRUTH, changed, write_map
from made_dicom import write_patient
from made_wheels import write_wheel

from ParotidSegLib.in_slicer.installing.engine_packages import ROOT_VARIABLE
from ParotidSegLib.reading.formats.image_files import read_plainly
from ParotidSegLib.reading.label_maps import read_labels

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "ParotidSeg" / "Resources" / "SampleData" / "average_anatomy_ct.nii.gz"
_LABELS = SAMPLE.with_name("average_anatomy_parotids.seg.nrrd")
_LIBRARY = [sys.executable, "-m", "ParotidSegLib"]
_TRAINING = [sys.executable, "-m", "ParotidSegTrainingLib.cli"]
_INSTALL = """
import sys
from ParotidSegLib.in_slicer.installing.installer import Installation, make_plan
installation = Installation(make_plan("openvino", wheels=sys.argv[1]), sys.executable)
installation.start()
sys.exit(0 if installation.wait() else 1)
"""


@dataclass(frozen=True)
class Job:
    """A command.

    Attributes:
        make: writes what it reads into an empty folder.
        command: from that folder and the one that it writes into.
        varying: beginnings of names that differ between runs: one file for each session, for instance.
    """

    make: Callable[[Path], None]
    command: Callable[[Path, Path], list[str]]
    varying: tuple[str, ...] = ()


def environment(out: Path) -> dict[str, str]:
    """Of a killed process: it finds the packages, computes with one thread, and keeps its temporary files in `out`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    places = [REPOSITORY / name for name in ("ParotidSeg", "ParotidSegTraining", "Testing/Shared")]
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(map(str, places)),
        "PIP_CONFIG_FILE": os.devnull,
        ROOT_VARIABLE: str(out / "packages"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
    }


def contents(out: Path, job: Job) -> dict[str, str]:
    """What a run left, by relative name: of images the voxels, of all else that it is there."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.is_file() and not name.startswith(job.varying or ("\0",)) and "__pycache__" not in path.parts:
            found[name] = _voxels(path) if path.name.endswith((".nii.gz", ".nrrd")) else "there"
    return found


def debris(out: Path) -> list[str]:
    """Names of temporary files and folders that are still there."""
    return sorted(
        path.relative_to(out).as_posix()
        for path in out.rglob("*")
        if path.name.startswith((".", "parotidseg-")) and path.name != ".lock"
    )


def half_files(out: Path) -> list[str]:
    """Names of files that are under their final name, but not whole."""
    found = []
    for path in sorted(out.rglob("*")):
        hidden = any(part.startswith((".", "parotidseg-")) for part in path.relative_to(out).parts)
        if path.is_file() and not hidden and not _is_whole(path):
            found.append(path.relative_to(out).as_posix())
    return found


def _voxels(path: Path) -> str:
    return hashlib.sha256(sitk.GetArrayFromImage(sitk.ReadImage(str(path))).tobytes()).hexdigest()[:12]


def _is_whole(path: Path) -> bool:
    try:
        if path.name.endswith((".nii.gz", ".nrrd")):
            return read_plainly(path).GetNumberOfPixels() > 0  # SimpleITK alone reads half of a NIfTI file, too
        raw = path.read_bytes()
        if path.suffix == ".json":
            return json.loads(raw) is not None
        if path.suffix == ".png":
            return raw.endswith(b"IEND\xaeB`\x82")
        if path.suffix == ".csv":
            rows = list(csv.reader(raw.decode("utf-8").splitlines()))
            return raw.endswith(b"\n") and len({len(row) for row in rows}) == 1
        if path.suffix == ".h5":
            return raw.startswith(b"\x89HDF") and _opens(path)
        if path.suffix == ".dcm":
            import pydicom

            return bool(pydicom.dcmread(path).SOPInstanceUID)
        if path.suffix == ".html":
            return raw.rstrip().endswith(b"</html>")
    except Exception:
        return False
    return True


def _opens(path: Path) -> bool:
    import h5py

    with h5py.File(path) as file:
        return len(file) > 0


# --- what they read ------------------------------------------------------------------------------------------------


def _scans(folder: Path) -> None:
    for name in ("one", "two"):
        shutil.copy(SAMPLE, folder / f"{name}.nii.gz")


def _more_scans(folder: Path) -> None:
    for name in ("one", "two", "three", "four"):
        shutil.copy(SAMPLE, folder / f"{name}.nii.gz")


def _scan_with_two_contours(folder: Path) -> None:
    _scans(folder)
    labels = read_labels(_LABELS)
    sitk.WriteImage(labels, str(folder / "b.nii.gz"))
    sitk.WriteImage(sitk.BinaryErode(labels == 1) + 2 * (labels == 2), str(folder / "a.nii.gz"))


def _patients(folder: Path) -> None:
    for number in range(1, 5):
        write_patient(folder / "clinic" / f"p{number}", number)


def _contours(folder: Path) -> None:
    for number, kind in enumerate(("half", "swapped", "no right", "half")):
        write_map(folder / "reference" / f"case_{number}.nii.gz", TRUTH)
        write_map(folder / "candidate" / f"case_{number}.nii.gz", changed(kind))


def _training_set(folder: Path) -> None:
    made.write_dataset(folder / "data")
    recipe = made.tiny_recipe(optimisation={"steps_per_epoch": 2, "epochs": 3, "batch_size": 2})
    (folder / "tiny.json").write_text(recipe.to_json(), encoding="utf-8")


def _patient_with_labels(folder: Path) -> None:
    _, labels = write_patient(folder, 1)
    write_map(folder / "corrected.nii.gz", labels)


def _wheels(folder: Path) -> None:
    write_wheel(folder, "openvino", "2026.3.0", code="NAME = 'tiny'\n" * 20000, needs=["numpy<3"])
    write_wheel(folder, "numpy", "2.4.0", code="ONE = 1\n" * 20000)
    write_wheel(folder, "matplotlib", "3.11.0", code="TWO = 2\n" * 20000)


JOBS: dict[str, Job] = {
    "segment": Job(
        _scans,
        lambda made, out: [*_LIBRARY, "segment", str(made / "one.nii.gz"), "-o", str(out / "result"), "--no-mirror"],
    ),
    "batch": Job(_scans, lambda made, out: [*_LIBRARY, "batch", str(made), "-o", str(out / "results"), "--no-mirror"]),
    "batch-jobs": Job(
        _more_scans,
        lambda made, out: [
            *(*_LIBRARY, "batch", str(made), "-o", str(out / "results"), "--no-mirror", "--jobs", "2"),
        ],
    ),
    "review": Job(
        _scan_with_two_contours,
        lambda made, out: [
            *(*_LIBRARY, "review", str(made / "one.nii.gz"), str(made / "a.nii.gz")),
            *("--against", str(made / "b.nii.gz"), "-o", str(out / "review")),
        ],
    ),
    "export": Job(
        _patient_with_labels,
        lambda made, out: [
            *(*_LIBRARY, "export", str(made / "corrected.nii.gz"), "--dicom", str(made / "CT")),
            *("-o", str(out / "glands.rtstruct.dcm")),
        ],
    ),
    "prepare": Job(
        _patients, lambda made, out: [*_TRAINING, "prepare", str(made / "clinic"), "--output", str(out / "data")]
    ),
    "fit": Job(
        _training_set,
        lambda made, out: [
            *(*_TRAINING, "fit", str(made / "tiny.json"), "--data", str(made / "data"), "--run", str(out / "run")),
        ],
        varying=("run/tensorboard/", "run/.lock"),
    ),
    "evaluate": Job(
        _contours,
        lambda made, out: [
            *(*_TRAINING, "evaluate", "--reference", str(made / "reference"), "--candidate", str(made / "candidate")),
            *("--output", str(out / "results")),
        ],
    ),
    "install": Job(_wheels, lambda made, out: [sys.executable, "-c", _INSTALL, str(made)]),
}
