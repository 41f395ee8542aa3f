"""How good can a model look against these labels?

Three measurements that need no training:

1. Two careful readers of one scan, at the voxels they drew on and at those of the training data: what coarse voxels
   alone cost of Dice; and the reference of the training data against itself, moved by half a voxel.
2. The two glands of one patient are about equally large. The standard deviation of ln(right volume / left volume) says
   how far contours scatter about that: true asymmetry, and twice the variance of one contour's own error.
3. With --contours, label maps of several models (`parotidseg-train evaluate --masks`): do they agree with one another
   better than with the reference, and do they fail in the same patients? What independent models share and the
   reference does not is the reference's own. And is a contour too large or too small on both sides of a patient alike?
   Then it is how that patient was drawn, or what a model cannot see: not an error of one contour.

    python Testing/Benchmarks/label_noise.py [--data OPENKBP] [--readers FOLDER] [--exclude CASE ...]
        [--contours NAME=FOLDER ...]
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]
for module in ("ParotidSeg", "ParotidSegTraining"):
    sys.path.insert(0, str(ROOT / module))

from ParotidSegLib.measuring.metrics import dice, summarise  # noqa: E402
from ParotidSegLib.structures import PAROTIDS  # noqa: E402
from ParotidSegTrainingLib.data.dataset import DatasetFolder  # noqa: E402
from ParotidSegTrainingLib.data.masks import MaskFolder, cases_of_both  # noqa: E402
from ParotidSegTrainingLib.judging.evaluation import masks_of  # noqa: E402

DATA = Path(os.environ.get("PAROTIDSEG_DATA", ROOT.parent / "shared" / "data"))
#: Most of the training CTs have these voxels, mm, (x, y, z).
COARSE = (3.9, 3.9, 2.5)

Masks = dict[str, np.ndarray]


def gland_masks(labels: sitk.Image) -> Masks:
    """A boolean mask a gland."""
    array = sitk.GetArrayViewFromImage(labels)
    return {structure.key: array == structure.label for structure in PAROTIDS}


def sampled(
    labels: sitk.Image, spacing: Sequence[float] | None = None, shift: Sequence[float] = (0.0, 0.0, 0.0)
) -> Masks:
    """The glands at other voxels (mm), moved by `shift` mm: where more than half of the interpolated mask is."""
    wanted = np.array(spacing or labels.GetSpacing())
    size = np.floor(np.array(labels.GetSize()) * labels.GetSpacing() / wanted).astype(int).tolist()
    grid = (labels.GetOrigin(), wanted.tolist(), labels.GetDirection())
    moved = sitk.TranslationTransform(3, list(shift))
    return {
        structure.key: sitk.GetArrayFromImage(
            sitk.Resample(
                sitk.Cast(labels == structure.label, sitk.sitkFloat32), size, moved, sitk.sitkLinear, *grid, 0.0
            )
        )
        > 0.5
        for structure in PAROTIDS
    }


def figures(values: Sequence[float]) -> str:
    """Mean, spread, interval and number."""
    s = summarise(values)
    return f"{s.mean:.3f} ± {s.sd:.3f} | {s.ci95_low:.3f} to {s.ci95_high:.3f} | {s.n}"


def dice_of(one: MaskFolder, other: MaskFolder, change: Callable[[sitk.Image], Masks] = gland_masks) -> list[float]:
    """Dice of every gland of the cases of both, right and left in turn."""
    values = []
    for case in cases_of_both(one, other):
        a, b = change(one.read(case)), change(other.read(case))
        values += [dice(a[structure.key], b[structure.key]) for structure in PAROTIDS]
    return values


def asymmetry(folder: MaskFolder) -> list[float]:
    """ln(right volume / left volume) of every case that has both glands."""
    values = []
    for case in sorted(folder.files):
        right, left = (int(mask.sum()) for mask in gland_masks(folder.read(case)).values())
        if right and left:
            values.append(float(np.log(right / left)))
    return values


def size_errors(reference: MaskFolder, folder: MaskFolder) -> np.ndarray:
    """ln(volume / volume of the reference), (patients, right and left), of patients who have all contours."""
    rows = []
    for case in cases_of_both(reference, folder):
        wanted, drawn = gland_masks(reference.read(case)), gland_masks(folder.read(case))
        if all(mask.any() for mask in (*wanted.values(), *drawn.values())):
            rows.append([np.log(drawn[key].sum() / wanted[key].sum()) for key in wanted])
    return np.array(rows)


def spread(values: Sequence[float]) -> str:
    """Standard deviation with a bootstrap interval, and the number."""
    array = np.array(values)
    drawn = np.random.default_rng(0).choice(array, (10_000, len(array)))
    low, high = np.percentile(drawn.std(axis=1, ddof=1), (2.5, 97.5))
    return f"{array.std(ddof=1):.3f} | {low:.3f} to {high:.3f} | {len(array)}"


def show_voxels(oncologist: MaskFolder, radiographer: MaskFolder, reference: MaskFolder) -> None:
    """What the voxels alone cost."""
    print("| Dice of both glands | mean ± SD | 95 % CI | glands |\n|---|---|---|---|")
    print("| two readers, voxels of about 1 x 1 x 2.5 mm |", figures(dice_of(oncologist, radiographer)), "|")
    coarse = dice_of(oncologist, radiographer, lambda labels: sampled(labels, COARSE))
    print("| two readers, voxels of 3.9 x 3.9 x 2.5 mm |", figures(coarse), "|")
    moved = []
    for case in sorted(reference.files):
        labels = reference.read(case)
        here = gland_masks(labels)
        # Not quite half: at half a voxel, ties would decide.
        there = sampled(labels, shift=[0.49 * edge for edge in labels.GetSpacing()])
        moved += [dice(here[key], there[key]) for key in here if here[key].any()]
    print("| the reference, moved by half a voxel along each axis |", figures(moved), "|")


def show_asymmetry(folders: Mapping[str, MaskFolder]) -> None:
    """How far right and left volumes scatter."""
    print("\n| ln(right volume / left volume) | SD | 95 % CI | patients |\n|---|---|---|---|")
    for name, folder in folders.items():
        print(f"| {name} |", spread(asymmetry(folder)), "|")


def show_models(reference: MaskFolder, models: Mapping[str, MaskFolder]) -> None:
    """Models with the reference and with one another."""
    print("\n| Dice of both glands | mean ± SD | 95 % CI | glands |\n|---|---|---|---|")
    scores = {name: dice_of(reference, folder) for name, folder in models.items()}
    for name, values in scores.items():
        print(f"| {name} with the reference |", figures(values), "|")
    for (one, first), (other, second) in itertools.combinations(models.items(), 2):
        print(f"| {one} with {other} |", figures(dice_of(first, second)), "|")
    print("\n| Dice with the reference, of | and | correlation over the glands |\n|---|---|---|")
    for one, other in itertools.combinations(models, 2):
        print(f"| {one} | {other} | {np.corrcoef(scores[one], scores[other])[0, 1]:.3f} |")


def show_sizes(pairs: Mapping[str, tuple[MaskFolder, MaskFolder]]) -> None:
    """Contours of one against those of another: the volumes of the two sides."""
    print("\n| ln(volume / volume), of | SD over glands | correlation of right and left | patients |")
    print("|---|---|---|---|")
    for name, (reference, folder) in pairs.items():
        errors = size_errors(reference, folder)
        print(f"| {name} | {errors.std(ddof=1):.3f} | {np.corrcoef(errors.T)[0, 1]:.2f} | {len(errors)} |")


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, default=DATA / "openkbp")
    arguments.add_argument("--readers", type=Path, default=DATA / "two_readers")
    arguments.add_argument("--exclude", nargs="*", default=["pt_221"], metavar="CASE")
    arguments.add_argument("--contours", nargs="*", default=[], metavar="NAME=FOLDER")
    options = arguments.parse_args()
    oncologist, radiographer = (MaskFolder.open(options.readers / who) for who in ("oncologist", "radiographer"))
    data = DatasetFolder.open(options.data)
    train, validation = (masks_of(data, split, options.exclude) for split in ("train", "validation"))
    named = (text.partition("=") for text in options.contours)
    models = {name: MaskFolder.open(folder).only(list(validation.files)) for name, _, folder in named}

    show_voxels(oncologist, radiographer, validation)
    readers = {"oncologist": oncologist, "radiographer": radiographer}
    references = {"reference, train": train, "reference, validation": validation}
    show_asymmetry({**readers, **references, **models})
    if models:
        show_models(validation, models)
    drawn = {f"{name} and reference": (validation, folder) for name, folder in models.items()}
    show_sizes({"radiographer and oncologist": (oncologist, radiographer), **drawn})
    return 0


if __name__ == "__main__":
    sys.exit(main())
