"""Masks that have names, brought to one label map of the structures: the same rules wherever the masks come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from ...errors import DataError
from ...geometry.lattices import width_mm
from ...structures import PAROTID_GLAND
from .label_rules import SourceLabels, joined
from .mask_values import inside
from .region_names import listed

#: No gland is so wide from the right to the left (382 clinical contours: up to 55 mm, one with a stray piece 79 mm);
#: both together are wider than this, in children too.
LARGEST_WIDTH_MM = 80.0


@dataclass(frozen=True)
class Contours:
    """The contours of a scan, whoever drew them.

    Attributes:
        labels: uint8 label map on the grid of the scan.
        remarks: what was lost or is doubtful, each a sentence.
        regions: by structure key, what its regions are called where they come from; empty where labels have no names.
    """

    labels: sitk.Image
    remarks: tuple[str, ...] = ()
    regions: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def names(self) -> dict[str, str]:
        """By structure key, what its region is called where it comes from; several names are joined by " + "."""
        return {key: " + ".join(names) for key, names in self.regions.items()}


@dataclass(frozen=True)
class Named:
    """What regions there are.

    Attributes:
        names: of all regions.
        mask: values of the region of a name (z, y, x), on the grid of the scan; its second argument is the structure's
            key, for sentences.
        codes: by name, the key of the structure that the region's code names.
        empty: names of regions that are there without contours or voxels.
    """

    names: Sequence[str]
    mask: Callable[[str, str], np.ndarray]
    codes: Mapping[str, str] = field(default_factory=dict)
    empty: Sequence[str] = ()


def from_named_masks(named: Named, image: sitk.Image, labels: SourceLabels, *, allow_missing: bool) -> Contours:
    """The label map of regions that have names.

    Args:
        named: the regions; of those that are no structure, no mask is asked for.
        image: the scan.
        labels: what the names become.
        allow_missing: take contours that lack a named structure, or one of a pair.

    Raises:
        DataError: a structure is missing, its side is not clear or it lies on both sides, or structures overlap.
    """
    found = labels.find(named.names, named.codes)
    missing = labels.missing(found)
    if missing and (not allow_missing or not found):
        raise _missing(missing, named, labels, allow_missing=allow_missing)
    merged: dict[str, np.ndarray] = {}
    remarks = _names_remarked(found, labels, named.codes)
    for key, names in found.items():
        for name in names:
            mask, more = inside(named.mask(name, key), key)
            merged[key] = merged[key] | mask if key in merged else mask
            remarks += more
    array, overlapping = joined(merged, labels.structures)
    if overlapping:
        remarks.append(f"{overlapping} voxels lay in two structures: the lower label has them.")
    return finished(array, image, labels, allow_missing=allow_missing, remarks=remarks, found=found, named=named)


def finished(
    array: np.ndarray,
    image: sitk.Image,
    labels: SourceLabels,
    *,
    allow_missing: bool,
    remarks: Sequence[str] = (),
    found: Mapping[str, Sequence[str]] | None = None,
    named: Named | None = None,
) -> Contours:
    """A label map (z, y, x) once more as a whole: what is in it, and on which side; raises as `from_named_masks`."""
    there = set(np.unique(array).tolist())
    for structure in labels.structures:
        if structure.type == PAROTID_GLAND and structure.label in there:
            width = width_mm(array == structure.label, image)
            if width > LARGEST_WIDTH_MM:
                raise DataError(
                    f"{structure.key} lies on both sides of the head ({width:.0f} mm across): each gland needs a label "
                    "of its own."
                )
    empty = [structure for structure in labels.structures if structure.label not in there]
    # Scans without a spleen, slices without a lesion: there are such. One side alone is more often a label lost.
    sided = [structure.key for structure in empty if structure.side]
    if sided and not allow_missing:
        raise DataError(f"Nothing is labelled as {', '.join(sided)}: take such cases with --allow-missing.")
    missing = [structure.key for structure in empty]
    more = [_without(missing, named, labels)] if missing else []
    return Contours(like(image, array), (*remarks, *more), found or {})


def _names_remarked(found: Mapping[str, Sequence[str]], labels: SourceLabels, codes: Mapping[str, str]) -> list[str]:
    """A sentence on each region whose name says more than gland and side, or does not say them."""
    remarks = []
    for key, names in found.items():
        for name in names:
            if name in codes and not labels.patterns.match([name]):
                remarks.append(f"'{name}' was taken for {key} because of its code.")
            elif name not in codes and labels.says_more(key, name):
                remarks.append(f"'{name}' was taken for {key}, though its name says more than that.")
    return remarks


def _without(missing: Sequence[str], named: Named | None, labels: SourceLabels) -> str:
    passed = [*(labels.patterns.derived(named.names) if named else []), *_empty(named, missing, labels)]
    return f"Without {', '.join(missing)}.{f' Passed over: {listed(passed)}.' if passed else ''}"


def _empty(named: Named | None, missing: Sequence[str], labels: SourceLabels) -> list[str]:
    """The regions without contours that are named like a structure that is missing."""
    names = named.empty if named else ()
    return [name for name in names if set(labels.patterns.match([name])) & set(missing)]


def _missing(missing: Sequence[str], named: Named, labels: SourceLabels, *, allow_missing: bool) -> DataError:
    """What to say of structures that no region is named like."""
    way_out = "" if allow_missing else ", or take such cases with --allow-missing"
    empty = _empty(named, missing, labels)
    if empty:
        return DataError(
            f"Without a contour: {listed(empty)}; the regions with contours are {listed(named.names)}: draw what "
            f"lacks, and export it again{way_out}."
        )
    derived = labels.patterns.derived(named.names)
    why = f" ({listed(derived)} is no whole gland)" if derived else ""
    return DataError(
        f"No region is named like {', '.join(missing)}; the regions are {listed(named.names)}{why}: rename those that "
        f"are meant{labels.ways}{way_out}."
    )


def like(image: sitk.Image, array: np.ndarray) -> sitk.Image:
    """An array (z, y, x) as an image with the geometry of another."""
    labels = sitk.GetImageFromArray(array)
    labels.CopyInformation(image)
    return labels
