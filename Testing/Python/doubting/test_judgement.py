"""The judgement that ships is whole, and judges by distance from the usual, above and below."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from ParotidSegLib.doubting.judgement import FILE, RIGHT, Judgement, shipped_judgement
from ParotidSegLib.doubting.kinds import KINDS


def a_judgement(limit: float = 0.0) -> Judgement:
    """High is too large, low is too small; at the usual value all is right."""
    weights = np.array([[0.0, 3.0, -3.0], [0.0, -3.0, 3.0], [2.0, 0.0, 0.0]])
    return Judgement((RIGHT, "too large", "too small"), ("volume",), np.array([3.0]), np.array([0.5]), weights, limit)


def test_a_usual_contour_is_right_and_its_score_is_the_log_odds():
    verdict = a_judgement().of({"volume": 3.0})
    odds = 2.0 / math.exp(2.0)  # two errors of weight 1 against the constant
    assert verdict.score == pytest.approx(math.log(odds))
    assert not verdict.is_doubtful
    assert sum(verdict.likelihoods.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(("volume", "kind"), [(5.0, "too large"), (1.0, "too small")])
def test_an_unusual_one_is_doubtful_and_has_the_kind_of_its_side(volume, kind):
    verdict = a_judgement().of({"volume": volume})
    assert verdict.is_doubtful
    assert verdict.kind == kind


def test_a_measure_that_is_unknown_counts_as_usual():
    usual = a_judgement().of({"volume": 3.0})
    assert a_judgement().of({"volume": math.nan}) == usual
    assert a_judgement().of({}) == usual


def test_the_limit_decides_from_which_score_on():
    score = a_judgement().of({"volume": 4.0}).score
    assert a_judgement(score).of({"volume": 4.0}).is_doubtful
    assert not a_judgement(score + 1e-6).of({"volume": 4.0}).is_doubtful


def test_a_judgement_survives_being_written_and_read():
    again = Judgement.from_data(json.loads(json.dumps(a_judgement(0.25).to_data())))
    for volume in (0.5, 3.0, 6.0):
        assert again.of({"volume": volume}).score == pytest.approx(a_judgement().of({"volume": volume}).score)
    assert (again.kinds, again.measures, again.limit) == (a_judgement().kinds, ("volume",), 0.25)


def test_what_ships_says_where_it_came_from_and_knows_the_kinds_that_have_sentences():
    data = json.loads(FILE.read_text(encoding="utf-8"))
    assert {"by", "data", "patients", "contours"} <= data["provenance"].keys()
    judgement = shipped_judgement()
    assert judgement.kinds[0] == RIGHT
    assert set(judgement.kinds[1:]) <= set(KINDS)
    assert np.isfinite(judgement.weights).all()
    assert len(judgement.measures) <= 40
