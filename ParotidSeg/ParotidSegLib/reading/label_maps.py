"""Reading label maps and segmentations of 3D Slicer, as a person drew or corrected them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import ImageError
from ..files.file_names import check_name
from ..structures import PAROTIDS, Structure, has_code
from .formats.image_files import read_plainly

_SEGMENT_FIELD = re.compile(r"Segment(\d+)_(\w+)")


def read_labels(path: str | Path, *, structures: Sequence[Structure] = PAROTIDS) -> sitk.Image:
    """Read a label map, or a segmentation of 3D Slicer (.seg.nrrd).

    Slicer numbers its segments as it likes and keeps those that overlap in layers of their own. So the segments of such
    a file are recognised by their codes, their identifiers or their names (`Structure.key` or `.name`), never by their
    numbers; segments that are none of the structures are left out.

    Args:
        path: a file that SimpleITK reads.
        structures: which labels there may be.

    Returns:
        uint8 label map with the structures' label values, on the grid of the file, without metadata.

    Raises:
        ImageError: the file is missing or damaged, is no label map, has labels of no structure, two segments of one
            structure, a segment whose name and code contradict each other or whose voxels are not there, or structures
            that overlap.
    """
    path = Path(path)
    image = _read(path)
    segments = segments_of(image)
    if segments:
        return _from_segments(image, segments, structures)
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise ImageError(f"{path.name!r} is no three-dimensional image of single labels: export it as one label map.")
    values = sitk.GetArrayViewFromImage(image)
    known = {0: "the background", **{structure.label: structure.key for structure in structures}}
    is_known = np.isin(values, list(known))
    if not is_known.all():
        listed = ", ".join(f"{label} for {name}" for label, name in known.items())
        raise ImageError(
            f"{path.name!r} has labels of no structure ({np.unique(values[~is_known])[0]:g}): it may hold {listed}."
        )
    return _without_metadata(image, np.asarray(values, np.uint8))


def _read(path: Path) -> sitk.Image:
    check_name(path)
    if not path.is_file():
        raise ImageError(f"{path.name!r} is no file: give a label map or a segmentation of 3D Slicer.")
    try:
        return read_plainly(path)
    except RuntimeError as error:
        raise ImageError(
            f"{path.name!r} is damaged or no label map that can be read: give a .seg.nrrd, NIfTI, NRRD or MetaImage "
            "file."
        ) from error


def segments_of(image: sitk.Image) -> list[dict[str, str]]:
    """The fields of each segment (ID, Name, LabelValue, Layer, Tags) in the header of a Slicer segmentation."""
    found: dict[int, dict[str, str]] = {}
    for key in image.GetMetaDataKeys():
        if match := _SEGMENT_FIELD.fullmatch(key):
            found.setdefault(int(match[1]), {})[match[2]] = image.GetMetaData(key)
    return [found[number] for number in sorted(found)]


def _from_segments(
    image: sitk.Image, segments: Sequence[Mapping[str, str]], structures: Sequence[Structure]
) -> sitk.Image:
    array = sitk.GetArrayViewFromImage(image)  # (z, y, x), or (z, y, x, layer)
    layers = array if array.ndim == 4 else array[..., None]
    labels = np.zeros(layers.shape[:3], np.uint8)
    taken = set()
    for segment in segments:
        structure = _structure_of(segment, structures)
        if structure is None:
            continue
        if structure in taken:
            raise ImageError(f"The segmentation has two segments of {structure.key}: keep one.")
        taken.add(structure)
        try:
            inside = layers[..., int(segment.get("Layer", "0"))] == int(segment.get("LabelValue", "1"))
        except (ValueError, IndexError) as error:
            raise ImageError(
                f"The header of the segmentation does not say where {structure.key} lies (its layer or its label value "
                "is none): save it again."
            ) from error
        if (labels[inside] != 0).any():
            raise ImageError(f"{structure.key} overlaps another structure of the segmentation: no voxel may be in two.")
        labels[inside] = structure.label
    if not taken:
        listed = ", ".join(structure.key for structure in structures)
        raise ImageError(f"The segmentation has no segment of the structures: name its segments {listed}.")
    return _without_metadata(image, labels)


def _structure_of(segment: Mapping[str, str], structures: Sequence[Structure]) -> Structure | None:
    names = {segment.get("ID", "").lower(), segment.get("Name", "").lower()}
    matches = [
        structure
        for structure in structures
        if names & {structure.key.lower(), structure.name.lower()} or _has_code(segment.get("Tags", ""), structure)
    ]
    if len(matches) > 1:
        listed = " and ".join(structure.key for structure in matches)
        raise ImageError(
            f"A segment of the segmentation is {listed} at once, by its identifier, name and code: correct its name or "
            "its terminology."
        )
    return matches[0] if matches else None


def key_of_code(tags: str, structures: Sequence[Structure]) -> str:
    """The key of the structure whose type and side the terminology entry among the tags of a segment names, or ""."""
    parts = tags.partition("TerminologyEntry:")[2].partition("|")[0].split("~")
    if len(parts) < 4:
        return ""
    kind, side = ([*part.split("^"), "", ""][1] for part in parts[2:4])
    return next((s.key for s in structures if has_code(s, kind, side)), "")


def _has_code(tags: str, structure: Structure) -> bool:
    return bool(key_of_code(tags, [structure]))


def _without_metadata(image: sitk.Image, labels: np.ndarray) -> sitk.Image:
    plain = sitk.GetImageFromArray(labels)
    plain.CopyInformation(image)
    return plain
