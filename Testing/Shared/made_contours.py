"""Contours of the made head as a model or a reader might draw them, and their scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import made_training as made
import numpy as np
import SimpleITK as sitk
from made_images import like

from ParotidSegLib.measuring.metrics import compare_images
from ParotidSegLib.measuring.sides import swapped_sides
from ParotidSegLib.structures import PAROTIDS, CodedConcept
from ParotidSegTrainingLib.judging.results import (
    CaseScores,
)

TRUTH = made.head_with_glands()[1]


CORD = replace(
    PAROTIDS[0],
    key="Cord",
    name="Spinal cord",
    type=CodedConcept("SCT", "2748008", "Spinal cord"),
    side="",
    laterality=None,
)


def changed(kind: str, truth: sitk.Image = TRUTH) -> sitk.Image:
    """What a model might make of a reference."""
    array = sitk.GetArrayFromImage(truth)
    right, left = array == 1, array == 2
    if kind == "swapped":
        array = np.where(right, 2, np.where(left, 1, 0)).astype(np.uint8)
    elif kind == "no right":
        array[right] = 0
    elif kind == "nothing":
        array[:] = 0
    elif kind == "left twice":
        array[right] = 2
    elif kind == "only right, called left":
        array[left] = 0
        array[right] = 2
    elif kind == "half":
        rows = np.zeros_like(right)
        rows[: int(np.argwhere(right)[:, 0].mean())] = True
        array[right & rows] = 0
    return like(truth, array)


def row(kind: str, case: str = "head") -> CaseScores:
    labels = changed(kind)
    return CaseScores(case, compare_images(TRUTH, labels), swapped_sides(TRUTH, labels), ("code",), 1.234)


def write_map(path: Path, labels: sitk.Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(labels, str(path), useCompression=True)
    return path


def write_masks(folder: Path, labels: sitk.Image, names: tuple[str, str] = ("Parotid-Rt", "Parotid-Lt")) -> None:
    for name, label in zip(names, (1, 2), strict=True):
        write_map(folder / f"{name}.nrrd", labels == label)
