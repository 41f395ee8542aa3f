"""One segmentation in Slicer: the volume to the worker, its contours into the scene. No Qt: who polls decides when."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from ...correcting.expected.network import CorrectingNetwork, network_of
from ...errors import BundleError, ImageError, ParotidSegError
from ...model.bundle import Bundle, load_bundle, shipped_bundles
from ...structures import Structure
from ...writing.outputs import UNCERTAINTY
from ..installing.engine_packages import python_path
from ..scene.results import keep_report
from ..scene.scene import check_takes_voxels, is_in_scene, new_segmentation, put_segments, write_volume
from ..scene.uncertainty import put_uncertainty
from ..worker.events import Event, Failure, Result
from ..worker.job import WorkerJob, segment_command

#: Attribute of the segmentation node: the model that drew in it, by name or path, for its structures.
BUNDLE = "ParotidSeg.bundle"
_SCAN, _RESULT = "scan.nrrd", "result"


def worker_python() -> Path:
    """The Python that runs the worker: PythonSlicer, which finds Slicer's own packages."""
    for name in ("PythonSlicer", "PythonSlicer.exe"):
        launcher = Path(slicer.app.slicerHome) / "bin" / name
        if launcher.is_file():
            return launcher
    return Path(sys.executable)


def checked_bundle(name_or_path: str | Path) -> Bundle:
    """The verified bundle.

    Raises:
        BundleError: it is refused; or it takes several images, which a volume node is not.
    """
    bundle = load_bundle(name_or_path)
    inputs = bundle.segmenter.preprocessing.inputs
    if len(inputs) > 1:
        names = ", ".join(image.name for image in inputs)
        text = _("The model takes several images ({names}), and here is one: use it from the command line.")
        raise BundleError(text.format(names=names))
    return bundle


def modified(bundle: str) -> float:
    """When a bundle's file, or the bundle.json of its folder, was changed last; 0 for one that ships or is gone."""
    described = Path(bundle) / "bundle.json" if Path(bundle).is_dir() else Path(bundle)
    try:
        return described.stat().st_mtime
    except OSError:
        return 0.0


def structures_of(bundle: str) -> Sequence[Structure]:
    """What a model segments. It is asked for after every stroke of a brush, and checking a bundle takes 50 ms.

    Raises:
        BundleError: it is refused, or gone.
    """
    return _structures_of(bundle, modified(bundle))


@functools.lru_cache(maxsize=8)
def _structures_of(bundle: str, _modified: float) -> Sequence[Structure]:
    return load_bundle(bundle).structures


def correcting_network(bundle: str) -> CorrectingNetwork | None:
    """What a model has learned of corrections; None if it has nothing of the kind, or is refused or gone."""
    return _correcting_network(bundle, modified(bundle))


@functools.lru_cache(maxsize=2)
def _correcting_network(bundle: str, _modified: float) -> CorrectingNetwork | None:
    try:
        return network_of(load_bundle(bundle))
    except BundleError:  # corrections are carried on without it, if a little worse
        return None


class SegmentationRun:
    """A worker that segments a volume; it starts at once.

    Args:
        volume: the CT's node.
        segmentation: the node that takes the contours; None: a new one.
        bundle: name or path of the model.
        engine, mirror: as for the command line.
        device: "auto", or "cpu" to hide graphics cards from the engine.
        uncertainty: also put a volume beside the CT that shows where the model was unsure.

    Attributes:
        segmentation: the node that holds the contours, once they are there; None before, and when the volume has gone
            from the scene meanwhile.
        failure: one sentence once it has failed or was cancelled.

    Raises:
        ImageError: the node holds no image, or the segmentation takes no voxels.
        BundleError: the model is refused; the text says why.
    """

    def __init__(
        self,
        volume: Any,
        segmentation: Any = None,
        *,
        bundle: str | Path = "parotid-ct",
        engine: str = "auto",
        device: str = "auto",
        mirror: bool = True,
        uncertainty: bool = False,
    ) -> None:
        if volume is None or volume.GetImageData() is None:
            raise ImageError(_("The chosen CT holds no image: choose another one, or load it again."))
        if is_in_scene(segmentation):
            check_takes_voxels(segmentation, volume)
        self.segmentation: Any = None
        self.failure: str | None = None
        self._volume, self._chosen = volume, segmentation
        self._bundle = checked_bundle(bundle)
        self._bundle_name = str(bundle) if bundle in shipped_bundles() else str(self._bundle.path.absolute())
        self._over = False

        def command(folder: Path) -> Sequence[str]:
            write_volume(volume, folder / _SCAN)
            return segment_command(
                worker_python(),
                folder / _SCAN,
                folder / _RESULT,
                bundle=self._bundle_name,
                engine=engine,
                mirror=mirror,
                extra=("--device", device, *(("--uncertainty",) if uncertainty else ())),
            )

        self.job = WorkerJob(command, python_path=python_path(engine))
        self.job.start()

    @property
    def finished(self) -> bool:
        """Whether the last event has been polled."""
        return self._over

    @property
    def log(self) -> str:
        """What the worker printed."""
        return self.job.log

    def poll(self) -> list[Event]:
        """What happened since the last call; when the `Result` comes, its contours are in the scene."""
        events = self.job.poll()
        if events and isinstance(events[-1], Result):
            try:
                self._take(events[-1])
            except ParotidSegError as error:
                events[-1] = Failure(str(error))
            except Exception as error:  # whatever it is, the run must end: who waits for it would wait for ever
                logging.exception("The contours could not be put into the scene.")
                text = _("The contours could not be put into the scene ({reason}): look at the log and try again.")
                events[-1] = Failure(text.format(reason=str(error).strip().rstrip(".") or type(error).__name__))
        if events and isinstance(events[-1], Result | Failure):
            self._over = True
            self.failure = events[-1].message if isinstance(events[-1], Failure) else None
        return events

    def cancel(self) -> None:
        """Stop the worker; its last event comes soon after."""
        self.job.cancel()

    def close(self) -> None:
        """Leave neither process nor file."""
        self.job.close()
        self._over = True

    def _take(self, result: Result) -> None:
        if not is_in_scene(self._volume):
            return  # the scene was closed meanwhile: nobody waits for the contours any more
        labels = next(path for path in result.files if path.name.endswith(".seg.nrrd"))
        node, is_new = self._chosen, not is_in_scene(self._chosen)
        if is_new:
            name = _("{volume} parotids").format(volume=self._volume.GetName())
            node = new_segmentation(self._volume, name)
        try:
            put_segments(node, labels, self._volume, self._bundle.structures)
        except BaseException:
            if is_new:  # no empty segmentation stays, which nobody asked for
                slicer.mrmlScene.RemoveNode(node)
            raise
        for path in result.files:
            if path.name.endswith(UNCERTAINTY):
                put_uncertainty(path, self._volume, node)
        keep_report(node, result.report)
        node.SetAttribute(BUNDLE, self._bundle_name)
        self.segmentation = node
