"""Results in the scene: segments with stable IDs, codes and colours, and what can be asked of them. MRML only, no Qt.

Volumes and segmentations may lie under transforms. Label maps that come from the worker lie in the world, as the volume
that was written for it; label maps that go out (for files and DICOM) lie in the volume's own space, as its file does.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer

from ...errors import ImageError
from ...reading.label_maps import read_labels
from ...structures import PAROTIDS, Structure
from ...writing.export import terminology_tag
from . import automatic, undo
from .hierarchy import dicom_files, place_beside
from .voxels import (
    between,
    box_around,
    check_on_voxels,
    index_to_ras,
    mask_on_voxels,
    oriented_mask,
    spacing_of,
    with_geometry,
    within,
    write_volume,
)

__all__ = [
    "Difference",
    "GlandRow",
    "automatic_labels",
    "check_takes_voxels",
    "dicom_files",
    "edits_ml",
    "gland_labels",
    "gland_table",
    "is_edited",
    "is_in_scene",
    "new_segmentation",
    "put_segments",
    "reset_glands",
    "show_3d",
    "write_volume",
]


@dataclass(frozen=True)
class GlandRow:
    """A gland as it is drawn now: volume in mL, mean HU, middle (R, A, S in mm, in the world); NaN if it is empty."""

    structure: Structure
    volume_ml: float
    mean_hu: float
    centre: tuple[float, float, float]

    @property
    def found(self) -> bool:
        """Whether there is a voxel of it."""
        return self.volume_ml > 0.0


@dataclass(frozen=True)
class Difference:
    """What an edit changed: voxels of the volume that it added and took away, and how large they are in mL."""

    added: int
    removed: int
    voxel_ml: float

    @property
    def added_ml(self) -> float:
        """What was added, mL."""
        return self.added * self.voxel_ml

    @property
    def removed_ml(self) -> float:
        """What was taken away, mL."""
        return self.removed * self.voxel_ml


def is_in_scene(node: Any) -> bool:
    """Whether a node is still in the scene: a result for one that is gone, as when the scene was closed, is dropped."""
    return node is not None and node.GetScene() is slicer.mrmlScene and bool(slicer.mrmlScene.IsNodePresent(node))


def new_segmentation(volume_node: Any, name: str) -> Any:
    """An empty segmentation node on the volume's grid, under its transform and in its study."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", slicer.mrmlScene.GenerateUniqueName(name))
    node.CreateDefaultDisplayNodes()
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    place_beside(node, volume_node)
    return node


def put_segments(
    segmentation_node: Any,
    labels: str | Path | sitk.Image,
    volume_node: Any,
    structures: Sequence[Structure] = PAROTIDS,
    *,
    save_for_undo: Callable[[], object] | None = None,
    is_automatic: bool = True,
) -> None:
    """Put an automatic result into a segmentation; all other segments stay as they are.

    Each structure gets the segment whose ID is its key, made if needed: voxels, name, colour, code; one that was not
    found becomes an empty segment. The segmentation's reference geometry becomes the volume's.

    Args:
        segmentation_node: a new one, or one that a person chose.
        labels: label map on the volume's voxels as they lie in the world: an image, or a file (also .seg.nrrd).
        volume_node: the volume that was segmented.
        save_for_undo: saves the former segments; by default `undo.save_state`.
        is_automatic: whether these contours are what `reset_glands` goes back to.

    Raises:
        ImageError: the label map lies on other voxels, a transform between both nodes bends, or the segmentation's
            master is no label map (as of one loaded from RTSTRUCT).
    """
    image = labels if isinstance(labels, sitk.Image) else read_labels(labels, structures=structures)
    check_on_voxels(image, volume_node)
    check_takes_voxels(segmentation_node, volume_node)
    (save_for_undo or (lambda: undo.save_state(segmentation_node)))()
    array = sitk.GetArrayViewFromImage(image)
    if is_automatic:
        segmentation_node.SetAttribute(undo.RUN, uuid.uuid4().hex)
    _write(segmentation_node, array, volume_node, structures)
    if is_automatic:
        automatic.keep(segmentation_node, array, structures)
    segmentation_node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    place_beside(segmentation_node, volume_node)


def check_takes_voxels(segmentation_node: Any, volume_node: Any) -> None:
    """Refuse a segmentation that `put_segments` cannot write into.

    Raises:
        ImageError: its master is no label map, or a transform between both nodes bends; the text says what to do.
    """
    segmentation = segmentation_node.GetSegmentation()
    binary = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    if segmentation.GetNumberOfSegments() and segmentation.GetSourceRepresentationName() != binary:
        raise ImageError(
            "The chosen segmentation consists of contours or surfaces, and voxels cannot be added to it without "
            "changing them: choose a new segmentation."
        )
    if between(volume_node, segmentation_node) is None:
        raise ImageError(
            "The chosen segmentation is under a transform that bends it: take it out, or choose a new segmentation."
        )


def _write(segmentation_node: Any, labels: np.ndarray, volume_node: Any, structures: Sequence[Structure]) -> None:
    """Write the segments of these structures from label values (z, y, x) of the volume's voxels."""
    segmentation = segmentation_node.GetSegmentation()
    matrix = between(volume_node, segmentation_node) @ index_to_ras(volume_node, world=False)
    segmentation_node.CreateDefaultDisplayNodes()
    display = segmentation_node.GetDisplayNode()
    surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    shows_surfaces = segmentation.ContainsRepresentation(surface)
    # One event at the end: views and tables would otherwise be drawn anew for each step.
    was_modifying = segmentation_node.StartModify()
    try:
        for structure in structures:
            if segmentation.GetSegment(structure.key) is None:
                segmentation.AddEmptySegment(structure.key, structure.name)
            give_array_of_its_own(segmentation, structure.key)
            describe(segmentation.GetSegment(structure.key), structure)
            segmentation.GetSegment(structure.key).SetTag(undo.RUN, segmentation_node.GetAttribute(undo.RUN) or "")
            mask = labels == structure.label
            if mask.any():
                slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(
                    oriented_mask(mask, matrix), segmentation_node, structure.key
                )
            else:
                segmentation.ClearSegment(structure.key)
            display.SetSegmentVisibility(structure.key, True)
        found = [s.key for s in structures if (labels == s.label).any()]
        if len(found) > 1:  # one array for all again: smaller files, and quicker to draw
            segmentation.MergeSegmentLabelmaps(found)
        if shows_surfaces:  # they went with the arrays
            segmentation_node.CreateClosedSurfaceRepresentation()
        display.SetVisibility(True)
    finally:
        segmentation_node.EndModify(was_modifying)


def give_array_of_its_own(segmentation: Any, segment_id: str) -> None:
    """End the sharing of one array by several segments, for this one.

    Slicer also puts a new segment into an array that is there, and would resample the gland to the grid of that array.
    """
    # Not IsSharedBinaryLabelmap: in Slicer 5.11 it says no for segments that do share.
    if len(segmentation.GetSegmentIDsForLayer(segmentation.GetLayerIndex(segment_id))) > 1:
        segmentation.SeparateSegmentLabelmap(segment_id)


def describe(segment: Any, structure: Structure) -> None:
    """Name, colour and code of a segment, with the side."""
    segment.SetName(structure.name)
    segment.SetNameAutoGenerated(False)
    segment.SetColor(*(channel / 255.0 for channel in structure.colour))
    segment.SetColorAutoGenerated(False)
    segment.SetTag(segment.GetTerminologyEntryTagName(), terminology_tag(structure))


def gland_labels(
    segmentation_node: Any, volume_node: Any, structures: Sequence[Structure] = PAROTIDS, *, world: bool = False
) -> sitk.Image:
    """The segments as they are now, as a uint8 label map on the volume's voxels: for files and DICOM.

    Args:
        structures: which; a segment that is missing has no voxel. Where two overlap, the first one has the voxel.
        world: geometry in the world instead of in the volume's own space; the voxels are the same.

    Raises:
        ImageError: the volume's geometry cannot be expressed, see `voxels.volume_image`.
    """
    array = np.zeros(volume_node.GetImageData().GetDimensions()[::-1], np.uint8)
    box, labels = _drawn(segmentation_node, volume_node, structures)
    array[box] = labels
    return with_geometry(array, index_to_ras(volume_node, world=world))


def _drawn(
    segmentation_node: Any, volume_node: Any, structures: Sequence[Structure]
) -> tuple[tuple[slice, slice, slice], np.ndarray]:
    """The segments as they are now: a box of the volume's voxels around them, and the label values (z, y, x) in it.

    Measuring looks at this box alone: a scan has thirty times as many voxels.
    """
    masks = drawn_masks(segmentation_node, volume_node, structures)
    box = box_around(*(box for box, _ in masks.values()))
    labels = np.zeros([side.stop - side.start for side in box], np.uint8)
    for label, (place, mask) in masks.items():
        part = labels[within(place, box)]
        part[mask & (part == 0)] = label
    return box, labels


def drawn_masks(
    segmentation_node: Any, volume_node: Any, structures: Sequence[Structure]
) -> dict[int, tuple[tuple[slice, slice, slice], np.ndarray]]:
    """Each segment that is there, by its label: a box of the volume's voxels, and the mask (z, y, x) in it."""
    return {
        structure.label: mask_on_voxels(segmentation_node, structure.key, volume_node)
        for structure in structures
        if segmentation_node.GetSegmentation().GetSegment(structure.key) is not None
    }


def gland_table(segmentation_node: Any, volume_node: Any, structures: Sequence[Structure] = PAROTIDS) -> list[GlandRow]:
    """Volume, mean HU and middle of each segment as it is now, in the order of the structures.

    Raises:
        ImageError: see `gland_labels`.
    """
    box, array = _drawn(segmentation_node, volume_node, structures)
    hounsfield = slicer.util.arrayFromVolume(volume_node)[box]
    voxel_ml = _voxel_ml(volume_node)
    to_world = index_to_ras(volume_node, world=between(volume_node, None) is not None)
    rows = []
    for structure in structures:
        where = np.nonzero(array == structure.label)
        if not where[0].size:
            rows.append(GlandRow(structure, 0.0, float("nan"), (float("nan"),) * 3))
            continue
        index = np.array([axis.mean() + s.start for axis, s in zip(where[::-1], box[::-1], strict=True)])
        r, a, s = (to_world[:3, :3] @ index + to_world[:3, 3]).tolist()
        rows.append(GlandRow(structure, where[0].size * voxel_ml, float(hounsfield[where].mean()), (r, a, s)))
    return rows


def _voxel_ml(volume_node: Any) -> float:
    """Volume of a voxel in mL.

    Raises:
        ImageError: the axes are not at right angles.
    """
    return float(np.prod(spacing_of(index_to_ras(volume_node, world=False)))) / 1000.0


def edits_ml(
    segmentation_node: Any, volume_node: Any, structures: Sequence[Structure] = PAROTIDS
) -> dict[str, Difference] | None:
    """What edits added to and took from the automatic contours, by structure key; None if none were kept.

    Raises:
        ImageError: see `gland_labels`.
    """
    kept = automatic.kept(segmentation_node, volume_node, structures)
    if kept is None:
        return None
    drawn = _drawn(segmentation_node, volume_node, structures)
    box = box_around(kept[0], drawn[0])
    before, after = (np.zeros([side.stop - side.start for side in box], np.uint8) for _ in range(2))
    before[within(kept[0], box)], after[within(drawn[0], box)] = kept[1], drawn[1]
    voxel_ml = _voxel_ml(volume_node)
    return {
        structure.key: Difference(
            int(np.count_nonzero((after == structure.label) & (before != structure.label))),
            int(np.count_nonzero((before == structure.label) & (after != structure.label))),
            voxel_ml,
        )
        for structure in structures
    }


def automatic_labels(
    segmentation_node: Any, volume_node: Any, structures: Sequence[Structure] = PAROTIDS
) -> sitk.Image | None:
    """The automatic contours that `put_segments` kept, as `gland_labels` gives the present ones; None without any."""
    kept = automatic.kept(segmentation_node, volume_node, structures)
    if kept is None:
        return None
    array = np.zeros(volume_node.GetImageData().GetDimensions()[::-1], np.uint8)
    array[kept[0]] = kept[1]
    return with_geometry(array, index_to_ras(volume_node, world=False))


def is_edited(segmentation_node: Any, volume_node: Any, structures: Sequence[Structure] = PAROTIDS) -> bool:
    """Whether the segments differ from the automatic contours, or there are none of these."""
    edits = edits_ml(segmentation_node, volume_node, structures)
    return edits is None or any(edit.added_ml or edit.removed_ml for edit in edits.values())


def reset_glands(
    segmentation_node: Any,
    volume_node: Any,
    structures: Sequence[Structure] = PAROTIDS,
    *,
    save_for_undo: Callable[[], object] | None = None,
) -> None:
    """Reset the segments of these structures to the automatic contours; the others stay.

    Raises:
        ImageError: no automatic contours were kept for this volume, or see `put_segments`.
    """
    before = automatic_labels(segmentation_node, volume_node, structures)
    if before is None:
        raise ImageError("There is no automatic contour of this volume to go back to: segment it first.")
    check_takes_voxels(segmentation_node, volume_node)
    (save_for_undo or (lambda: undo.save_state(segmentation_node)))()
    _write(segmentation_node, sitk.GetArrayViewFromImage(before), volume_node, structures)


def show_3d(segmentation_node: Any, shown: bool) -> None:
    """Show the segments as surfaces in the 3D views, or no longer."""
    if shown:
        segmentation_node.CreateClosedSurfaceRepresentation()
        segmentation_node.CreateDefaultDisplayNodes()
        segmentation_node.GetDisplayNode().SetVisibility3D(True)
    else:
        segmentation_node.RemoveClosedSurfaceRepresentation()
