"""Correcting by hand: the embedded Segment Editor, back to the automatic contour, and what was changed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import slicer
from slicer.i18n import tr as _

#: The tools that correct a gland, in this order; the others stay in the Segment Editor module.
EFFECTS = ("Paint", "Draw", "Erase", "Scissors", "Islands", "Smoothing", "Grow from seeds")
BRUSH_MM = 6
_TAG = "ParotidSeg"


class CorrectSection:
    """The Segment Editor with the tools and defaults that glands need.

    Args:
        ui: the widgets of the panel.
        logic: knows the automatic contours.
    """

    def __init__(self, ui: Any, logic: Any) -> None:
        self._ui, self._logic = ui, logic
        self._node: Any = None
        self._drawn: Collection[str] = ()
        editor = ui.segmentEditor
        editor.setEffectNameOrder(list(EFFECTS))
        editor.unorderedEffectsVisible = False
        editor.segmentationNodeSelectorVisible = False
        editor.sourceVolumeNodeSelectorVisible = False
        editor.switchToSegmentationsButtonVisible = False
        editor.autoShowSourceVolumeNode = False  # the views belong to the user
        editor.effectColumnCount = 4
        editor.maximumNumberOfUndoStates = 20
        ui.resetButton.connect("clicked()", self._reset)
        editor.connect("currentSegmentIDChanged(QString)", self._show_reset)

    def show(self, node: Any, volume: Any) -> None:
        """Take in a segmentation node (or None) and the CT that it belongs to."""
        self._node = node
        self._ui.correctSection.enabled = node is not None
        if slicer.mrmlScene.IsClosing():
            return
        self._use_editor_node()
        editor = self._ui.segmentEditor
        if editor.segmentationNode() is not node:
            editor.setSegmentationNode(node)
        if editor.sourceVolumeNode() is not volume:
            editor.setSourceVolumeNode(volume)
        self._show_difference()
        self._show_reset()

    def _show_difference(self) -> None:
        """Say what the corrections added and removed."""
        changes = self._logic.differences(self._node) if self._node is not None else {}
        self._drawn = changes.keys()
        text = _("{gland}: {added} mL added, {removed} mL removed.")
        lines = [
            text.format(gland=structure.name, added=f"{added:.1f}", removed=f"{removed:.1f}")
            for structure in (self._logic.structures(self._node) if changes else ())
            for added, removed in [changes[structure.key]]
            if added or removed
        ]
        if changes and not lines:
            lines = [_("The contours are as the model drew them.")]
        self._ui.differenceLabel.text = "\n".join(lines)
        self._ui.differenceLabel.visible = bool(lines)

    def enter(self) -> None:
        """The module is shown: the editor listens to the views."""
        self._ui.segmentEditor.setupViewObservations()
        self._ui.segmentEditor.installKeyboardShortcuts()

    def exit(self) -> None:
        """The module is left: no tool stays active."""
        editor = self._ui.segmentEditor
        if editor.mrmlSegmentEditorNode() is not None:
            editor.setActiveEffect(None)
        editor.uninstallKeyboardShortcuts()
        editor.removeViewObservations()

    def release(self) -> None:
        """The scene is closed: let its nodes go."""
        self._node = None
        self._ui.segmentEditor.setMRMLSegmentEditorNode(None)

    def _use_editor_node(self) -> None:
        """The editor's own parameter node of this module, saved with the scene."""
        node = slicer.mrmlScene.GetSingletonNode(_TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)
            node.SetSingletonTag(_TAG)
            # Painting a gland must not eat into the user's other segments.
            node.SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteNone)
            node = slicer.mrmlScene.AddNode(node)
        if self._ui.segmentEditor.mrmlSegmentEditorNode() is node:
            return
        self._ui.segmentEditor.setMRMLSegmentEditorNode(node)
        for name in ("Paint", "Erase"):
            effect = self._ui.segmentEditor.effectByName(name)
            if effect is not None:
                effect.setCommonParameter("BrushDiameterIsRelative", 0)
                effect.setCommonParameter("BrushAbsoluteDiameter", BRUSH_MM)

    def _selected_gland(self) -> str:
        """The key of the gland whose segment is selected, if there is an automatic contour of it; else empty."""
        selected = self._ui.segmentEditor.currentSegmentID() if self._node is not None else ""
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
            self._ui.segmentEditor.saveStateForUndo()
            self._logic.resetGland(self._node, gland)
