"""A data set to practise on: variations of the sample, so that every command can be tried without a patient's data.

The patients are one average anatomy, moved, bent and made noisy at random. A network learns them within minutes and
says nothing about patients: figures from such a data set mean nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.errors import DataError
from ParotidSegLib.files.atomic import atomic_path
from ParotidSegLib.files.sample_files import CONTOURS, CT, sample_file
from ParotidSegLib.geometry.grids import Grid
from ParotidSegLib.geometry.sampling import sample
from ParotidSegLib.reading.images import read_image, write_image
from ParotidSegLib.structures import PAROTIDS, mirrored_labels

from ..data.masks import read_label_map
from ..recipe import Augmentation
from ..training.augmentation import Parameters, draw, spatial_transform

#: How the made patients differ; the noise is drawn in HU.
VARIATION = Augmentation(mirror=0.5, rotation=6.0, scale=0.08, shear=0.03, elastic=10.0, noise=0.0, blur=0.0)
NOISE_HU = 15.0
SPACING_MM = (3.0, 3.0, 3.0)


def write_practice_dataset(folder: Path, *, patients: int = 12, seed: int = 0) -> Path:
    """Write images/, masks/ and splits.json of made patients.

    Args:
        folder: a new or empty folder.
        patients: how many; at least 3, one for each split. 15 % each are for validation and test.
        seed: of all that is random.

    Returns:
        The folder.

    Raises:
        DataError: there is something in the folder or in its place, or there are too few patients.
        OutputError: a file cannot be written.
    """
    if patients < 3:
        raise DataError("A data set to practise on needs at least 3 patients, one for each split.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} {'is not empty' if folder.is_dir() else 'is a file'}: name a new folder.")
    image, labels = read_image(sample_file(CT)), read_label_map(sample_file(CONTOURS))
    grid = Grid.covering(image, SPACING_MM)
    names = [f"practice_{number:02d}" for number in range(1, patients + 1)]
    for name, rng in zip(names, np.random.default_rng(seed).spawn(patients), strict=True):
        parameters = draw(VARIATION, rng)
        noise = rng.normal(0.0, NOISE_HU, grid.shape)
        for kind, array in zip(("images", "masks"), _patient(image, labels, grid, parameters), strict=True):
            values = np.rint(array + noise).astype(np.int16) if kind == "images" else array
            write_image(grid.image(values), folder / kind / f"{name}.nii.gz")
    held_out = max(1, round(0.15 * patients))
    splits = {
        "train": names[: -2 * held_out],
        "validation": names[-2 * held_out : -held_out],
        "test": names[-held_out:],
    }
    with atomic_path(folder / "splits.json") as temporary:
        temporary.write_text(json.dumps(splits, indent=1), encoding="utf-8")
    return folder


def _patient(
    image: sitk.Image, labels: sitk.Image, grid: Grid, parameters: Parameters
) -> tuple[np.ndarray, np.ndarray]:
    """HU and labels (z, y, x) of one draw; a mirror image has the labels of the two sides swapped."""
    transform = spatial_transform(parameters, grid)
    origin = mirrored_labels(PAROTIDS) if parameters.mirror else range(len(PAROTIDS) + 1)
    drawn = np.zeros(grid.shape, np.uint8)
    for structure in PAROTIDS:
        mask = sitk.Cast(labels == origin[structure.label], sitk.sitkUInt8)
        drawn[sample(mask, grid, transform=transform, outside=0.0) > 0.5] = structure.label
    return sample(image, grid, transform=transform), drawn
