"""Correcting by hand: the embedded Segment Editor, back to the automatic contour, and what was changed.

The editor is at work only while the module is shown and this section is open: its keyboard shortcuts sit on Slicer's
main window, where a stray key would otherwise start to paint, and its tables follow every change of a segment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import slicer
import slicer.util
from slicer.i18n import tr as _

from ...scene import undo
from ...scene.scene import is_in_scene
from .carry_on_rows import CarryOnRows

#: The tools that correct a gland, in this order; the others stay in the Segment Editor module.
EFFECTS = ("Paint", "Draw", "Erase", "Scissors", "Islands", "Smoothing", "Grow from seeds")
BRUSH_MM = 6
_TAG = "ParotidSeg"
#: Attribute of the editor's node: it has had our brush. Slicer gives a node that it resets a brush of its own.
_HAS_BRUSH = "ParotidSeg.brush"


class CorrectSection:
    """The Segment Editor with the tools and defaults that glands need.

    Args:
        ui: the widgets of the panel.
        logic: knows the automatic contours.
    """

    def __init__(self, ui: Any, logic: Any) -> None:
        self._ui, self._logic = ui, logic
        self._node: Any = None
        self._volume: Any = None
        self._drawn: Collection[str] = ()
        self._entered = self._listens = self._is_prepared = False
        editor = ui.segmentEditor
        editor.setEffectNameOrder(list(EFFECTS))
        editor.unorderedEffectsVisible = False
        editor.segmentationNodeSelectorVisible = False
        editor.sourceVolumeNodeSelectorVisible = False
        editor.switchToSegmentationsButtonVisible = False
        editor.autoShowSourceVolumeNode = False  # the views belong to the user
        editor.effectColumnCount = 2  # more make the panel wider than the 400 pixels that it has
        editor.maximumNumberOfUndoStates = 20
        self._carrying = CarryOnRows(ui, logic, editor_node=editor.mrmlSegmentEditorNode)
        ui.resetButton.connect("clicked()", self._reset)
        ui.correctSection.connect("contentsCollapsed(bool)", self._follow)
        editor.connect("currentSegmentIDChanged(QString)", self._show_reset)
        # A run's contours are a step of the editor's own history too: its Undo would otherwise skip them.
        undo.also_saved.append(self._save_state)

    def show(self, node: Any, volume: Any) -> None:
        """Take in a segmentation node (or None) and the CT that it belongs to."""
        self._node, self._volume = node, volume
        self._ui.correctSection.enabled = node is not None
        self._follow()

    def enter(self) -> None:
        """The module is shown."""
        self._entered = True
        self._follow()

    def exit(self) -> None:
        """The module is left: no tool stays active."""
        self._entered = False
        self._follow()

    def release(self) -> None:
        """The scene is closed or another one is loaded: let its nodes go.

        As in Slicer's own module the segmentation goes, and the editor's node stays: the widget tidies up by it.
        """
        self._node = self._volume = None
        self._carrying.release()
        self._end_listening()
        self._ui.segmentEditor.setSegmentationNode(None)

    def cleanup(self) -> None:
        """The module is unloaded."""
        self._entered = False
        self.release()
        self._ui.segmentEditor.setMRMLSegmentEditorNode(None)
        if self._save_state in undo.also_saved:
            undo.also_saved.remove(self._save_state)

    @property
    def _is_at_work(self) -> bool:
        is_open = self._entered and not self._ui.correctSection.collapsed
        return is_open and is_in_scene(self._node) and not slicer.mrmlScene.IsClosing()

    def _follow(self, *_arguments: object) -> None:
        """Attach the editor while it is at work, and only then measure what was changed."""
        if not self._is_at_work:
            self._end_listening()
            if self._edited() not in (None, self._node):
                self._ui.segmentEditor.setSegmentationNode(None)
            return
        with _label_layers_kept():
            self._attach()
        if not self._listens:
            self._listens = True
            self._ui.segmentEditor.installKeyboardShortcuts()
        self._carrying.show(self._node)
        self._show_difference()
        self._show_reset()

    def _attach(self) -> None:
        """Let the editor edit the chosen node; where that is new to it, with the defaults that glands need."""
        editor, node = self._ui.segmentEditor, _editor_node()
        if editor.mrmlSegmentEditorNode() is not node:
            editor.setMRMLSegmentEditorNode(node)
            self._is_prepared = False
        if node.GetSegmentationNode() is not self._node:
            editor.setSegmentationNode(self._node)
            self._is_prepared = False
        if node.GetSourceVolumeNode() is not self._volume:
            editor.setSourceVolumeNode(self._volume)
        if self._is_prepared:
            return
        self._is_prepared = True
        editor.setActiveEffect(None)  # a scene that was saved while somebody painted brings the tool back
        # Painting a gland must not eat into the user's other segments. The node outlives its scene, but whenever one is
        # closed Slicer resets it: then it would overwrite.
        node.SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteNone)
        if node.GetAttribute(_HAS_BRUSH) is None:
            node.SetAttribute(_HAS_BRUSH, "1")
            for name in ("Paint", "Erase"):
                effect = editor.effectByName(name)
                if effect is not None:
                    effect.setCommonParameter("BrushDiameterIsRelative", 0)
                    effect.setCommonParameter("BrushAbsoluteDiameter", BRUSH_MM)

    def _end_listening(self) -> None:
        """No tool, no key and no click in a view edits any more."""
        self._listens = False
        editor = self._ui.segmentEditor
        editor.setActiveEffect(None)
        editor.uninstallKeyboardShortcuts()
        editor.removeViewObservations()

    def _edited(self) -> Any:
        """The segmentation that the editor edits, or None."""
        node = self._ui.segmentEditor.mrmlSegmentEditorNode()
        return node.GetSegmentationNode() if node is not None else None

    def _save_state(self, node: Any) -> bool:
        """Save a state of the node in the editor's history; whether the editor edits that node."""
        edits = node is not None and self._edited() is node
        if edits:
            self._ui.segmentEditor.saveStateForUndo()
        return edits

    def _show_difference(self) -> None:
        """Say what the corrections added and removed."""
        changes = self._logic.differences(self._node)
        self._drawn = changes.keys()
        text = _("{gland}: {added} mL added ({more} voxels), {removed} mL removed ({fewer} voxels).")
        lines = [
            text.format(
                gland=structure.name,
                added=f"{change.added_ml:.1f}",
                more=change.added,
                removed=f"{change.removed_ml:.1f}",
                fewer=change.removed,
            )
            for structure in (self._logic.structures(self._node) if changes else ())
            for change in [changes[structure.key]]
            if change.added or change.removed
        ]
        if changes and not lines:
            lines = [_("The contours are as the model drew them.")]
        self._ui.differenceLabel.text = "\n".join(lines)
        self._ui.differenceLabel.visible = bool(lines)

    def _selected_gland(self) -> str:
        """The key of the gland whose segment is selected, if there is an automatic contour of it; else empty."""
        selected = self._ui.segmentEditor.currentSegmentID() if self._is_at_work else ""
        return selected if selected in self._drawn else ""

    def _show_reset(self, *_arguments: object) -> None:
        possible = bool(self._selected_gland())
        self._ui.resetButton.enabled = possible
        self._ui.resetButton.toolTip = (
            _("Bring the selected gland back to the contour that the model drew; Undo above takes this back.")
            if possible
            else _("Select a gland above that the model has drawn.")
        )

    def _reset(self) -> None:
        gland = self._selected_gland()
        if gland:
            self._logic.resetGland(self._node, gland)


def _editor_node() -> Any:
    """The editor's own parameter node of this module, saved with the scene."""
    node = slicer.mrmlScene.GetSingletonNode(_TAG, "vtkMRMLSegmentEditorNode")
    if node is None:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
        node.UnRegister(None)
        node.SetSingletonTag(_TAG)
        node = slicer.mrmlScene.AddNode(node)
    return node


@contextmanager
def _label_layers_kept() -> Iterator[None]:
    """The editor empties the label layer of every slice view: put back what the user has there."""
    shown = [
        (composite, composite.GetLabelVolumeID())
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    ]
    yield
    for composite, label in shown:
        if composite.GetLabelVolumeID() != label:
            composite.SetLabelVolumeID(label)
