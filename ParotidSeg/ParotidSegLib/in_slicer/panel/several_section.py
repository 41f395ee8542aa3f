"""Several CTs: a table with ticks, and a button that segments the ticked ones one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..parameters import ParotidSegParameters, run_options
from ..running.several import SeveralRuns, contours_of, scans_of_scene
from .model_choice import ModelChoice
from .run_section import RunSection

#: More CTs than this are scrolled.
MOST_ROWS = 6
ROW_HEIGHT = 24


class SeveralSection(VTKObservationMixin):
    """The CTs of the scene with what became of them.

    Args:
        ui: the widgets of the panel.
        logic: starts the worker.
        run: shows the work with its bar and its button.
        models: the choice of the model.
        choose: called with a CT and its segmentation, or None, to review them.
    """

    def __init__(
        self, ui: Any, logic: Any, run: RunSection, models: ModelChoice, *, choose: Callable[[Any, Any], None]
    ) -> None:
        super().__init__()
        self._ui, self._logic, self._run, self._models, self._choose = ui, logic, run, models, choose
        self._parameters: ParotidSegParameters | None = None
        self._volumes: list[Any] = []
        #: What a person has ticked or not, and why a CT failed, by the volume's ID.
        self._ticks: dict[str, bool] = {}
        self._problems: dict[str, str] = {}
        ui.severalButton.connect("clicked()", self.press)
        table = ui.severalTable
        table.setColumnCount(2)
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        table.horizontalHeader().setSectionResizeMode(1, qt.QHeaderView.ResizeToContents)
        table.viewport().setAutoFillBackground(False)  # on a dark theme no empty tick box is seen on a table's black
        table.horizontalHeader().setVisible(False)
        table.verticalHeader().setVisible(False)
        table.connect("itemChanged(QTableWidgetItem*)", self._ticked)
        table.connect("cellDoubleClicked(int,int)", self._review)
        ui.severalSection.connect("contentsCollapsed(bool)", lambda _collapsed: self.fill())
        scene = slicer.mrmlScene
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent):
            self.addObserver(scene, event, lambda *_: self.fill())

    def show(self, parameters: ParotidSegParameters | None) -> None:
        """Take in the parameters; None while the scene is closed."""
        self._parameters = parameters
        if parameters is None:
            self._ticks.clear()
            self._problems.clear()
        self.fill()

    def release(self) -> None:
        """The module is unloaded."""
        self.removeObservers()

    def fill(self) -> None:
        """List the CTs that are in the scene now."""
        scene = slicer.mrmlScene
        if scene.IsImporting():
            return
        # What nobody sees keeps no volume from going.
        listed = self._parameters is not None and not self._ui.severalSection.collapsed and not scene.IsClosing()
        self._volumes = scans_of_scene() if listed else []
        table = self._ui.severalTable
        table.blockSignals(True)
        table.setRowCount(len(self._volumes))
        for row, volume in enumerate(self._volumes):
            self._fill_row(row, volume)
        table.blockSignals(False)
        table.setFixedHeight(ROW_HEIGHT * min(max(1, len(self._volumes)), MOST_ROWS) + 2 * table.frameWidth)
        table.enabled = not self._run.running
        reasons = [(volume.GetName(), self._problems.get(volume.GetID())) for volume in self._volumes]
        text = _("{ct}: {reason}")
        self._ui.severalLabel.text = "\n".join(text.format(ct=ct, reason=reason) for ct, reason in reasons if reason)
        self._ui.severalLabel.visible = bool(self._ui.severalLabel.text)
        self._show_button()

    def press(self) -> None:
        """Segment the ticked CTs; before, install an engine that is lacking, if the user agrees."""
        parameters = self._parameters
        if parameters is None or self.missing():
            return
        plan = self._logic.lackingPlan(parameters.engine.value, parameters.bundle, self._run.wheels)
        self._run.install(plan, _("The contours need an engine that is not installed yet."), self._start)

    def missing(self) -> str:
        """What is missing before the button can be pressed; empty if nothing is."""
        if self._run.running:
            return _("Wait until the run has ended.")
        if self._parameters is None or not self._chosen():
            return _("Tick the CTs to segment.")
        return self._models.check(self._parameters.bundle)[1]

    def _start(self) -> None:
        assert self._parameters is not None
        options = run_options(self._parameters)
        # Each into a segmentation of its own: what was drawn or corrected before is not replaced.
        job = SeveralRuns(self._chosen(), lambda volume: self._logic.start(volume, None, **options))
        self._run.watch(
            job,
            _("Starting …"),
            lambda: self._tell(job),
            failed=lambda _problem: self._note(job),
            cancelled=_("Cancelled. The CTs that are done keep their contours."),
        )

    def _note(self, job: SeveralRuns) -> None:
        """The work has ended, to its end or cancelled: remember what became of each CT."""
        for outcome in job.outcomes:
            self._ticks.pop(outcome.volume.GetID(), None)
            self._problems[outcome.volume.GetID()] = outcome.problem

    def _tell(self, job: SeveralRuns) -> None:
        """Say how it went, and begin the review with the first CT that is done."""
        done = [outcome for outcome in job.outcomes if outcome.segmentation is not None]
        if len(done) == len(job.outcomes):
            text = _("All {count} CTs are done: double-click one in the list to review it.")
        else:
            text = _("{done} of {count} CTs are done; why the others are not stands below the list.")
        self._run.tell(text.format(done=len(done), count=len(job.outcomes)))
        if done:
            self._show_alone(done[0].volume, done[0].segmentation)

    def _fill_row(self, row: int, volume: Any) -> None:
        contours = contours_of(volume)
        ticked = self._ticks.get(volume.GetID(), contours is None)
        name = qt.QTableWidgetItem(volume.GetName())
        name.setToolTip(volume.GetName())
        name.setCheckState(qt.Qt.Checked if ticked else qt.Qt.Unchecked)
        failed = bool(self._problems.get(volume.GetID()))
        state = _("failed") if failed else _("has contours") if contours is not None else ""
        self._ui.severalTable.setItem(row, 0, name)
        self._ui.severalTable.setItem(row, 1, qt.QTableWidgetItem(state))
        self._ui.severalTable.setRowHeight(row, ROW_HEIGHT)

    def _chosen(self) -> list[Any]:
        items = [self._ui.severalTable.item(row, 0) for row in range(len(self._volumes))]
        chosen = [item is not None and item.checkState() == qt.Qt.Checked for item in items]
        return [volume for volume, ticked in zip(self._volumes, chosen, strict=True) if ticked]

    def _ticked(self, item: Any) -> None:
        volume = self._volumes[item.row()]
        self._ticks[volume.GetID()] = self._ui.severalTable.item(item.row(), 0).checkState() == qt.Qt.Checked
        self._show_button()

    def _review(self, row: int, _column: int) -> None:
        volume = self._volumes[row]
        if not self._run.running:
            self._show_alone(volume, contours_of(volume))

    def _show_alone(self, volume: Any, segmentation: Any) -> None:
        """Choose a CT and its contours, and hide those of the other CTs, which would lie over it."""
        for other in scans_of_scene():
            drawn = contours_of(other)
            if drawn is not None:
                drawn.SetDisplayVisibility(drawn is segmentation)
        self._choose(volume, segmentation)

    def _show_button(self) -> None:
        missing, count = self.missing(), len(self._chosen())
        self._ui.severalButton.text = (
            _("Segment {count} CTs").format(count=count) if count > 1 else _("Segment the ticked CTs")
        )
        self._ui.severalButton.enabled = not missing
        self._ui.severalButton.toolTip = missing or _(
            "Segment the ticked CTs one after the other, each into a segmentation of its own; one that fails stops no "
            "other."
        )
