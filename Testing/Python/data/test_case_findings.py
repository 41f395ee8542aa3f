"""Findings: each fault is found under its code, and a sound set has none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.data.case_findings import CODES, ERRORS, DataFinding, find_all, swapped_pairs
from ParotidSegTrainingLib.data.case_measures import CaseMeasures, StructureMeasures, unreadable
from ParotidSegTrainingLib.data.structure_lists import structures_from_data

R, L = "Parotid_R", "Parotid_L"
GLAND = StructureMeasures(
    volume_ml=25.0,
    height=50.0,
    ends=(0.2, 0.2),
    centroid=(0.0, 0.0, 0.0),
    mean=-20.0,
    outside_share=0.0,
    outside_point=None,
    air_around=0.2,
    pieces_share=0.0,
    empty_slices=0,
    cut="",
    cut_point=None,
)


def sound(number: int) -> CaseMeasures:
    """A case like the others, a little different."""
    way = (number % 7 - 3) / 3.0
    right = replace(GLAND, volume_ml=25.0 * math.exp(0.2 * way), height=50.0 + 4 * way, mean=-20.0 + 10 * way)
    right = replace(right, centroid=(-60.0 + way, 0.0, 0.0), ends=(0.2 + 0.05 * way, 0.2), air_around=0.2 + 0.03 * way)
    left = replace(right, centroid=(60.0 - way, 2.0 * way, 3.0 * way), volume_ml=right.volume_ml * math.exp(0.1 * way))
    spacing = (1.0 + 0.05 * way, 1.0 + 0.05 * way, 2.5)
    hashes = (f"image {number}", f"mask {number}")
    return CaseMeasures(f"c{number}", "train", f"p{number}", spacing, (9, 9, 9), *hashes, {}, {R: right, L: left})


SOUND = [sound(number) for number in range(21)]


def with_gland(key: str, **values: object) -> CaseMeasures:
    case = SOUND[10]
    return replace(case, structures={**case.structures, key: replace(case.structures[key], **values)})


def found(*odd: CaseMeasures, others: Sequence[CaseMeasures] = tuple(SOUND)) -> list[DataFinding]:
    """Findings of a set in which these cases stand in place of the sound ones of their names."""
    named = {case.case: case for case in odd}
    return find_all([named.get(case.case, case) for case in others], PAROTIDS)


def codes(*odd: CaseMeasures, of: str = "c10") -> list[tuple[str, str]]:
    everything = found(*odd)
    assert {finding.case for finding in everything} <= {case.case for case in odd}
    return [(finding.code, finding.structure) for finding in everything if finding.case == of]


def test_a_sound_set_has_no_findings():
    assert found() == []


@pytest.mark.parametrize(
    ("key", "values", "expected"),
    [
        (R, {"outside_share": 0.03}, [("label-outside-body", R)]),
        (L, {"pieces_share": 0.05}, [("contour-in-pieces", L)]),
        (L, {"empty_slices": 2}, [("slices-skipped", L)]),
        (R, {"cut": "top", "cut_point": (1.0, 2.0, 3.0)}, [("gland-cut-by-scan", R)]),
        (R, {"air_around": 0.6}, [("surroundings-missing", R)]),
        (R, {"ends": (0.95, 0.2)}, [("blunt-end", R)]),
        (L, {"ends": (0.2, 0.9)}, [("blunt-end", L)]),
        (L, {"height": 140.0}, [("height-outlier", L)]),
        (R, {"mean": 120.0}, [("value-outlier", R)]),
        (R, {"volume_ml": 4.0}, [("volume-outlier", R), ("pair-asymmetric", R)]),
        (L, {"centroid": (60.0, 0.0, 55.0)}, [("pair-offset-outlier", L)]),
        (L, {"centroid": (60.0, -40.0, 0.0)}, [("pair-offset-outlier", L)]),
    ],
)
def test_a_fault_of_one_gland_is_found_under_its_code(key, values, expected):
    assert codes(with_gland(key, **values)) == expected


def test_much_of_a_contour_in_the_air_is_an_error_and_says_where():
    (finding,) = found(with_gland(R, outside_share=0.4, outside_point=(1.0, 2.0, 3.0)))
    assert (finding.severity, finding.value, finding.point) == ("error", 0.4, (1.0, 2.0, 3.0))
    assert finding.message == "40.0% of right parotid gland lies outside the body."


def test_a_blunt_end_at_the_end_of_the_scan_is_no_fault_of_the_contour():
    assert codes(with_gland(R, ends=(0.2, 0.95), cut="top", cut_point=(0.0, 0.0, 0.0))) == [("gland-cut-by-scan", R)]


def test_swapped_sides_are_found_by_place():
    case = SOUND[10]
    swapped = replace(case, structures={R: case.structures[L], L: case.structures[R]})
    (first, *_) = found(swapped)
    assert (first.code, first.severity) == ("sides-swapped", "error")
    assert first.value == pytest.approx(120.0, abs=3.0)
    centroids = {key: one.centroid for key, one in case.structures.items()}
    assert swapped_pairs(centroids, PAROTIDS) == []
    assert swapped_pairs({R: centroids[L], L: centroids[R]}, PAROTIDS)[0][:2] == PAROTIDS
    assert swapped_pairs({R: centroids[L]}, PAROTIDS) == []


def test_one_gland_and_none_are_told_apart():
    one = replace(SOUND[10], structures={L: SOUND[10].structures[L]})
    none = replace(SOUND[11], structures={}, mask_hash="")
    assert codes(one, none) == [("one-sided", R)]
    assert codes(one, none, of="c11") == [("mask-empty", "")]


def test_a_structure_that_nearly_all_have_is_missed_and_one_that_many_lack_is_not():
    structures = structures_from_data([{"key": "Liver"}, {"key": "Gallbladder"}], "it")

    def case(number: int, *keys: str) -> CaseMeasures:
        return replace(sound(number), structures={key: GLAND for key in keys})

    both = [case(n, "Liver", "Gallbladder") for n in range(15)]
    measures = [*both, *(case(n, "Liver") for n in range(15, 20)), case(20, "Gallbladder")]
    findings = find_all(measures, structures)
    assert [(f.case, f.code, f.structure) for f in findings] == [("c20", "structure-missing", "Liver")]


def test_problems_of_reading_are_findings_and_an_unreadable_case_has_no_others():
    broken = unreadable("c10", "train", "p10", "unreadable", "It is damaged.")
    mismatch = replace(SOUND[11], problems={"geometry-mismatch": "Grids.", "not-hu": "Values.", "unknown-label": "9."})
    assert codes(broken, mismatch) == [("unreadable", "")]
    assert [code for code, _ in codes(broken, mismatch, of="c11")] == ["geometry-mismatch", "not-hu", "unknown-label"]


def test_the_same_image_in_two_splits_and_the_same_labels_are_found():
    one, two = SOUND[3], replace(SOUND[4], split="test", image_hash=SOUND[3].image_hash)
    three = replace(SOUND[5], mask_hash=SOUND[3].mask_hash)
    findings = found(one, two, three)
    assert [(f.case, f.code) for f in findings] == [
        ("c3", "duplicate-image"),
        ("c3", "duplicate-mask"),
        ("c4", "duplicate-image"),
        ("c5", "duplicate-mask"),
    ]
    assert findings[0].message == "Its image is also that of c4 (test)."


def test_a_patient_in_two_splits_is_found_and_one_with_two_scans_in_one_is_not():
    one, two, three = SOUND[3], replace(SOUND[4], split="test", patient="p3"), replace(SOUND[6], patient="p5")
    findings = found(one, two, three)
    assert [(f.case, f.code, f.message) for f in findings] == [
        ("c3", "patient-in-two-splits", "Its patient is also in c4 (test)."),
        ("c4", "patient-in-two-splits", "Its patient is also in c3 (train)."),
    ]


def test_odd_voxels_are_found_with_what_is_usual():
    (finding,) = found(replace(SOUND[10], spacing=(1.0, 1.0, 7.5)))
    assert (finding.code, finding.value) == ("spacing-outlier", pytest.approx(7.5))
    assert finding.message == "Voxels measure 7.50 mm along z (usual: 2.50 mm)."


def test_a_few_cases_have_no_outliers():
    few = tuple(SOUND[:8])
    assert found(replace(few[0], spacing=(1.0, 1.0, 70.0)), others=few) == []


def test_findings_come_by_case_then_by_code_and_every_code_is_explained():
    findings = found(with_gland(R, volume_ml=3.0, cut="top"), replace(SOUND[2], problems={"not-hu": "No."}))
    assert [finding.case for finding in findings] == ["c2", "c10", "c10", "c10"]
    ranks = [list(CODES).index(finding.code) for finding in findings[1:]]
    assert ranks == sorted(ranks)
    assert set(CODES) >= ERRORS
    assert "sides-swapped" in ERRORS
    assert "label-outside-body" not in ERRORS
