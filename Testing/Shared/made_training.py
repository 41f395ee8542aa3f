"""A small made data set of heads with two glands, and a recipe that trains on it in seconds. Everything is stated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from made_images import AIR, FAT, MUSCLE
from orientations import image_of, reoriented, rotation

from ParotidSegTrainingLib.recipe import Recipe, load

SPACING = 6.0
#: Half axes of the head, of its muscle and of a gland, mm, (x, y, z).
HEAD, MUSCLES, GLAND = (105.0, 84.0, 66.0), (96.0, 75.0, 60.0), (20.0, 24.0, 28.0)
#: Middles of the right and the left gland seen from the middle of the head, mm, LPS.
RIGHT, LEFT = np.array([-60.0, 12.0, -4.0]), np.array([60.0, 12.0, -4.0])
RIGHT_HU, LEFT_HU = 200, -60
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
#: Case -> middle of the head (mm, LPS); order of the axes and which of them run backwards, as stored; suffix.
CASES: dict[str, tuple[tuple[float, float, float], tuple[int, int, int], tuple[bool, bool, bool], str]] = {
    "head_1": ((0.0, 0.0, 0.0), (0, 1, 2), (False, False, False), ".nii.gz"),
    "head_2": ((30.0, -150.0, 40.0), (0, 1, 2), (True, True, False), ".nii.gz"),
    "head_3": ((-12.0, 9.0, 700.0), (1, 0, 2), (False, False, False), ".nrrd"),
    "head_4": ((5.0, 5.0, -300.0), (2, 0, 1), (True, False, True), ".mha"),
    "head_5": ((0.0, -40.0, 0.0), (0, 2, 1), (False, True, False), ".nii"),
    "head_6": ((0.0, 20.0, 10.0), (2, 1, 0), (False, False, True), ".nii.gz"),
}
SPLITS = {"train": ["head_1", "head_2", "head_3"], "validation": ["head_4", "head_5"], "test": ["head_6"]}


def head_with_glands(
    middle: Sequence[float] = (0.0, 0.0, 0.0), direction: Sequence[float] = IDENTITY, seed: int = 1
) -> tuple[sitk.Image, sitk.Image]:
    """An int16 CT and its uint8 label map, 40 x 32 x 24 voxels (x, y, z) of 6 mm.

    An ellipsoid of muscle with a rind of fat in air; the right gland, at smaller x, is brighter than muscle, the left
    one darker.

    Args:
        middle: of the head, mm, LPS.
        direction: of the grid, nine numbers, row by row.
        seed: of the noise (standard deviation 10 HU).
    """
    size = (40, 32, 24)
    centre = np.array(middle)
    half = (np.array(size) - 1) * SPACING / 2.0
    origin = centre - np.reshape(direction, (3, 3)) @ half

    def within(points: np.ndarray, at: np.ndarray, axes: Sequence[float]) -> np.ndarray:
        return np.sum(((points - at) / axes) ** 2, axis=-1) < 1.0

    def labelled(points: np.ndarray) -> np.ndarray:
        return within(points, centre + RIGHT, GLAND) + 2.0 * within(points, centre + LEFT, GLAND)

    def hounsfield(points: np.ndarray) -> np.ndarray:
        glands = labelled(points)
        tissues = [glands == 1, glands == 2, within(points, centre, MUSCLES), within(points, centre, HEAD)]
        noise = np.random.default_rng(seed).normal(0.0, 10.0, points.shape[:-1])
        return np.rint(np.select(tissues, [RIGHT_HU, LEFT_HU, MUSCLE, FAT], default=AIR) + noise)

    grid = (size, (SPACING,) * 3, origin.tolist(), direction)
    image, labels = image_of(hounsfield, *grid), image_of(labelled, *grid)
    return sitk.Cast(image, sitk.sitkInt16), sitk.Cast(labels, sitk.sitkUInt8)


def write_dataset(folder: Path) -> Path:
    """Write CASES, stored in their orientations, as images/, masks/ and splits.json; the third head is turned."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for seed, (case, (middle, order, flips, suffix)) in enumerate(CASES.items()):
        direction = rotation(4.0, -6.0, 10.0) if case == "head_3" else IDENTITY
        for name, image in zip(("images", "masks"), head_with_glands(middle, direction, seed), strict=True):
            sitk.WriteImage(reoriented(image, order, flips), str(folder / name / f"{case}{suffix}"))
    (folder / "splits.json").write_text(json.dumps(SPLITS), encoding="utf-8")
    return folder


#: Changes of "parotid-ct" that make it train in seconds, in float32, with the moving average on.
TINY = {
    "name": "tiny",
    "network_config.filters": [4, 8],
    "preprocessing.spacing": [6.0, 6.0, 6.0],
    "tile": [16, 16, 16],
    "sampling": {"anchor": "voxel", "jitter": [10.0, 10.0, 10.0], "foreground_share": 1.0},
    "optimisation": {"learning_rate": 0.01, "ema": 0.8, "batch_size": 2, "steps_per_epoch": 8, "epochs": 3},
    "precision": "float32",
    "exclude": [],
    "seed": 5,
}


def tiny_recipe(**changes: object) -> Recipe:
    """The tiny recipe with fields changed; a dot in a field's name is written as two underscores."""
    return load("parotid-ct", {**TINY, **{name.replace("__", "."): value for name, value in changes.items()}})
