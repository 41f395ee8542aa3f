"""The files of one result: where they go, and that they appear together or not at all."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from ..errors import OutputError
from ..files.debris import temporary_folder
from ..files.file_names import check_name, means_folder
from ..reading.images import write_image
from ..segmentation import Segmentation
from .dicom_export import write_dicom
from .dicom_reference import DicomReference, Origin
from .export import is_dicom, segmentation_suffix, write_json, write_segmentation
from .preview import WINDOW

#: What the name of the image of where the model is unsure ends with.
UNCERTAINTY = ".uncertainty.nrrd"


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        paths: the files.
        note: why there is no picture though one was wanted, one sentence; else empty.
    """

    paths: list[Path]
    note: str = ""


@dataclass(frozen=True)
class Outputs:
    """Paths of one result; None for what is not wanted, `dicom` beside the labels, which may be DICOM too."""

    labels: Path
    preview: Path | None
    report: Path | None
    dicom: tuple[Path, ...] = ()
    uncertainty: Path | None = None

    @classmethod
    def plan(
        cls,
        output: Path,
        *,
        preview: Path | None,
        report: Path | None,
        draw: bool = True,
        stem: str = "parotids",
        dicom: Sequence[str] = (),
        uncertainty: bool = False,
    ) -> Outputs:
        """Decide the paths.

        Args:
            output: a file whose suffix names a format: the picture goes beside it, a report only where asked for;
                or a folder (see `means_folder`): it gets parotids.seg.nrrd, parotids.png and report.json.
            stem: takes the place of "parotids" in these names.
            preview, report: paths that were asked for.
            draw: whether a picture is wanted at all.
            dicom: suffixes of the DICOM results that are wanted beside the labels.
            uncertainty: whether the image of where the model is unsure is wanted beside them (`UNCERTAINTY`).

        Raises:
            OutputError: a suffix is no format, two files have one path, or a place cannot be written.
        """
        if not means_folder(output):
            suffix = segmentation_suffix(output)
            labels = output
            preview = preview or output.with_name(output.name[: -len(suffix)] + ".png")
        else:
            labels = output / f"{stem}.seg.nrrd"
            preview = preview or output / f"{stem}.png"
            report = report or output / "report.json"
        stem = labels.name[: -len(segmentation_suffix(labels))]
        beside = [labels.with_name(stem + suffix) for suffix in dict.fromkeys(dicom)]
        planned = cls(
            labels,
            preview if draw else None,
            report,
            tuple(path for path in beside if path != labels),
            labels.with_name(stem + UNCERTAINTY) if uncertainty else None,
        )
        if planned.preview and planned.preview.suffix.lower() != ".png":
            raise OutputError(f"The picture cannot be written as {planned.preview}: let the name end with .png.")
        places = [path.resolve() for path in planned.paths]
        for index, path in enumerate(planned.paths):
            if places[index] in places[:index]:
                raise OutputError(
                    f"{path} cannot be written twice: give the picture and the report names of their own."
                )
            refuse_unwritable(path)
        return planned

    @property
    def paths(self) -> list[Path]:
        """All wanted paths."""
        all_of_them = (self.labels, *self.dicom, self.uncertainty, self.preview, self.report)
        return [path for path in all_of_them if path is not None]

    @property
    def needed(self) -> list[Path]:
        """The paths without that of the picture, which a result can do without."""
        return [path for path in self.paths if path != self.preview]

    @property
    def needs_dicom(self) -> bool:
        """Whether a result is DICOM, which refers to the slices of the DICOM series that the scan was read from."""
        return any(map(is_dicom, self.paths))

    def write(
        self,
        image: sitk.Image,
        result: Segmentation,
        *,
        window: tuple[float, float] = WINDOW,
        reference: DicomReference | None = None,
    ) -> Written:
        """Write all files; if one fails, or the run is ended, none stays, nor a folder made for them.

        The picture alone may fail: it only shows what the other files hold, so it is left out, and the result says why.

        Args:
            image: the scan, for the picture.
            window: its values that are black and white there.
            result: its segmentation; the time of writing is added to its timings.
            reference: the series that the scan was read from, for DICOM results.

        Raises:
            OutputError: one sentence that says which file cannot be written and why.
        """
        started = time.perf_counter()
        note = ""
        with staged_files(self.paths) as staged:
            for path in (self.labels, *self.dicom):
                _write_labels(result, staged[path], reference)
            if self.uncertainty and result.uncertainty is not None:
                write_image(result.uncertainty, staged[self.uncertainty])
            if self.preview:
                note = _draw(image, result, staged[self.preview], window)
                if note:
                    del staged[self.preview]
            result.timings["write"] = time.perf_counter() - started
            if self.report:
                write_json(result.report(), staged[self.report])
        if self.preview and note:
            with suppress(OSError):
                self.preview.unlink(missing_ok=True)  # that of an earlier result
        return Written([path for path in self.paths if not (note and path == self.preview)], note)


def _draw(image: sitk.Image, result: Segmentation, path: Path, window: tuple[float, float]) -> str:
    """Draw the picture; why there is none, one sentence, or empty."""
    try:
        from .preview import draw_preview

        draw_preview(image, result.labels, path, structures=result.structures, window=window)
    except ModuleNotFoundError as error:
        return f"The picture was left out because the package {error.name} is not installed: all other files are there."
    except Exception as error:  # of whatever kind: the contours are worth more than their picture
        kind = type(error).__name__  # not its text, which may hold the name of a file
        return f"The picture was left out because it could not be drawn ({kind}): all other files are there."
    return ""


def _write_labels(result: Segmentation, path: Path, reference: DicomReference | None) -> None:
    if reference is not None and is_dicom(path):
        bundle = result.provenance["bundle"]
        origin = Origin(bundle["name"], bundle["version"])
        write_dicom(result.labels, path, reference, structures=result.structures, origin=origin)
    else:
        write_segmentation(result.labels, path, structures=result.structures)


def _existing_ancestor(path: Path) -> Path:
    return next(parent for parent in path.absolute().parents if parent.exists())


def refuse_to_replace(inputs: Iterable[Path], outputs: Iterable[Path | None], what: str = "one of the inputs") -> None:
    """Refuse that a result takes the place of what it was made from, whatever way its path is written.

    Raises:
        OutputError: it would; `what` says in the sentence what it is.
    """
    taken = {path.resolve() for path in inputs}
    for path in outputs:
        if path is not None and path.resolve() in taken:
            raise OutputError(f"{path} is {what}, which no result may replace: give the result another name.")


def refuse_unwritable(path: Path) -> None:
    """Say before the work, not after it, that its result has no place."""
    check_name(path.absolute(), OutputError)
    ancestor = _existing_ancestor(path)
    if not ancestor.is_dir():
        raise OutputError(f"{path} cannot be written: {ancestor} is a file, not a folder.")
    if not os.access(ancestor, os.W_OK):
        raise OutputError(f"{path} cannot be written: you have no permission to write in {ancestor}.")
    if path.is_dir():
        raise OutputError(f"{path} cannot be written: there is a folder of that name.")


def _move_together(staged: Mapping[Path, Path]) -> None:
    """Move the files to their places; if one cannot go there, what was there before comes back everywhere."""
    moved: list[tuple[Path, Path]] = []
    try:
        for path, new in staged.items():
            before = new.with_name(f"before-{len(moved)}")
            if path.exists():
                shutil.copy2(path, before)
            moved.append((path, before))
            os.replace(new, path)
    except BaseException:
        for path, before in moved:
            if before.exists():
                os.replace(before, path)
            else:
                path.unlink(missing_ok=True)
        raise


@contextmanager
def staged_files(paths: Sequence[Path]) -> Iterator[dict[Path, Path]]:
    """Places for files under their final names, in hidden folders beside the targets; moved together at the end.

    Whatever ends the block early, the hidden folders vanish, and with them the folders that were made for the targets.
    """
    made = [parent for path in paths for parent in path.absolute().parents if not parent.exists()]
    try:
        with ExitStack() as folders:
            hidden: dict[Path, Path] = {}
            for parent in dict.fromkeys(path.absolute().parent for path in paths):
                parent.mkdir(parents=True, exist_ok=True)
                hidden[parent] = folders.enter_context(temporary_folder(parent, ".parotidseg-"))
            staged = {path: hidden[path.absolute().parent] / path.name for path in paths}
            yield staged
            _move_together(staged)
    except BaseException as error:
        for folder in sorted(set(made), key=lambda folder: -len(folder.parts)):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        if isinstance(error, OSError):
            raise OutputError(f"The result cannot be written: {error.strerror or error}.") from error
        raise
