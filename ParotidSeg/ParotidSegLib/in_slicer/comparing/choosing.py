"""Which segments of a segmentation are the glands: by their codes, by their names, or by the side on which they lie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import vtk

from ...errors import DataError
from ...reading.contours.region_names import RegionPatterns, speaks_of_parotids
from ...structures import CodedConcept, Structure

#: Right and left glands lie farther apart than this (mm); what does not is not told apart by its place.
_APART_MM = 30.0
#: Where the parts of Slicer's terminology entry stand: a type and its modifier, a region and its modifier.
_TYPE, _REGION = 2, 5


def gland_segments(segmentation_node: Any, structures: Sequence[Structure]) -> dict[str, str]:
    """The IDs of the segments that are the glands, by the structure's key; those that are not found are left out.

    Codes with a side come first (SNOMED CT, as ParotidSeg, DICOM SEG and other segmenters write them), then names as
    `RegionPatterns` knows them. What is called a parotid gland and has no side, or two segments that have no telling
    names at all, get the side on which they lie. No segment is taken for two glands.

    Args:
        segmentation_node: the segmentation.
        structures: the glands.
    """
    segmentation = segmentation_node.GetSegmentation()
    ids = list(segmentation.GetSegmentIDs())
    names = {one: segmentation.GetSegment(one).GetName() or "" for one in ids}
    codes = {one: _codes(segmentation.GetSegment(one)) for one in ids}
    found = {s.key: s.key for s in structures if s.key in ids}
    for structure in structures:
        wanted = _code(structure.type), _code(structure.laterality)
        fitting = [one for one in ids if wanted in codes[one] and one not in found.values()]
        if structure.key not in found and len(fitting) == 1:
            found[structure.key] = fitting[0]
    _add_by_name(found, structures, {one: name for one, name in names.items() if one not in found.values()})
    missing = [s for s in structures if s.side and s.key not in found]
    left = [one for one in ids if one not in found.values()]
    types = {_code(s.type) for s in missing}
    speaking = [one for one in left if speaks_of_parotids(names[one]) or types & {kind for kind, _ in codes[one]}]
    candidates = speaking or (left if len(ids) == len(structures) == 2 else [])
    return {**found, **_by_side(segmentation_node, missing, candidates)}


def _add_by_name(found: dict[str, str], structures: Sequence[Structure], names: dict[str, str]) -> None:
    keys = [s.key for s in structures if s.key not in found]
    if not keys:
        return
    try:
        matched = RegionPatterns.default(keys).match(list(names.values()))
    except DataError:  # two names fit equally well, or one fits both sides: a person has to choose
        return
    for key, name in matched.items():
        found[key] = next(one for one, its in names.items() if its == name)


def _by_side(segmentation_node: Any, structures: Iterable[Structure], candidates: Sequence[str]) -> dict[str, str]:
    """A pair of segments, by where they lie; nothing where there is no such pair."""
    sides = {s.side: s.key for s in structures}
    if len(candidates) != 2 or set(sides) != {"right", "left"}:
        return {}
    places = {one: segmentation_node.GetSegmentCenterRAS(one) for one in candidates}
    if not all(places.values()):
        return {}
    left, right = sorted(candidates, key=lambda one: places[one][0])  # R grows towards the patient's right
    if places[right][0] - places[left][0] < _APART_MM:
        return {}
    return {sides["right"]: right, sides["left"]: left}


def _code(concept: CodedConcept | None) -> tuple[str, str]:
    return (concept.scheme, concept.value) if concept is not None else ("", "")


def _codes(segment: Any) -> set[tuple[tuple[str, str], tuple[str, str]]]:
    """What a segment is coded as: types or regions with their modifiers, each as scheme and value."""
    entry = vtk.reference("")
    if not segment.GetTag(segment.GetTerminologyEntryTagName(), entry):
        return set()
    parts = [tuple(part.split("^")[:2]) for part in str(entry).split("~")]
    coded = [part if len(part) == 2 else ("", "") for part in parts] + [("", "")] * (_REGION + 2)
    return {(coded[at], coded[at + 1]) for at in (_TYPE, _REGION)}
