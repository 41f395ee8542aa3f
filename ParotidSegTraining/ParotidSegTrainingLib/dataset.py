"""A data set on disk: data/images, data/masks and splits.json; and its cases in memory, ready to be sampled."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.errors import DataError
from ParotidSegLib.images import read_image
from ParotidSegLib.preprocessing import Box, box_around, physical_bounds, smooth_for
from ParotidSegLib.structures import PAROTIDS

from .masks import read_label_map

SPLITS = ("train", "validation", "test")
SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


@dataclass(frozen=True)
class DatasetFolder:
    """Images, masks and the split of one data set.

    Attributes:
        root: folder with images/, masks/ and splits.json.
        splits: case names by split.
    """

    root: Path
    splits: dict[str, tuple[str, ...]]

    @classmethod
    def open(cls, root: str | Path) -> DatasetFolder:
        """Read splits.json and check that every case has its image and its mask.

        Raises:
            DataError: the folder, the split file, an image or a mask is missing, or a case is in two splits.
        """
        root = Path(root)
        try:
            raw = json.loads((root / "splits.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise DataError(f"{root} has no splits.json; a data set has images/, masks/ and splits.json.") from error
        except (OSError, ValueError) as error:
            raise DataError(f"{root / 'splits.json'} cannot be read as JSON: write it again.") from error
        if not isinstance(raw, dict) or not set(raw) & set(SPLITS):
            raise DataError(f"{root / 'splits.json'} must list cases under {', '.join(SPLITS)}.")
        for split in SPLITS:
            names = raw.get(split, [])
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise DataError(f"The split '{split}' of {root / 'splits.json'} must be a list of names of cases.")
        splits = {split: tuple(raw.get(split, ())) for split in SPLITS}
        folder = cls(root, splits)
        seen: set[str] = set()
        for case in (case for cases in splits.values() for case in cases):
            if case in seen:
                raise DataError(f"The case {case} is in splits.json twice.")
            seen.add(case)
            folder.image_path(case)
            folder.mask_path(case)
        return folder

    def cases(self, split: str, exclude: Sequence[str] = ()) -> list[str]:
        """Names of the cases of a split, without the excluded ones; DataError if none is left."""
        names = [case for case in self.splits.get(split, ()) if case not in exclude]
        if not names:
            raise DataError(f"The data set has no case in its split '{split}'.")
        return names

    def image_path(self, case: str) -> Path:
        """File of the case's image."""
        return self._find("images", case)

    def mask_path(self, case: str) -> Path:
        """File of the case's label map."""
        return self._find("masks", case)

    def read_mask(self, case: str) -> sitk.Image:
        """Label map of a case.

        Raises:
            DataError: the file is damaged, no label map, or has labels of no structure.
        """
        return read_label_map(self.mask_path(case))

    def _find(self, folder: str, case: str) -> Path:
        for suffix in SUFFIXES:
            path = self.root / folder / f"{case}{suffix}"
            if path.is_file():
                return path
        raise DataError(f"The case {case} has no file in {self.root / folder} ({', '.join(SUFFIXES)}).")


@dataclass(frozen=True)
class Case:
    """One training case in memory.

    Attributes:
        name: name of the case.
        image: HU, smoothed for the working grid, on the scan's own voxels.
        masks: one uint8 image (0 or 1) per gland, in label order: sampled linearly they keep sub-voxel borders.
        gland_points: physical points (n, 3; x, y, z in mm) inside each gland, in label order.
        bounds: lowest and highest physical coordinates (x, y, z in mm) of the part of the scan that is kept.
    """

    name: str
    image: sitk.Image
    masks: tuple[sitk.Image, ...]
    gland_points: tuple[np.ndarray, ...]
    bounds: tuple[np.ndarray, np.ndarray]

    @property
    def midpoint(self) -> np.ndarray:
        """Middle between the centroids of the glands (x, y, z in mm); of what is kept if there is no gland."""
        centroids = [points.mean(axis=0) for points in self.gland_points if len(points)]
        return np.mean(centroids, axis=0) if centroids else np.mean(self.bounds, axis=0)


def load_case(folder: DatasetFolder, name: str, spacing_zyx: Sequence[float], margin_mm: float) -> Case:
    """Read a case and keep what training can reach: the scan within `margin_mm` of its glands.

    Args:
        folder: the data set.
        name: the case.
        spacing_zyx: working grid, for the smoothing.
        margin_mm: how far from the glands the image is kept.

    Raises:
        ImageError: the image is damaged or no CT.
        DataError: the mask is damaged, lies on another grid than the image, or has labels of no structure.
    """
    image, labels = read_image(folder.image_path(name)), folder.read_mask(name)
    same = (
        image.GetSize() == labels.GetSize()
        and np.allclose(image.GetOrigin(), labels.GetOrigin(), atol=1e-2)
        and np.allclose(image.GetSpacing(), labels.GetSpacing(), atol=1e-4)
        and np.allclose(image.GetDirection(), labels.GetDirection(), atol=1e-4)
    )
    if not same:
        raise DataError(f"Image and mask of the case {name} lie on different grids.")
    array = sitk.GetArrayViewFromImage(labels)
    points = tuple(_points_of(labels, array == structure.label) for structure in PAROTIDS)
    everything = np.concatenate(points)
    if len(everything):
        box = box_around(image, everything, [margin_mm] * 3) or Box((0, 0, 0), image.GetSize())
        image, labels = box.crop(image), box.crop(labels)
    smoothed = sitk.Cast(sitk.Round(sitk.Cast(smooth_for(image, spacing_zyx), sitk.sitkFloat32)), sitk.sitkInt16)
    masks = tuple(sitk.Cast(sitk.Equal(labels, s.label), sitk.sitkUInt8) for s in PAROTIDS)
    return Case(name, smoothed, masks, points, physical_bounds(image))


def _points_of(image: sitk.Image, mask: np.ndarray) -> np.ndarray:
    indices = np.argwhere(mask)[:, ::-1]
    direction = np.array(image.GetDirection()).reshape(3, 3)
    return np.array(image.GetOrigin()) + (indices * np.array(image.GetSpacing())) @ direction.T
