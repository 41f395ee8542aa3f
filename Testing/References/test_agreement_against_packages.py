"""Agreement of volumes, against packages that compute the same: statsmodels and pingouin.

statsmodels takes the standard deviation with ddof = 0, pingouin with ddof = 1. Both only draw, so the numbers are read
from their pictures. pingouin's intervals of the limits are the rounded ones of 1986 (t s sqrt(3 / n)): those differ.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ParotidSegTrainingLib.judging.agreement import bland_altman


@pytest.fixture(params=[(5, 1), (30, 2), (200, 3)], ids=["5 pairs", "30 pairs", "200 pairs"])
def volumes(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Reference and candidate, with bias and proportional bias; (pairs, seed)."""
    n, seed = request.param
    generator = np.random.default_rng(seed)
    reference = generator.normal(28.0, 7.0, n)
    return reference, 2.0 + 0.9 * reference + generator.normal(0.0, 3.0, n)


@pytest.fixture
def figure() -> Figure:
    figure = Figure()
    FigureCanvasAgg(figure)
    return figure


def test_bias_and_limits_agree_with_statsmodels_whose_sd_has_ddof_0(volumes, figure):
    graphics = pytest.importorskip("statsmodels.graphics.agreement", reason="statsmodels is not installed")
    reference, candidate = volumes
    axes = figure.add_subplot()
    graphics.mean_diff_plot(candidate, reference, sd_limit=1.96, ax=axes)
    middle, lower, upper = (line.get_ydata()[0] for line in axes.lines)
    ours = bland_altman(reference, candidate)
    from_ddof_1 = math.sqrt((ours.n - 1) / ours.n)
    assert ours.bias.value == pytest.approx(middle)
    for limit, theirs in ((ours.lower, lower), (ours.upper, upper)):
        assert (limit.value - ours.bias.value) * from_ddof_1 == pytest.approx(theirs - middle)


def test_the_slope_agrees_with_least_squares_of_statsmodels(volumes):
    models = pytest.importorskip("statsmodels.regression.linear_model", reason="statsmodels is not installed")
    reference, candidate = volumes
    means = (reference + candidate) / 2.0
    theirs = models.OLS(candidate - reference, np.column_stack([np.ones_like(means), means])).fit()
    ours = bland_altman(reference, candidate)
    assert (ours.slope, ours.slope_p) == pytest.approx((theirs.params[1], theirs.pvalues[1]))


def test_bias_limits_and_the_interval_of_the_bias_agree_with_pingouin(volumes, figure):
    pingouin = pytest.importorskip("pingouin", reason="pingouin is not installed")
    reference, candidate = volumes
    axes = figure.add_subplot()
    pingouin.plot_blandaltman(candidate, reference, agreement=1.96, confidence=0.95, ax=axes)
    _, middle, upper, lower = (line.get_ydata()[0] for line in axes.lines)
    ours = bland_altman(reference, candidate)
    assert (ours.bias.value, ours.lower.value, ours.upper.value) == pytest.approx((middle, lower, upper))
    extents = [patch.get_path().get_extents(patch.get_patch_transform()) for patch in axes.patches]
    assert (ours.bias.low, ours.bias.high) == pytest.approx((extents[0].y0, extents[0].y1))
    # Their rounded interval of a limit, with our quantile and SD, differs from ours by this factor alone.
    rounded = math.sqrt(3 / ours.n / (1 / ours.n + 1.96**2 / (2 * (ours.n - 1))))
    assert (ours.upper.high - ours.upper.value) * rounded == pytest.approx(extents[1].y1 - upper)
