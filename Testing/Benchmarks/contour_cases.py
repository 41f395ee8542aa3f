"""Contours with and without made errors, measured: what `contour_findings.py` judges.

Whose contours:

- `train`, `validation`: clinical contours; errors of some of the training patients, and of all validation patients;
- `oncologist`, `radiographer`: two careful readers, on their own fine voxels; errors of some of the oncologist's;
- `automatic …`: those of both models that ship, of validation patients whom they have not seen; untouched only.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from made_changes import off_skin
from made_errors import HARMLESS, KINDS, WITH_BOLUS, Error, applied, drawn_error

from ParotidSegLib.doubting.drawn import Drawn, Scan
from ParotidSegLib.doubting.findings import measures_of
from ParotidSegLib.measuring.metrics import dice
from ParotidSegLib.reading.images import read_image
from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.data.dataset import DatasetFolder
from ParotidSegTrainingLib.training.automatic_contours import automatic_contours

UNTOUCHED, BOLUS_ONLY = "untouched", "bolus beside it"
#: What is no error.
RIGHT_KINDS = (UNTOUCHED, BOLUS_ONLY, *HARMLESS)
#: The same CT as a patient who judges the shipped model; a broken reference; validation patients of whom the model
#: has seen readers' contours.
LEFT_OUT, BROKEN, SEEN = ("pt_36",), ("pt_221",), ("pt_206", "pt_212", "pt_233")
BUNDLES = ("parotid-ct", "parotid-ct-attention")
READERS = ("oncologist", "radiographer")
#: Errors of so many training patients, and of so many whom the readers drew; of all of them the untouched contours.
TRAINING_PATIENTS = 36
READ_PATIENTS = 6
#: So much of a scan is kept above and below the contours.
KEPT_MM = 60.0


@dataclass(frozen=True)
class Measured:
    """One gland's contour and its measures.

    Attributes:
        patient, source: whose, and who drew it.
        kind: of error, or untouched.
        label: of the gland.
        severity: 0 to 1; 0 untouched.
        change: what the error costs of the Dice with the contour before it.
        measures: of the contour.
    """

    patient: str
    source: str
    kind: str
    label: int
    severity: float
    change: float
    measures: dict[str, float]


@dataclass(frozen=True)
class Task:
    """The contours of one patient by one source."""

    patient: str
    source: str
    image: Path
    labels: Path
    automatic: Path | None
    errors_on: tuple[int, ...]


def tasks(data: Path, contours: Path) -> list[Task]:
    """All that is measured: `data` has openkbp and openkbp_readers, `contours` a folder for each bundle."""
    folder = DatasetFolder.open(data / "openkbp")
    found = []
    for number, case in enumerate(folder.cases("train", LEFT_OUT)):
        side = (1 + number % 2,) if number < TRAINING_PATIENTS else ()
        found.append(Task(case, "train", folder.image_paths(case)[0], folder.mask_path(case), None, side))
    for case in folder.cases("validation", (*BROKEN, *SEEN)):
        drawn = tuple(contours / bundle / f"{case}.nii.gz" for bundle in BUNDLES)
        image = folder.image_paths(case)[0]
        found.append(Task(case, "validation", image, folder.mask_path(case), drawn[0], (1, 2)))
        found += [
            Task(case, f"automatic {bundle}", image, mine, None, ())
            for bundle, mine in zip(BUNDLES, drawn, strict=True)
        ]
    readers = data / "openkbp_readers"
    for number, path in enumerate(sorted((readers / "native_oncologist").glob("*.nii.gz"))):
        case = path.name.removesuffix(".nii.gz")
        image = data / "openkbp" / "images" / path.name
        image = image if image.is_file() else readers / "images" / path.name
        side = (1 + number % 2,) if number < READ_PATIENTS else ()
        for reader in READERS:
            labels = readers / f"native_{reader}" / path.name
            found.append(Task(case, reader, image, labels, None, side if reader == READERS[0] else ()))
    return found


def draw_automatic(data: Path, contours: Path) -> None:
    """What each bundle draws in the validation patients; what is there already stays."""
    folder = DatasetFolder.open(data / "openkbp")
    for bundle in BUNDLES:
        automatic_contours(folder, folder.cases("validation", BROKEN), contours / bundle, bundle=bundle, progress=print)


def read_pair(task: Task) -> tuple[sitk.Image, sitk.Image, sitk.Image | None]:
    """Scan, contours and automatic contours of a task in LPS order on one grid: that of the scan, or finer."""
    image = sitk.DICOMOrient(read_image(task.image), "LPS")
    labels = sitk.DICOMOrient(sitk.ReadImage(str(task.labels), sitk.sitkUInt8), "LPS")
    automatic = None
    if task.automatic:
        automatic = sitk.DICOMOrient(sitk.ReadImage(str(task.automatic), sitk.sitkUInt8), "LPS")
    if labels.GetSize() != image.GetSize():  # as the readers drew, in a box of their own
        finer = _finer(image, labels.GetSpacing())
        image = sitk.Resample(image, finer, sitk.Transform(), sitk.sitkLinear, -1024)
        labels = sitk.Resample(labels, finer, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    slices = np.flatnonzero(sitk.GetArrayViewFromImage(labels).any(axis=(1, 2)))
    extra = round(KEPT_MM / image.GetSpacing()[2])
    first, last = max(0, int(slices[0]) - extra), int(slices[-1]) + extra + 1
    return image[:, :, first:last], labels[:, :, first:last], automatic[:, :, first:last] if automatic else None


def _finer(image: sitk.Image, spacing: Sequence[float]) -> sitk.Image:
    """The extent of the image in voxels of this size in the plane."""
    step = np.array([*spacing[:2], image.GetSpacing()[2]])
    size = np.floor((np.array(image.GetSize()) - 1) * image.GetSpacing() / step).astype(int) + 1
    grid = sitk.Image(size.tolist(), sitk.sitkUInt8)
    grid.SetSpacing(step.tolist())
    grid.SetOrigin(image.GetOrigin())
    return grid


def _whole(image: sitk.Image) -> Scan:
    """All of a scan, for whatever the errors reach."""
    return Scan.about(image, sitk.Cast(image * 0 + 1, sitk.sitkUInt8))


def measured(task: Task) -> list[Measured]:
    """The contours of a task, untouched and with one error of each kind."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    image, labels, _ = read_pair(task)
    place, skin = _whole(image), off_skin(image) if task.errors_on else None
    before = sitk.GetArrayFromImage(labels)
    glands = [label for label in (1, 2) if np.count_nonzero(before == label)]
    rows = [_row(task, UNTOUCHED, label, (0.0, 0.0), place, labels=labels) for label in glands]
    for label in set(glands) & set(task.errors_on):
        for kind in KINDS:
            error, here = error_of(task, kind, label), place
            changed_image, changed = applied(error, image, labels, skin)
            reference = sitk.Resample(labels, changed, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
            if kind == WITH_BOLUS:
                here = _whole(changed_image)
                rows.append(_row(task, BOLUS_ONLY, label, (0.0, 0.0), here, labels=reference))
            masks = [sitk.GetArrayFromImage(each) == label for each in (reference, changed)]
            if masks[1].any() and (masks[0] ^ masks[1]).any():
                rows.append(_row(task, kind, label, (error.severity, 1.0 - dice(*masks)), here, labels=changed))
    return [row for row in rows if row.measures]


def error_of(task: Task, kind: str, label: int) -> Error:
    """The error of a kind on this gland: the same in every run."""
    seed = [zlib.crc32(text.encode()) for text in (task.patient, task.source, kind)]
    return drawn_error(kind, label, np.random.default_rng([*seed, label]))


def _row(task: Task, kind: str, label: int, size: tuple[float, float], scan: Scan, *, labels: sitk.Image) -> Measured:
    masks, structure = scan.label_arrays(labels), PAROTIDS[label - 1]
    measures = {}
    if masks[structure.key].any():
        measures = measures_of(Drawn.of(scan, structure, masks))
    return Measured(task.patient, task.source, kind, label, *map(float, size), measures)


def all_measured(data: Path, contours: Path, kept: Path, processes: int = 2) -> Iterator[Measured]:
    """The measures of all contours; those of a task that `kept` has already are read."""
    kept.mkdir(parents=True, exist_ok=True)
    draw_automatic(data, contours)
    everything = tasks(data, contours)
    missing = [task for task in everything if not _file(kept, task).is_file()]
    with ProcessPoolExecutor(processes) as pool:
        for number, (task, rows) in enumerate(zip(missing, pool.map(measured, missing), strict=True), start=1):
            _file(kept, task).write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")
            print(f"{number} of {len(missing)} measured", file=sys.stderr, flush=True)
    for task in everything:
        yield from (Measured(**row) for row in json.loads(_file(kept, task).read_text(encoding="utf-8")))


def _file(kept: Path, task: Task) -> Path:
    return kept / f"{task.patient} {task.source}.json"


def vector(measures: Mapping[str, float], names: Sequence[str]) -> np.ndarray:
    """The measures of these names; NaN where there is none."""
    return np.array([measures.get(name, np.nan) for name in names])
