"""Files of labels that someone made, brought to the labels of the data set: label maps, segmentations, mask files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.errors import DataError, ImageError
from ParotidSegLib.glands.anatomy import LARGEST_WIDTH_MM, width_mm
from ParotidSegLib.reading.contours.mask_values import inside
from ParotidSegLib.reading.contours.region_names import listed
from ParotidSegLib.reading.formats.image_files import read_plainly
from ParotidSegLib.structures import PAROTID_GLAND
from ParotidSegLib.writing.export import SLICER_SUFFIX, SUFFIXES

from ..data.grids import grid_difference
from .label_mapping import SourceLabels, joined

#: Endings of files of labels; a .png or .dcm is one slice.
LABEL_SUFFIXES = (*SUFFIXES, ".png", ".dcm")


def ending(path: Path, suffixes: Sequence[str]) -> str:
    """The one of these endings that the file's name has, in lower case; empty if it has none."""
    return next((suffix for suffix in suffixes if path.name.lower().endswith(suffix)), "")


def stem(path: Path, suffixes: Sequence[str]) -> str:
    """The file's name without that ending."""
    return path.name[: len(path.name) - len(ending(path, suffixes))]


@dataclass(frozen=True)
class Labels:
    """The labels of a case.

    Attributes:
        image: uint8 label map on the grid of the scan.
        remarks: each a sentence.
        regions: by structure key, what its regions are called in the source; empty where labels have no names.
    """

    image: sitk.Image
    remarks: tuple[str, ...] = ()
    regions: Mapping[str, Sequence[str]] = field(default_factory=dict)


def read_labels(
    paths: Sequence[Path], image: sitk.Image, labels: SourceLabels, *, allow_missing: bool = False
) -> Labels:
    """The label map of a case.

    Args:
        paths: one label map (its values count; in a segmentation of 3D Slicer the names of its segments), or one file a
            structure (the names of the files count).
        image: the scan; the labels have to lie on its grid.
        labels: what the values and names become.
        allow_missing: take a case that lacks a named structure, or one of a pair.

    Raises:
        DataError: a file is damaged, lies on another grid or holds unknown labels, a structure is missing, its side is
            not clear or it lies on both sides, or structures overlap.
    """
    read = {stem(path, LABEL_SUFFIXES): _read(path, image) for path in paths}
    if len(read) < len(paths):
        raise DataError("Two of its mask files have one name: keep one.")
    arrays = {name: sitk.GetArrayViewFromImage(one) for name, one in read.items()}
    if len(paths) > 1:
        return from_named_masks(arrays, image, labels, allow_missing=allow_missing)
    ((name, array),), (one,) = arrays.items(), read.values()
    segments = _segments(one) if ending(paths[0], LABEL_SUFFIXES) == SLICER_SUFFIX else {}
    if segments:
        masks = {segment: array == value for segment, value in segments.items()}
        return from_named_masks(masks, image, labels, allow_missing=allow_missing)
    if labels.is_of_one(name) and len(np.unique(array)) == 2:
        # A mask whose name says the side is no label map of the right gland because it holds the value 1.
        return from_named_masks(arrays, image, labels, allow_missing=allow_missing)
    if len(labels.structures) == 1 and labels.values is None:
        mask, remarks = inside(array, labels.structures[0].key)
        return _finished(
            mask * np.uint8(labels.structures[0].label), image, labels, allow_missing=allow_missing, remarks=remarks
        )
    return _finished(labels.of_values(array), image, labels, allow_missing=allow_missing)


def from_named_masks(
    masks: Mapping[str, np.ndarray],
    image: sitk.Image,
    labels: SourceLabels,
    *,
    allow_missing: bool,
    others: Sequence[str] = (),
) -> Labels:
    """The label map of masks (z, y, x) that have names; the rest is as for `read_labels`.

    Args:
        masks: by name; of regions that are no structure, too.
        image, labels, allow_missing: as for `read_labels`.
        others: names of further regions, of which there are no masks because they are no structure.
    """
    known = [*masks, *others]
    found = regions_of(known, labels, allow_missing=allow_missing)
    merged: dict[str, np.ndarray] = {}
    remarks = names_remarked(found, labels)
    for key, names in found.items():
        for name in names:
            mask, more = inside(masks[name], key)
            merged[key] = merged[key] | mask if key in merged else mask
            remarks += more
    array, overlapping = joined(merged, labels.structures)
    if overlapping:
        remarks.append(f"{overlapping} voxels lay in two structures: the lower label has them.")
    return _finished(array, image, labels, allow_missing=allow_missing, remarks=remarks, found=found, names=known)


def regions_of(names: Sequence[str], labels: SourceLabels, *, allow_missing: bool) -> dict[str, list[str]]:
    """The names of the regions that make up each structure, by key.

    Raises:
        DataError: a structure has none, and none may be missing; or as `SourceLabels.of_names` says.
    """
    found = labels.of_names(names)
    missing = labels.missing(found)
    if missing and not allow_missing:
        raise _missing(missing, names, labels)
    return found


def names_remarked(found: Mapping[str, Sequence[str]], labels: SourceLabels) -> list[str]:
    """A sentence on each region whose name says more than gland and side."""
    return [
        f"'{name}' was taken for {key}, though its name says more than that."
        for key, names in found.items()
        for name in names
        if labels.says_more(key, name)
    ]


def _finished(
    array: np.ndarray,
    image: sitk.Image,
    labels: SourceLabels,
    *,
    allow_missing: bool,
    remarks: Sequence[str] = (),
    found: Mapping[str, Sequence[str]] | None = None,
    names: Sequence[str] = (),
) -> Labels:
    """A label map once more as a whole: what is in it, and on which side."""
    there = set(np.unique(array).tolist())
    for structure in labels.structures:
        if structure.type == PAROTID_GLAND and structure.label in there:
            width = width_mm(array == structure.label, image)
            if width > LARGEST_WIDTH_MM:
                raise DataError(
                    f"{structure.key} lies on both sides of the head ({width:.0f} mm across): each gland needs a label "
                    "of its own."
                )
    empty = [structure for structure in labels.structures if structure.label not in there]
    # Scans without a spleen, slices without a lesion: there are such. One side alone is more often a label lost.
    sided = [structure.key for structure in empty if structure.side]
    if sided and not allow_missing:
        raise DataError(f"Nothing is labelled as {', '.join(sided)}: take such cases with --allow-missing.")
    missing = [structure.key for structure in empty]
    more = [_without(missing, names, labels)] if missing else []
    return Labels(like(image, array), (*remarks, *more), found or {})


def _without(missing: Sequence[str], names: Sequence[str], labels: SourceLabels) -> str:
    derived = labels.patterns.derived(names)
    passed = f" Passed over: {listed(derived)}." if derived else ""
    return f"Without {', '.join(missing)}.{passed}"


def _missing(missing: Sequence[str], names: Sequence[str], labels: SourceLabels) -> DataError:
    """What to say of structures that no region is named like."""
    derived = labels.patterns.derived(names)
    why = f" ({listed(derived)} is no whole gland)" if derived else ""
    return DataError(
        f"No region is named like {', '.join(missing)}; the regions are {listed(names)}{why}: give --patterns or a "
        "mapping, or take such cases with --allow-missing."
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
