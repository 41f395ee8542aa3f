"""What is measured of one case of a data set, before anyone judges it: geometry, voxels, and each structure's contour.

Image and labels are turned to the patient's axes first, so that the way in which a scan is stored changes nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.geometry.lattices import grid_difference
from ParotidSegLib.geometry.surfaces import joint_bounding_box
from ParotidSegLib.reading.ct_checks import AIR_BELOW
from ParotidSegLib.structures import Structure

Point = tuple[float, float, float]

#: How far around a structure is looked for what the scan shows there.
AROUND_MM = 10.0


@dataclass(frozen=True)
class StructureMeasures:
    """What is measured of one structure that has voxels.

    Attributes:
        volume_ml: its volume.
        height: from its first to its last axial slice, both included, in mm.
        ends: area of its lowest and of its highest slice, as shares of its largest one.
        centroid: its middle, (x, y, z) in mm, LPS.
        mean: mean value of the image in it; HU in CT.
        outside_share: share of its voxels outside the body; NaN if the image is no CT.
        outside_point: middle of those voxels; None if there are none.
        air_around: share of the voxels within 10 mm of it that lie outside the body; NaN if the image is no CT.
        pieces_share: share of its voxels that are not in its largest piece.
        empty_slices: axial slices without a voxel of it between its first and its last one.
        cut: "top" or "bottom" if it reaches the last slice there, "side" if it reaches the edge of slices; else "".
        cut_point: middle of what lies there; None if it is not cut.
    """

    volume_ml: float
    height: float
    ends: tuple[float, float]
    centroid: Point
    mean: float
    outside_share: float
    outside_point: Point | None
    air_around: float
    pieces_share: float
    empty_slices: int
    cut: str
    cut_point: Point | None


@dataclass(frozen=True)
class CaseMeasures:
    """What is measured of a case.

    Attributes:
        case, split: names.
        patient: who it is of, as the data set groups its cases; the case itself where it does not.
        spacing: of the image, (x, y, z) in mm of the patient's axes; NaN where it cannot be read.
        size: voxels along the same axes.
        image_hash, mask_hash: of voxels and size; "" where there is none to compare.
        problems: code -> sentence, for what keeps the case from being used.
        structures: by key, those that have voxels.
    """

    case: str
    split: str
    patient: str
    spacing: Point
    size: tuple[int, int, int]
    image_hash: str
    mask_hash: str
    problems: dict[str, str]
    structures: dict[str, StructureMeasures]


def measure_case(
    image: sitk.Image,
    labels: sitk.Image,
    structures: Sequence[Structure],
    *,
    case: str,
    split: str,
    patient: str,
    is_ct: bool = True,
) -> CaseMeasures:
    """Measure a case.

    Args:
        image: the (first) image.
        labels: integer label map, possibly on another grid: then it is measured as it lies in the patient.
        structures: what the labels mean.
        case, split, patient: as `CaseMeasures` has them.
        is_ct: whether the image is in HU.
    """
    problems = {}
    difference = grid_difference(image, labels)
    if difference:
        problems["geometry-mismatch"] = f"Image and labels lie on different grids: {difference}."
    array = sitk.GetArrayViewFromImage(labels)
    unknown = sorted(set(np.unique(array).tolist()) - {0} - {structure.label for structure in structures})
    if unknown:
        listed = ", ".join(f"{value:g}" for value in unknown[:5])
        problems["unknown-label"] = f"The labels hold values that are no structure: {listed}."
    image_hash, mask_hash = _hash(image), _hash(labels) if array.any() else ""
    image, labels = sitk.DICOMOrient(image, "LPS"), sitk.DICOMOrient(labels, "LPS")
    if difference:
        labels = sitk.Resample(labels, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    found = {s.key: _measure(s.label, image, labels, is_ct=is_ct) for s in structures}
    return CaseMeasures(
        case=case,
        split=split,
        patient=patient,
        spacing=image.GetSpacing(),
        size=image.GetSize(),
        image_hash=image_hash,
        mask_hash=mask_hash,
        problems=problems,
        structures={key: measures for key, measures in found.items() if measures is not None},
    )


def unreadable(case: str, split: str, patient: str, code: str, sentence: str) -> CaseMeasures:
    """A case that could not be read, with the reason."""
    return CaseMeasures(case, split, patient, (math.nan,) * 3, (0, 0, 0), "", "", {code: sentence}, {})


def _hash(image: sitk.Image) -> str:
    """Of the voxels as numbers, not of the file: the same scan compressed or stored otherwise is the same."""
    oriented = sitk.DICOMOrient(image, "LPS")  # it has to live as long as the view of its voxels
    array = sitk.GetArrayViewFromImage(oriented)
    kind = np.float32 if np.issubdtype(array.dtype, np.floating) else np.int32
    digest = hashlib.sha256(str(array.shape).encode("ascii"))
    for plane in array:
        digest.update(np.ascontiguousarray(plane, kind).data)
    return digest.hexdigest()


def _measure(label: int, image: sitk.Image, labels: sitk.Image, *, is_ct: bool) -> StructureMeasures | None:
    whole = sitk.GetArrayViewFromImage(labels) == label
    if not whole.any():
        return None
    box = joint_bounding_box(whole, whole)
    mask, first = whole[box], np.array([part.start for part in box])
    values = sitk.GetArrayViewFromImage(image)
    inside, around = _outside(whole, box, values, image.GetSpacing()) if is_ct else (np.zeros_like(mask), math.nan)
    voxels = int(mask.sum())
    cut, edge = _cut(mask, first, whole.shape)
    areas = mask.sum(axis=(1, 2)) / mask.sum(axis=(1, 2)).max()
    return StructureMeasures(
        volume_ml=voxels * float(np.prod(image.GetSpacing())) / 1000.0,
        height=len(mask) * image.GetSpacing()[2],
        ends=(float(areas[0]), float(areas[-1])),
        centroid=_middle(mask, first, image),
        mean=float(values[box][mask].mean()),
        outside_share=float(inside.sum()) / voxels if is_ct else math.nan,
        outside_point=_middle(inside, first, image) if inside.any() else None,
        air_around=around,
        pieces_share=1.0 - _largest_piece(mask) / voxels,
        empty_slices=int((~mask.any(axis=(1, 2))).sum()),
        cut=cut,
        cut_point=_middle(edge, first, image) if cut else None,
    )


def _outside(
    whole: np.ndarray, box: tuple[slice, ...], values: np.ndarray, spacing: Sequence[float]
) -> tuple[np.ndarray, float]:
    """The voxels of a mask, within its box, that lie outside the body; and the share of those around it that do."""
    steps = [max(1, round(AROUND_MM / step)) for step in spacing]
    wide = tuple(
        slice(max(0, part.start - step), part.stop + step) for part, step in zip(box, reversed(steps), strict=True)
    )
    air = ~_body(values[wide[0]])[:, wide[1], wide[2]]
    mask = whole[wide]
    dilated = sitk.BinaryDilate(sitk.GetImageFromArray(mask.astype(np.uint8)), steps, sitk.sitkBall)
    ring = (sitk.GetArrayViewFromImage(dilated) > 0) & ~mask
    inner = tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, wide, strict=True))
    return (mask & air)[inner], float(air[ring].mean()) if ring.any() else 0.0


def _middle(mask: np.ndarray, first: np.ndarray, image: sitk.Image) -> Point:
    """Middle of a mask (z, y, x) that begins at this index of the image."""
    index = (np.argwhere(mask).mean(axis=0) + first)[::-1]
    x, y, z = image.TransformContinuousIndexToPhysicalPoint(index.tolist())
    return x, y, z


def _body(hounsfield: np.ndarray) -> np.ndarray:
    """Tissue and all cavities that it encloses within an axial slice, bool (z, y, x)."""
    tissue = (hounsfield >= AIR_BELOW).astype(np.uint8)
    return np.stack([sitk.GetArrayFromImage(sitk.BinaryFillhole(sitk.GetImageFromArray(s))) > 0 for s in tissue])


def _largest_piece(mask: np.ndarray) -> int:
    """Voxels of the largest piece; corners that touch connect, since coarse outlines do."""
    pieces = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)), True)
    return int(np.bincount(sitk.GetArrayViewFromImage(pieces).ravel())[1:].max())


def _cut(mask: np.ndarray, first: np.ndarray, shape: tuple[int, ...]) -> tuple[str, np.ndarray]:
    """Where the mask, which begins at this index, reaches the end of a scan of this shape; and what lies there."""
    edge = np.zeros_like(mask)
    names = (("bottom", "top"), ("side", "side"), ("side", "side"))
    for axis in range(3):
        if shape[axis] == 1:  # a slice has neither top nor bottom
            continue
        for end, at_end in ((0, first[axis] == 0), (-1, first[axis] + mask.shape[axis] == shape[axis])):
            if at_end:
                part = [slice(None)] * 3
                part[axis] = slice(0, 1) if end == 0 else slice(-1, None)
                edge[tuple(part)] = mask[tuple(part)]
                return names[axis][end], edge
    return "", edge
