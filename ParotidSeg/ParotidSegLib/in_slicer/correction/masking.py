"""Where the Segment Editor lets a segment change: its masking, which counts for what is carried on as for a stroke."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer

from ..scene.voxels import mask_on_voxels, within
from .cutout import Cutout


def editable(cutout: Cutout, segmentation_node: Any, volume_node: Any, key: str, editor_node: Any) -> np.ndarray:
    """Where this segment may change, as bools (z, y, x) that fit to the cutout.

    As Slicer's effects do it: inside or outside of the segments that the mask names, within the range of intensity.
    Other segments are never erased here; where the editor's mode keeps segments from overlapping, none is covered.

    Args:
        cutout: the part of the volume.
        segmentation_node, volume_node: where it is from.
        key: of the segment.
        editor_node: the editor's parameter node; None: everywhere.
    """
    allowed = np.ones(sitk.GetArrayViewFromImage(cutout.image).shape, bool)
    if editor_node is None:
        return allowed
    kinds, mode = slicer.vtkMRMLSegmentationNode, editor_node.GetMaskMode()
    ids = list(segmentation_node.GetSegmentation().GetSegmentIDs())
    shown = [one for one in ids if segmentation_node.GetDisplayNode().GetSegmentVisibility(one)]
    others, shown_others = ([one for one in some if one != key] for some in (ids, shown))

    def union(segments: Collection[str]) -> np.ndarray:
        found = np.zeros(allowed.shape, bool)
        for segment in segments:
            found |= _mask(cutout, segmentation_node, volume_node, segment)
        return found

    if mode == kinds.EditAllowedInsideAllSegments:
        allowed &= union(ids)
    elif mode == kinds.EditAllowedInsideVisibleSegments:
        allowed &= union(shown)
    elif mode == kinds.EditAllowedInsideSingleSegment:
        allowed &= union([one for one in ids if one == editor_node.GetMaskSegmentID()])
    elif mode == kinds.EditAllowedOutsideAllSegments:
        allowed &= ~union(others)
    elif mode == kinds.EditAllowedOutsideVisibleSegments:
        allowed &= ~union(shown_others)
    overwrite = editor_node.GetOverwriteMode()
    if overwrite != editor_node.OverwriteNone:
        allowed &= ~union(others if overwrite == editor_node.OverwriteAllSegments else shown_others)
    if editor_node.GetSourceVolumeIntensityMask():
        least, most = editor_node.GetSourceVolumeIntensityMaskRange()
        values = sitk.GetArrayViewFromImage(cutout.image)
        allowed &= (values >= least) & (values <= most)
    return allowed


def _mask(cutout: Cutout, segmentation_node: Any, volume_node: Any, segment_id: str) -> np.ndarray:
    """A segment (z, y, x) on the voxels of the cutout."""
    place, mask = mask_on_voxels(segmentation_node, segment_id, volume_node)
    whole = np.zeros(sitk.GetArrayViewFromImage(cutout.image).shape, bool)
    overlap = [
        slice(max(side.start, part.start), min(side.stop, part.stop))
        for side, part in zip(place, cutout.box, strict=True)
    ]
    z, y, x = overlap
    if all(side.start < side.stop for side in overlap):
        whole[within((z, y, x), cutout.box)] = mask[within((z, y, x), place)]
    return whole
