"""Limits of findings: chosen on the patients that are not judged, from results on which a finding would be wrong."""

from __future__ import annotations

import pytest

from Benchmarks.finding_limits import MEASURES, Result, limit_of, row_of

LARGEST, SMALLEST = MEASURES["largest volume, mL"], MEASURES["smallest volume, mL"]
AT_END = MEASURES["share at the end of the scan"]


def result(case: str, *, ml=30.0, at_end=0.0, harmed=False, right=(), change="as it is") -> Result:
    return Result(case, change, harmed, frozenset(right), 0.0, 0.0, at_end, ml, ml, 0.0, 0.0, 1.0, 110.0)


def test_what_is_harmed_of_the_wrong_size_or_rightly_found_sets_no_limit():
    usual = [result("1", ml=20.0), result("2", ml=60.0)]
    others = [result("3", ml=90.0, harmed=True), result("4", ml=5.0, change="wrong voxels, head 0.75 as large")]
    assert limit_of(LARGEST, usual + others) == 60.0
    assert limit_of(SMALLEST, usual + others) == 20.0
    cut = [result("1", at_end=0.1), result("2", at_end=0.9, right=["gland-cut-by-scan"])]
    assert limit_of(AT_END, cut) == 0.1


@pytest.mark.parametrize(("measure", "extreme"), [(LARGEST, 70.0), (SMALLEST, 10.0)])
def test_each_patient_is_judged_by_the_limit_of_the_others(measure, extreme):
    found = [result(str(number), ml=30.0 + number) for number in range(9)] + [result("9", ml=extreme)]
    folds = {one.case: int(one.case) % 5 for one in found}
    row = row_of("volume", measure, [*found, result("0", ml=80.0 if extreme > 50 else 2.0, harmed=True)], folds)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == f"{extreme:.3g}"
    assert cells[3] == "1 of 1"
    assert cells[4] == "1 of 10 (1 patients)"
