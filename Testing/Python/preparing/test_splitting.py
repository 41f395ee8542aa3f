"""Training, validation and test: by patient, stratified, the same again for the same seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sentences import refusal

from ParotidSegLib.errors import DataError
from ParotidSegTrainingLib.preparing.splitting import CaseFacts, split_cases


def facts(count: int, *, scans: int = 1, source: str = "a", present: tuple[str, ...] = ("R", "L"), seed: int = 3):
    """Made cases, volumes log-normal (seed 3 unless said)."""
    rng = np.random.default_rng(seed)
    volumes = rng.lognormal(3.2, 0.4, count)
    return [
        CaseFacts(f"{source}{n:03d}_{scan}", f"{source}p{n}", source, {k: float(volumes[n]) for k in present})
        for n in range(count)
        for scan in range(scans)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_kept_to_one_patient(seed):
    splits = split_cases(facts(200), seed=seed)
    assert [len(splits[name]) for name in ("train", "validation", "test")] == pytest.approx([140, 30, 30], abs=1)


def test_every_case_is_in_one_split():
    cases = facts(53, scans=2)
    splits = split_cases(cases, seed=1)
    names = [name for own in splits.values() for name in own]
    assert sorted(names) == sorted(case.case for case in cases)
    assert all(own == sorted(own) for own in splits.values())


@pytest.mark.parametrize("seed", range(5))
def test_scans_of_one_patient_stay_together(seed):
    cases = facts(40) + facts(10, scans=5, source="b")
    of_case = {case.case: case.patient for case in cases}
    splits = split_cases(cases, seed=seed)
    homes = {of_case[name]: split for split, own in splits.items() for name in own}
    assert all(homes[of_case[name]] == split for split, own in splits.items() for name in own)
    assert len(splits["train"]) == pytest.approx(63, abs=5)


def test_the_same_seed_divides_alike_in_any_order_and_another_otherwise():
    cases = facts(60)
    assert split_cases(cases, seed=4) == split_cases(cases[::-1], seed=4)
    assert split_cases(cases, seed=4) != split_cases(cases, seed=5)


@pytest.mark.parametrize("seed", range(5))
def test_sources_structures_and_volumes_are_spread_over_the_splits(seed):
    cases = facts(100) + facts(60, source="b", seed=4) + facts(40, source="c", present=("R",), seed=5)
    by_name = {case.case: case for case in cases}
    splits = split_cases(cases, seed=seed)
    for split, share in (("train", 0.7), ("validation", 0.15), ("test", 0.15)):
        own = [by_name[name] for name in splits[split]]
        for source, count in Counter(case.source for case in cases).items():
            # Four borders of strata in a source's stretch may each cost a patient.
            assert sum(case.source == source for case in own) == pytest.approx(share * count, abs=3)
    volumes = {name: sum(case.volumes_ml.values()) for name, case in by_name.items()}
    limit = np.quantile(list(volumes.values()), 2 / 3)
    large = [np.mean([volumes[name] > limit for name in own]) for own in splits.values()]
    assert max(large) - min(large) < 0.15


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(0, (0, 0, 0)), (1, (1, 0, 0)), (2, (2, 0, 0)), (3, (2, 1, 0)), (7, (5, 1, 1)), (20, (14, 3, 3))],
)
def test_few_patients_are_divided_as_well_as_can_be(count, sizes):
    assert tuple(map(len, split_cases(facts(count), seed=0).values())) == sizes


def test_a_share_of_nothing_gets_nothing():
    splits = split_cases(facts(50), seed=0, shares=(0.8, 0.2, 0.0))
    assert [len(own) for own in splits.values()] == [40, 10, 0]


def test_an_earlier_division_stays_and_new_scans_join_their_patients():
    cases = facts(40)
    earlier = split_cases(cases, seed=1)
    fixed = {name: split for split, own in earlier.items() for name in own}
    again = CaseFacts("z_new_scan", cases[0].patient, "a", cases[0].volumes_ml)
    splits = split_cases([*cases, again, *facts(10, source="b")], seed=2, fixed=fixed)
    now = {name: split for split, own in splits.items() for name in own}
    assert {name: now[name] for name in fixed} == fixed
    assert now["z_new_scan"] == fixed[cases[0].case]
    assert [len(own) for own in splits.values()] == pytest.approx([36, 7.7, 7.7], abs=1.5)


def test_impossible_shares_and_divisions_are_refused():
    for shares in ((0.7, 0.2, 0.2), (0.7, 0.3), (1.2, -0.1, -0.1)):
        assert "three numbers" in refusal(DataError, split_cases, facts(5), seed=0, shares=shares)
    two = facts(1, scans=2)
    fixed = {two[0].case: "train", two[1].case: "test"}
    assert "one patient in two splits" in refusal(DataError, split_cases, two, seed=0, fixed=fixed)
