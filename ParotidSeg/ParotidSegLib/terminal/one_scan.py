"""One scan, from its files to the files of its result: what `segment` and `batch` of the command line do."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import SimpleITK as sitk

from ..errors import ImageError
from ..model.bundle import Bundle
from ..reading.images import read_image, read_series
from ..segmentation import Model, Segmentation, segment
from ..structures import PAROTIDS
from ..writing.dicom_reference import DicomReference, check_dicom_input, dicom_packages
from ..writing.outputs import Outputs, refuse_to_replace
from ..writing.preview import WINDOW
from .console import Reporter

#: A file or folder, or all files of a DICOM series.
Source = Path | Sequence[Path]


@dataclass(frozen=True)
class Options:
    """What is wanted of a scan.

    Attributes:
        mirror: see `segmentation.segment`.
        series: which series of a DICOM folder.
        others: paths of further images, by the model's names for them.
        preview, report: where they go, see `outputs.Outputs.plan`.
        draw: whether a picture is wanted.
        dicom: suffixes of DICOM results beside the labels.
        uncertainty: whether an image of where the model is unsure is wanted, too.
    """

    mirror: bool = True
    series: str | None = None
    others: Mapping[str, str] = field(default_factory=dict)
    preview: Path | None = None
    report: Path | None = None
    draw: bool = True
    dicom: tuple[str, ...] = ()
    uncertainty: bool = False

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Options:
        """From the command line; a command that lacks an option has its default."""
        return cls(
            mirror=not arguments.no_mirror,
            series=getattr(arguments, "series", None),
            others=dict(assignment.partition("=")[::2] for assignment in getattr(arguments, "others", [])),
            preview=getattr(arguments, "preview", None),
            report=getattr(arguments, "report", None),
            draw=not arguments.no_preview,
            dicom=tuple(arguments.dicom),
            uncertainty=arguments.uncertainty,
        )


def plan(source: Source, output: Path, bundle: Bundle, options: Options) -> Outputs:
    """Decide which files the result gets.

    Raises:
        OutputError: see `outputs.Outputs.plan`; a result would replace the scan; or a result is DICOM and the scan is
            not, or its packages are missing.
    """
    planned = Outputs.plan(
        output,
        preview=options.preview,
        report=options.report,
        draw=options.draw,
        stem="parotids" if bundle.structures == PAROTIDS else "segmentation",
        dicom=options.dicom,
        uncertainty=options.uncertainty,
    )
    files = [source] if isinstance(source, Path) else source
    refuse_to_replace([*files, *map(Path, options.others.values())], planned.paths, "the scan itself")
    if planned.needs_dicom:
        if isinstance(source, Path):
            check_dicom_input(source)
        else:
            dicom_packages()
    return planned


def segment_scan(source: Source, output: Path, model: Model, options: Options, show: Reporter) -> Segmentation:
    """Read a scan, segment it and write the files of the result.

    Raises:
        ParotidSegError: it cannot be read, segmented or written; no file is left then.
    """
    with enough_memory():
        bundle = model.bundle
        planned = plan(source, output, bundle, options)
        show.progress("read", 0.05, "Reading the scan")
        started = time.perf_counter()
        images = _read(source, bundle, options)
        modality = bundle.segmenter.preprocessing.inputs[0].modality
        reference = DicomReference.open(source, options.series, modality) if planned.needs_dicom else None
        reading = time.perf_counter() - started
        result = segment(images, model, mirror=options.mirror, uncertainty=options.uncertainty, progress=show.progress)
        result.timings.update(load=model.loading_seconds, read=reading)
        show.progress("write", 1.0, "Writing the result")
        written = planned.write(images[0], result, window=_window(images[0], bundle), reference=reference)
        show.result(result, written.paths, written.note)
        return result


@contextmanager
def enough_memory() -> Iterator[None]:
    """One scan that is too large is one scan that fails."""
    try:
        yield
    except MemoryError as error:
        raise ImageError(
            "The memory of this computer does not suffice for the scan: close other programs and try again."
        ) from error


def _read(source: Source, bundle: Bundle, options: Options) -> list[sitk.Image]:
    """The images that the model takes, in its order."""
    first, *others = bundle.segmenter.preprocessing.inputs
    whole_head = bundle.needs_whole_head
    if isinstance(source, Path):
        image = read_image(source, series=options.series, modality=first.modality, whole_head=whole_head)
    else:
        image = read_series(source, modality=first.modality, whole_head=whole_head)
    if set(options.others) != {other.name for other in others} or not all(options.others.values()):
        wanted = " ".join(f"--with {other.name}=PATH" for other in others) or "no --with"
        raise ImageError(f"The model '{bundle.name}' takes a {first.name} image as INPUT and {wanted}.")
    paths = options.others
    return [image, *(read_image(paths[o.name], modality=o.modality, whole_head=whole_head) for o in others)]


def _window(image: sitk.Image, bundle: Bundle) -> tuple[float, float]:
    """The values that a picture shows black and white: soft tissue in CT, else what the network sees."""
    preprocessing = bundle.segmenter.preprocessing
    if preprocessing.inputs[0].modality == "CT":
        return WINDOW
    return next(channel for channel in preprocessing.channels if channel.input == 0).limits(image)
