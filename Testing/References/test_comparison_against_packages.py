"""Paired tests and effect sizes agree with SciPy and pingouin where the definitions agree."""

from __future__ import annotations

import numpy as np
import pytest

from ParotidSegTrainingLib.judging.comparison import compare_values

stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")


@pytest.fixture(params=[(4, 9), (5, 30), (6, 80)], ids=lambda case: f"{case[1]} pairs")
def pairs(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Dice of two models, most of them different (seeds 4 to 6)."""
    seed, n = request.param
    generator = np.random.default_rng(seed)
    first = generator.normal(0.8, 0.07, n)
    return first, first - generator.normal(0.01, 0.02, n)


def test_the_signed_ranks_agree_with_scipy(pairs):
    ours = compare_values(*pairs).signed_ranks
    method = "exact" if len(pairs[0]) <= 50 else "asymptotic"
    theirs = stats.wilcoxon(*pairs, method=method, correction=True)
    assert ours.p == pytest.approx(theirs.pvalue)
    assert min(ours.positive, ours.negative) == pytest.approx(theirs.statistic)


def test_zeros_are_left_out_as_scipy_does_by_default(pairs):
    first, second = pairs[0], pairs[1].copy()
    second[:3] = first[:3]
    ours = compare_values(first, second).signed_ranks
    method = "exact" if len(first) <= 50 else "asymptotic"
    theirs = stats.wilcoxon(first, second, zero_method="wilcox", method=method, correction=True)
    assert (ours.zeros, ours.p) == (3, pytest.approx(theirs.pvalue))


def test_the_paired_t_agrees_with_scipy(pairs):
    ours, theirs = compare_values(*pairs).t, stats.ttest_rel(*pairs)
    assert (ours.t, ours.p, ours.degrees_of_freedom) == pytest.approx((theirs.statistic, theirs.pvalue, theirs.df))


def test_the_rank_biserial_correlation_agrees_with_pingouin(pairs):
    pingouin = pytest.importorskip("pingouin", reason="pingouin is not installed")
    row = pingouin.wilcoxon(*pairs).iloc[0]
    assert compare_values(*pairs).signed_ranks.rank_biserial == pytest.approx(row["RBC"])


def test_dz_is_the_t_of_pingouin_over_the_root_of_n(pairs):
    pingouin = pytest.importorskip("pingouin", reason="pingouin is not installed")
    row = pingouin.ttest(*pairs, paired=True).iloc[0]
    statistic = row["T"]
    ours = compare_values(*pairs)
    assert ours.cohen_dz == pytest.approx(statistic / np.sqrt(len(pairs[0])))
    # The same formula in pingouin: the one-sample effect of the differences.
    assert ours.cohen_dz == pytest.approx(pingouin.compute_effsize(pairs[0] - pairs[1], [0], eftype="cohen"))


def test_the_bootstrap_interval_agrees_with_that_of_scipy(pairs):
    differences = pairs[0] - pairs[1]
    ours = compare_values(*pairs).difference
    theirs = stats.bootstrap(
        (differences,), np.mean, method="percentile", n_resamples=10_000, rng=np.random.default_rng(1)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert (ours.ci95_low, ours.ci95_high) == pytest.approx((theirs.low, theirs.high), abs=0.05 * width)
