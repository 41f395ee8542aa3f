"""A against B: values worked out by hand, what is left out and said, the table, and the picture of the pairs."""

from __future__ import annotations

import csv
import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from sentences import refusal

from ParotidSegLib.errors import DataError, OutputError
from ParotidSegLib.measuring.metrics import StructureScores
from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.judging.comparison import compare_results, compare_values, paired_t, signed_ranks
from ParotidSegTrainingLib.judging.comparison_table import FILES, markdown, write_comparison
from ParotidSegTrainingLib.judging.paired_plot import CELL, draw_pairs
from ParotidSegTrainingLib.judging.results import CaseScores, Results

A = [0.80, 0.75, 0.90, 0.60, 0.85, 0.70]
#: Differences A - B: 0.05, -0.01, 0.02, 0.10, 0, 0.03.
B = [0.75, 0.76, 0.88, 0.50, 0.85, 0.67]


def scores(dice: float, hd95: float = 5.0, *, volume: float = 25.0, missed: bool = False) -> StructureScores:
    return StructureScores(dice, dice / (2 - dice), hd95, hd95 / 4, {1.0: dice, 2.0: dice}, 26.0, volume, missed)


def results(name: str, dice: Sequence[float], cases: Sequence[str] | None = None, **other: float) -> Results:
    """Results whose left gland is worse by 0.1 than the right one."""
    rows = [
        CaseScores(case, {"Parotid_R": scores(d, **other), "Parotid_L": scores(d - 0.1, **other)}, False, (), 1.0)
        for case, d in zip(cases or [f"case_{i}" for i in range(len(dice))], dice, strict=True)
    ]
    return Results(tuple(rows), PAROTIDS, {"name": name})


# --- the statistics --------------------------------------------------------------------------------------------------


def test_the_differences_are_those_of_the_pairs():
    found, differences = compare_values(A, B), np.subtract(A, B)
    assert found.n == 6
    assert found.difference.mean == pytest.approx(differences.mean())
    assert found.difference.sd == pytest.approx(differences.std(ddof=1))
    assert found.difference.median == pytest.approx(0.025)
    assert (found.a.mean, found.b.mean) == (pytest.approx(np.mean(A)), pytest.approx(np.mean(B)))
    assert found.cohen_dz == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert (found.a_better, found.b_better, found.equal) == (4, 1, 1)


def test_less_is_better_for_distances():
    found = compare_values(A, B, higher_is_better=False)
    assert (found.a_better, found.b_better, found.equal) == (1, 4, 1)
    assert found.signed_ranks == compare_values(A, B).signed_ranks


def test_exchanging_the_models_turns_every_sign():
    found, turned = compare_values(A, B), compare_values(B, A)
    assert turned.difference.mean == -found.difference.mean
    assert turned.signed_ranks.rank_biserial == -found.signed_ranks.rank_biserial
    assert turned.signed_ranks.p == found.signed_ranks.p
    assert (turned.t.t, turned.t.p) == (pytest.approx(-found.t.t), pytest.approx(found.t.p))
    assert turned.cohen_dz == pytest.approx(-found.cohen_dz)
    assert (turned.a_better, turned.b_better) == (found.b_better, found.a_better)


def test_the_signed_ranks_are_those_of_all_ways_to_choose_signs():
    values = [0.05, -0.01, 0.02, 0.10, 0.0, 0.03]
    found = signed_ranks(values)
    # Ranks of the sizes without the zero: 4, 1, 2, 5, 3.
    assert (found.n, found.zeros, found.positive, found.negative) == (5, 1, 14.0, 1.0)
    assert found.rank_biserial == pytest.approx(13 / 15)
    choices = itertools.product((0, 1), repeat=5)
    sums = [sum(rank * sign for rank, sign in enumerate(signs, start=1)) for signs in choices]
    as_extreme = np.mean([total <= 1 or total >= 14 for total in sums])
    assert (found.p, found.method) == (pytest.approx(as_extreme), "exact")


def test_ties_are_shared_ranks_and_a_normal_approximation():
    found = signed_ranks([1.0, 1.0, -1.0, 2.0, 3.0, -4.0])
    # Ranks 2, 2, 2, 4, 5, 6; variance n (n + 1) (2n + 1) / 24 less (t³ - t) / 48 for the tie of three.
    assert (found.positive, found.negative, found.method) == (13.0, 8.0, "normal approximation")
    z = (13.0 - 10.5 - 0.5) / math.sqrt(6 * 7 * 13 / 24 - (27 - 3) / 48)
    assert found.p == pytest.approx(math.erfc(z / math.sqrt(2)))


def test_more_than_fifty_differences_are_approximated():
    values = np.random.default_rng(3).normal(0.2, 1.0, 51)
    assert (signed_ranks(values).method, signed_ranks(values[:50]).method) == ("normal approximation", "exact")


def test_equal_models_have_nothing_to_test():
    found = compare_values(A, A)
    assert (found.equal, found.difference.mean, found.difference.ci95_low) == (6, 0.0, 0.0)
    assert all(math.isnan(value) for value in (found.signed_ranks.p, found.t.t, found.t.p, found.cohen_dz))
    assert math.isnan(found.signed_ranks.rank_biserial)
    assert found.signed_ranks.zeros == 6


def test_undefined_and_infinite_values_leave_their_pair_out_and_are_counted():
    a = [1.0, math.nan, 3.0, math.inf, 5.0, math.nan, 7.0]
    b = [2.0, 2.0, math.nan, 4.0, math.inf, math.inf, 9.0]
    found = compare_values(a, b, higher_is_better=False)
    assert (found.n, found.undefined, found.infinite) == (2, 3, 2)
    assert (found.a.mean, found.b.mean, found.difference.mean) == (4.0, 5.5, -1.5)
    assert (found.a_better, found.b_better) == (2, 0)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_pairs_give_no_spread_and_no_test(n):
    found = compare_values(A[:n], B[:n])
    assert found.n == n
    assert math.isnan(found.difference.sd) and math.isnan(found.difference.ci95_low)
    assert math.isnan(found.t.p) and math.isnan(found.cohen_dz)
    assert paired_t([]).degrees_of_freedom == 0


def test_lists_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="one length"):
        compare_values([1.0, 2.0], [1.0])


def test_the_interval_of_the_difference_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(12)
    samples = [compare_values(generator.normal(0.3, 1.0, 30), np.zeros(30)).difference for _ in range(60)]
    covered = np.mean([one.ci95_low < 0.3 < one.ci95_high for one in samples])
    assert 0.85 <= covered <= 1.0


# --- two evaluations -------------------------------------------------------------------------------------------------


def test_cases_are_matched_by_name_and_the_others_are_said():
    names = [f"case_{i}" for i in range(6)]
    turned = results("second", B[::-1], names[::-1])
    found = compare_results(results("first", A, names), turned)
    assert [row.case for row in found.b.rows] == names
    assert found.by_structure["Parotid_R"]["dice"] == compare_values(A, B)
    fewer = compare_results(results("first", A[:5], names[:5]), results("second", B[1:], names[1:]))
    assert (fewer.only_a, fewer.only_b, len(fewer.a.rows)) == (("case_0",), ("case_5",), 4)


def test_evaluations_that_have_nothing_in_common_are_refused_with_one_sentence():
    first = results("first", A[:1], ["one"])
    assert "no case in common" in refusal(DataError, compare_results, first, results("second", B[:1], ["two"]))
    other = replace(first, structures=PAROTIDS[:1])
    assert "different structures" in refusal(DataError, compare_results, first, other)


def test_only_metrics_that_both_have_are_compared():
    row = results("first", A[:1]).rows[0]
    fewer = {key: replace(one, nsd={2.0: 0.5}) for key, one in row.scores.items()}
    found = compare_results(results("first", A[:1]), Results((replace(row, scores=fewer),), PAROTIDS, {}))
    assert [metric.column for metric in found.metrics] == ["dice", "iou", "hd95", "msd", "nsd_2"]
    assert list(found.by_structure["Parotid_L"]) == ["dice", "iou", "hd95", "msd", "nsd_2"]


@pytest.fixture
def compared(tmp_path: Path) -> Path:
    """A folder with the comparison of six cases."""
    paths = write_comparison(compare_results(results("first", A), results("second", B, hd95=4.0)), tmp_path / "out")
    assert [path.name for path in paths] == list(FILES)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)
    return tmp_path / "out"


def test_the_files_hold_a_b_and_a_minus_b_for_each_structure_and_metric(compared):
    with (compared / "comparison.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    columns = ("dice", "iou", "hd95", "msd", "nsd_1", "nsd_2")
    assert [(line["structure"], line["metric"]) for line in lines] == [
        (structure.key, column) for structure in PAROTIDS for column in columns
    ]
    dice, distance, expected = lines[0], lines[2], compare_values(A, B)
    for column, value in (
        ("a_mean", np.mean(A)),
        ("b_sd", np.std(B, ddof=1)),
        ("difference_median", 0.025),
        ("difference_ci95_low", expected.difference.ci95_low),
        ("signed_ranks_p", expected.signed_ranks.p),
        ("t_p", expected.t.p),
        ("rank_biserial", 13 / 15),
    ):
        assert float(dice[column]) == pytest.approx(value), column
    assert (dice["n"], dice["signed_ranks_zeros"], dice["a_better"], dice["equal"]) == ("6", "1", "4", "1")
    # The second model's distances are shorter by 1 mm in every case: no spread, so no t.
    assert (distance["b_better"], distance["t_p"], distance["difference_mean"]) == ("6", "nan", "1.0")
    data = json.loads((compared / "comparison.json").read_text(encoding="utf-8"))
    assert (data["a"]["name"], data["b"]["name"], data["n_cases"]) == ("first", "second", 6)
    found = data["comparisons"]["Parotid_R"]["dice"]
    assert found["signed_ranks"]["rank_biserial"] == pytest.approx(13 / 15)
    assert found["difference"]["mean"] == pytest.approx(np.subtract(A, B).mean())


def test_the_printed_table_names_both_and_has_a_row_a_metric(compared):
    text = (compared / "comparison.md").read_text(encoding="utf-8")
    assert "A: first; B: second; 6 cases." in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 12
    assert len({line.count("|") for line in lines}) == 1
    assert f"| right | Dice | 6 | {np.mean(A):.3f} ± {np.std(A, ddof=1):.3f}, 0.775 |" in text


def test_a_missed_gland_is_counted_in_the_table_and_in_the_data():
    first, second = results("first", A[:3]), results("second", B[:3])
    lost = replace(second.rows[0], scores={**second.rows[0].scores, "Parotid_R": scores(0.0, math.inf, missed=True)})
    found = compare_results(first, replace(second, rows=(lost, *second.rows[1:])))
    assert found.figures()["missed"] == {"Parotid_R": {"a": 0, "b": 1}, "Parotid_L": {"a": 0, "b": 0}}
    distance = found.by_structure["Parotid_R"]["hd95"]
    assert (distance.n, distance.infinite, found.by_structure["Parotid_R"]["dice"].n) == (2, 1, 3)
    assert "| right | HD95 mm | 2 |" in markdown(found)


# --- the picture -----------------------------------------------------------------------------------------------------


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved during a test."""
    saved: list[Figure] = []
    save = Figure.savefig

    def record(figure: Figure, *arguments: object, **options: object) -> None:
        saved.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", record)
    return saved


def test_the_picture_joins_each_pair_and_shows_every_difference(tmp_path, figures):
    draw_pairs(compare_results(results("first", A), results("second", B)), tmp_path / "pairs.png")
    values, differences, left, _ = figures[0].axes
    assert [values.get_title(loc="left"), left.get_title(loc="left")] == [
        "Right parotid gland (n = 6)",
        "Left parotid gland (n = 6)",
    ]
    joined = [line.get_ydata().tolist() for line in values.lines if len(line.get_xdata()) == 2 and line.get_alpha()]
    assert joined == [list(pair) for pair in zip(A, B, strict=True)]
    shown = differences.collections[0].get_offsets()[:, 1]
    np.testing.assert_allclose(shown, np.subtract(A, B))
    assert differences.get_xlabel() == "above 0: A is better"
    width, height = figures[0].get_size_inches() * figures[0].dpi
    assert (round(width), round(height)) == (2 * CELL[0], CELL[1])


def test_pairs_without_a_value_are_not_drawn_and_few_pairs_do_no_harm(tmp_path, figures):
    first, second = results("first", A[:2], hd95=math.inf), results("second", B[:2], hd95=5.0)
    draw_pairs(compare_results(first, second), tmp_path / "none.png", column="hd95")
    assert figures[0].axes[0].get_title(loc="left") == "Right parotid gland (n = 0)"
    draw_pairs(compare_results(results("first", A[:1]), results("second", B[:1])), tmp_path / "one.png")
    assert ".png" in refusal(
        OutputError, draw_pairs, compare_results(results("first", A), results("second", B)), tmp_path / "pairs.pdf"
    )
