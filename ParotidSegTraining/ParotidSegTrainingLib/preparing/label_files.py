"""Files of labels that someone made, brought to the labels of the data set: label maps, segmentations, mask files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.errors import DataError, ImageError
from ParotidSegLib.reading.formats.image_files import read_plainly
from ParotidSegLib.writing.export import SLICER_SUFFIX, SUFFIXES

from ..data.grids import grid_difference
from .label_mapping import SourceLabels, joined
from .region_names import listed

#: Endings of files of labels; a .png or .dcm is one slice.
LABEL_SUFFIXES = (*SUFFIXES, ".png", ".dcm")


def ending(path: Path, suffixes: Sequence[str]) -> str:
    """The one of these endings that the file's name has, in lower case; empty if it has none."""
    return next((suffix for suffix in suffixes if path.name.lower().endswith(suffix)), "")


def stem(path: Path, suffixes: Sequence[str]) -> str:
    """The file's name without that ending."""
    return path.name[: len(path.name) - len(ending(path, suffixes))]


def read_labels(
    paths: Sequence[Path], image: sitk.Image, labels: SourceLabels, *, allow_missing: bool = False
) -> tuple[sitk.Image, list[str]]:
    """The label map of a case.

    Args:
        paths: one label map (its values count; in a segmentation of 3D Slicer the names of its segments), or one file a
            structure (the names of the files count).
        image: the scan; the labels have to lie on its grid.
        labels: what the values and names become.
        allow_missing: take a case that lacks named structures.

    Returns:
        uint8 on the grid of the image, and remarks, each a sentence.

    Raises:
        DataError: a file is damaged, lies on another grid or holds unknown labels, a structure is missing or its side
            is not clear, or structures overlap.
    """
    read = {stem(path, LABEL_SUFFIXES): _read(path, image) for path in paths}
    if len(read) < len(paths):
        raise DataError("Two of its mask files have one name: keep one.")
    arrays = {name: sitk.GetArrayViewFromImage(one) for name, one in read.items()}
    if len(paths) == 1:
        (array,), (one,) = arrays.values(), read.values()
        segments = _segments(one) if ending(paths[0], LABEL_SUFFIXES) == SLICER_SUFFIX else {}
        if not segments:
            return like(image, labels.of_values(array)), []
        masks = {name: array == value for name, value in segments.items()}
    else:
        masks = {name: array != 0 for name, array in arrays.items()}
    return from_named_masks(masks, image, labels, allow_missing=allow_missing)


def from_named_masks(
    masks: dict[str, np.ndarray], image: sitk.Image, labels: SourceLabels, *, allow_missing: bool
) -> tuple[sitk.Image, list[str]]:
    """The label map of masks (bool, z, y, x) that have names; the rest is as for `read_labels`."""
    found = labels.of_names(list(masks))
    missing = labels.missing(found)
    if missing and not allow_missing:
        raise missing_error(missing, list(masks))
    merged = {key: np.logical_or.reduce([masks[name] for name in names]) for key, names in found.items()}
    array, overlapping = joined(merged, labels.structures)
    remarks = [f"{overlapping} voxels lay in two structures: the lower label has them."] if overlapping else []
    if missing:
        remarks.append(f"Without {', '.join(missing)}.")
    return like(image, array), remarks


def missing_error(missing: Sequence[str], names: Sequence[str]) -> DataError:
    """What to say of structures that no region is named like."""
    return DataError(
        f"No region is named like {', '.join(missing)}; the regions are {listed(names)}: give --patterns or a mapping, "
        "or take such cases with --allow-missing."
    )


def like(image: sitk.Image, array: np.ndarray) -> sitk.Image:
    """An array (z, y, x) as an image with the geometry of another."""
    labels = sitk.GetImageFromArray(array)
    labels.CopyInformation(image)
    return labels


def read_label_file(path: Path, image: sitk.Image) -> sitk.Image:
    """A file of labels as it is; one without a grid of its own (.png) takes that of the image.

    Raises:
        DataError: the file is damaged, no image, or has several values in each voxel.
    """
    try:
        labels = read_plainly(path, pictures=True)
    except RuntimeError as error:
        raise DataError("Its label map is damaged or no image: copy or export it again.") from error
    except ImageError as error:  # its sentence may name the file, which may be called after a patient
        text = str(error).replace(repr(path.name), "its label map")
        raise DataError(text[:1].upper() + text[1:]) from None
    if labels.GetNumberOfComponentsPerPixel() != 1:
        raise DataError(
            "Its label map holds several values in each voxel (colours, or segments that overlap): export it as one "
            "label map."
        )
    if labels.GetDimension() == 2:
        labels = sitk.JoinSeries(labels)
    if labels.GetDimension() != 3:
        raise DataError(f"Its label map has {labels.GetDimension()} dimensions: export it with three.")
    if ending(path, LABEL_SUFFIXES) == ".png" and labels.GetSize() == image.GetSize():
        labels.CopyInformation(image)
    return labels


def _read(path: Path, image: sitk.Image) -> sitk.Image:
    """A file of labels on the grid of the image."""
    labels = read_label_file(path, image)
    difference = grid_difference(image, labels)
    if difference:
        raise DataError(f"Its image and its labels lie on different grids ({difference}): export them on one.")
    return labels


def _segments(labels: sitk.Image) -> dict[str, int]:
    """Name and label value of each segment of a file of 3D Slicer."""
    keys = set(labels.GetMetaDataKeys())
    segments: dict[str, int] = {}
    number = 0
    while f"Segment{number}_Name" in keys:
        value = labels.GetMetaData(f"Segment{number}_LabelValue") if f"Segment{number}_LabelValue" in keys else ""
        name = labels.GetMetaData(f"Segment{number}_Name")
        if not value.strip().isdecimal() or name in segments:
            raise DataError(f"Its segment '{name}' is there twice or has no label: save the segmentation again.")
        segments[name] = int(value)
        number += 1
    return segments
