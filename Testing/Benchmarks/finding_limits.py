"""From which values on is a measure of a result a finding? Found on made failures, cross-validated over patients.

Takes the contours that `robustness.py --keep FOLDER` left, measures each as `ParotidSegLib.glands.quality` does, and
chooses for each measure the lowest limit that hardly any of the unharmed results exceed (a result is that of one
patient after one change; harmed: a gland has lost more than 0.1 of its Dice). Each fifth of the patients is judged by
the limit of the other four; the limit that is printed is that of all.

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
from made_changes import CHANGES, body_of
from robustness import DATA, HARM, UNCHANGED, WRONG_SIZE, Task, changed_scan, compared, label_file, site_of

from ParotidSegLib.geometry.grids import Box
from ParotidSegLib.glands.cheek import look_beside
from ParotidSegLib.glands.quality import OUTWARD, cut_share
from ParotidSegLib.reading.images import read_image
from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.data.dataset import DatasetFolder

#: The patients are judged in so many parts.
FOLDS = 5


@dataclass(frozen=True)
class Result:
    """The measures of one patient after one change; of its two glands the more conspicuous one counts."""

    case: str
    change: str
    drop: float
    in_material: float
    at_end: float
    distance: float

    @property
    def harmed(self) -> bool:
        """Whether a gland lost more than may be."""
        return self.drop > HARM


#: name -> (measure, the changes that it is for, the share of unharmed results that may exceed its limit)
MEASURES: dict[str, tuple[Callable[[Result], float], str, float]] = {
    "share of the contour in material": (lambda result: result.in_material, "bolus", 0.01),
    "share at the end of the scan": (lambda result: result.at_end, "field|scan", 0.06),
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
                glands = compared(task, change, (reference, original, labels), "", body)
                if change.startswith(("turned", WRONG_SIZE)):
                    labels.CopyInformation(image)
                yield measured(case, change, max(gland.drop for gland in glands), image, labels)


def measured(case: str, change: str, drop: float, image: sitk.Image, labels: sitk.Image) -> Result:
    """The measures of one result."""
    array, middles, worst = sitk.GetArrayViewFromImage(labels), [], np.zeros(2)
    for structure in PAROTIDS:
        inside = array == structure.label
        if not inside.any():
            continue
        mask = sitk.Cast(labels == structure.label, sitk.sitkUInt8)
        beside = look_beside(mask, image, OUTWARD[structure])
        cut, _ = cut_share(inside, Box((0, 0, 0), image.GetSize()), image)
        worst = np.maximum(worst, [beside.in_material, max(beside.at_end, cut)])
        statistics = sitk.LabelShapeStatisticsImageFilter()
        statistics.Execute(mask)
        middles.append(statistics.GetCentroid(1))
    distance = float(np.linalg.norm(np.subtract(*middles))) if len(middles) == len(PAROTIDS) else float("nan")
    return Result(case, change, drop, *map(float, worst), distance)


def limit_of(measure: Callable[[Result], float], some: Sequence[Result], share: float) -> float:
    """The lowest limit that at most this share of the unharmed exceed."""
    unharmed = sorted(measure(result) for result in some if not result.harmed and WRONG_SIZE not in result.change)
    return unharmed[min(len(unharmed) - 1, int(np.ceil((1.0 - share) * len(unharmed))))]


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--data", type=Path, default=DATA / "openkbp")
    arguments.add_argument("--split", default="train")
    options = arguments.parse_args()
    data = DatasetFolder.open(options.data)
    cases = data.cases(options.split, ["pt_221"])
    found = list(results(options.folder, data, cases))
    known = sorted({result.case for result in found})
    folds = {case: index % FOLDS for index, case in enumerate(known)}
    print(f"{len(known)} patients, {len(found)} results, {sum(result.harmed for result in found)} harmed\n")
    print("| measure | limit | of the folds | harmed of its kind, found | unharmed with it |\n|---|---|---|---|---|")
    for name, (measure, kinds, share) in MEASURES.items():
        limits = [limit_of(measure, [r for r in found if folds[r.case] != fold], share) for fold in range(FOLDS)]
        flagged = [measure(result) > limits[folds[result.case]] for result in found]
        own = [any(kind in result.change for kind in kinds.split("|")) for result in found]
        harmed = [flag for flag, r, mine in zip(flagged, found, own, strict=True) if r.harmed and mine]
        unharmed = [flag for flag, r in zip(flagged, found, strict=True) if not r.harmed and WRONG_SIZE not in r.change]
        print(
            f"| {name} | {limit_of(measure, found, share):.3f} | {min(limits):.3f} to {max(limits):.3f} | "
            f"{sum(harmed)} of {len(harmed)} | {sum(unharmed)} of {len(unharmed)} |"
        )
    right_size = [r.distance for r in found if r.change == UNCHANGED and np.isfinite(r.distance)]
    low, high = np.percentile(right_size, [0.5, 99.5])
    wrong = [r.distance for r in found if WRONG_SIZE in r.change and np.isfinite(r.distance)]
    print(f"\ndistance of the glands: {low:.0f} to {high:.0f} mm (99 % of the unchanged)")
    if wrong:
        print(f"of heads of the wrong size {sum(not low <= d <= high for d in wrong)} of {len(wrong)} lie beyond it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
