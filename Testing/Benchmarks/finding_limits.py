"""From which values on is a measure of a result a finding? Found on made failures, cross-validated over patients.

Takes the contours that `robustness.py --keep FOLDER` left, measures each as `ParotidSegLib.glands.quality` does, and
chooses for each measure the limit that hardly any of the results exceed on which its finding would be a false alarm, as
`robustness.py` says what that is. Each fifth of the patients is judged by the limit of the other four; the limit that
is printed is that of all.

    python Testing/Benchmarks/finding_limits.py FOLDER [--data OPENKBP] [--split train]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parent))

from made_changes import CHANGES, body_of
from robustness import (
    CUT,
    DATA,
    MATERIAL,
    UNCHANGED,
    WRONG_SIZE,
    Gland,
    Task,
    changed_scan,
    compared,
    is_harmed,
    label_file,
    right_findings,
    site_of,
)

from ParotidSegLib.geometry.grids import Box
from ParotidSegLib.glands.cheek import look_beside
from ParotidSegLib.glands.postprocessing import Contours
from ParotidSegLib.glands.quality import LEAST_MATERIAL_ROWS, OUTWARD, cut_share, measure
from ParotidSegLib.reading.images import read_image
from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.data.dataset import DatasetFolder

#: The patients are judged in so many parts.
FOLDS = 5


@dataclass(frozen=True)
class Result:
    """The measures of one patient after one change; of its two glands the more conspicuous one counts.

    `material`: share of the rows with material; `in_material`: of the contour, 0 where too few rows have any.
    """

    case: str
    change: str
    harmed: bool
    right: frozenset[str]
    material: float
    in_material: float
    at_end: float
    smallest_ml: float
    largest_ml: float
    lowest_hu: float
    highest_hu: float
    ratio: float
    distance: float


@dataclass(frozen=True)
class Measure:
    """What is judged.

    Attributes:
        of: its value for a result.
        code: of the finding.
        sign: 1 if high values are conspicuous, −1 if low ones are.
        kinds: texts in the names of the changes that it is for.
        share: of the results on which the finding would be a false alarm, so many may have it.
    """

    of: Callable[[Result], float]
    code: str
    sign: int = 1
    kinds: tuple[str, ...] = ("",)
    share: float = 0.0


COVERED = "share of the contour in material"
MEASURES = {
    COVERED: Measure(lambda r: r.in_material, MATERIAL, kinds=("bolus",), share=0.01),
    "share at the end of the scan": Measure(lambda r: r.at_end, CUT, kinds=("field", "scan "), share=0.01),
    "largest volume, mL": Measure(lambda r: r.largest_ml, "volume-unusual"),
    "smallest volume, mL": Measure(lambda r: r.smallest_ml, "volume-unusual", -1),
    "larger to smaller gland": Measure(lambda r: r.ratio, "volumes-asymmetric"),
    "highest mean, HU": Measure(lambda r: r.highest_hu, "density-unusual"),
    "lowest mean, HU": Measure(lambda r: r.lowest_hu, "density-unusual", -1),
}


def results(folder: Path, data: DatasetFolder, cases: Sequence[str]) -> Iterator[Result]:
    """The measures of all contours in the folder."""
    for case in cases:
        first = folder / f"{label_file(UNCHANGED, case)}.nii.gz"
        if not first.is_file():
            continue
        scan = sitk.DICOMOrient(read_image(data.image_paths(case)[0]), "LPS")
        reference = sitk.DICOMOrient(data.read_mask(case), "LPS")
        site, body, original = site_of(reference), body_of(scan), sitk.ReadImage(str(first))
        for change in (UNCHANGED, *CHANGES):
            path = folder / f"{label_file(change, case)}.nii.gz"
            if path.is_file():
                labels = sitk.ReadImage(str(path))
                image = changed_scan(scan, site, change, case)
                task = Task("", case, path, None, (), None)
                glands = list(compared(task, change, (reference, original, labels), "", body))
                if change.startswith(("turned", WRONG_SIZE)):
                    labels.CopyInformation(image)
                yield measured(glands, image, labels)


def measured(glands: Sequence[Gland], image: sitk.Image, labels: sitk.Image) -> Result:
    """The measures of one result."""
    array, worst, box = sitk.GetArrayFromImage(labels), np.zeros(3), Box((0, 0, 0), image.GetSize())
    for structure in PAROTIDS:
        inside = array == structure.label
        if inside.any():
            beside = look_beside(sitk.Cast(labels == structure.label, sitk.sitkUInt8), image, OUTWARD[structure])
            cut, _ = cut_share(inside, box, image)
            covered = beside.in_material if beside.material >= LEAST_MATERIAL_ROWS else 0.0
            worst = np.maximum(worst, [beside.material, covered, max(beside.at_end, cut)])
    found = list(measure(Contours(array, {}), box, image).values())
    volumes, means = ([getattr(one, name) for one in found] or [np.nan] for name in ("volume_ml", "mean_hu"))
    middles = [one.centroid for one in found]
    distance = float(np.linalg.norm(np.subtract(*middles))) if len(middles) == len(PAROTIDS) else float("nan")
    one = glands[0]
    ratio = max(volumes) / min(volumes)
    ends = (min(volumes), max(volumes), min(means), max(means), ratio)
    return Result(
        one.case, one.change, is_harmed(glands), right_findings(glands), *map(float, worst), *map(float, ends), distance
    )


def must_not(measure: Measure, result: Result) -> bool:
    """Whether the finding would be a false alarm."""
    return not result.harmed and measure.code not in result.right and not result.change.startswith(WRONG_SIZE)


def limit_of(measure: Measure, some: Sequence[Result]) -> float:
    """The nearest limit that at most a share of the results exceed which must not."""
    values = [value for r in some if must_not(measure, r) and np.isfinite(value := measure.of(r))]
    values.sort(reverse=measure.sign < 0)
    return values[min(len(values) - 1, int(np.ceil((1.0 - measure.share) * len(values))))]


def row_of(name: str, measure: Measure, found: Sequence[Result], folds: dict[str, int]) -> str:
    """One line of the table."""
    limits = [limit_of(measure, [r for r in found if folds[r.case] != fold]) for fold in range(FOLDS)]
    flagged = [(r, measure.sign * (measure.of(r) - limits[folds[r.case]]) > 0.0) for r in found]
    harmed = [flag for r, flag in flagged if r.harmed and any(kind in r.change for kind in measure.kinds)]
    others = [(r.case, flag) for r, flag in flagged if must_not(measure, r)]
    patients = len({case for case, flag in others if flag})
    return (
        f"| {name} | {limit_of(measure, found):.3g} | {min(limits):.3g} to {max(limits):.3g} | "
        f"{sum(harmed)} of {len(harmed)} | {sum(flag for _, flag in others)} of {len(others)} ({patients} patients) |"
    )


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--data", type=Path, default=DATA / "openkbp")
    arguments.add_argument("--split", default="train")
    options = arguments.parse_args()
    data = DatasetFolder.open(options.data)
    found = list(results(options.folder, data, data.cases(options.split, ["pt_221"])))
    known = sorted({result.case for result in found})
    folds = {case: index % FOLDS for index, case in enumerate(known)}
    print(f"{len(known)} patients, {len(found)} results, {sum(result.harmed for result in found)} harmed\n")
    print("| measure | limit | of the folds | harmed of its kind, found | false alarms |\n|---|---|---|---|---|")
    for name, one in MEASURES.items():
        print(row_of(name, one, found, folds))
    bare = max((r.material, r.change) for r in found if "bolus" not in r.change and must_not(MEASURES[COVERED], r))
    print(
        f"\nwithout bolus and harm at most {bare[0]:.2f} of the rows of a contour have material beside them ({bare[1]})"
    )
    right_size = [r.distance for r in found if r.change == UNCHANGED and np.isfinite(r.distance)]
    low, high = np.percentile(right_size, [0.5, 99.5])
    wrong = [r.distance for r in found if r.change.startswith(WRONG_SIZE) and np.isfinite(r.distance)]
    print(f"distance of the glands: {low:.0f} to {high:.0f} mm (99 % of the unchanged)")
    if wrong:
        print(f"of heads of the wrong size {sum(not low <= d <= high for d in wrong)} of {len(wrong)} lie beyond it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
