"""The difference of two contours in the slice views: a segmentation of its own, for as long as it is wanted.

Until it is kept it is in no list of segmentations and is not saved with the scene. It is no item of the subject
hierarchy either: that would be saved, and be left in the scene without its node.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from ..scene.hierarchy import place_beside
from ..scene.scene import is_in_scene
from ..scene.voxels import Slices, box_around, index_to_ras, oriented_mask, within
from .comparison import Comparison

ONLY_OWN, ONLY_REFERENCE = "only_in_contour", "only_in_reference"
#: Of Okabe and Ito's palette, as the glands': told apart with any colour vision, and from the glands.
COLOURS = {ONLY_OWN: (204, 121, 167), ONLY_REFERENCE: (0, 158, 115)}
_FILL = 0.7


class DifferenceOverlay:
    """The coloured difference of a comparison."""

    def __init__(self) -> None:
        self.node: Any = None

    @property
    def is_shown(self) -> bool:
        """Whether it is there: a person may have deleted it, or closed the scene."""
        return is_in_scene(self.node)

    def show(self, comparison: Comparison) -> None:
        """Show a comparison as it is now, in the place of what was shown before."""
        if not self.is_shown:
            self.node = _new_node()
        volume = comparison.volume
        if self.node.GetTransformNodeID() != volume.GetTransformNodeID():
            self.node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        matrix = index_to_ras(volume, world=False)
        was_modifying = self.node.StartModify()
        try:
            self.node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
            for segment_id in COLOURS:
                box, mask = _difference(comparison, own=segment_id == ONLY_OWN)
                if mask.any():
                    first = [side.start for side in box]
                    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(
                        oriented_mask(mask, matrix, first), self.node, segment_id
                    )
                else:
                    self.node.GetSegmentation().ClearSegment(segment_id)
        finally:
            self.node.EndModify(was_modifying)

    def remove(self) -> None:
        """Take it out of the scene."""
        node, self.node = self.node, None
        if is_in_scene(node):
            display = node.GetDisplayNode()
            slicer.mrmlScene.RemoveNode(node)
            slicer.mrmlScene.RemoveNode(display)  # the scene would keep it

    def keep(self, volume_node: Any) -> Any:
        """Make it a segmentation like any other, which is saved with the scene; what is shown next is another one."""
        node, self.node = self.node, None
        if not is_in_scene(node):
            return None
        node.SetName(slicer.mrmlScene.GenerateUniqueName(_("Differences")))
        for one in (node, node.GetDisplayNode()):
            one.SetSaveWithScene(True)
        node.SetHideFromEditors(False)
        place_beside(node, volume_node)
        return node


def _new_node() -> Any:
    """A hidden node with both segments.

    They are in it before it is in the scene: Slicer looks for the item of a segmentation in the subject hierarchy when
    a segment is added to it later, and complains where there is none.
    """
    node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentationNode")
    node.UnRegister(None)
    node.SetName(_("Differences (not saved)"))
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    names = {ONLY_OWN: _("Only in this contour"), ONLY_REFERENCE: _("Only in the reference")}
    for segment_id, colour in COLOURS.items():
        node.GetSegmentation().AddEmptySegment(segment_id, names[segment_id], [c / 255.0 for c in colour])
    node = slicer.mrmlScene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetSaveWithScene(False)
    display.SetVisibility3D(False)
    for segment_id in COLOURS:
        display.SetSegmentOpacity2DFill(segment_id, _FILL)
    return node


def _difference(comparison: Comparison, *, own: bool) -> tuple[Slices, np.ndarray]:
    """The voxels of all glands that are in the contour alone, or in the reference alone: a box and the mask in it."""
    box = box_around(*(pair.box for pair in comparison.pairs))
    mask = np.zeros([side.stop - side.start for side in box], bool)
    for pair in comparison.pairs:
        here, there = (pair.own, pair.reference) if own else (pair.reference, pair.own)
        mask[within(pair.box, box)] |= here & ~there
    return box, mask
