"""The upper part of the panel: choose a CT, press the button, watch, cancel."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ctk
import qt
import slicer.util
from slicer.i18n import tr as _

from ...errors import ImageError, ParotidSegError
from ..parameters import ParotidSegParameters, run_options
from ..scene.scene import check_takes_voxels, is_in_scene
from ..worker.events import Cancelled, Failure, LogLine, Progress, Result
from .model_choice import ModelChoice
from .styles import PROBLEM_STYLE

POLL_MS = 100


class RunSection:
    """The button that becomes Cancel, the progress bar, the time left, the messages and the log.

    A timer asks the job what happened, so that the window never waits for it.

    Args:
        ui: the widgets of the panel.
        logic: starts the worker and puts its result into the scene.
        models: the choice of the model.
        done: called with the segmentation node once a result is in the scene.
        changed: called when a job has begun or ended.
    """

    def __init__(
        self, ui: Any, logic: Any, models: ModelChoice, *, done: Callable[[Any], None], changed: Callable[[], None]
    ) -> None:
        self._ui, self._logic, self._models, self._done, self._changed = ui, logic, models, done, changed
        self._parameters: ParotidSegParameters | None = None
        self._run: Any = None
        self._then: Callable[[], None] | None = None
        self._failed: Callable[[str], None] = self._tell
        self._cancelled = ""
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.connect("timeout()", self._poll)
        ui.wheelsFolderEdit.filters = ctk.ctkPathLineEdit.Dirs
        ui.wheelsFolderEdit.settingKey = "ParotidSeg/Wheels"  # brings the last folder back, which may be gone
        if self.wheels and not Path(self.wheels).is_dir():
            ui.wheelsFolderEdit.currentPath = ""
        ui.progressBar.setRange(0, 100)
        ui.progressBar.visible = False
        ui.messageLabel.visible = ui.statusLabel.visible = False
        ui.messageLabel.styleSheet = PROBLEM_STYLE
        ui.segmentButton.connect("clicked()", self.press)
        ui.copyLogButton.connect("clicked()", self._copy_log)

    @property
    def running(self) -> bool:
        """Whether a worker is at work."""
        return self._run is not None

    def show(self, parameters: ParotidSegParameters | None) -> None:
        """Take in the parameters (None while the scene is closed) and enable what can be pressed."""
        self._parameters = parameters
        for widget in (self._ui.inputSelector, self._ui.outputSelector, self._ui.advancedSection):
            widget.enabled = not self.running
        if self.running:
            self._ui.segmentButton.text = _("Cancel")
            self._ui.segmentButton.toolTip = _("Stop the run. The scene stays as it is.")
            self._ui.segmentButton.enabled = True
            self._ui.hintLabel.visible = False
            return
        missing = self.missing()
        self._ui.segmentButton.text = _("Segment parotids")
        self._ui.segmentButton.enabled = not missing
        self._ui.hintLabel.text, self._ui.hintLabel.visible = missing, bool(missing)
        self._ui.segmentButton.toolTip = missing or _("Contour the right and the left parotid gland in this CT.")

    def missing(self) -> str:
        """What is missing before the button can be pressed; empty if nothing is."""
        if self._parameters is None:
            return _("The scene is being closed.")
        volume = self._parameters.inputVolume
        if volume is None:
            return _("Choose a CT first. The module Sample Data has one to try, in the category ParotidSeg.")
        if volume.GetImageData() is None:
            return _("The chosen CT holds no image: choose another one, or load it again.")
        transform = volume.GetParentTransformNode()
        if transform is not None and not transform.IsTransformToWorldLinear():
            return _("The CT lies under a transform that bends it: harden that transform on the CT first.")
        if self._parameters.outputSegmentation is not None:
            try:
                check_takes_voxels(self._parameters.outputSegmentation, volume)
            except ImageError as error:
                return str(error)
        return self._models.check(self._parameters.bundle)[1]

    def press(self) -> None:
        """The button: start, or cancel what runs."""
        if self.running:
            self._run.cancel()
            self._ui.segmentButton.enabled = False
            self._ui.statusLabel.text = _("Stopping …")
        elif not self.missing():
            self._prepare()

    def abandon(self) -> None:
        """Stop without a word: the scene is closed, or the module is unloaded."""
        if self._run is not None:
            self._timer.stop()
            self._run.close()
            self._end("")

    def install(self, plan: Any, question: str, then: Callable[[], None]) -> None:
        """Install packages if the user agrees, with the bar and the button of a run, and go on after it.

        Args:
            plan: of the logic; None: nothing is lacking.
            question: says why; what and how large is added.
            then: called once the packages are there.
        """
        if plan is None:
            then()
            return
        text = _("{question}\n\n{what}\n\nInstall it now?").format(question=question, what=plan.what)
        if not slicer.util.confirmOkCancelDisplay(text, _("ParotidSeg")):
            return

        def installed() -> None:
            self._ui.wheelsFolderEdit.addCurrentPathToHistory()
            then()

        self.watch(self._logic.prepare(plan), _("Checking this computer …"), installed)

    def _prepare(self) -> None:
        """Install what is lacking first; then start."""
        parameters = self._parameters
        assert parameters is not None
        self._tell("")
        plan = self._logic.lackingPlan(parameters.engine.value, parameters.bundle, self.wheels)
        self.install(plan, _("The contours need an engine that is not installed yet."), self._start)

    @property
    def wheels(self) -> str:
        """The folder of packages to install from; empty: from the internet."""
        return self._ui.wheelsFolderEdit.currentPath.strip()

    def _start(self) -> None:
        parameters = self._parameters
        assert parameters is not None
        try:
            run = self._logic.start(
                parameters.inputVolume,
                parameters.outputSegmentation,
                **run_options(parameters),
            )
        except ParotidSegError as error:
            self._tell(str(error))
            return
        except OSError as error:
            text = _("The CT cannot be handed to the worker ({reason}): look whether the disk is full.")
            self._tell(text.format(reason=error.strerror or type(error).__name__))
            return
        self._watch(run, _("Starting …"))

    def _watch(self, run: Any, status: str) -> None:
        self._run = run
        self._ui.logText.plainText = ""
        self._ui.progressBar.value = 0
        self._ui.progressBar.visible = self._ui.statusLabel.visible = True
        self._ui.statusLabel.text = status
        self._timer.start()
        self.show(self._parameters)
        self._changed()

    def _poll(self) -> None:
        if self._run is None:
            return
        try:
            events = self._run.poll()
        except Exception as error:  # whatever it is, the run must end: else the panel would wait for ever
            logging.exception("A job of ParotidSeg ended with an error that nobody foresaw.")
            text = _("Something went wrong that nobody foresaw ({reason}): look at Slicer's log and try again.")
            self._end("", problem=text.format(reason=type(error).__name__))
            return
        for event in events:
            if self._run is None:  # the scene was closed while the event came about
                return
            if isinstance(event, Progress):
                self._ui.progressBar.value = round(100 * event.fraction)
                self._ui.statusLabel.text = _with_time_left(event)
            elif isinstance(event, LogLine):
                self._ui.logText.appendPlainText(event.text)
            elif isinstance(event, Cancelled):
                self._end(self._cancelled or _("Cancelled. The scene is as it was."))
            elif isinstance(event, Failure):
                self._end("", problem=event.message)
            elif isinstance(event, Result):
                self._finish()

    def watch(
        self,
        job: Any,
        status: str,
        then: Callable[[], None],
        *,
        failed: Callable[[str], None] | None = None,
        cancelled: str = "",
    ) -> None:
        """Show another job with the bar and the button of a run.

        Args:
            job: it has been started.
            status: what is shown until it tells something itself.
            then: called once it has succeeded.
            failed: called with the sentence of a failure, empty for a cancel; by default it is shown as that of a run.
            cancelled: what is shown after a cancel; by default that the scene is as it was.
        """
        self._then, self._failed, self._cancelled = then, failed or self._tell, cancelled
        self._tell("")
        self._watch(job, status)

    def _finish(self) -> None:
        run = self._run
        if self._then is not None:
            then = self._then
            self._end("")
            then()
            return
        self._ui.statusLabel.text = _("Putting the contours into the scene …")
        node = run.segmentation
        self._end("" if node is not None else _("The CT is no longer in the scene: its contours were dropped."))
        if node is not None and is_in_scene(node):
            self._done(node)

    def _end(self, status: str, *, problem: str = "") -> None:
        self._timer.stop()
        failed, self._failed, self._then, self._cancelled = self._failed, self._tell, None, ""
        run, self._run = self._run, None
        if run is not None:
            self._ui.logText.plainText = run.log
            run.close()
        self._ui.progressBar.visible = False
        self._ui.statusLabel.text = status
        self._ui.statusLabel.visible = bool(status)
        failed(problem)
        self.show(self._parameters)
        self._changed()

    def tell(self, status: str) -> None:
        """Say below the button what has become of the work."""
        self._ui.statusLabel.text, self._ui.statusLabel.visible = status, bool(status)

    def _tell(self, problem: str) -> None:
        self._ui.messageLabel.text = problem
        self._ui.messageLabel.visible = bool(problem)

    def _copy_log(self) -> None:
        qt.QApplication.clipboard().setText(self._ui.logText.plainText)


def _with_time_left(event: Progress) -> str:
    if event.seconds_left is None:
        return event.message
    if event.seconds_left < 90:
        text = _("{message}, about {seconds} s left")
        return text.format(message=event.message, seconds=max(1, round(event.seconds_left)))
    text = _("{message}, about {minutes} min left")
    return text.format(message=event.message, minutes=round(event.seconds_left / 60))
