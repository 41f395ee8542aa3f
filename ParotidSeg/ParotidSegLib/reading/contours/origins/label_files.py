"""Files of labels that someone made: label maps, segmentations of 3D Slicer, files of one mask each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ....errors import DataError, ImageError
from ....files.file_names import LABEL_SUFFIXES, SLICER_SUFFIX, check_name, ending, stem
from ...formats.image_files import read_plainly
from ...label_maps import key_of_code, segments_of
from ..label_rules import SourceLabels
from ..mask_values import inside, whole_numbers
from ..named_masks import Contours, Named, finished, from_named_masks
from .placing import Placing


def read_label_files(
    paths: Sequence[Path],
    image: sitk.Image,
    labels: SourceLabels,
    *,
    allow_missing: bool = False,
    resample: bool = False,
) -> Contours:
    """The label map of a case.

    Args:
        paths: one label map (its values count; in a segmentation of 3D Slicer the codes and names of its segments), or
            one file a structure (the names of the files count).
        image: the scan.
        labels: what the values and names become.
        allow_missing: take a case that lacks a named structure, or one of a pair.
        resample: take labels that lie on another grid than the scan.

    Raises:
        DataError: a file is damaged, lies on another grid and may not, or outside the scan, or holds unknown labels, a
            structure is missing, its side is not clear or it lies on both sides, or structures overlap.
    """
    place = Placing(image, resample=resample)
    read = {stem(path, LABEL_SUFFIXES): read_label_file(path, image) for path in paths}
    if len(read) < len(paths):
        raise DataError("Two of its mask files have one name: keep one.")
    for one in read.values():
        place.check(one)
    ((name, one), *others) = read.items()
    segments = [] if others else segments_of(one)
    if others or (not segments and labels.is_of_one(name) and len(np.unique(sitk.GetArrayViewFromImage(one))) == 2):
        # A mask whose name says the side is no label map of the right gland because it holds the value 1.
        found = from_named_masks(_of_files(read, place), image, labels, allow_missing=allow_missing)
    elif segments:
        named = _of_segments(one, segments, labels, place)
        found = from_named_masks(named, image, labels, allow_missing=allow_missing)
    else:
        array, remarks = _of_values(one, labels)
        whole = np.zeros(image.GetSize()[::-1], np.uint8)
        for structure in (s for s in labels.structures if (array == s.label).any()):
            whole[place(array == structure.label, one, structure.key) & (whole == 0)] = structure.label
        found = finished(whole, image, labels, allow_missing=allow_missing, remarks=remarks)
    return Contours(found.labels, (*place.remarks, *found.remarks), found.regions)


def read_label_file(path: Path, image: sitk.Image) -> sitk.Image:
    """A file of labels as it is; one without a grid of its own (.png) takes that of the image.

    Raises:
        DataError: the file is damaged, no image, or has several values in each voxel (but for the layers of a
            segmentation of 3D Slicer).
    """
    try:
        check_name(path)
        labels = read_plainly(path, pictures=True)
    except (RuntimeError, OSError) as error:
        raise DataError("Its label map is damaged or no image: copy or export it again.") from error
    except ImageError as error:  # its sentence may name the file, which may be called after a patient
        text = str(error).replace(repr(path.name), "its label map")
        raise DataError(text[:1].upper() + text[1:]) from None
    if labels.GetNumberOfComponentsPerPixel() != 1 and not segments_of(labels):
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
    if ending(path, LABEL_SUFFIXES) != SLICER_SUFFIX:  # fields of segments mean something there alone
        for key in labels.GetMetaDataKeys():
            labels.EraseMetaData(key)
    return labels


def _of_files(read: dict[str, sitk.Image], place: Placing) -> Named:
    def mask(name: str, key: str) -> np.ndarray:
        values = sitk.GetArrayViewFromImage(read[name])
        one, remarks = inside(values, key)
        place.remarks += remarks
        return place(one, read[name], key)

    return Named(list(read), mask)


def _of_segments(one: sitk.Image, segments: Sequence[dict[str, str]], labels: SourceLabels, place: Placing) -> Named:
    """The segments of a file of 3D Slicer, by code and name, each in its layer."""
    array = sitk.GetArrayViewFromImage(one)  # (z, y, x), or (z, y, x, layer)
    layers = array if array.ndim == 4 else array[..., None]
    places: dict[str, tuple[int, int]] = {}
    codes: dict[str, str] = {}
    for segment in segments:
        name = segment.get("Name") or segment.get("ID", "")
        value, layer = segment.get("LabelValue", ""), segment.get("Layer", "0")
        is_there = value.strip().isdecimal() and layer.strip().isdecimal() and int(layer) < layers.shape[3]
        code = key_of_code(segment.get("Tags", ""), labels.structures)
        if not is_there or (name in places and not code):
            raise DataError(f"Its segment '{name}' is there twice or has no label: save the segmentation again.")
        if name in places:  # told apart by their codes
            name = f"{name} ({len(places) + 1})"
        places[name] = int(layer), int(value)
        if code:
            codes[name] = code

    def mask(name: str, key: str) -> np.ndarray:
        layer, value = places[name]
        return place(layers[..., layer] == value, one, key)

    return Named(list(places), mask, codes)


def _of_values(one: sitk.Image, labels: SourceLabels) -> tuple[np.ndarray, list[str]]:
    """The values of a label map as those to be had."""
    array = sitk.GetArrayViewFromImage(one)
    if len(labels.structures) == 1 and labels.values is None:
        mask, remarks = inside(array, labels.structures[0].key)
        return mask * np.uint8(labels.structures[0].label), remarks
    return labels.of_values(whole_numbers(array)), []
