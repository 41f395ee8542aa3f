"""What the module can do, with or without its panel: segment, review, undo, reset, export, install. No widgets.

logic = slicer.util.getModuleLogic("ParotidSeg")
node = logic.segment(volumeNode)                           # waits, and gives the segmentation node
logic.segment(volumeNode, callback=lambda node, why: …)    # returns at once
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from ..errors import BundleError, WorkerError
from ..structures import PAROTIDS, Structure
from . import exports
from .comparing.comparison import Comparison
from .comparing.loading import load_reference
from .comparing.taking_over import take_over
from .correction.carrying import Correcting
from .installing.engine_packages import DICOM, missing
from .installing.installer import Plan, make_plan
from .installing.preparation import Preparation, lacking_set
from .parameters import ParotidSegParameters
from .running.dicom_job import DatabaseJob, DicomJob
from .running.run import BUNDLE, SegmentationRun, checked_bundle, correcting_network, structures_of, worker_python
from .scene import undo
from .scene.scene import Difference, dicom_files, edits_ml
from .worker.events import Event, Failure, Result

POLL_SECONDS = 0.05
#: callback(segmentation node or None, one sentence if it failed or None)
Callback = Callable[[Any, str | None], object]


class ParotidSegLogic(ScriptedLoadableModuleLogic):
    """The logic of the module; names in Slicer's style, since its users write scripts in that style."""

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self.moduleName = "ParotidSeg"
        self._watched: list[tuple[SegmentationRun, Any]] = []

    def getParameterNode(self) -> ParotidSegParameters:
        """What the panel remembers in the scene."""
        wrap: Any = ParotidSegParameters  # Slicer's decorator gives the class this call, which no checker can know
        return wrap(super().getParameterNode())

    # --- segmenting --------------------------------------------------------------------------------------------------

    def segment(
        self,
        volumeNode: Any,
        segmentationNode: Any = None,
        *,
        bundle: str | Path = "parotid-ct",
        engine: str = "auto",
        device: str = "auto",
        mirror: bool = True,
        uncertainty: bool = False,
        callback: Callback | None = None,
    ) -> Any:
        """Segment a CT into the scene.

        Args:
            volumeNode: the CT.
            segmentationNode: takes the contours; its other segments stay. None: a new one, beside the CT.
            bundle: name of a model that ships, or path of another.
            engine: "auto", "openvino" or "keras".
            device: "auto" or "cpu".
            mirror: also look at the mirror image: slower, a little better.
            uncertainty: also put a volume beside the CT that shows where the model was unsure.
            callback: called as callback(node, None) with the contours in the scene, as callback(None, sentence) when it
                failed, and as callback(None, None) when the CT has gone from the scene meanwhile.

        Returns:
            Without a callback the segmentation node, after the work; None if the CT has gone meanwhile. With a callback
            the run, at once: it has `cancel()`, `finished` and `log`.

        Raises:
            ImageError, BundleError: the node is no CT that can be segmented, or the model is refused.
            WorkerError: no engine is installed, or the work failed (without a callback).
        """
        self._refuse_without_engine(engine, bundle)
        options: dict[str, Any] = {
            "bundle": bundle,
            "engine": engine,
            "device": device,
            "mirror": mirror,
            "uncertainty": uncertainty,
        }
        run = self.start(volumeNode, segmentationNode, **options)
        if callback is not None:
            self._watch(run, callback)
            return run
        try:
            while not run.finished:
                run.poll()
                slicer.app.processEvents()
                time.sleep(POLL_SECONDS)
        finally:
            run.close()
        if run.failure is not None:
            raise WorkerError(run.failure)
        return run.segmentation

    def start(
        self,
        volumeNode: Any,
        segmentationNode: Any = None,
        *,
        bundle: str | Path = "parotid-ct",
        engine: str = "auto",
        device: str = "auto",
        mirror: bool = True,
        uncertainty: bool = False,
    ) -> SegmentationRun:
        """Start to segment; whoever called polls the run and closes it. Arguments and errors as of `segment`."""
        return SegmentationRun(
            volumeNode,
            segmentationNode,
            bundle=bundle,
            engine=engine,
            device=device,
            mirror=mirror,
            uncertainty=uncertainty,
        )

    def _refuse_without_engine(self, engine: str, bundle: str | Path) -> None:
        plan = self.lackingPlan(engine, bundle)
        if plan is not None:
            raise WorkerError(
                f"No engine is installed: press the button of the module ParotidSeg once, or run "
                f'slicer.util.getModuleLogic("ParotidSeg").install("{plan.packages.name}").'
            )

    def _watch(self, run: SegmentationRun, callback: Callback) -> None:
        """Poll a run from a timer until it is over."""
        import qt  # the only place: a logic that is used without the application has no event loop to come back to

        timer = qt.QTimer()
        timer.setInterval(round(1000 * POLL_SECONDS))

        def look() -> None:
            run.poll()
            if not run.finished:
                return
            timer.stop()
            self._watched.remove((run, timer))
            run.close()
            callback(run.segmentation, run.failure)

        timer.connect("timeout()", look)
        self._watched.append((run, timer))
        timer.start()

    # --- installing --------------------------------------------------------------------------------------------------

    def lackingPlan(self, engine: str, bundle: str | Path = "parotid-ct", wheels: str | Path = "") -> Plan | None:
        """What has to be installed before a run; None if nothing has.

        Args:
            engine: as of `segment`.
            bundle: the model, which need not serve every engine.
            wheels: install from this folder of packages; empty: from the package index.

        Raises:
            BundleError: the model is refused.
        """
        name = lacking_set(engine, checked_bundle(bundle))
        return make_plan(name, wheels=wheels or None) if name else None

    def lackingDicomPlan(self, wheels: str | Path = "") -> Plan | None:
        """What has to be installed before RTSTRUCT or DICOM SEG can be written; None if nothing has."""
        return make_plan(DICOM.name, wheels=wheels or None) if missing(DICOM.name) else None

    def prepare(self, plan: Plan) -> Preparation:
        """Start checks and installation of a plan; whoever called polls and closes it."""
        preparation = Preparation(plan, worker_python())
        preparation.start()
        return preparation

    def install(self, name: str = "openvino", wheels: str | Path = "") -> None:
        """Install a set of packages and wait: "openvino", "keras" or "dicom".

        Raises:
            WorkerError: it failed; the text says why.
        """
        preparation = self.prepare(make_plan(name, wheels=wheels or None))
        try:
            events: list[Event] = []
            while not events or not isinstance(events[-1], Result | Failure):
                events = preparation.poll() or events
                slicer.app.processEvents()
                time.sleep(POLL_SECONDS)
        finally:
            preparation.close()
        if isinstance(events[-1], Failure):
            raise WorkerError(events[-1].message)

    # --- after a run -------------------------------------------------------------------------------------------------

    def structures(self, segmentationNode: Any) -> Sequence[Structure]:
        """What was segmented into a node: the structures of the model that drew in it."""
        try:
            return structures_of(segmentationNode.GetAttribute(BUNDLE) or "parotid-ct")
        except BundleError:  # the user's model has gone since
            return PAROTIDS

    def canUndo(self, segmentationNode: Any) -> bool:
        """Whether the segmentation has a former state to go back to."""
        return undo.can_undo(segmentationNode)

    def undo(self, segmentationNode: Any) -> bool:
        """Bring the former segments back; whether there were any."""
        return undo.undo(segmentationNode)

    def differences(self, segmentationNode: Any) -> dict[str, Difference]:
        """What edits added and took away since the model drew, by structure key; empty if no model drew."""
        volume = volume_of(segmentationNode)
        if volume is None or volume.GetImageData() is None:
            return {}
        return edits_ml(segmentationNode, volume, self.structures(segmentationNode)) or {}

    def resetGland(self, segmentationNode: Any, key: str) -> None:
        """Bring one gland back to the automatic contour, without any corrected slice.

        Raises:
            ImageError: there is no automatic contour to go back to.
        """
        self.correcting(segmentationNode).reset(key)

    def correcting(self, segmentationNode: Any, editorNode: Any = None) -> Correcting:
        """The corrections of a segmentation as it is now: `slices()`, `carry_on()`, `take_back()`, `next_slice()`.

        Args:
            segmentationNode: what a model drew and a person corrects.
            editorNode: a Segment Editor's parameter node whose masking counts for what is carried on.

        Raises:
            ImageError: there is no automatic contour, or its CT is not in the scene.
        """
        return Correcting(
            segmentationNode,
            volume_of(segmentationNode),
            self.structures(segmentationNode),
            network=lambda: correcting_network(segmentationNode.GetAttribute(BUNDLE) or "parotid-ct"),
            editor_node=editorNode,
        )

    def carryOn(self, segmentationNode: Any, editorNode: Any = None) -> None:
        """Carry the corrected slices to the rest of their glands. Arguments and errors as of `correcting`.

        Raises:
            ImageError: also where nothing was corrected; nothing is changed then.
        """
        self.correcting(segmentationNode, editorNode).carry_on()

    # --- comparing -------------------------------------------------------------------------------------------------

    def compare(
        self,
        segmentationNode: Any,
        referenceNode: Any,
        *,
        volumeNode: Any = None,
        doseNode: Any = None,
        segments: Mapping[str, str] | None = None,
        former: Comparison | None = None,
    ) -> Comparison:
        """Compare the glands of a segmentation with those of a reference, on the voxels of their CT.

        Args:
            segmentationNode, referenceNode: both stay as they are.
            volumeNode: the CT; by default that of the segmentation.
            doseNode: a volume with the dose of the plan, in Gy; None: without.
            segments: the reference's segments by the structure's key, where they cannot be found by code, name or side.
            former: an earlier comparison, whose figures serve where nothing has changed.

        Returns:
            The comparison: `measure()` gives the figures of each gland.

        Raises:
            ImageError: there is nothing to compare; the text says why.
        """
        volume = volumeNode if volumeNode is not None or segmentationNode is None else volume_of(segmentationNode)
        structures = self.structures(segmentationNode) if segmentationNode is not None else ()
        return Comparison(
            segmentationNode,
            volume,
            referenceNode,
            structures,
            dose_node=doseNode,
            segments=segments,
            former=former,
        )

    def loadReference(self, path: str | Path, volumeNode: Any, segmentationNode: Any = None) -> Any:
        """Read contours of a file into a new segmentation, and give it with sentences on what was lost on the way.

        Args:
            path: RTSTRUCT, DICOM SEG, .seg.nrrd or a label map.
            volumeNode: the CT.
            segmentationNode: what it will be compared with: the glands of its model are looked for.

        Raises:
            DataError: there are no such contours in it, or not of this CT.
        """
        return load_reference(path, volumeNode, self.structures(segmentationNode) if segmentationNode else PAROTIDS)

    def takeOver(self, comparison: Comparison, key: str) -> None:
        """Replace a gland by the reference's, as one step of undo. Arguments and errors as of `take_over`."""
        take_over(comparison, key)

    # --- files -------------------------------------------------------------------------------------------------------

    def dicomFolder(self, volumeNode: Any) -> Path | None:
        """Where the CT's DICOM files lie, if it was loaded from Slicer's DICOM database; else None."""
        files = dicom_files(volumeNode) if volumeNode is not None else []
        return files[0].parent if files else None

    def export(
        self,
        segmentationNode: Any,
        volumeNode: Any,
        folder: str | Path,
        *,
        suffix: str,
        dicom_folder: str | Path | None = None,
    ) -> list[Path]:
        """Write contours or review; arguments, result and errors as of `exports.export`."""
        return exports.export(
            segmentationNode,
            volumeNode,
            folder,
            suffix=suffix,
            structures=self.structures(segmentationNode),
            dicom_folder=self._unlessOfDatabase(dicom_folder, volumeNode),
        )

    def exportFiles(self, segmentationNode: Any, folder: str | Path, *, suffix: str) -> list[Path]:
        """The files that an export in this format may write, whether they exist or not."""
        return exports.files_of(folder, suffix, self.structures(segmentationNode))

    def startDicomExport(
        self,
        segmentationNode: Any,
        volumeNode: Any,
        folder: str | Path,
        *,
        suffix: str,
        dicom_folder: str | Path | None = None,
    ) -> DicomJob:
        """Start to write RTSTRUCT or DICOM SEG; whoever called polls and closes it. Arguments as of `export`."""
        return DicomJob(
            segmentationNode,
            volumeNode,
            self.exportFiles(segmentationNode, folder, suffix=suffix)[0],
            structures=self.structures(segmentationNode),
            dicom_folder=self._unlessOfDatabase(dicom_folder, volumeNode),
        )

    def startDatabaseExport(
        self, segmentationNode: Any, volumeNode: Any, *, suffix: str, dicom_folder: str | Path | None = None
    ) -> DatabaseJob:
        """Start to write RTSTRUCT or DICOM SEG into Slicer's DICOM database; whoever called polls and closes it."""
        return DatabaseJob(
            segmentationNode,
            volumeNode,
            suffix,
            structures=self.structures(segmentationNode),
            dicom_folder=self._unlessOfDatabase(dicom_folder, volumeNode),
        )

    def _unlessOfDatabase(self, folder: str | Path | None, volumeNode: Any) -> str | Path | None:
        """No folder where it is that of the DICOM database, which knows the very files: others may lie beside them."""
        return None if folder is not None and self.dicomFolder(volumeNode) == Path(folder) else folder


def volume_of(segmentationNode: Any) -> Any:
    """The volume on whose grid a segmentation lies; None if it is not in the scene."""
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    return segmentationNode.GetNodeReference(role)
