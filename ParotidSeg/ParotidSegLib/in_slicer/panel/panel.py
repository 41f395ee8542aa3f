"""The behaviour of the panel: its sections, and what binds them to the parameter node and the scene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt
import slicer
import slicer.util
from slicer.util import VTKObservationMixin

from ...errors import ImageError
from ...structures import Structure
from ..running.several import scans_of_scene
from ..scene import undo
from ..scene.scene import GlandRow, gland_table
from ..showing.views import LentViews
from .compare.compare_section import CompareSection
from .correct.correct_section import CorrectSection
from .export_section import ExportSection
from .model_choice import ModelChoice
from .own_widgets import own_widgets, parameter_widgets
from .review.appearance_row import AppearanceRow
from .review.review_section import ReviewSection
from .review.reviewed_marks import ReviewedMarks
from .run_section import RunSection
from .several_section import SeveralSection

#: Measuring waits until nothing has changed for this long: a stroke of the brush changes a segment many times.
MEASURE_AFTER_MS = 300
_MOVED = slicer.vtkMRMLTransformableNode.TransformModifiedEvent
#: Each says what no other one does: of a segment that is taken away only SegmentRemoved tells.
_SEGMENT_EVENTS = ("SourceRepresentationModified", "SegmentModified", "SegmentAdded", "SegmentRemoved")
_VOLUME_EVENTS = (slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent, _MOVED, "ModifiedEvent")


class ParotidSegPanel(VTKObservationMixin):
    """What happens in the panel.

    Args:
        root: the widget of the .ui file.
        logic: of the module.
    """

    def __init__(self, root: Any, logic: Any) -> None:
        super().__init__()
        self.logic = logic
        self.root = root
        self.ui = own_widgets(root)
        # A ParotidSegParameters, to which Slicer's decorator adds methods; None while the scene is closed.
        self.parameters: Any = None
        self._gui = 0
        self._is_shown = False
        self._is_stale = True  # whether something has changed since the glands were measured
        self._watched: list[tuple[Any, Any, Any]] = []
        # Apart from the panel's own: Slicer's mix-in lets no node go that was observed once, until all are let go.
        self._watch_of_nodes = VTKObservationMixin()
        self._measured_nodes: tuple[Any, Any] | None = None
        root.setMRMLScene(slicer.mrmlScene)
        self.models = ModelChoice(self.ui, self._choose_bundle)
        self.run = RunSection(
            self.ui,
            logic,
            self.models,
            done=self._result_is_there,
            changed=self._run_has_changed,
        )
        self.several = SeveralSection(self.ui, logic, self.run, self.models, choose=self._choose_nodes)
        self.review = ReviewSection(self.ui, logic)
        self.appearance, self.marks = AppearanceRow(self.ui), ReviewedMarks(self.ui)
        self.correct = CorrectSection(self.ui, logic)
        self.compare = CompareSection(self.ui, logic)
        self._views = LentViews()
        self.export = ExportSection(self.ui, logic, self.run)
        self._later = qt.QTimer()
        self._later.setSingleShot(True)
        self._later.setInterval(MEASURE_AFTER_MS)
        self._later.connect("timeout()", self._measure_what_is_seen)
        self.ui.reviewSection.connect("contentsCollapsed(bool)", self._section_is_folded)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._scene_starts_to_close)
        self.addObserver(scene, scene.EndCloseEvent, self._scene_is_closed)
        self.addObserver(scene, scene.EndImportEvent, self._scene_is_loaded)
        self.attach()

    # --- life -----------------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """The module is shown."""
        self._is_shown = True
        self.attach()
        self.correct.enter()
        self.compare.enter()
        self._measure_what_is_seen()

    def exit(self) -> None:
        """The module is left; a run goes on."""
        self._is_shown = False
        self._views.give_back()
        self.correct.exit()
        self.compare.exit()

    def cleanup(self) -> None:
        """The module is unloaded."""
        self.run.abandon()
        self.exit()
        self._detach()
        self.correct.cleanup()
        self.compare.release()
        self._later.stop()
        self.several.release()
        self.appearance.show(None, ())
        self._watch(None, None)
        self.removeObservers()

    def attach(self) -> None:
        """Bind the widgets to the parameter node of the scene, and choose what can be chosen without asking."""
        if self.parameters is None:
            self.parameters = self.logic.getParameterNode()
            # Not connectGui: it gives no tag back with which the widgets could be let go.
            self._gui = self.parameters.connectParametersToGui(parameter_widgets(self.ui))
            self.addObserver(self.parameters.parameterNode, "ModifiedEvent", self.refresh)
            self._measured_nodes = None
        if self.parameters.inputVolume is None:
            self.parameters.inputVolume = next(iter(scans_of_scene()), None)
        self.refresh()

    def _detach(self) -> None:
        if self.parameters is not None:
            self.parameters.disconnectGui(self._gui)
            self.removeObserver(self.parameters.parameterNode, "ModifiedEvent", self.refresh)
        self.parameters = None

    # --- what is shown ----------------------------------------------------------------------------------------------

    def refresh(self, *_arguments: object) -> None:
        """Bring everything to what the parameters say."""
        if self.parameters is not None:
            self.models.show(self.parameters)
            self._watch(self.parameters.inputVolume, self.parameters.outputSegmentation)
        self._show_ct()
        self.run.show(self.parameters)
        self.several.show(self.parameters)
        self.export.show(self.parameters)
        self.compare.show(self.parameters, *self._nodes())
        if self._nodes() != self._measured_nodes:  # a folder that is typed changes no gland
            self._measure_soon()

    def measure(self) -> None:
        """Measure the glands, and show what follows from it in the sections that are open."""
        self._later.stop()
        self._is_stale = False
        node, volume = self._measured_nodes = self._nodes()
        structures = self.logic.structures(node) if node is not None else ()
        if node is not None:
            undo.follow(node, structures)
        if not self.ui.reviewSection.collapsed:
            rows = _measured(node, volume, structures)
            self.review.show(node, rows)
            listed = [row.structure for row in rows]
            self.appearance.show(node, listed)
            self.marks.show(node, volume, listed)
        self.correct.show(node, volume)
        self.compare.show(self.parameters, node, volume)

    def _measure_soon(self, *_arguments: object) -> None:
        """Measure once nothing has changed for a while."""
        self._is_stale = True
        self.compare.pause()
        self._later.start()

    def _measure_what_is_seen(self) -> None:
        """Measure what has changed, unless nobody sees it: then `enter` does."""
        if self._is_shown and self._is_stale:
            self.measure()

    def _section_is_folded(self, folded: bool) -> None:
        if not folded:
            self._is_stale = True
            self._measure_what_is_seen()

    def _show_ct(self) -> None:
        """Let the slice views show the chosen CT, while the module is shown."""
        if self._is_shown and self.parameters is not None:
            self._views.show(self.parameters.inputVolume)

    def _nodes(self) -> tuple[Any, Any]:
        """The segmentation and the CT that are chosen now."""
        if self.parameters is None:
            return None, None
        return self.parameters.outputSegmentation, self.parameters.inputVolume

    def _watch(self, volume: Any, segmentation: Any) -> None:
        """Follow the changes of the nodes that are chosen now, and of no others."""
        kinds = slicer.vtkSegmentation
        wanted = [
            *((volume, event, self._volume_changed) for event in _VOLUME_EVENTS if volume is not None),
            *(
                (segmentation, event, self._measure_soon)
                for event in (*(getattr(kinds, name) for name in _SEGMENT_EVENTS), _MOVED)
                if segmentation is not None
            ),
        ]
        if wanted != self._watched:
            self._watch_of_nodes.removeObservers()
            for watched in wanted:
                self._watch_of_nodes.addObserver(*watched)
            self._watched = wanted

    def _volume_changed(self, *_arguments: object) -> None:
        # A volume is in the scene before it has an image, and may be put under a transform later.
        self._show_ct()
        self.run.show(self.parameters)
        self._measure_soon()

    # --- what happens -------------------------------------------------------------------------------------------------

    def _choose_bundle(self, bundle: str) -> None:
        if self.parameters is not None:
            self.parameters.bundle = bundle

    def _result_is_there(self, node: Any) -> None:
        assert self.parameters is not None
        self.parameters.outputSegmentation = node
        self._is_stale = True
        self._measure_what_is_seen()

    def _run_has_changed(self) -> None:
        self.several.show(self.parameters)
        self.export.show(self.parameters)

    def _choose_nodes(self, volume: Any, segmentation: Any) -> None:
        assert self.parameters is not None
        self.parameters.inputVolume, self.parameters.outputSegmentation = volume, segmentation
        self._measure_what_is_seen()

    def _scene_starts_to_close(self, *_arguments: object) -> None:
        self.run.abandon()
        self._views.forget()
        self._watch(None, None)
        self.correct.release()
        self.compare.release()
        self._detach()
        self.appearance.show(None, ())
        self.marks.show(None, None, ())
        self.run.show(None)
        self.several.show(None)

    def _scene_is_closed(self, *_arguments: object) -> None:
        undo.forget_gone()
        self.attach()

    def _scene_is_loaded(self, *_arguments: object) -> None:
        self.correct.release()
        self.compare.release()
        self._detach()
        self._views.forget()  # the views are those of the loaded scene now
        self.attach()


def _measured(node: Any, volume: Any, structures: Sequence[Structure]) -> list[GlandRow]:
    """The glands as they are drawn now; none where none was drawn, or where they cannot be measured in this volume."""
    if node is None or volume is None or volume.GetImageData() is None:
        return []
    if not any(node.GetSegmentation().GetSegment(structure.key) for structure in structures):
        return []
    try:
        return gland_table(node, volume, structures)
    except ImageError:
        return []
