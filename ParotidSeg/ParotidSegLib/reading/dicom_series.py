"""A folder of DICOM files: the series that is meant, its geometry, and its voxels.

Each header is read once, by `dicom.walk`. All checks work on positions and directions as the headers state them, frame
by frame, never on file names or instance numbers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from ..errors import ImageError
from ..files.file_names import check_name
from ..files.walking import files_below
from .dicom.choice import Series, choose, count_series, log_passed_over, slices_of, without_copies
from .dicom.geometry import StackGrid, stack_grid
from .dicom.header import DamagedFile, Header, read_header
from .dicom.pixels import Slice, read_pixels

#: More than four times the largest CT there is; a damaged header may claim anything.
MOST_VOXELS = 2**30


@dataclass(frozen=True)
class Slices:
    """A series of single slices that form a regular grid.

    Attributes:
        paths: a file a slice, in ascending position along their normal.
        size: columns, rows and slices.
        grid: where the voxels lie.
        is_fractional: whether the rescaled values are no whole numbers.
    """

    paths: list[Path]
    size: tuple[int, int, int]
    grid: StackGrid
    is_fractional: bool


def read_dicom_folder(folder: Path, series: str | None = None, modality: str = "CT") -> sitk.Image:
    """Read the series of a modality, as a rule CT, of a folder and its subfolders; links are followed.

    Localizers, pages and screenshots, other modalities and objects without pixels (contours, plans) do not count as a
    series, nor as slices of one.

    Args:
        folder: an existing folder.
        series: SeriesInstanceUID of the series to take, or its number ("1", "2") in the list that the error names;
            needed only if there are several.
        modality: as DICOM codes it; "OT" takes any.

    Returns:
        int16 (float32 if the rescale slope is fractional), LPS, with neither metadata nor names; slices in ascending
        position along their normal. Values are not checked.

    Raises:
        ImageError: no CT, several and none chosen, a damaged file, or slices that form no regular grid.
    """
    return _assembled(_series_of_folder(folder, series, modality))


def read_dicom_files(files: Sequence[Path], modality: str = "CT") -> sitk.Image:
    """Read one series of which the files are known; they may lie in several folders, among others.

    Args:
        files: all files of the series, in any order; or one multi-frame file.
        modality: as DICOM codes it; "OT" takes any.

    Returns:
        As `read_dicom_folder`.

    Raises:
        ImageError: no image, another modality, several series, a damaged file, or slices that form no regular grid.
    """
    return _assembled(_series_of_files(files, modality))


def read_dicom_slice(header: Header) -> sitk.Image:
    """Read a single slice, with its geometry if it states one."""
    image = read_pixels([(header, 0)])
    geometry = header.frames[0].geometry
    if geometry is not None:
        image.SetOrigin(geometry.origin.tolist())
        image.SetSpacing([*geometry.spacing, 1.0])
        image.SetDirection(geometry.axes.ravel().tolist())
    return image


def find_slices(source: Path | Sequence[Path], series: str | None = None, modality: str = "CT") -> Slices:
    """The files of the series that `read_dicom_folder` or `read_dicom_files` reads, in the order of its voxels.

    Args:
        source: a folder, or all files of a series.
        series, modality: as there; of files, a series cannot be chosen.

    Raises:
        ImageError: as there, or the series is a multi-frame file.
    """
    if isinstance(source, Path):
        chosen = _series_of_folder(source, series, modality)
    else:
        chosen = _series_of_files(source, modality)
    if any(len(header.frames) > 1 for header in chosen):
        raise ImageError(
            "The DICOM series is a multi-frame file, and contours can only be tied to single slices: export it as "
            "single slices."
        )
    ordered, grid = _sorted(chosen)
    return Slices(
        paths=[header.path for header, _ in ordered],
        size=(*chosen[0].size, len(ordered)),
        grid=grid,
        is_fractional=any(header.is_fractional for header in chosen),
    )


def find_files(source: Path | Sequence[Path], series: str | None = None, modality: str = "CT") -> list[Path]:
    """The files of the series that `read_image` reads, in no order; none of a file that is no DICOM.

    Args:
        source: a folder, a file, or all files of a series.
        series, modality: as for `read_dicom_folder`.

    Raises:
        ImageError: as there.
    """
    if isinstance(source, Path):
        if not source.is_dir():
            return [source] if isinstance(read_header(source, modality), Header) else []
        return [header.path for header in _series_of_folder(source, series, modality)]
    return [header.path for header in _series_of_files(source, modality)]


def list_series(files: Iterable[Path], modality: str = "CT") -> dict[str, list[Path]]:
    """The files of each series of a modality among any number of files, by SeriesInstanceUID.

    Localizers and pages do not count. A damaged file is listed with its series, even alone; one of which nobody can say
    whose it is, with each series of its folder: reading that series then fails and says why, instead of giving a scan
    with slices missing at its end.

    Args:
        files: of any kind; those that are no DICOM images are passed over.
        modality: as DICOM codes it; "OT" takes any.
    """
    headers, damaged = _readable(files, modality)
    found, pages = count_series(headers, modality)
    log_passed_over(pages)
    listed = {series.uid: [header.path for header in series.headers] for series in found}
    folders = {uid: {path.parent for path in paths} for uid, paths in listed.items()}
    for one in damaged:
        if one.series:
            listed.setdefault(one.series, []).append(one.path)
        else:
            for uid, places in folders.items():
                if one.path.parent in places:
                    listed[uid].append(one.path)
    return {uid: sorted(paths) for uid, paths in listed.items()}


def _assembled(chosen: Sequence[Header]) -> sitk.Image:
    """The image of one series."""
    slices, grid = _sorted(chosen)
    image = read_pixels(slices)
    image.SetOrigin(grid.origin)
    image.SetSpacing(grid.spacing)
    image.SetDirection(grid.direction)
    return image


def _series_of_folder(folder: Path, wanted: str | None, modality: str) -> list[Header]:
    headers, damaged = _readable(files_below(folder), modality)
    if not headers:
        _refuse_damaged(damaged, f"the folder {folder.name!r}", modality)
        raise ImageError(
            f"The folder {folder.name!r} holds no DICOM image: give a folder with a {modality} series, or an image "
            "file."
        )
    found, pages = count_series(headers, modality)
    if not found:
        _refuse_damaged(damaged, f"the folder {folder.name!r}", modality)
        counts = Counter(header.modality or "no modality" for header in headers)
        listed = ", ".join(f"{count} of {modality}" for modality, count in sorted(counts.items()))
        raise ImageError(
            f"The folder {folder.name!r} holds no {modality} series but localizers or other images ({listed}): give "
            f"the folder of a {modality} series."
        )
    series = choose(found, pages, wanted, folder, modality)
    _refuse_damaged([one for one in damaged if one.series in ("", series.uid)], f"the folder {folder.name!r}", modality)
    log_passed_over([page for page in pages if page is not series])
    return _checked(series)


def _series_of_files(files: Sequence[Path], modality: str) -> list[Header]:
    headers, damaged = _readable(files, modality)
    _refuse_damaged(damaged, "the series", modality)
    if not headers or any(modality not in (header.modality, "OT") for header in headers):
        raise ImageError(f"The DICOM files are not those of a {modality} series: export the series again.")
    if len({header.series for header in headers}) > 1:
        raise ImageError("The DICOM files belong to several series: export one series alone.")
    return _checked(slices_of(headers))


def _checked(series: Series) -> list[Header]:
    series.log_strays()
    return without_copies(series.headers)


def _sorted(chosen: Sequence[Header]) -> tuple[list[Slice], StackGrid]:
    """All frames of a series in their order, and the grid that they form; ImageError if that is no regular one."""
    if not all(header.has_geometry for header in chosen):
        is_frames = any(len(header.frames) > 1 for header in chosen)
        raise ImageError(
            f"{'Frames' if is_frames else 'Slices'} of the DICOM series lack their position, orientation or pixel "
            "spacing (or it is 0): export the original series."
        )
    if len({header.size for header in chosen}) > 1:
        raise ImageError(
            "The slices of the DICOM series differ in their number of rows or columns: export the original axial "
            "series alone."
        )
    slices = [(header, frame) for header in chosen for frame in range(len(header.frames))]
    if math.prod(chosen[0].size) * len(slices) > MOST_VOXELS:
        raise ImageError("The DICOM series claims more voxels than any CT has: check its files.")
    geometries = [geometry for header in chosen for frame in header.frames if (geometry := frame.geometry) is not None]
    if len(slices) == 1:
        raise ImageError("The DICOM series is a single slice: give the whole series.")
    order, grid = stack_grid(geometries)
    return [slices[index] for index in order], grid


def _readable(files: Iterable[Path], modality: str) -> tuple[list[Header], list[DamagedFile]]:
    """The headers of the DICOM images among the files, and the damaged images of the modality."""
    headers: list[Header] = []
    damaged: list[DamagedFile] = []
    for path in files:
        check_name(path)
        found = read_header(path, modality)
        if isinstance(found, Header):
            headers.append(found)
        elif found is not None:
            damaged.append(found)
    return headers, damaged


def _refuse_damaged(damaged: Sequence[DamagedFile], where: str, modality: str) -> None:
    if damaged:
        raise ImageError(
            f"{len(damaged)} DICOM {modality} file(s) in {where} are damaged, cut short or compressed in an "
            "unknown way: copy or export the series again."
        )
