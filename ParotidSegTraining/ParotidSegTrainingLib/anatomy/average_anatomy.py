"""The average anatomy: many CTs with contoured parotids, brought to one common shape and averaged.

The result is a statistic and no patient's scan, so that it can be shipped as a sample. The template is built
group-wise: everybody is aligned to the current average (see `template_alignment`), the average is taken anew, and so
on, first with affine transforms and then with deformations. Nothing is sharpened and no noise is added. All of it is
deterministic, whatever the number of worker processes.

    python -m ParotidSegTrainingLib.anatomy.average_anatomy --data DIR --output DIR [--workers N]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ParotidSegLib.errors import DataError, OutputError, ParotidSegError
from ParotidSegLib.files.atomic import atomic_path
from ParotidSegLib.structures import PAROTIDS
from ParotidSegLib.writing.export import write_segmentation

from ..data.dataset import DatasetFolder
from .template_alignment import (
    AIR_HU,
    Patient,
    TemplateSettings,
    align_affinely,
    align_with_demons,
    warp_ct,
    without_mean_affine,
    without_mean_displacement,
)

CT_NAME = "average_anatomy_ct.nii.gz"
LABELS_NAME = "average_anatomy_parotids.seg.nrrd"

BODY_THRESHOLD_HU = -400.0
#: Above this only metal is found.
HIGHEST_HU = 3000.0
#: The data have -1024 HU outside the body, where a scanner measures air.
OUTPUT_RANGE_HU = (-1000.0, 2500.0)
#: Slices averaged at once: bounds the memory.
SLAB = 40
#: Air added beside a body that was cropped tightly (mm), for the affine registration to see its outline.
BESIDE_THE_BODY = 40.0

Progress = Callable[[str], None]


def rotation_from_x_to(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest rotation (3 x 3) that turns the x axis into `direction` (Rodrigues' formula)."""
    x, y, z = direction / np.linalg.norm(direction)
    cross = np.array([[0.0, -y, -z], [y, 0.0, 0.0], [z, 0.0, 0.0]])
    rotation: NDArray[np.float64] = np.eye(3) + cross + cross @ cross / (1.0 + x)
    return rotation


def gland_centroids(labels: sitk.Image) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centroids (x, y, z; mm) of the right and the left gland; DataError if one is missing."""
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(sitk.Cast(labels, sitk.sitkUInt8))
    if not all(statistics.HasLabel(structure.label) for structure in PAROTIDS):
        raise DataError("A label map lacks one of the two parotid glands; leave that patient out of the split 'train'.")
    right, left = (np.array(statistics.GetCentroid(structure.label)) for structure in PAROTIDS)
    return right, left


def covered_slices(ct: NDArray[np.float32], reference: int) -> tuple[int, int]:
    """First and last axial slice of the block around slice `reference` that holds whole cross-sections of the body.

    Planning data often keep only single organs outside the region of interest: a slice with a body area below 35 % of
    the reference slice's is taken for such a remnant. `ct` is (z, y, x) in HU.
    """
    area = np.count_nonzero(ct > BODY_THRESHOLD_HU, axis=(1, 2))
    remnants = np.flatnonzero(area < 0.35 * area[reference])
    first = remnants[remnants < reference].max(initial=-1) + 1
    last = remnants[remnants > reference].min(initial=len(area)) - 1
    return int(first), int(last)


def prepare_patient(ct: sitk.Image, labels: sitk.Image) -> Patient:
    """The patient with the glands' midpoint moved to 0 and, as a first alignment, the gland axis turned to x.

    Both images must share one grid along the patient's axes (LPS); DataError otherwise or if a gland is missing.
    """
    if ct.GetSize() != labels.GetSize() or not np.allclose(ct.GetDirection(), np.eye(3).ravel(), atol=1e-3):
        raise DataError("A CT and its label map differ in size or are turned against the patient; resample them first.")
    right, left = gland_centroids(labels)
    middle = (right + left) / 2
    reference = ct.TransformPhysicalPointToIndex(middle.tolist())[2]
    first, last = covered_slices(sitk.GetArrayViewFromImage(ct), reference)
    beside = [*(int(np.ceil(BESIDE_THE_BODY / spacing)) for spacing in ct.GetSpacing()[:2]), 0]
    ct = sitk.ConstantPad(sitk.Clamp(ct, sitk.sitkFloat32, AIR_HU, HIGHEST_HU), beside, beside, AIR_HU)
    ct.SetOrigin((np.array(ct.GetOrigin()) - middle).tolist())
    labels = sitk.ConstantPad(sitk.Cast(labels, sitk.sitkUInt8), beside, beside, 0)
    labels.CopyInformation(ct)
    covered = _column(ct, first, last)
    affine = sitk.AffineTransform(rotation_from_x_to(left - right).ravel().tolist(), [0.0] * 3)
    return Patient(ct, labels, covered, affine)


def _column(ct: sitk.Image, first: int, last: int) -> sitk.Image:
    """A uint8 image that is 1 in these slices of `ct`, however far beside it: there is air, which is known as well."""
    column = sitk.Image([3, 3, ct.GetDepth()], sitk.sitkUInt8)
    column.SetSpacing([1000.0, 1000.0, ct.GetSpacing()[2]])
    column.SetOrigin([-1000.0, -1000.0, ct.GetOrigin()[2]])
    column[:, :, first : last + 1] = 1
    return column


def read_patients(data: Path, fewest: int) -> list[Patient]:
    """The patients of the split "train" of a data set on disk; DataError if it is incomplete or has too few of them."""
    folder = DatasetFolder.open(data)
    cases = folder.cases("train")
    if len(cases) < fewest:
        raise DataError(
            f"An average needs at least {fewest} patients in the split 'train', not {len(cases)}; add some."
        )
    patients = []
    for case in cases:
        try:
            images = [sitk.ReadImage(str(path)) for path in (*folder.image_paths(case), folder.mask_path(case))]
        except RuntimeError as error:
            raise DataError(f"The case {case} cannot be read; replace its image or mask.") from error
        patients.append(prepare_patient(*images))
    return patients


def interquartile_mean(stack: NDArray[np.float32], fewest: int) -> NDArray[np.float32]:
    """Mean of the middle half of the numbers along axis 0; NaN where fewer than `fewest` are numbers.

    It keeps edges nearly as sharp as the median does, and neither metal nor a tumour misleads it.
    """
    ordered = np.sort(stack, axis=0)  # NaN goes to the end
    count = np.count_nonzero(~np.isnan(ordered), axis=0)
    cut = count // 4
    rank = np.arange(len(ordered)).reshape(-1, *[1] * (ordered.ndim - 1))
    total = np.where((rank >= cut) & (rank < count - cut), ordered, 0.0).sum(axis=0)
    mean = total / np.maximum(count - 2 * cut, 1)
    return np.where(count >= max(fewest, 1), mean, np.nan).astype(np.float32)


def average_ct(patients: Sequence[Patient], grid: sitk.Image, fewest: int, interpolator: int) -> sitk.Image:
    """The average CT on `grid` (float32, HU; NaN where fewer than `fewest` patients were scanned)."""
    slabs = []
    for start in range(0, grid.GetDepth(), SLAB):
        slab = grid[:, :, start : start + SLAB]
        stack = np.stack([warp_ct(patient, slab, interpolator) for patient in patients])
        slabs.append(interquartile_mean(stack, fewest))
    average = sitk.GetImageFromArray(np.concatenate(slabs))
    average.CopyInformation(grid)
    return average


def gland_share(patients: Sequence[Patient], grid: sitk.Image, label: int) -> NDArray[np.float32]:
    """The share of the patients, 0..1, (z, y, x) on `grid`, whose gland with this label reaches there."""
    share = np.zeros(grid.GetSize()[::-1], np.float32)
    for patient in patients:
        gland = sitk.Cast(patient.labels == label, sitk.sitkFloat32)
        warped = sitk.Resample(gland, grid, patient.transform(), sitk.sitkLinear, 0.0)
        share += sitk.GetArrayViewFromImage(warped) / np.float32(len(patients))
    return share


def average_labels(patients: Sequence[Patient], grid: sitk.Image) -> sitk.Image:
    """uint8 label map on `grid`: of each gland the voxels that most patients share, as many as make the mean volume.

    (A majority of the patients would make it smaller than most of theirs, as each has thin parts of its own.) Only the
    largest piece is kept.
    """
    labels = sitk.Cast(grid * 0.0, sitk.sitkUInt8)
    for structure in PAROTIDS:
        share = gland_share(patients, grid, structure.label)
        level = np.sort(share, axis=None)[-max(round(float(share.sum())), 1)]
        agreed = sitk.GetImageFromArray(((share >= level) & (share > 0.0)).astype(np.uint8))
        agreed.CopyInformation(grid)
        labels += (sitk.RelabelComponent(sitk.ConnectedComponent(agreed)) == 1) * structure.label
    return labels


def build_template(
    patients: Sequence[Patient], settings: TemplateSettings, *, workers: int = 1, progress: Progress = lambda _: None
) -> tuple[sitk.Image, sitk.Image]:
    """The average CT (int16, HU) and the average label map (uint8) of these patients, on one grid in template space.

    `progress` gets a sentence after each step. The result does not depend on `workers`.
    """
    aligned = list(patients)
    working = settings.working_grid()
    with _mapping(workers) as run_all:

        def current_average() -> sitk.Image:
            return average_ct(aligned, working, settings.fewest_patients, sitk.sitkLinear)

        for number in range(settings.affine_rounds):
            task = partial(align_affinely, current_average(), settings=settings)
            affines = run_all(task, aligned)
            aligned = [replace(patient, affine=affine) for patient, affine in zip(aligned, affines, strict=True)]
            aligned = without_mean_affine(aligned)
            progress(f"affine alignment {number + 1} of {settings.affine_rounds}")
        for number in range(settings.demons_rounds):
            levels = settings.demons_levels if number == 0 else settings.demons_levels[-1:]
            task = partial(align_with_demons, current_average(), settings=settings, levels=levels)
            fields = run_all(task, aligned)
            aligned = [replace(patient, displacement=each) for patient, each in zip(aligned, fields, strict=True)]
            aligned = without_mean_displacement(aligned)
            progress(f"deformation {number + 1} of {settings.demons_rounds}")
    grid = settings.grid(settings.output_spacing)
    ct = average_ct(aligned, grid, settings.fewest_patients, sitk.sitkBSpline3)
    array = np.clip(np.nan_to_num(sitk.GetArrayFromImage(ct), nan=AIR_HU), *OUTPUT_RANGE_HU)
    rounded = sitk.GetImageFromArray(np.rint(array).astype(np.int16))
    rounded.CopyInformation(grid)
    return rounded, average_labels(aligned, grid)


@contextmanager
def _mapping(workers: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """`map` in this process for one worker, otherwise over that many processes; the order is that of the input."""
    if workers == 1:
        yield map
        return
    with get_context("spawn").Pool(workers, initializer=_use_one_thread) as pool:
        yield partial(pool.imap, chunksize=1)


def _use_one_thread() -> None:
    """Keep this process to one core; it also fixes the order of summation."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


def write_template(ct: sitk.Image, labels: sitk.Image, output: Path) -> None:
    """Write both images into the folder `output`; OutputError if that is impossible."""
    with atomic_path(output / CT_NAME) as temporary:
        try:
            sitk.WriteImage(ct, str(temporary), useCompression=True)
        except RuntimeError as error:
            raise OutputError(f"{output / CT_NAME} cannot be written; choose another folder.") from error
    write_segmentation(labels, output / LABELS_NAME)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from a terminal; gives 0, or 1 after a sentence on stderr. Wrong use exits with 2."""
    parser = argparse.ArgumentParser(prog="average_anatomy", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with images/, masks/ and splits.json")
    parser.add_argument("--output", type=Path, required=True, help="folder for the average CT and its contours")
    parser.add_argument(
        "--workers", type=int, default=1, help="processes; the result does not depend on it (default: 1)"
    )
    options = parser.parse_args(arguments)
    if options.workers < 1:
        parser.error("--workers must be at least 1")
    _use_one_thread()
    settings = TemplateSettings()
    try:
        patients = read_patients(options.data, settings.fewest_patients)
        print(f"{len(patients)} patients", flush=True)
        ct, labels = build_template(
            patients, settings, workers=options.workers, progress=lambda message: print(message, flush=True)
        )
        write_template(ct, labels, options.output)
    except ParotidSegError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"written: {options.output / CT_NAME} and {options.output / LABELS_NAME}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
