"""Several CTs of the scene, one after the other, as one job: polled as a run is. No Qt.

A CT that fails stops no other; cancelling ends them all, and those that are done stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import slicer.util
from slicer.i18n import tr as _

from ...errors import ParotidSegError
from ..comparing.dose.volumes import is_dose
from ..scene.scene import is_in_scene
from ..scene.uncertainty import ROLE as UNCERTAINTY_ROLE
from ..worker.events import Cancelled, Event, Failure, Progress, Result
from .run import BUNDLE


@dataclass(frozen=True)
class Outcome:
    """What became of one CT: its segmentation, or else one sentence why there is none."""

    volume: Any
    segmentation: Any
    problem: str = ""


class SeveralRuns:
    """Runs on several volumes.

    Args:
        volumes: the CTs, in the order in which they are done.
        start: starts a run on one of them, as the logic does; its `ParotidSegError` or `OSError` fails that CT only.

    Attributes:
        outcomes: of those that are over.
    """

    def __init__(self, volumes: Sequence[Any], start: Callable[[Any], Any]) -> None:
        self.outcomes: list[Outcome] = []
        self._volumes = list(volumes)
        self._start = start
        self._run: Any = None
        self._logs: list[str] = []
        self._cancelled = self._over = False

    @property
    def log(self) -> str:
        """What the workers printed, one after the other."""
        present = [] if self._run is None else [self._headed(self._run.log)]
        return "\n".join(self._logs + present)

    def poll(self) -> list[Event]:
        """What happened since the last call; the last event of all is a `Result`, or `Cancelled`."""
        if self._over:
            return []
        if self._run is None:
            return self._begin()
        events: list[Event] = []
        for event in self._run.poll():
            if isinstance(event, Progress):
                events.append(self._of_all(event))
            elif isinstance(event, Result | Failure):
                events += self._end(event)
            else:
                events.append(event)
        return events

    def cancel(self) -> None:
        """Stop the CT at work and begin no other."""
        self._cancelled = True
        if self._run is not None:
            self._run.cancel()

    def close(self) -> None:
        """Leave neither process nor file."""
        self._over = True
        if self._run is not None:
            self._run.close()

    def _begin(self) -> list[Event]:
        """Start the next CT, or end."""
        if self._cancelled:
            self._over = True
            return [Cancelled(_("The run was cancelled."))]
        if len(self.outcomes) == len(self._volumes):
            self._over = True
            return [Result({}, [])]
        volume = self._volumes[len(self.outcomes)]
        if not is_in_scene(volume):
            return self._note(None, _("The CT is no longer in the scene."))
        try:
            self._run = self._start(volume)
        except ParotidSegError as error:
            return self._note(None, str(error))
        except OSError as error:
            text = _("The CT cannot be handed to the worker ({reason}): look whether the disk is full.")
            return self._note(None, text.format(reason=error.strerror or type(error).__name__))
        return [self._of_all(Progress("load", 0.0, _("Starting …")))]

    def _end(self, event: Event) -> list[Event]:
        """The CT at work is over."""
        run, self._run = self._run, None
        self._logs.append(self._headed(run.log))
        segmentation = run.segmentation
        run.close()
        if isinstance(event, Cancelled):
            self._over = True
            return [event]
        if isinstance(event, Failure):
            return self._note(None, event.message)
        if not is_in_scene(segmentation):
            return self._note(None, _("The CT is no longer in the scene."))
        # Hidden until its CT is chosen: it would lie over another one, perhaps another patient's.
        segmentation.SetDisplayVisibility(False)
        return self._note(segmentation)

    def _note(self, segmentation: Any, problem: str = "") -> list[Event]:
        self.outcomes.append(Outcome(self._volumes[len(self.outcomes)], segmentation, problem))
        return []

    def _headed(self, log: str) -> str:
        """A CT's log under its number: its name may be a patient's."""
        return f"{self._place()}\n{log}"

    def _place(self) -> str:
        return _("CT {number} of {count}").format(number=len(self.outcomes) + 1, count=len(self._volumes))

    def _of_all(self, event: Progress) -> Progress:
        fraction = (len(self.outcomes) + event.fraction) / len(self._volumes)
        message = _("{place}: {message}").format(place=self._place(), message=event.message)
        return Progress(event.stage, fraction, message)


def scans_of_scene() -> list[Any]:
    """The volumes of the scene that may be CTs: neither label maps nor doses, nor where a model was unsure."""
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    unsure = [node.GetNodeReference(UNCERTAINTY_ROLE) for node in nodes]
    return [
        volume
        for volume in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        if volume.GetClassName() == "vtkMRMLScalarVolumeNode"
        and not volume.GetHideFromEditors()
        and volume not in unsure
        and not is_dose(volume)
    ]


def contours_of(volume: Any) -> Any:
    """The last segmentation that a model has drawn for this volume; None if there is none."""
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    drawn = [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
        if node.GetAttribute(BUNDLE) and node.GetNodeReference(role) is volume
    ]
    return drawn[-1] if drawn else None
