"""Do the contours stay where they are when the same patient is scanned a little differently?

Segments a scan as it is and changed in one way at a time: with other voxels, more noise, streaks of metal at the
height of the teeth, a couch, a mask on the face, the background emptied as in the training data, the lowest or the
uppermost slices missing. Prints, for each gland, the Dice of the changed scan's contour with the unchanged one, its
volume, and the codes of the findings. Both contours are compared at the voxel centres of the coarser grid, so that
contours that are the same surface have Dice 1.

    python Testing/Benchmarks/robustness.py [--ct PATH ...] [--bundle NAME ...]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "ParotidSeg"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from ParotidSegLib.errors import ImageError  # noqa: E402
from ParotidSegLib.reading.images import read_image  # noqa: E402
from ParotidSegLib.segmentation import Segmentation, open_model, segment  # noqa: E402

DATA = Path(os.environ.get("PAROTIDSEG_DATA", ROOT.parent / "shared" / "data"))
AIR = -1024

Change = Callable[[sitk.Image], sitk.Image]


def like(image: sitk.Image, array: np.ndarray) -> sitk.Image:
    """An int16 image on the voxels of another one; array: (z, y, x) in HU."""
    changed = sitk.GetImageFromArray(np.clip(np.rint(array), AIR, 3071).astype(np.int16))
    changed.CopyInformation(image)
    return changed


def body_of(image: sitk.Image) -> sitk.Image:
    """uint8, 1 in the patient: the largest piece above −300 HU, without holes in a slice."""
    body = sitk.BinaryMorphologicalOpening(image > -300, [2, 2, 0])
    body = sitk.RelabelComponent(sitk.ConnectedComponent(body), sortByObjectSize=True) == 1
    filled = np.stack(
        [
            sitk.GetArrayFromImage(sitk.BinaryFillhole(sitk.GetImageFromArray(plane)))
            for plane in sitk.GetArrayFromImage(body)
        ]
    )
    result = sitk.GetImageFromArray(filled)
    result.CopyInformation(image)
    return result


def resampled(spacing: float) -> Change:
    """Cubic voxels of this edge in mm; finer detail is smoothed away first, as a scanner does."""

    def change(image: sitk.Image) -> sitk.Image:
        smooth = sitk.Cast(image, sitk.sitkFloat32)
        for axis, old in enumerate(image.GetSpacing()):
            if spacing > old:
                smooth = sitk.RecursiveGaussian(smooth, 0.4 * np.sqrt(spacing**2 - old**2), direction=axis)
        edges = np.array(image.GetSize()) * image.GetSpacing()
        size = [max(1, int(edge // spacing)) for edge in edges]
        middle = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2.0 for n in image.GetSize()])
        direction = np.array(image.GetDirection()).reshape(3, 3)
        origin = np.array(middle) - direction @ (spacing * (np.array(size) - 1) / 2.0)
        grid = (origin.tolist(), [spacing] * 3, image.GetDirection())
        values = sitk.Resample(smooth, size, sitk.Transform(), sitk.sitkLinear, *grid, float(AIR))
        return like(values, sitk.GetArrayViewFromImage(values))

    return change


def noisy(deviation: float) -> Change:
    """White noise of this many HU."""

    def change(image: sitk.Image) -> sitk.Image:
        array = sitk.GetArrayFromImage(image)
        return like(image, array + np.random.default_rng(1).normal(0.0, deviation, array.shape))

    return change


def streaked(amplitude: float, teeth: tuple[float, float, float]) -> Change:
    """Bright and dark rays of up to this many HU from two fillings beside a point (x, y, z) in mm, 12 mm high."""

    def change(image: sitk.Image) -> sitk.Image:
        array = sitk.GetArrayFromImage(image).astype(np.float32)
        body = sitk.GetArrayFromImage(body_of(image))
        rng = np.random.default_rng(2)
        for side in (-22.0, 22.0):
            index = image.TransformPhysicalPointToContinuousIndex((teeth[0] + side, *teeth[1:]))
            x, y = np.meshgrid(np.arange(array.shape[2]) - index[0], np.arange(array.shape[1]) - index[1])
            angle, distance = np.arctan2(y, x), np.hypot(x, y) * image.GetSpacing()[0]
            rays = sum(np.cos(order * angle + rng.uniform(0, 2 * np.pi)) for order in (7, 11, 17, 23)) / 2.0
            plane = amplitude * rays * np.exp(-distance / 60.0)
            heights = (np.arange(array.shape[0]) - index[2]) * image.GetSpacing()[2]
            array += np.exp(-0.5 * (heights / 6.0) ** 2)[:, None, None] * plane * body
        return like(image, array)

    return change


def on_couch(image: sitk.Image) -> sitk.Image:
    """A hollow couch with two walls behind the patient, below the lowest point that touches it."""
    array = sitk.GetArrayFromImage(image)
    back = int(np.nonzero(sitk.GetArrayFromImage(body_of(image)).any(axis=(0, 2)))[0].max())
    step = image.GetSpacing()[1]
    for start, height, value in ((2.0, 4.0, 150), (6.0, 30.0, -900), (36.0, 4.0, 150)):
        rows = slice(round(back + start / step), round(back + (start + height) / step) + 1)
        array[:, rows, :] = value
    return like(image, array)


def masked(image: sitk.Image) -> sitk.Image:
    """A thermoplastic mask 2.5 mm thick, 2 mm off the skin."""
    distance = sitk.GetArrayFromImage(
        sitk.SignedMaurerDistanceMap(body_of(image), squaredDistance=False, useImageSpacing=True)
    )
    array = sitk.GetArrayFromImage(image)
    array[(distance > 2.0) & (distance < 4.5)] = 80
    return like(image, array)


def emptied(image: sitk.Image) -> sitk.Image:
    """Nothing but air outside the patient, as in the training data."""
    return sitk.Mask(image, body_of(image), AIR)


def cut_short(share: float) -> Change:
    """Without the lowest (below 0) or the uppermost (above 0) share of the slices that hold the glands and more."""

    def change(image: sitk.Image) -> sitk.Image:
        count = image.GetSize()[2]
        lost = round(abs(share) * count)
        return image[:, :, lost:] if share < 0 else image[:, :, : count - lost]

    return change


def agreement(one: Segmentation, other: Segmentation) -> dict[str, float]:
    """Dice by structure, at the voxel centres of the grid with the larger voxels."""
    fine, coarse = sorted((one.labels, other.labels), key=lambda labels: float(np.prod(labels.GetSpacing())))
    on_coarse = sitk.Resample(fine, coarse, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    a, b = sitk.GetArrayViewFromImage(on_coarse), sitk.GetArrayViewFromImage(coarse)
    dice = {}
    for structure in one.structures:
        first, second = a == structure.label, b == structure.label
        both = int(first.sum() + second.sum())
        dice[structure.key] = 2.0 * int((first & second).sum()) / both if both else float("nan")
    return dice


def row(name: str, original: Segmentation, changed: Segmentation) -> str:
    """One line of the table."""
    dice = agreement(original, changed)
    cells = [f"{dice[s.key]:.3f}, {changed.volumes_ml.get(s.key, 0.0):.1f} mL" for s in original.structures]
    return f"| {name} | {' | '.join(cells)} | {', '.join(sorted({f.code for f in changed.findings})) or 'none'} |"


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--ct", type=Path, nargs="+", default=[DATA / "clinical_ct" / "head_neck_1"])
    arguments.add_argument("--bundle", nargs="+", default=["parotid-ct"])
    options = arguments.parse_args()
    for bundle in options.bundle:
        model = open_model(bundle)
        for path in options.ct:
            image = sitk.DICOMOrient(read_image(path), "LPS")  # the changes know rows that run to the back, slices up
            original = segment(image, model)
            print(f"\n{model.bundle.name} {model.bundle.version}, {path.name}\n")
            print("| scan | " + " | ".join(f"{s.name}: Dice, volume" for s in original.structures) + " | findings |")
            print("|---|" + "---|" * (len(original.structures) + 1))
            print(row("as it is", original, original))
            middles = [measurement.centroid for measurement in original.measurements.values()]
            x, y, z = np.mean(middles, axis=0)
            changes: dict[str, Change] = {f"voxels of {edge} mm": resampled(edge) for edge in (1, 2, 3, 4)}
            changes |= {f"noise of {deviation} HU": noisy(deviation) for deviation in (20, 60)}
            changes |= {f"streaks of {size} HU": streaked(size, (x, y - 55.0, z - 15.0)) for size in (200, 600)}
            changes |= {"couch": on_couch, "mask on the face": masked, "background emptied": emptied}
            changes["without the lowest fifth"] = cut_short(-0.2)
            changes["without the uppermost fifth"] = cut_short(0.2)
            for name, change in changes.items():
                try:
                    print(row(name, original, segment(change(image), model)), flush=True)
                except ImageError as error:
                    print(f"| {name} | refused: {error} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
