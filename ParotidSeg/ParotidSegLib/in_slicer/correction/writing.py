"""Glands are written into their segments: one step of undo, and all that is beside them stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import slicer

from ...structures import Structure
from ..scene import undo
from ..scene.scene import check_takes_voxels, describe, give_array_of_its_own
from ..scene.voxels import between, index_to_ras, oriented_mask


def write_glands(
    segmentation_node: Any,
    volume_node: Any,
    masks: Mapping[Structure, np.ndarray],
    *,
    first: Sequence[int],
    segments: Mapping[str, str] | None = None,
) -> None:
    """Write segments as one step of undo; other segments stay, and so do names and colours.

    Args:
        segmentation_node, volume_node: what is written into, and its CT.
        masks: of bools (z, y, x), by structure: parts of the volume that hold all of the gland.
        first: index (z, y, x) of their first voxel.
        segments: the segments' IDs by the structure's key, where they are not the key itself.

    Raises:
        ImageError: as of `check_takes_voxels`; nothing is changed then.
    """
    check_takes_voxels(segmentation_node, volume_node)
    undo.save_step(segmentation_node)
    matrix = between(volume_node, segmentation_node) @ index_to_ras(volume_node, world=False)
    segmentation = segmentation_node.GetSegmentation()
    surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    shows_surfaces = segmentation.ContainsRepresentation(surface)
    was_modifying = segmentation_node.StartModify()
    try:
        for structure, mask in masks.items():
            segment_id = (segments or {}).get(structure.key, structure.key)
            if segmentation.GetSegment(segment_id) is None:
                segmentation.AddEmptySegment(segment_id, structure.name)
                describe(segmentation.GetSegment(segment_id), structure)
            give_array_of_its_own(segmentation, segment_id)
            if mask.any():
                slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(
                    oriented_mask(mask, matrix, first), segmentation_node, segment_id
                )
            else:
                segmentation.ClearSegment(segment_id)
        if shows_surfaces:  # they went with the arrays
            segmentation_node.CreateClosedSurfaceRepresentation()
    finally:
        segmentation_node.EndModify(was_modifying)
