"""Comparing: the contours beside a reference, while this section is open and the module is shown.

A stroke of the brush must not wait for figures. So nothing is measured while contours change; once they have been left
alone for a while the masks are taken, and the figures follow bit by bit, each a turn of the event loop of its own. What
has not been measured yet stands in the table as such.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ....errors import ParotidSegError
from ....files.json_text import parse_json
from ...comparing.choosing import gland_segments
from ...comparing.comparison import Comparison
from ...comparing.dose_plot import DosePlot
from ...comparing.overlay import DifferenceOverlay
from ...comparing.regions import Point, next_region
from ...parameters import ParotidSegParameters
from ...scene.scene import is_in_scene
from ..review.review_section import jump_to
from ..styles import PROBLEM_STYLE
from .figures_table import FiguresTable
from .segment_rows import SegmentRows

#: Comparing waits until the panel has measured, and nothing has changed for this long after it.
COMPARE_AFTER_MS = 200
_MOVED = slicer.vtkMRMLTransformableNode.TransformModifiedEvent
_SEGMENT_EVENTS = ("SourceRepresentationModified", "SegmentModified", "SegmentAdded", "SegmentRemoved")


class CompareSection(VTKObservationMixin):
    """What happens in the section.

    Args:
        ui: the widgets of the panel.
        logic: compares.
    """

    def __init__(self, ui: Any, logic: Any) -> None:
        super().__init__()
        self._ui, self._logic = ui, logic
        self._parameters: ParotidSegParameters | None = None
        self._entered = False
        self._nodes: tuple[Any, ...] = (None,) * 4  # segmentation, CT, reference, dose
        self._watched: tuple[Any, ...] = (None, None)
        self._comparison: Comparison | None = None
        self._steps: Iterator[None] = iter(())
        self._seen: list[tuple[str, Point]] = []
        self._loaded: dict[str, Sequence[str]] = {}  # what is to be said of a reference that was loaded here, by its ID
        self.overlay, self.plot = DifferenceOverlay(), DosePlot()
        self.rows = SegmentRows(ui, choose=self._choose_segment, take_over=self._take_over)
        self.table = FiguresTable(ui)
        self._later = _timer(COMPARE_AFTER_MS, self._compare)
        self._soon = _timer(0, self._step)
        ui.compareSection.connect("contentsCollapsed(bool)", self._is_folded)
        ui.showDifferencesCheckBox.connect("toggled(bool)", self._show_overlay)
        ui.keepDifferencesButton.connect("clicked()", self._keep_overlay)
        ui.loadReferenceButton.connect("clicked()", self._load)
        ui.dosePlotButton.connect("toggled(bool)", self._show_plot)
        ui.nextDifferenceButton.connect("clicked()", self._next)
        self._clear()

    # --- life ------------------------------------------------------------------------------------------------------

    def show(self, parameters: ParotidSegParameters | None, node: Any, volume: Any) -> None:
        """Take in what is compared (None while the scene is closed), and compare it once the event loop is free."""
        self._parameters = parameters
        reference = parameters.referenceSegmentation if parameters is not None else None
        former = self._nodes
        dose = parameters.doseVolume if parameters is not None else None
        self._nodes = (node, volume, reference, dose)
        if reference is not former[2] and former[2] is not None and parameters is not None:
            parameters.referenceSegments = ""  # it was chosen for another reference
        if self._nodes != former:
            self._seen = []
            self._tell_place("")
        self._follow()

    def enter(self) -> None:
        """The module is shown."""
        self._entered = True
        self._follow()

    def exit(self) -> None:
        """The module is left: what is shown of the comparison goes."""
        self._entered = False
        self._follow()

    def release(self) -> None:
        """The scene is closed or another one is loaded: let its nodes go."""
        self._parameters, self._nodes, self._seen = None, (None,) * 4, []
        self._loaded = {}
        self._follow()

    def pause(self) -> None:
        """Contours are changing: measure nothing until they are left alone, and `show` says so."""
        self._later.stop()
        self._soon.stop()

    @property
    def is_busy(self) -> bool:
        """Whether something is still to be measured."""
        return bool(self._later.active or self._soon.active)

    @property
    def _is_at_work(self) -> bool:
        is_open = self._entered and not self._ui.compareSection.collapsed
        return is_open and self._parameters is not None and not slicer.mrmlScene.IsClosing()

    def _is_folded(self, _folded: bool) -> None:
        self._follow()

    def _follow(self) -> None:
        """Compare soon while the section is at work; else nothing of it stays in the scene."""
        if self._is_at_work:
            self._watch(*self._nodes[2:])
            self._later.start()
            return
        self.pause()
        self._watch()
        self._comparison, self._steps = None, iter(())
        self._clear()

    def _watch(self, reference: Any = None, dose: Any = None) -> None:
        """Follow the changes of reference and dose; those of contours and CT the panel tells."""
        watched = (reference, dose)
        if watched == self._watched:
            return
        self.removeObservers()
        self._watched = watched
        of_segments = [getattr(slicer.vtkSegmentation, name) for name in _SEGMENT_EVENTS]
        of_volume = [slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent, "ModifiedEvent"]
        for node, events in ((reference, of_segments), (dose, of_volume)):
            for event in (*events, _MOVED) if node is not None else ():
                self.addObserver(node, event, self._changed)

    def _changed(self, *_arguments: object) -> None:
        self._soon.stop()
        self._later.start()

    # --- comparing -------------------------------------------------------------------------------------------------

    def _compare(self) -> None:
        """Take the masks as they are now, show what is known, and begin to measure the rest."""
        node, volume, reference, dose = self._nodes
        if not self._is_at_work or self._parameters is None:
            return
        structures = self._logic.structures(node) if is_in_scene(node) else ()
        chosen = _chosen(self._parameters)
        self.rows.show(reference, structures, {**gland_segments(reference, structures), **chosen} if reference else {})
        try:
            self._comparison = self._logic.compare(
                node, reference, volumeNode=volume, doseNode=dose, segments=chosen, former=self._comparison
            )
        except ParotidSegError as error:
            self._comparison = None
            self._clear(keep_rows=True)
            self._tell(str(error), is_problem=reference is not None)
            return
        self.rows.show(reference, structures, self._comparison.segments)
        self.rows.allow([pair.structure.key for pair in self._comparison.pairs if pair.reference.any()])
        self._tell("\n".join(self._remarks()))
        for widget in (self._ui.overlayRow, self._ui.nextDifferenceButton):
            widget.visible = True
        self._show_overlay()
        self.table.show(self._comparison.figures)
        self._steps = self._comparison.steps()
        self._soon.start()

    def _step(self) -> None:
        """Measure one bit more."""
        if self._comparison is None:
            return
        if next(self._steps, self._comparison) is not self._comparison:
            self._soon.start()
        else:
            self._tell("\n".join(self._remarks()))
        self.table.show(self._comparison.figures)
        self._show_plot()

    def _remarks(self) -> list[str]:
        assert self._comparison is not None
        return [*self._loaded.get(self._comparison.reference.GetID(), ()), *self._comparison.remarks()]

    def _present(self) -> Comparison | None:
        """The comparison as the contours are this very moment; None, and a sentence, if there is nothing to compare."""
        if self._is_at_work:
            self._compare()
        return self._comparison

    # --- what happens ------------------------------------------------------------------------------------------------

    def _load(self) -> None:
        node, volume = self._nodes[:2]
        if self._parameters is None:
            return
        path = qt.QFileDialog.getOpenFileName(
            self._ui.compareSection,
            _("Load contours"),
            "",
            _("Contours (*.dcm *.nrrd *.nii *.nii.gz *.mha *.mhd);;All files (*)"),
        )
        if not path:
            return
        try:
            loaded, remarks = self._logic.loadReference(path, volume, node if is_in_scene(node) else None)
        except ParotidSegError as error:
            self._tell(str(error), is_problem=True)
            return
        self._parameters.referenceSegmentation = loaded
        self._loaded = {loaded.GetID(): remarks}
        self._compare()

    def _choose_segment(self, key: str, segment_id: str) -> None:
        assert self._parameters is not None
        self._parameters.referenceSegments = json.dumps({**_chosen(self._parameters), key: segment_id})
        self._seen = []
        self._tell_place("")
        self._compare()

    def _take_over(self, key: str) -> None:
        comparison = self._present()
        if comparison is None:
            return
        try:
            self._logic.takeOver(comparison, key)
        except ParotidSegError as error:
            self._tell(str(error), is_problem=True)

    def _show_overlay(self, *_arguments: object) -> None:
        wanted = bool(self._ui.showDifferencesCheckBox.checked)
        if wanted and self._comparison is not None and self._is_at_work:
            self.overlay.show(self._comparison)
        else:
            self.overlay.remove()
        self._ui.keepDifferencesButton.enabled = self.overlay.is_shown

    def _show_plot(self, *_arguments: object) -> None:
        """Show the curves if they are wanted and there are any; while they are measured the former ones stay."""
        button, figures = self._ui.dosePlotButton, self._comparison.figures if self._comparison is not None else []
        has_dose = self._comparison is not None and self._comparison.dosing.dose is not None
        button.enabled = has_dose
        if not (button.checked and has_dose and self._is_at_work):
            self.plot.remove()
        elif all(one.doses is not None for one in figures):
            self.plot.show(figures)

    def _keep_overlay(self) -> None:
        kept = self.overlay.keep(self._nodes[1])
        if kept is not None:
            self._ui.showDifferencesCheckBox.checked = False
            self._tell_place(_("Kept as the segmentation “{name}”.").format(name=kept.GetName()))

    def _next(self) -> None:
        comparison = self._present()
        if comparison is None:
            return
        found = next_region(comparison, self._seen)
        if found is None:
            text = _("Every place of difference was shown; the next click begins anew.") if self._seen else ""
            self._tell_place(text or _("No place differs by more than 2 mm."))
            self._seen = []
            return
        self._seen.append((found.structure.key, found.point))
        jump_to(found.point)
        self._tell_place(found.sentence())

    # --- what is shown -----------------------------------------------------------------------------------------------

    def _clear(self, *, keep_rows: bool = False) -> None:
        self.table.show(())
        self._show_plot()
        self.overlay.remove()
        for widget in (self._ui.overlayRow, self._ui.nextDifferenceButton, self._ui.compareTableLabel):
            widget.visible = False
        self._tell("")
        self._tell_place("")
        self.rows.allow(())
        if not keep_rows:
            self.rows.show(None, (), {})

    def _tell(self, text: str, *, is_problem: bool = False) -> None:
        label = self._ui.compareLabel
        label.text, label.visible = text, bool(text)
        label.styleSheet = PROBLEM_STYLE if is_problem else ""

    def _tell_place(self, text: str) -> None:
        self._ui.differencePlaceLabel.text, self._ui.differencePlaceLabel.visible = text, bool(text)


def _chosen(parameters: ParotidSegParameters) -> dict[str, str]:
    """What a person has chosen: the reference's segments by the structure's key."""
    try:
        chosen = parse_json(parameters.referenceSegments or "{}")
        return {str(key): str(one) for key, one in chosen.items()}
    except (ValueError, AttributeError):  # a scene that someone else changed
        return {}


def _timer(milliseconds: int, call: Any) -> Any:
    timer = qt.QTimer()
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.connect("timeout()", call)
    return timer
