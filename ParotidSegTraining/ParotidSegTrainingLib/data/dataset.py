"""A data set on disk: data/images, data/masks and splits.json; and its cases in memory, ready to be sampled.

Of a case whose contours were drawn on finer voxels than its image has, drawn/CASE.nii.gz may hold them as they were
drawn: training learns from those, and masks/ has them on the voxels of the image, on which results are judged.

A case has one image, images/CASE.nii.gz, or one for each input of the networks, images/CASE_ct.nii.gz and
images/CASE_pet.nii.gz for instance. Labels are those of the parotid glands, or of structures.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.errors import DataError
from ParotidSegLib.files.json_text import parse_json
from ParotidSegLib.geometry.ends import continued, end_points
from ParotidSegLib.geometry.grids import Box, box_around, physical_bounds, voxel_middles
from ParotidSegLib.geometry.lattices import grid_difference
from ParotidSegLib.geometry.sampling import EMPTY_BELOW_HU, smooth_for
from ParotidSegLib.model.preprocessing import Input, Preprocessing
from ParotidSegLib.reading.images import read_image
from ParotidSegLib.structures import PAROTIDS, Structure

from ..recipe import Recipe
from .masks import read_label_map
from .skin import skin_image
from .structure_lists import read_structures

SPLITS = ("train", "validation", "test")
#: .png and .dcm: slices, for networks that work on them.
SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".png", ".dcm")


@dataclass(frozen=True)
class DatasetFolder:
    """Images, masks and the split of one data set.

    Attributes:
        root: folder with images/, masks/ and splits.json.
        splits: case names by split.
        structures: what the labels mean.
        inputs: the images of a case.
    """

    root: Path
    splits: dict[str, tuple[str, ...]]
    structures: tuple[Structure, ...] = PAROTIDS
    inputs: tuple[Input, ...] = (Input(),)

    @classmethod
    def open(cls, root: str | Path, inputs: Sequence[Input] = (Input(),)) -> DatasetFolder:
        """Read splits.json and check that every case has its images and its mask.

        Args:
            root: folder with images/, masks/, splits.json and, if the labels are not the parotid glands,
                structures.json.
            inputs: the images that each case has to have.

        Raises:
            DataError: the folder, the split file, an image or a mask is missing, a case is in two splits, or
                structures.json is not valid.
        """
        root = Path(root)
        try:
            raw = parse_json((root / "splits.json").read_text(encoding="utf-8"))
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
        folder = cls(root, splits, read_structures(root), tuple(inputs))
        seen: set[str] = set()
        for case in (case for cases in splits.values() for case in cases):
            if case in seen:
                raise DataError(f"The case {case} is in splits.json twice.")
            seen.add(case)
            folder.image_paths(case)
            folder.mask_path(case)
        return folder

    def cases(self, split: str, exclude: Sequence[str] = ()) -> list[str]:
        """Names of the cases of a split, without the excluded ones; DataError if none is left."""
        names = [case for case in self.splits.get(split, ()) if case not in exclude]
        if not names:
            raise DataError(f"The data set has no case in its split '{split}'.")
        return names

    def require_cases(self, names: Sequence[str]) -> None:
        """Raise a DataError unless the data set has all these cases: a slip in a name to be left out would count it."""
        known = {case for cases in self.splits.values() for case in cases}
        for name in names:
            if name not in known:
                raise DataError(f"The data set has no case {name} to leave out: check the name.")

    def image_paths(self, case: str) -> list[Path]:
        """Files of the case's images, in the order of the inputs."""
        if len(self.inputs) == 1:
            return [self._find("images", case)]
        return [self._find("images", f"{case}_{wanted.name}") for wanted in self.inputs]

    def read_images(self, case: str) -> list[sitk.Image]:
        """The case's images, in the order of the inputs.

        Raises:
            ImageError: an image is damaged or not what its input takes.
        """
        whole_head = self.structures == PAROTIDS
        return [
            read_image(path, modality=wanted.modality, whole_head=whole_head)
            for path, wanted in zip(self.image_paths(case), self.inputs, strict=True)
        ]

    def mask_path(self, case: str) -> Path:
        """File of the case's label map."""
        return self._find("masks", case)

    def read_mask(self, case: str) -> sitk.Image:
        """Label map of a case.

        Raises:
            DataError: the file is damaged, no label map, or has labels of no structure.
        """
        return read_label_map(self.mask_path(case), self.structures)

    def drawn_path(self, case: str) -> Path | None:
        """File of the case's label map as it was drawn, if there is one."""
        return self._path("drawn", case)

    def read_drawn(self, case: str) -> sitk.Image | None:
        """The case's label map as it was drawn, on a grid of its own in the space of the image; None if there is none.

        Raises:
            DataError: as `read_mask`.
        """
        path = self.drawn_path(case)
        return read_label_map(path, self.structures) if path else None

    def _find(self, folder: str, case: str) -> Path:
        path = self._path(folder, case)
        if path:
            return path
        raise DataError(f"The case {case} has no file in {self.root / folder} ({', '.join(SUFFIXES)}).")

    def _path(self, folder: str, case: str) -> Path | None:
        paths = (self.root / folder / f"{case}{suffix}" for suffix in SUFFIXES)
        return next((path for path in paths if path.is_file()), None)


@dataclass(frozen=True)
class Case:
    """One training case in memory.

    Attributes:
        name: name of the case.
        images: one for each input, smoothed for the working grid, on their own voxels.
        limits: the window of each channel in the values of its whole image.
        masks: one uint8 image (0 or 1) per structure, in label order, cut out around it; None for one that is not
            there. Sampled linearly they keep sub-voxel borders.
        points: physical points (n, 3; x, y, z in mm) inside each structure, in label order.
        bounds: lowest and highest physical coordinates (x, y, z in mm) of the part of the scan that is kept.
        skin: distance from the skin in the first image, see `skin`; None if the augmentation does not ask for it.
    """

    name: str
    images: tuple[sitk.Image, ...]
    limits: list[tuple[float, float]]
    masks: tuple[sitk.Image | None, ...]
    points: tuple[np.ndarray, ...]
    bounds: tuple[np.ndarray, np.ndarray]
    skin: sitk.Image | None = None

    @property
    def midpoint(self) -> np.ndarray:
        """Middle between the centroids of the structures (x, y, z in mm); of what is kept if there is none."""
        centroids = [points.mean(axis=0) for points in self.points if len(points)]
        return np.mean(centroids, axis=0) if centroids else np.mean(self.bounds, axis=0)


def load_case(folder: DatasetFolder, name: str, recipe: Recipe, margin_mm: float) -> Case:
    """Read a case and keep what training can reach: the images within `margin_mm` of its structures.

    Args:
        folder: the data set.
        name: the case.
        recipe: says how the images are shown.
        margin_mm: how far from the structures the images are kept.

    Raises:
        ImageError: an image is damaged or not what its input takes.
        DataError: the mask is damaged, lies on another grid than the (first) image or elsewhere than the contours as
            they were drawn, or has labels of no structure.
    """
    images, labels = folder.read_images(name), folder.read_mask(name)
    require_same_grid(name, images[0], labels)
    drawn = folder.read_drawn(name)
    if drawn is not None:
        require_same_place(name, labels, drawn, folder.structures)
        labels = drawn
    limits = recipe.preprocessing.limits(images)
    array = sitk.GetArrayViewFromImage(labels)
    points = tuple(voxel_middles(labels, array == structure.label) for structure in folder.structures)
    everything = np.concatenate(points)
    images, labels = _continued(images, labels, recipe.preprocessing)
    if len(everything):
        images = [_within(image, everything, margin_mm) for image in images]
    return Case(
        name,
        tuple(_smoothed(image, recipe.preprocessing) for image in images),
        limits,
        tuple(_mask_of(labels, structure) for structure in folder.structures),
        points,
        physical_bounds(images[0]),
        skin_image(images[0], recipe.preprocessing.spacing) if recipe.augmentation.needs_skin else None,
    )


def require_same_grid(name: str, image: sitk.Image, labels: sitk.Image) -> None:
    """Raise a DataError unless the case's image and mask lie on one grid (to what NIfTI's single precision allows)."""
    difference = grid_difference(image, labels)
    if difference:
        raise DataError(f"Image and mask of the case {name} lie on different grids: {difference}.")


def require_same_place(name: str, labels: sitk.Image, drawn: sitk.Image, structures: Sequence[Structure]) -> None:
    """Raise a DataError unless both label maps show the same structures within a voxel (of the coarser one) or so."""
    reach = float(np.linalg.norm(np.maximum(labels.GetSpacing(), drawn.GetSpacing())))
    maps = [(image, sitk.GetArrayViewFromImage(image)) for image in (labels, drawn)]
    for structure in structures:
        here, there = (voxel_middles(image, array == structure.label) for image, array in maps)
        if bool(len(here)) != bool(len(there)) or (
            len(here) and np.linalg.norm(here.mean(axis=0) - there.mean(axis=0)) > reach
        ):
            raise DataError(f"The contours of the case {name} as they were drawn lie elsewhere than those in masks/.")


def _continued(
    images: Sequence[sitk.Image], labels: sitk.Image, preprocessing: Preprocessing
) -> tuple[list[sitk.Image], sitk.Image]:
    """The CTs as networks see them beyond their ends, and the label map as far as the first image goes.

    What a person drew goes on with the slice: a network that draws a gland up to the end need not see where that is.
    """
    pairs = list(zip(images, preprocessing.inputs, strict=True))
    ends = [
        end_points(image, EMPTY_BELOW_HU) if wanted.modality == "CT" and preprocessing.continuation else None
        for image, wanted in pairs
    ]
    length = preprocessing.continuation
    images = [continued(image, at, length) if at else image for image, at in zip(images, ends, strict=True)]
    return images, continued(labels, ends[0], length) if ends[0] else labels


def _within(image: sitk.Image, points: np.ndarray, margin_mm: float) -> sitk.Image:
    ends = np.stack([points.min(axis=0), points.max(axis=0)])
    corners = np.array(np.meshgrid(*ends.T)).reshape(3, 8).T
    return (box_around(image, corners, [margin_mm] * 3) or Box((0, 0, 0), image.GetSize())).crop(image)


def _smoothed(image: sitk.Image, preprocessing: Preprocessing) -> sitk.Image:
    """Smoothed for the working grid, in the image's own type: whole numbers take half the memory."""
    smoothed = smooth_for(image, preprocessing.spacing, preprocessing.resolution)
    if image.GetPixelID() != sitk.sitkInt16 or smoothed.GetPixelID() == sitk.sitkInt16:
        return smoothed
    return sitk.Cast(sitk.Round(sitk.Cast(smoothed, sitk.sitkFloat32)), sitk.sitkInt16)


def _mask_of(labels: sitk.Image, structure: Structure) -> sitk.Image | None:
    """The structure's mask and a voxel around it, 0 or 1: a dozen organs would fill the memory otherwise."""
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.ComputePerimeterOff()
    shapes.Execute(labels)
    if not shapes.HasLabel(structure.label):
        return None
    box = shapes.GetBoundingBox(structure.label)
    first = [max(0, start - 1) for start in box[:3]]
    last = [min(n, start + size + 1) for n, start, size in zip(labels.GetSize(), box[:3], box[3:], strict=True)]
    size = [end - start for start, end in zip(first, last, strict=True)]
    return sitk.Cast(sitk.RegionOfInterest(labels, size, first) == structure.label, sitk.sitkUInt8)
