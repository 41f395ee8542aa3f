"""A folder of DICOM files: which CT series it holds, the choice of one, its geometry, and its voxels.

Each header is read once. All checks work on positions and directions as the headers state them, never on file names
or instance numbers.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from ..errors import ImageError
from ..files.file_names import check_name
from .dicom_damage import is_damaged_image
from .slice_geometry import SliceGeometry, StackGrid, check_frames, stack_grid

#: A series with fewer images is a localizer (scout) whatever its header says.
FEWEST_IMAGES = 4
#: Slices read at once: bounds the memory that the conversion of pixel types needs on top of the scan.
SLAB = 16
INT16_RANGE = (-32768, 32767)

_SERIES, _NUMBER, _DESCRIPTION, _MODALITY = "0020|000e", "0020|0011", "0008|103e", "0008|0060"
_IMAGE_TYPE, _PATIENT_NAME, _PATIENT_ID = "0008|0008", "0010|0010", "0010|0020"
#: Position and orientation, and spacing. The reader fills in defaults where they lack or the spacing is 0.
_PLACE, _SPACING = ("0020|0032", "0020|0037"), "0028|0030"


@dataclass(frozen=True)
class _Header:
    """What is needed of one DICOM image: where it belongs, where it lies, how it is stored."""

    path: Path
    series: str
    number: int | None
    description: str
    modality: str
    is_localizer: bool
    is_fractional: bool
    size: tuple[int, int, int]
    has_geometry: bool
    geometry: SliceGeometry

    @property
    def frames(self) -> int:
        return self.size[2]


@dataclass(frozen=True)
class _Series:
    headers: list[_Header]

    @property
    def uid(self) -> str:
        return self.headers[0].series

    @property
    def slices(self) -> int:
        return sum(header.frames for header in self.headers)

    @property
    def order(self) -> tuple[bool, int, str]:
        number = self.headers[0].number
        return number is None, number or 0, self.uid


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
    """Read the series of a modality, as a rule CT, of a folder and its subfolders.

    Localizers, other modalities and objects without pixels (contours, plans) do not count as a series.

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
    return _assembled(_headers_of_folder(folder, series, modality))


def read_dicom_files(files: Sequence[Path], modality: str = "CT") -> sitk.Image:
    """Read one series of which the files are known; they may lie in several folders, among others.

    Args:
        files: all files of the series, in any order.
        modality: as DICOM codes it; "OT" takes any.

    Returns:
        As `read_dicom_folder`.

    Raises:
        ImageError: no image, another modality, several series, a damaged file, or slices that form no regular grid.
    """
    return _assembled(_headers_of_files(files, modality))


def _assembled(chosen: list[_Header]) -> sitk.Image:
    """The image of one series."""
    if any(header.frames > 1 for header in chosen):
        if len(chosen) > 1:
            raise ImageError(
                "The DICOM series is spread over several multi-frame files, which is not supported: export it as "
                "single slices."
            )
        image = _read_pixels([chosen[0].path], is_fractional=chosen[0].is_fractional)
        check_frames(image.GetSpacing())
        return image
    slices = _sorted(chosen)
    image = _read_pixels(slices.paths, is_fractional=slices.is_fractional)
    image.SetOrigin(slices.grid.origin)
    image.SetSpacing(slices.grid.spacing)
    image.SetDirection(slices.grid.direction)
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
        chosen = _headers_of_folder(source, series, modality)
    else:
        chosen = _headers_of_files(source, modality)
    if any(header.frames > 1 for header in chosen):
        raise ImageError(
            "The DICOM series is a multi-frame file, and contours can only be tied to single slices: export it as "
            "single slices."
        )
    return _sorted(chosen)


def list_series(files: Iterable[Path], modality: str = "CT") -> dict[str, list[Path]]:
    """The files of each series of a modality among any number of files, by SeriesInstanceUID.

    Localizers do not count. A damaged file, of which nobody can say whose it is, is listed with each series of its
    folder, so that reading that series fails and says why, instead of a scan with slices missing at its end.

    Args:
        files: of any kind; those that are no DICOM images are passed over.
        modality: as DICOM codes it; "OT" takes any.
    """
    headers, damaged = _readable(files, modality)
    groups = defaultdict(list)
    for header in headers:
        if modality in (header.modality, "OT") and not header.is_localizer:
            groups[header.series].append(header)
    listed = {}
    for uid, group in groups.items():
        if _Series(group).slices >= FEWEST_IMAGES:
            folders = {header.path.parent for header in group}
            paths = [header.path for header in group] + [path for path in damaged if path.parent in folders]
            listed[uid] = sorted(paths)
    return listed


def _headers_of_folder(folder: Path, series: str | None, modality: str) -> list[_Header]:
    headers = _read_headers(_files(folder), f"the folder {folder.name!r}", modality)
    return _choose(_series_of(headers, folder, modality), series, folder, modality).headers


def _headers_of_files(files: Sequence[Path], modality: str) -> list[_Header]:
    headers = _read_headers(files, "the series", modality)
    if not headers or any(modality not in (header.modality, "OT") for header in headers):
        raise ImageError(f"The DICOM files are not those of a {modality} series: export the series again.")
    if len({header.series for header in headers}) > 1:
        raise ImageError("The DICOM files belong to several series: export one series alone.")
    return headers


def _sorted(chosen: list[_Header]) -> Slices:
    """Single slices in their order; ImageError if they form no regular grid."""
    if not all(header.has_geometry for header in chosen):
        raise ImageError(
            "Slices of the DICOM series lack their position, orientation or pixel spacing (or it is 0): export the "
            "original series."
        )
    if len({header.size for header in chosen}) > 1:
        raise ImageError(
            "The slices of the DICOM series differ in their number of rows or columns: export the original axial "
            "series alone."
        )
    order, grid = stack_grid([header.geometry for header in chosen])
    columns, rows, _ = chosen[0].size
    return Slices(
        paths=[chosen[index].path for index in order],
        size=(columns, rows, len(order)),
        grid=grid,
        is_fractional=any(header.is_fractional for header in chosen),
    )


def _files(folder: Path) -> Iterator[Path]:
    for parent, subfolders, names in os.walk(folder):
        subfolders.sort()
        yield from (Path(parent, name) for name in sorted(names))


def _readable(files: Iterable[Path], modality: str) -> tuple[list[_Header], list[Path]]:
    """The headers of the DICOM images among the files, and which files are damaged images of the modality."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    headers, damaged = [], []
    for path in files:
        check_name(path)
        reader.SetFileName(str(path))
        try:
            reader.ReadImageInformation()
        except RuntimeError:  # no DICOM, a DICOM object without pixels, or a damaged file
            if is_damaged_image(path, modality):
                damaged.append(path)
            continue
        headers.append(_header(reader, path))
    return headers, damaged


def _read_headers(files: Iterable[Path], where: str, modality: str) -> list[_Header]:
    headers, damaged = _readable(files, modality)
    if damaged:
        raise ImageError(
            f"{len(damaged)} DICOM {modality} file(s) in {where} are damaged, cut short or compressed in an "
            "unknown way: copy or export the series again."
        )
    return headers


def _header(reader: sitk.ImageFileReader, path: Path) -> _Header:
    def text(tag: str) -> str:
        return _decoded(reader.GetMetaData(tag)).strip() if reader.HasMetaDataKey(tag) else ""

    number = text(_NUMBER)
    size = (*reader.GetSize(), 1, 1)[:3]
    return _Header(
        path=path,
        series=text(_SERIES),
        number=int(number) if re.fullmatch(r"-?\d+", number) else None,
        description=_without_names(text(_DESCRIPTION), text(_PATIENT_NAME), text(_PATIENT_ID)),
        modality=text(_MODALITY).upper(),
        is_localizer="LOCALIZER" in text(_IMAGE_TYPE).upper(),
        is_fractional=reader.GetPixelIDValue() in (sitk.sitkFloat32, sitk.sitkFloat64),
        size=size,
        has_geometry=all(text(tag) for tag in _PLACE) and _are_positive(text(_SPACING)),
        geometry=SliceGeometry.of(reader),
    )


def _are_positive(numbers: str) -> bool:
    """Whether this list of DICOM decimals holds at least one number, and none that is 0 or less."""
    try:
        return all(float(number) > 0 for number in numbers.split("\\"))
    except ValueError:
        return False


def _decoded(text: str) -> str:
    """Text of a header; bytes that are no UTF-8 arrive as surrogates, which no terminal can print: taken as Latin-1."""
    raw = text.encode("utf-8", "surrogateescape")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return "".join(character if character.isprintable() else " " for character in text)


def _without_names(description: str, *identifying: str) -> str:
    """The description, at most 40 characters, without any word of the patient's name or identifier."""
    for word in re.split(r"[\W_]+", " ".join(identifying)):
        if len(word) > 1:
            description = re.sub(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", "***", description, flags=re.IGNORECASE)
    return description[:40]


def _series_of(headers: list[_Header], folder: Path, modality: str) -> list[_Series]:
    """The series of a modality in the order in which they are listed; ImageError that says what is there instead."""
    if not headers:
        raise ImageError(
            f"The folder {folder.name!r} holds no DICOM image: give a folder with a {modality} series, or an image "
            "file."
        )
    groups = defaultdict(list)
    for header in headers:
        if modality in (header.modality, "OT") and not header.is_localizer:
            groups[header.series].append(header)
    found = sorted((_Series(group) for group in groups.values()), key=lambda series: series.order)
    real = [series for series in found if series.slices >= FEWEST_IMAGES]
    if not real:
        counts = Counter(header.modality or "no modality" for header in headers)
        listed = ", ".join(f"{count} of {modality}" for modality, count in sorted(counts.items()))
        raise ImageError(
            f"The folder {folder.name!r} holds no {modality} series but localizers or other images ({listed}): give "
            f"the folder of a {modality} series."
        )
    return real


def _choose(found: list[_Series], wanted: str | None, folder: Path, modality: str) -> _Series:
    if wanted is None and len(found) == 1:
        return found[0]
    if wanted is not None:
        named = {str(number): series for number, series in enumerate(found, start=1)}
        named.update({series.uid: series for series in found})
        if wanted.strip() in named:
            return named[wanted.strip()]
    listed = "; ".join(
        f"{number}: {series.headers[0].description or 'no description'}, {series.slices} slices"
        for number, series in enumerate(found, start=1)
    )
    problem = f"holds {len(found)}" if wanted is None else f"lacks {wanted!r} among its {len(found)}"
    raise ImageError(
        f"The folder {folder.name!r} {problem} {modality} series ({listed}): choose one with --series NUMBER."
    )


def _read_pixels(paths: list[Path], *, is_fractional: bool) -> sitk.Image:
    """The voxels of these files, in this order; slab by slab, so that wide pixel types never exist for a whole scan."""
    pixel_type = sitk.sitkFloat32 if is_fractional else sitk.sitkInt16
    slabs = (_read_slab(paths[first : first + SLAB], pixel_type) for first in range(0, len(paths), SLAB))
    image = next(slabs)
    if len(paths) <= SLAB:
        return image
    columns, rows, filled = image.GetSize()
    whole = sitk.Image([columns, rows, len(paths)], pixel_type)  # filled in place
    whole[:, :, :filled] = image
    for slab in slabs:
        whole[:, :, filled : filled + slab.GetDepth()] = slab
        filled += slab.GetDepth()
    return whole


def _read_slab(paths: list[Path], pixel_type: int) -> sitk.Image:
    """One to SLAB slices, or one multi-frame file (to which the reader of series would add a dimension)."""
    names = [str(path) for path in paths]
    if len(names) == 1:
        reader = sitk.ImageFileReader()
        reader.SetFileName(names[0])
    else:
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(names)
    reader.SetImageIO("GDCMImageIO")
    reader.SetOutputPixelType(pixel_type if pixel_type == sitk.sitkFloat32 else sitk.sitkInt32)
    try:
        slab = reader.Execute()
    except RuntimeError as error:
        raise ImageError(
            "The pixels of the DICOM series cannot be read because a file is damaged or compressed in an unknown way: "
            "copy or export the series again."
        ) from error
    return slab if pixel_type == sitk.sitkFloat32 else sitk.Clamp(slab, pixel_type, *INT16_RANGE)
