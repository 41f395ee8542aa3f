"""What is suspicious about the cases of a data set, from what was measured of them: one finding, one line, one code."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ParotidSegLib.structures import Structure, partners

from .case_measures import CaseMeasures, Point
from .structure_sets import in_sentence

#: Codes and what they mean; the order is that of the tables.
CODES: dict[str, str] = {
    "unreadable": "The image or its labels cannot be read.",
    "geometry-mismatch": "Image and labels lie on different grids.",
    "not-hu": "A CT whose values are no Hounsfield units.",
    "unknown-label": "The labels hold values that are no structure.",
    "mask-empty": "No structure is drawn at all.",
    "patient-in-two-splits": "Scans of one patient are in two splits.",
    "duplicate-image": "Two cases have the same image.",
    "duplicate-mask": "Two cases have the same labels.",
    "sides-swapped": "The right structure lies to the left of the left one.",
    "label-outside-body": "A contour lies partly in the air.",
    "surroundings-missing": "There is much air around a structure, as if the scan had been blotted out there.",
    "one-sided": "Only one of a pair is drawn.",
    "structure-missing": "A structure is not drawn that nearly all cases have.",
    "gland-cut-by-scan": "A structure reaches the end of the scan: part of it is missing.",
    "contour-in-pieces": "A contour has pieces apart from the main one.",
    "slices-skipped": "A contour leaves out slices between others.",
    "blunt-end": "A contour ends abruptly, as if the rest had not been drawn.",
    "inputs-apart": "The images of a case do not show the same part of the patient.",
    "spacing-outlier": "Voxels are unusually large or small for the data set.",
    "volume-outlier": "A structure is unusually large or small for the data set.",
    "height-outlier": "A structure is unusually tall or short for the data set.",
    "value-outlier": "The mean value in a structure is unusual for the data set.",
    "pair-asymmetric": "The two of a pair differ unusually in volume.",
    "pair-offset-outlier": "The two of a pair lie unusually to each other.",
}
ERRORS = frozenset(list(CODES)[:9])
#: A contour along the skin has a few voxels in the air (99 % of 382 parotid glands: below 0.8 %).
LARGEST_OUTSIDE_SHARE = 0.02
#: Air around a structure, as a share (median of the parotid glands, which lie at the skin: 0.19).
LARGEST_AIR_AROUND = 0.3
#: From here on the contour is no contour of what the scan shows there.
OUTSIDE_ERROR_SHARE = 0.10
LARGEST_PIECES_SHARE = 0.01
#: The last slice of a rounded contour is small (median of the parotid glands: a fifth of the largest area).
BLUNT_SHARE = 0.75
#: A structure that so many cases have is expected in all.
EXPECTED_SHARE = 0.9
#: Robust standard deviations (1.4826 times the median absolute deviation) from the median.
OUTLIER = 3.0
#: With fewer cases nothing is called unusual.
FEWEST_FOR_OUTLIERS = 10
#: The smallest robust standard deviation that counts: sets whose values hardly differ have no outliers by rounding.
#: Of the logarithm of spacings, sizes and their ratio; of shares; in HU; in mm.
_LEAST_LOG, _LEAST_SHARE, _LEAST_VALUE, _LEAST_MM = 0.1, 0.05, 5.0, 2.0


@dataclass(frozen=True)
class DataFinding:
    """Something to look at.

    Attributes:
        case, split: names.
        code: one of CODES.
        severity: "error" (do not train on it as it is) or "warning" (look at it).
        message: one sentence.
        structure: key, or "" if it is about the case.
        value: the number that is suspicious; NaN if there is none.
        point: where to look, (x, y, z) in mm, LPS; None if there is no place.
    """

    case: str
    split: str
    code: str
    severity: str
    message: str
    structure: str = ""
    value: float = math.nan
    point: Point | None = None


def find_all(
    measures: Sequence[CaseMeasures], structures: Sequence[Structure], *, unit: str = "HU"
) -> list[DataFinding]:
    """All findings of a data set: by case in the order given, then by code.

    Args:
        measures: one for each case.
        structures: what the labels mean.
        unit: of the image's values, for sentences; "" if they have none.
    """
    expected = _expected(measures, structures)
    found: list[DataFinding] = []
    for case in measures:
        found += _of_case(case, structures, expected)
    found += _of_leaks(measures)
    found += _of_outliers(measures, structures, unit)
    place = {case.case: number for number, case in enumerate(measures)}
    rank = {code: number for number, code in enumerate(CODES)}
    return sorted(found, key=lambda finding: (place[finding.case], rank[finding.code], finding.structure))


def swapped_pairs(
    centroids: Mapping[str, Point], structures: Sequence[Structure]
) -> list[tuple[Structure, Structure, float]]:
    """The (right, left) pairs of which the right one lies farther to the patient's left, and by how many mm.

    In LPS x grows towards the patient's left.

    Args:
        centroids: middle of each structure by key, mm.
        structures: what the keys name.
    """
    pairs = [(r, le) for r, le in partners(structures) if r.key in centroids and le.key in centroids]
    apart = [(r, le, centroids[r.key][0] - centroids[le.key][0]) for r, le in pairs]
    return [(right, left, distance) for right, left, distance in apart if distance > 0.0]


def _finding(case: CaseMeasures, code: str, message: str, **more: object) -> DataFinding:
    return DataFinding(case.case, case.split, code, "error" if code in ERRORS else "warning", message, **more)  # type: ignore[arg-type]


def _expected(measures: Sequence[CaseMeasures], structures: Sequence[Structure]) -> set[str]:
    """Keys of the structures that nearly all cases with any structure have."""
    drawn = [case for case in measures if case.structures]
    least = EXPECTED_SHARE * len(drawn)
    return {s.key for s in structures if drawn and sum(s.key in case.structures for case in drawn) >= least}


def _of_case(case: CaseMeasures, structures: Sequence[Structure], expected: set[str]) -> Iterator[DataFinding]:
    """What can be said without the other cases."""
    for code, sentence in case.problems.items():
        yield _finding(case, code, sentence)
    if "unreadable" in case.problems:
        return
    if not case.structures:
        yield _finding(case, "mask-empty", "No structure is drawn.")
        return
    yield from _of_missing(case, structures, expected)
    centroids = {key: measures.centroid for key, measures in case.structures.items()}
    for right, left, distance in swapped_pairs(centroids, structures):
        text = f"{right.name} lies {distance:.0f} mm to the left of {in_sentence(left)}: swap them."
        yield _finding(case, "sides-swapped", text, structure=right.key, value=distance, point=centroids[right.key])
    for structure in structures:
        if structure.key in case.structures:
            yield from _of_structure(case, structure)


def _of_missing(case: CaseMeasures, structures: Sequence[Structure], expected: set[str]) -> Iterator[DataFinding]:
    said = set()
    for pair in partners(structures):
        for one, other in (pair, pair[::-1]):
            if one.key not in case.structures and other.key in case.structures:
                said.add(one.key)
                text = f"{one.name} is not drawn, though {in_sentence(other)} is."
                yield _finding(case, "one-sided", text, structure=one.key, point=case.structures[other.key].centroid)
    for structure in structures:
        if structure.key in expected - said and structure.key not in case.structures:
            yield _finding(case, "structure-missing", f"{structure.name} is not drawn.", structure=structure.key)


def _of_structure(case: CaseMeasures, structure: Structure) -> Iterator[DataFinding]:
    measured, name = case.structures[structure.key], structure.name
    about = {"structure": structure.key, "point": measured.centroid}
    if measured.outside_share > LARGEST_OUTSIDE_SHARE:
        text = f"{measured.outside_share:.1%} of {in_sentence(structure)} lies outside the body."
        severity = "error" if measured.outside_share > OUTSIDE_ERROR_SHARE else "warning"
        yield DataFinding(
            case.case,
            case.split,
            "label-outside-body",
            severity,
            text,
            structure.key,
            measured.outside_share,
            measured.outside_point,
        )
    if measured.cut:
        where = {"top": "top", "bottom": "bottom", "side": "edge of the slices"}[measured.cut]
        text = f"{name} reaches the {where} of the scan: part of it may be missing."
        yield _finding(case, "gland-cut-by-scan", text, structure=structure.key, point=measured.cut_point)
    if measured.pieces_share > LARGEST_PIECES_SHARE:
        text = f"{measured.pieces_share:.1%} of {in_sentence(structure)} lies apart from its largest piece."
        yield _finding(case, "contour-in-pieces", text, value=measured.pieces_share, **about)
    if measured.empty_slices:
        text = f"{name} is not drawn on {measured.empty_slices} slice(s) between others."
        yield _finding(case, "slices-skipped", text, value=float(measured.empty_slices), **about)


def _of_leaks(measures: Sequence[CaseMeasures]) -> Iterator[DataFinding]:
    """The same patient or the same voxels in two places."""
    keys: tuple[tuple[str, Callable[[CaseMeasures], str], str], ...] = (
        ("duplicate-image", lambda case: case.image_hash, "Its image is also that of"),
        ("duplicate-mask", lambda case: case.mask_hash, "Its labels are also those of"),
    )
    for code, key, words in keys:
        for group in _groups(measures, key):
            for case in group:
                others = [f"{other.case} ({other.split})" for other in group if other is not case]
                yield _finding(case, code, f"{words} {_some(others)}.")
    for group in _groups(measures, lambda case: case.patient):
        if len({case.split for case in group}) > 1:
            for case in group:
                others = [f"{other.case} ({other.split})" for other in group if other.split != case.split]
                yield _finding(case, "patient-in-two-splits", f"Its patient is also in {_some(others)}.")


def _groups(measures: Sequence[CaseMeasures], key: Callable[[CaseMeasures], str]) -> Iterator[list[CaseMeasures]]:
    groups: dict[str, list[CaseMeasures]] = defaultdict(list)
    for case in measures:
        if key(case):
            groups[key(case)].append(case)
    yield from (group for group in groups.values() if len(group) > 1)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _of_outliers(measures: Sequence[CaseMeasures], structures: Sequence[Structure], unit: str) -> Iterator[DataFinding]:
    """What is unusual among the cases."""
    readable = [case for case in measures if case.size != (0, 0, 0)]
    for axis, name in enumerate(("x", "y", "z")):
        if axis == 1:  # pixels are square; where they are not, x differs too
            continue
        spacings = [case.spacing[axis] for case in readable]
        for case, value, usual in _outliers(readable, np.log(spacings), _LEAST_LOG):
            text = f"Voxels measure {math.exp(value):.2f} mm along {name} (usual: {math.exp(usual):.2f} mm)."
            yield _finding(case, "spacing-outlier", text, value=math.exp(value))
    for structure in structures:
        yield from _of_structure_outliers(readable, structure, unit)
    for right, left in partners(structures):
        yield from _of_pair_outliers(readable, right, left)


def _of_structure_outliers(measures: Sequence[CaseMeasures], structure: Structure, unit: str) -> Iterator[DataFinding]:
    cases = [case for case in measures if structure.key in case.structures]
    own = [case.structures[structure.key] for case in cases]
    places = {case.case: one.centroid for case, one in zip(cases, own, strict=True)}
    for case, value, usual in _outliers(cases, np.log([one.volume_ml for one in own]), _LEAST_LOG):
        text = f"{structure.name} has {math.exp(value):.1f} mL (usual: {math.exp(usual):.1f} mL)."
        about = {"structure": structure.key, "value": math.exp(value), "point": places[case.case]}
        yield _finding(case, "volume-outlier", text, **about)
    for case, value, usual in _outliers(cases, np.log([one.height for one in own]), _LEAST_LOG):
        text = f"{structure.name} is {math.exp(value):.0f} mm tall (usual: {math.exp(usual):.0f} mm)."
        about = {"structure": structure.key, "value": math.exp(value), "point": places[case.case]}
        yield _finding(case, "height-outlier", text, **about)
    for case, value, usual in _outliers(cases, [one.air_around for one in own], _LEAST_SHARE):
        if value > max(LARGEST_AIR_AROUND, usual):
            text = f"{value:.0%} of what lies around {in_sentence(structure)} is air (usual: {usual:.0%})."
            about = {"structure": structure.key, "value": value, "point": places[case.case]}
            yield _finding(case, "surroundings-missing", text, **about)
    for end, where in enumerate(("bottom", "top")):
        for case, value, usual in _outliers(cases, [one.ends[end] for one in own], _LEAST_SHARE):
            if value > BLUNT_SHARE and case.structures[structure.key].cut != where:
                text = f"The {where} slice of {in_sentence(structure)} has {value:.0%} of its largest area"
                text = f"{text} (usual: {usual:.0%}): is the rest drawn?"
                yield _finding(case, "blunt-end", text, structure=structure.key, value=value, point=places[case.case])
    for case, value, usual in _outliers(cases, [one.mean for one in own], _LEAST_VALUE):
        text = f"The mean in {in_sentence(structure)} is {value:.0f} {unit}".rstrip()
        text = f"{text} (usual: {usual:.0f}{' ' if unit else ''}{unit})."
        yield _finding(case, "value-outlier", text, structure=structure.key, value=value, point=places[case.case])


def _of_pair_outliers(measures: Sequence[CaseMeasures], right: Structure, left: Structure) -> Iterator[DataFinding]:
    cases = [case for case in measures if right.key in case.structures and left.key in case.structures]
    pairs = [(case.structures[right.key], case.structures[left.key]) for case in cases]
    ratios = [math.log(r.volume_ml / le.volume_ml) for r, le in pairs]
    for case, value, _ in _outliers(cases, ratios, _LEAST_LOG):
        smaller, larger = (left, right) if value > 0 else (right, left)
        text = f"{larger.name} is {math.exp(abs(value)):.1f} times as large as {in_sentence(smaller)}."
        about = {"structure": smaller.key, "point": case.structures[smaller.key].centroid}
        yield _finding(case, "pair-asymmetric", text, value=math.exp(abs(value)), **about)
    for axis, way in enumerate(("to the left of", "behind", "above")):
        offsets = [le.centroid[axis] - r.centroid[axis] for r, le in pairs]
        for case, value, usual in _outliers(cases, offsets, _LEAST_MM):
            text = f"{left.name} lies {value:.0f} mm {way} {in_sentence(right)} (usual: {usual:.0f} mm)."
            place = case.structures[left.key].centroid
            yield _finding(case, "pair-offset-outlier", text, structure=left.key, value=value, point=place)


def _outliers(
    cases: Sequence[CaseMeasures], values: Sequence[float] | np.ndarray, least: float
) -> Iterator[tuple[CaseMeasures, float, float]]:
    """Case, value and median for each value that is more than OUTLIER robust standard deviations from the median."""
    array = np.asarray(values, float)
    if len(cases) < FEWEST_FOR_OUTLIERS or not np.isfinite(array).all():
        return
    median = float(np.median(array))
    deviation = max(1.4826 * float(np.median(np.abs(array - median))), least)
    for case, value in zip(cases, array.tolist(), strict=True):
        if abs(value - median) > OUTLIER * deviation:
            yield case, value, median
