"""Which images of a DICOM series are its slices, which series count, and the choice of one.

Scanners and archives put scouts, dose reports and pages of pictures beside the slices of a CT, under its modality and
at times in its very series. They are passed over, and named in the log.
"""

from __future__ import annotations

import filecmp
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ...errors import ImageError
from .header import Header
from .pixels import read_pixels

#: A series with fewer images is a localizer (scout) whatever its header says.
FEWEST_IMAGES = 4
#: Images among the slices of a series that differ from them are strays only while they are few.
MOST_STRAYS, STRAY_SHARE = 3, 0.1
#: Cosine between the normals of a scout and of slices; slices of one series differ by rounding.
STRAY_COSINE = 0.98
_PAGES = re.compile(r"SCREEN ?SAVE|DOSE[_ ]INFO|REPORT|PROTOCOL|\bPROT\b")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Series:
    """A series: its slices, and what else it holds."""

    headers: tuple[Header, ...]
    strays: tuple[Header, ...] = ()

    @property
    def uid(self) -> str:
        return self.headers[0].series

    @property
    def description(self) -> str:
        return self.headers[0].description

    @property
    def slices(self) -> int:
        """Slices, an object that lies in two files counted once."""
        objects = {(header.instance or str(header.path), _place(header)): len(header.frames) for header in self.headers}
        return sum(objects.values())

    @property
    def order(self) -> tuple[bool, int, str]:
        number = self.headers[0].number
        return number is None, number or 0, self.uid

    def log_strays(self) -> None:
        """Name what is passed over."""
        if self.strays:
            _log.warning(
                "Passed over: %d image(s) of the series %r that are none of its slices (scouts, pages, screenshots).",
                len(self.strays),
                self.description or "no description",
            )


def count_series(headers: Iterable[Header], modality: str) -> tuple[list[Series], list[Series]]:
    """The series of a modality that count, in the order in which they are listed; and pages, which do not.

    Localizers and series of less than `FEWEST_IMAGES` slices are in neither.
    """
    groups = defaultdict(list)
    for header in headers:
        if modality in (header.modality, "OT"):
            groups[header.series].append(header)
    groups_of_slices = [group for group in groups.values() if not all(header.is_localizer for header in group)]
    found = [series for group in groups_of_slices if (series := slices_of(group)).slices >= FEWEST_IMAGES]
    found.sort(key=lambda series: series.order)
    pages = [series for series in found if all(map(_is_page, series.headers))]
    rest = [series for series in found if series not in pages]
    # Beside true slices, screenshots that state a position are none, nor is what states no position at all.
    true = [series for series in rest if not _is_doubtful(series)]
    return (true, [*pages, *(one for one in rest if one not in true)]) if true else (rest, pages)


def _place(header: Header) -> tuple[float, ...]:
    geometry = header.frames[0].geometry
    return tuple(geometry.origin.tolist()) if geometry is not None else ()


def log_passed_over(pages: Sequence[Series]) -> None:
    """Name series that do not count."""
    for series in pages:
        _log.warning(
            "Passed over: the series %r, %d image(s), whose images are no slices (pages, screenshots, reports).",
            series.description or "no description",
            series.slices,
        )


def _is_page(header: Header) -> bool:
    """A picture, whatever lies beside it: in colour, or a capture that lies nowhere."""
    return header.pixels.samples != 1 or (header.is_capture and not header.has_geometry)


def _is_doubtful(series: Series) -> bool:
    return all(header.is_capture or not header.has_geometry for header in series.headers)


def slices_of(headers: Sequence[Header]) -> Series:
    """The slices among the images of one series, and the strays.

    An image of which it is not sure that it is a stray stays: the grid then says what is wrong, and no slice is lost.
    """
    slices = [header for header in headers if not header.is_localizer and not _is_page(header)]
    if not slices:
        slices = list(headers)
    for is_stray in (_is_named_a_page, _is_capture, _is_turned, _is_odd):
        usual = _Usual.of(slices)
        kept = [header for header in slices if not is_stray(header, usual)]
        few = len(slices) - len(kept) <= max(MOST_STRAYS, STRAY_SHARE * len(slices))
        if sum(len(header.frames) for header in kept) >= FEWEST_IMAGES and few:
            slices = kept
    chosen = set(map(id, slices))
    return Series(tuple(slices), tuple(header for header in headers if id(header) not in chosen))


@dataclass(frozen=True)
class _Usual:
    """What most images of a series have; the normal of their planes is None if they lie nowhere."""

    is_capture: bool
    is_secondary: bool
    size: tuple[int, int]
    normal: np.ndarray | None

    @classmethod
    def of(cls, headers: Sequence[Header]) -> _Usual:
        placed = [header for header in headers if header.has_geometry]
        # Frames of one file may be turned against each other, which the grid refuses; here the first one speaks.
        normals = [tuple(np.abs(_normal(header)).round(2).tolist()) for header in placed]
        usual = Counter(normals).most_common(1)
        return cls(
            sum(header.is_capture for header in headers) * 2 > len(headers),
            sum(header.is_secondary for header in headers) * 2 > len(headers),
            Counter(header.size for header in headers).most_common(1)[0][0],
            _normal(placed[normals.index(usual[0][0])]) if usual else None,
        )


def _normal(header: Header) -> np.ndarray:
    geometry = header.frames[0].geometry
    assert geometry is not None
    return geometry.axes[:, 2]


def _is_named_a_page(header: Header, usual: _Usual) -> bool:
    return any(map(_PAGES.search, header.image_type))


def _is_capture(header: Header, usual: _Usual) -> bool:
    return header.is_capture and not usual.is_capture


def _is_turned(header: Header, usual: _Usual) -> bool:
    """A scout across the slices."""
    if usual.normal is None or not header.has_geometry:
        return False
    return bool(abs(_normal(header) @ usual.normal) < STRAY_COSINE)


def _is_odd(header: Header, usual: _Usual) -> bool:
    """Unlike the others in two of three ways: not made by the scanner, of another size, at no place."""
    is_secondary = header.is_secondary and not usual.is_secondary
    return is_secondary + (header.size != usual.size) + (not header.has_geometry) >= 2


def choose(found: Sequence[Series], pages: Sequence[Series], wanted: str | None, folder: Path, modality: str) -> Series:
    """The series to take.

    Args:
        found, pages: see `count_series`; at least one is found. A page is chosen by its UID alone.
        wanted: its number in the list, or its UID.

    Raises:
        ImageError: there are several and none is chosen, or there is no such one; it lists them.
    """
    if wanted is None and len(found) == 1:
        return found[0]
    if wanted is not None:
        named = {series.uid: series for series in (*pages, *found)}
        named.update({str(number): series for number, series in enumerate(found, start=1)})
        if wanted.strip() in named:
            return named[wanted.strip()]
    listed = "; ".join(
        f"{number}: {series.description or 'no description'}, {series.slices} slices"
        for number, series in enumerate(found, start=1)
    )
    problem = f"holds {len(found)}" if wanted is None else f"lacks {wanted!r} among its {len(found)}"
    raise ImageError(
        f"The folder {folder.name!r} {problem} {modality} series ({listed}): choose one with --series NUMBER."
    )


def without_copies(headers: Sequence[Header]) -> list[Header]:
    """Each object (SOP instance) once, if it lies in several files.

    Objects that share an identifier but lie at different places are different slices, wrongly named: they stay.

    Raises:
        ImageError: two files hold one object, at one place, with different pixels.
    """
    kept: list[Header] = []
    by_instance: dict[str, list[Header]] = defaultdict(list)
    for header in headers:
        others = by_instance[header.instance] if header.instance else []
        same = [other for other in others if _same_place(header, other)]
        if same and not _same_pixels(header, same[0]):
            raise ImageError(
                "Two files of the DICOM series are one and the same object by their SOPInstanceUID, but their pixels "
                "differ: keep the right one, or export the series again."
            )
        if not same:
            kept.append(header)
            others.append(header)
    if len(kept) < len(headers):
        _log.warning("Passed over: %d file(s) that hold a slice of the series once more.", len(headers) - len(kept))
    return kept


def _same_place(one: Header, other: Header) -> bool:
    if one.size != other.size or len(one.frames) != len(other.frames):
        return False
    for mine, its in zip(one.frames, other.frames, strict=True):
        if mine.geometry is None or its.geometry is None:
            if mine.geometry is not its.geometry:
                return False
        elif not np.allclose(mine.geometry.numbers, its.geometry.numbers, rtol=0, atol=1e-3):
            return False
    return True


def _same_pixels(one: Header, other: Header) -> bool:
    if filecmp.cmp(one.path, other.path, shallow=False):
        return True
    images = [read_pixels([(header, frame) for frame in range(len(header.frames))]) for header in (one, other)]
    return np.array_equal(*(sitk.GetArrayViewFromImage(image) for image in images))
