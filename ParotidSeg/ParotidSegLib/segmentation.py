"""segment(): the one way from a scan to two contours. Command line, Slicer, batch and evaluation all call it."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .errors import ImageError
from .geometry.ends import axis_along_body, filled_slices
from .geometry.grids import Box, Grid
from .geometry.sampling import EMPTY_BELOW_HU, sample_back
from .glands.localization import Location, locate, region_around, whole_scan
from .glands.postprocessing import contours_from, indecision, touched_axes
from .glands.quality import Finding, Measurement, inspect, measure
from .glands.scale import inspect_scale
from .glands.surroundings import inspect_surroundings
from .model.bundle import Bundle, load_bundle
from .model.engines import Engine, open_engine
from .model.inference import region_probabilities
from .reading.images import check_image
from .structures import PAROTIDS, Structure, mirrored_labels
from .version import __version__

#: progress(stage, finished fraction of the whole, what is being done)
Progress = Callable[[str, float, str], None]
#: A mask that reaches the border of the region widens it by this much, (x, y, z) in mm, this often.
WIDENING_MM = 30.0
MOST_WIDENINGS = 3


def no_progress(stage: str, fraction: float, message: str) -> None:
    """A progress that nobody watches."""


@dataclass(frozen=True)
class Model:
    """A bundle whose networks are loaded, ready for any number of scans.

    Attributes:
        bundle: the verified bundle.
        locator, segmenter: its opened networks; no locator if the segmenter looks at the whole scan.
        loading_seconds: how long that took.
    """

    bundle: Bundle
    locator: Engine | None
    segmenter: Engine
    loading_seconds: float


def open_model(bundle: str | Path | Bundle = "parotid-ct", *, engine: str = "auto") -> Model:
    """Load a bundle and its networks.

    Args:
        bundle: name of a bundle that ships, a folder or zip, or a Bundle.
        engine: "auto", "openvino" or "keras".

    Raises:
        BundleError, EngineError: the bundle cannot be trusted or read, or the engine is not installed.
    """
    started = time.perf_counter()
    verified = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    locator = open_engine(verified, verified.locator, engine) if verified.locator else None
    segmenter = open_engine(verified, verified.segmenter, engine)
    return Model(verified, locator, segmenter, time.perf_counter() - started)


@dataclass(frozen=True)
class Segmentation:
    """A result.

    Attributes:
        labels: uint8 on the exact grid of the scan; 0, 1 right, 2 left parotid (the patient's sides), or the labels of
            other structures.
        measurements: volume, mean HU and middle, by structure key; what was not found is absent.
        findings: what a reviewer should see, errors first.
        timings: seconds by stage.
        provenance: bundle, engine, versions and options; nothing of the patient.
        structures: what was looked for; as a rule the parotid glands.
        uncertainty: uint8 percent on the grid of the scan, 0 sure, 100 undecided (`postprocessing.indecision`); 0
            beyond the region that was looked at. None if nobody asked for it.
    """

    labels: sitk.Image
    measurements: dict[str, Measurement]
    findings: list[Finding]
    timings: dict[str, float]
    provenance: dict[str, Any]
    structures: tuple[Structure, ...] = PAROTIDS
    uncertainty: sitk.Image | None = None

    @property
    def volumes_ml(self) -> dict[str, float]:
        """Volume of each structure that was found, in mL, by its key."""
        return {key: measurement.volume_ml for key, measurement in self.measurements.items()}

    def report(self) -> dict[str, Any]:
        """Everything but the voxels, ready for JSON."""
        return {
            "structures": {key: asdict(measurement) for key, measurement in self.measurements.items()},
            "findings": [asdict(finding) for finding in self.findings],
            "timings_s": {stage: round(seconds, 3) for stage, seconds in self.timings.items()},
            "provenance": self.provenance,
        }


class _Stopwatch:
    """Seconds by stage, in order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def segment(
    image: sitk.Image | Sequence[sitk.Image],
    model: Model | str | Path | Bundle = "parotid-ct",
    *,
    mirror: bool = True,
    uncertainty: bool = False,
    progress: Progress = no_progress,
) -> Segmentation:
    """Segment the right and the left parotid gland in a CT, or what else the model is for.

    Args:
        image: CT in HU, three-dimensional, any orientation and spacing. For a model that takes several images, all of
            them in its order, in one patient space; each may have a grid of its own.
        model: an opened model, or what `open_model` takes.
        mirror: also run the mirror image with the sides swapped back, and average; slower, a little better. Left out
            for a model that did not learn from mirror images.
        uncertainty: also give an image of where the model is unsure.
        progress: called as the work goes on.

    Returns:
        The Segmentation, on the grid of the (first) image.

    Raises:
        ImageError: the image is no CT that can be segmented, no gland is in it, or there are too few or many images.
        BundleError, EngineError: see `open_model`.
    """
    watch = _Stopwatch()
    images = [image] if isinstance(image, sitk.Image) else list(image)
    if not isinstance(model, Model):
        progress("load", 0.08, "Loading the model")
        model = open_model(model)
        watch.seconds["load"] = model.loading_seconds
    progress("check", 0.10, "Checking the scan")
    with watch.stage("check"):
        _check(images, model.bundle)
    scan, structures = images[0], model.bundle.structures
    mirror = mirror and model.bundle.segmenter.mirror
    location = _locate(scan, model, watch, progress)
    probabilities, grid, widenings, cut = _segment_region(
        images, location, model, mirror=mirror, watch=watch, progress=progress
    )
    progress("restore", 0.85, "Carrying the contours to the scan")
    with watch.stage("restore"):
        carried, box = _restore(probabilities[..., 1:], grid, scan)
        if model.bundle.segmenter.preprocessing.continuation:
            _clear_beyond_ends(carried, box.crop(scan))
        contours = contours_from(carried, box.place(np.zeros(carried.shape[:3], np.uint8), scan), structures)
        labels = _on_scan(contours.labels, box, scan)
        unsure = _on_scan(indecision(carried), box, scan) if uncertainty else None
    progress("quality", 0.95, "Checking the result")
    with watch.stage("quality"):
        measurements = measure(contours, box, scan, structures)
        if location is not None and not measurements:  # seen from afar alone, as in an abdomen or in shoulders
            raise ImageError(
                "No parotid gland was found in the scan: what looks like one from afar is none: "
                "give a CT that shows the head and neck."
            )
        findings = []
        if structures == PAROTIDS:  # of nothing else it is known what is usual
            findings = inspect(contours, box, scan, measurements, cut_by_region=cut)
            findings += inspect_scale(contours, box, scan)
            if location is not None:  # a bundle without a locator may be for scans that show no head around the glands
                findings += inspect_surroundings(scan, measurements)
            findings.sort(key=lambda finding: finding.severity != "error")
    progress("done", 1.0, "Done")
    provenance = _provenance(model, scan, {"mirror": mirror, "widenings": widenings})
    return Segmentation(labels, measurements, findings, watch.seconds, provenance, structures, unsure)


def _check(images: Sequence[sitk.Image], bundle: Bundle) -> None:
    inputs = bundle.segmenter.preprocessing.inputs
    if len(images) != len(inputs):
        names = ", ".join(i.name for i in inputs)
        raise ImageError(f"The model '{bundle.name}' takes {len(inputs)} image(s) ({names}), not {len(images)}.")
    for image, wanted in zip(images, inputs, strict=True):
        check_image(image, wanted.modality, whole_head=bundle.needs_whole_head)


def _locate(scan: sitk.Image, model: Model, watch: _Stopwatch, progress: Progress) -> Location | None:
    """Where the glands are; None for a model without a locator."""
    if model.locator is None or model.bundle.locator is None:
        return None
    message = "Looking for the glands"
    progress("locate", 0.15, message)
    with watch.stage("locate"):
        return locate(
            scan,
            model.locator,
            model.bundle.locator,
            advance=lambda fraction: progress("locate", 0.15 + 0.25 * fraction, message),
        )


def _segment_region(
    images: Sequence[sitk.Image],
    location: Location | None,
    model: Model,
    *,
    mirror: bool,
    watch: _Stopwatch,
    progress: Progress,
) -> tuple[np.ndarray, Grid, int, bool]:
    """Probabilities of the whole scan, or of the region around the glands, widened while a mask touches its border.

    Returns:
        Probabilities, their grid, how often it was widened, and whether a mask touches its border all the same.
    """
    spec, structures = model.bundle.segmenter, model.bundle.structures
    widening = np.zeros(3)
    attempt = 0
    while True:
        grid = region_around(location, spec, widening.tolist()) if location else whole_scan(images[0], spec)
        message = "Drawing the contours" if attempt == 0 else "Drawing the contours again, in a wider region"
        _advance_segment(progress, message, attempt, 0.0)
        with watch.stage("prepare"):
            normalised = spec.preprocessing.sample_region(images, grid)
        with watch.stage("segment"):
            probabilities = region_probabilities(
                model.segmenter,
                normalised,
                spec.tile,
                mirror=mirrored_labels(structures) if mirror else None,
                advance=partial(_advance_segment, progress, message, attempt),
            )
        if location is None:
            return probabilities, grid, 0, False
        geometry = grid.image(np.zeros(grid.shape, np.uint8))
        labels = contours_from(probabilities[..., 1:], geometry, structures).labels
        touched = np.array(touched_axes(labels))
        if not touched.any() or attempt == MOST_WIDENINGS:
            return probabilities, grid, attempt, bool(touched.any())
        widening = widening + touched * WIDENING_MM
        attempt += 1


def _advance_segment(progress: Progress, message: str, attempt: int, fraction: float) -> None:
    # Each further attempt has half of what is left, so that progress never runs backwards.
    done = 1.0 - 0.5**attempt * (1.0 - 0.5 * fraction)
    progress("segment", 0.40 + 0.45 * done, message)


def _restore(probabilities: np.ndarray, grid: Grid, image: sitk.Image) -> tuple[np.ndarray, Box]:
    """The probabilities on the voxels of the scan under the grid, and the box of these; one empty voxel if none is."""
    carried = sample_back(probabilities, grid, image)
    if carried is None:
        return np.zeros((1, 1, 1, probabilities.shape[-1]), np.float32), Box((0, 0, 0), (1, 1, 1))
    return carried


def _clear_beyond_ends(carried: np.ndarray, part: sitk.Image) -> None:
    """Take the probabilities (z, y, x, structures) out of the empty slices at the scan's ends: the scan that the
    network saw went on there, the patient does not."""
    filled = filled_slices(part, EMPTY_BELOW_HU)
    planes = np.moveaxis(carried, 2 - axis_along_body(part), 0)
    first, last = filled or (len(planes), len(planes))
    planes[:first] = planes[last + 1 :] = 0.0


def _on_scan(array: np.ndarray, box: Box, image: sitk.Image) -> sitk.Image:
    """uint8 values of a box (z, y, x) on the grid of the scan."""
    whole = np.zeros(image.GetSize()[::-1], np.uint8)
    whole[box.slices] = array
    placed = sitk.GetImageFromArray(whole)
    placed.CopyInformation(image)
    return placed


def _provenance(model: Model, image: sitk.Image, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "software": software(),
        "bundle": {"name": model.bundle.name, "version": model.bundle.version, "sha256": model.bundle.sha256},
        "engine": model.segmenter.name,
        "options": options,
        "scan": {"size": list(image.GetSize()), "spacing_mm": list(image.GetSpacing())},
    }


def software() -> dict[str, str]:
    """Versions of what a result depends on, by name."""
    return {
        "parotidseg": __version__,
        "python": platform.python_version(),
        "SimpleITK": sitk.Version_VersionString(),
        "numpy": np.__version__,
    }
