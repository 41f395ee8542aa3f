"""Small made data sets for recipes of any structures and any images, and what makes such a recipe train in seconds."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from made_images import AIR, FAT, MUSCLE
from made_training import IDENTITY
from orientations import image_of

from ParotidSegTrainingLib.recipe import Recipe, load

SPACING = (4.0, 4.0, 6.0)
SIZE = (40, 32, 10)
CASES = ("one", "two", "three", "four")
SPLITS = {"train": ["one", "two"], "validation": ["three"], "test": ["four"]}

#: Changes that make any recipe train in seconds.
SMALL: dict[str, Any] = {
    "preprocessing.spacing": [6.0, 4.0, 4.0],
    "optimisation.learning_rate": 0.005,
    "optimisation.schedule": "constant",
    "optimisation.warmup_steps": 0,
    "optimisation.ema": 0.0,
    "optimisation.batch_size": 2,
    "optimisation.accumulate": 1,
    "optimisation.steps_per_epoch": 8,
    "optimisation.epochs": 2,
    "precision": "float32",
}
#: What else of the networks of each recipe has to be smaller.
SMALLER: dict[str, dict[str, Any]] = {
    "tumor-transunet": {"tile": [1, 32, 32], "network_config.filters": [8, 16], "network_config.width": 16,
                        "network_config.depth": 1, "network_config.heads": 2},
    "hie-unet": {"tile": [8, 32, 32], "network_config.filters": [8, 16, 16]},
    "abdomen-unet2d": {"tile": [1, 32, 32], "network_config.filters": [8, 16, 16]},
    "parotid-residual": {"tile": [8, 32, 32], "network_config.filters": [8, 16]},
    "parotid-attention": {"tile": [8, 32, 32], "network_config.filters": [8, 16]},
}  # fmt: skip


def small(name: str, **overrides: Any) -> Recipe:
    """A shipped recipe, made small; a dot in the name of a field is written as two underscores."""
    changes = {field.replace("__", "."): value for field, value in overrides.items()}
    return load(name, {**SMALL, **SMALLER[name], **changes})


def middles(count: int) -> np.ndarray:
    """Where the structures lie, (x, y, z) in mm, LPS: the first half at the right, the second at the left."""
    columns = max(1, (count + 1) // 2)
    places = [(-45.0, 45.0)[i // columns] if count > 1 else 25.0 for i in range(count)]
    rows = [(i % columns - (columns - 1) / 2.0) * 96.0 / columns for i in range(count)]
    return np.array([(x, y, 0.0) for x, y in zip(places, rows, strict=True)])


def patient(recipe: Recipe, seed: int) -> tuple[list[sitk.Image], sitk.Image]:
    """The images of a made patient, one for each input, each on a grid of its own, and the labels on that of the first.

    A body of muscle with a rind of fat in air (of anything but CT: one value on nothing), in which each structure is an
    ellipsoid of a brightness of its own.
    """
    rng = np.random.default_rng(seed)
    places = middles(len(recipe.structures)) + rng.uniform(-3.0, 3.0, (len(recipe.structures), 3))
    axes = np.array([18.0, min(18.0, 40.0 / np.sqrt(len(places))), 20.0])

    def label(points: np.ndarray) -> np.ndarray:
        inside = [np.sum(((points - place) / axes) ** 2, axis=-1) < 1.0 for place in places]
        return np.select(inside, np.arange(1, len(places) + 1), default=0)

    def shown(points: np.ndarray, modality: str, window: tuple[float, float]) -> np.ndarray:
        body = np.sum((points / [72.0, 58.0, 500.0]) ** 2, axis=-1)
        low, high = window
        levels = low + (high - low) * (0.95 - 0.5 * np.arange(len(places)) / len(places))
        ground = (
            np.select([body < 0.8, body < 1.0], [MUSCLE, FAT], default=AIR)
            if modality == "CT"
            else low + (high - low) * np.where(body < 1.0, 0.2, 0.0)
        )
        noise = rng.normal(0.0, 0.01 * (high - low), points.shape[:-1])
        return np.choose(label(points), [ground, *levels]) + noise

    def grid(spacing: tuple[float, ...], size: tuple[int, ...]) -> tuple:
        return size, spacing, (-(np.array(size) - 1) * spacing / 2.0).tolist(), IDENTITY

    images = []
    for index, wanted in enumerate(recipe.preprocessing.inputs):
        window = next(c.window for c in recipe.preprocessing.channels if c.input == index and c.unit == "value")
        of_first = grid(SPACING, SIZE)
        # Another scanner, another grid: what counts is the place in the patient.
        of_other = grid((5.0, 5.0, 5.0), (34, 28, 14))
        function = lambda points, m=wanted.modality, w=window: shown(points, m, w)  # noqa: E731
        images.append(image_of(function, *(of_first if index == 0 else of_other)))
    return images, sitk.Cast(image_of(label, *grid(SPACING, SIZE)), sitk.sitkUInt8)


def write_related(folder: Path, recipe: Recipe) -> Path:
    """Write CASES as a data set for this recipe."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for seed, case in enumerate(CASES):
        images, labels = patient(recipe, seed)
        for image, wanted in zip(images, recipe.preprocessing.inputs, strict=True):
            name = case if len(images) == 1 else f"{case}_{wanted.name}"
            kind = sitk.sitkInt16 if wanted.modality == "CT" else sitk.sitkFloat32
            sitk.WriteImage(sitk.Cast(image, kind), str(folder / "images" / f"{name}.nii.gz"))
        sitk.WriteImage(labels, str(folder / "masks" / f"{case}.nii.gz"))
    (folder / "splits.json").write_text(json.dumps(SPLITS), encoding="utf-8")
    structures = [asdict(structure) for structure in recipe.structures]
    (folder / "structures.json").write_text(json.dumps(structures), encoding="utf-8")
    return folder
