"""The results of an evaluation: tables, summaries and files, and reading those files again."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from made_contours import CORD, TRUTH, changed, row
from made_images import like
from sentences import refusal

from ParotidSegLib.errors import DataError
from ParotidSegLib.measuring.metrics import BOOTSTRAP_RESAMPLES, compare_images
from ParotidSegLib.measuring.sides import swapped_sides
from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.judging.results import (
    CaseScores,
    Results,
    agreements,
    figures,
    metrics_for,
    read_results,
    summaries,
    table,
    volume_table,
    volumes,
    write_results,
)


@pytest.fixture
def results(tmp_path: Path) -> tuple[list[CaseScores], Path]:
    rows = [row("exactly", "a"), row("half", "b"), row("no right", "c"), row("swapped", "d")]
    paths = write_results(Results(tuple(rows)), tmp_path / "results")
    names = ["cases.csv", "summary.json", "summary.md", "bland_altman.png"]
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == sorted(names)
    return rows, tmp_path / "results"


def test_the_table_of_cases_has_a_row_for_each_case_and_gland(results):
    rows, folder = results
    with (folder / "cases.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [(line["case"], line["structure"]) for line in lines] == [
        (case, gland) for case in "abcd" for gland in ("Parotid_R", "Parotid_L")
    ]
    half, missed = lines[2], lines[4]
    scores = rows[1].scores["Parotid_R"]
    for column, value in (("dice", scores.dice), ("hd95", scores.hd95), ("nsd_2.85", scores.nsd[2.85])):
        assert float(half[column]) == value
    assert float(half["volume_ml"]) < float(half["volume_reference_ml"])
    assert (missed["dice"], missed["hd95"], missed["missed"]) == ("0.0", "inf", "True")
    assert [line["swapped"] for line in lines[::2]] == ["False", "False", "False", "True"]
    assert (half["findings"], half["seconds"]) == ("code", "1.23")


def test_the_summary_counts_infinite_distances_and_does_not_average_them(results):
    rows, folder = results
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert (summary["n_cases"], summary["swapped"]) == (4, 1)
    # The swapped case touches neither gland of its reference; the third one lacks the right gland.
    assert summary["missed"] == {"Parotid_R": 2, "Parotid_L": 1}
    dice = summary["metrics"]["Parotid_R"]["dice"]
    values = [one.scores["Parotid_R"].dice for one in rows]
    assert dice["n"] == 4
    assert dice["mean"] == pytest.approx(np.mean(values))
    assert dice["sd"] == pytest.approx(np.std(values, ddof=1))
    assert dice["median"] == pytest.approx(np.median(values))
    assert (dice["minimum"], dice["maximum"]) == (0.0, 1.0)
    assert dice["ci95_low"] < dice["mean"] < dice["ci95_high"]
    hd95 = summary["metrics"]["Parotid_R"]["hd95"]
    finite = [v for v in (one.scores["Parotid_R"].hd95 for one in rows) if math.isfinite(v)]
    assert (hd95["n"], hd95["infinite"], hd95["missing"]) == (3, 1, 0)
    assert hd95["mean"] == pytest.approx(np.mean(finite))
    assert hd95["maximum"] == max(finite)


def test_the_confidence_interval_is_that_of_a_bootstrap_of_the_mean(results):
    rows, folder = results
    found = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["metrics"]["Parotid_R"]["dice"]
    values = np.array([one.scores["Parotid_R"].dice for one in rows])
    rng = np.random.default_rng(1)
    means = values[rng.integers(4, size=(BOOTSTRAP_RESAMPLES, 4))].mean(axis=1)
    np.testing.assert_allclose([found["ci95_low"], found["ci95_high"]], np.quantile(means, (0.025, 0.975)), atol=0.06)


def test_the_printed_table_says_n_missed_and_swapped(results):
    rows, folder = results
    text = (folder / "summary.md").read_text(encoding="utf-8")
    assert text == f"{table(rows)}\n\n{volume_table(rows)}\n"
    lines = table(rows).splitlines()
    header = [cell.strip() for cell in lines[0].strip("|").split("|")]
    assert header == ["structure", "metric", "n", "mean ± SD", "95 % CI", "median", "range", "missed"]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:] if line.startswith("|")]
    assert [(c[0], c[1]) for c in cells] == [
        (side, metric.title) for side in ("right", "left") for metric in metrics_for()
    ]
    by_name = {(c[0], c[1]): c for c in cells}
    values = [one.scores["Parotid_R"].dice for one in rows]
    assert by_name["right", "Dice"][2] == "4"
    assert by_name["right", "Dice"][3] == f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
    assert by_name["right", "HD95 mm"][2] == "3"
    assert {by_name["right", "Dice"][7], by_name["left", "Dice"][7]} == {"2", "1"}
    assert lines[-1] == "Swapped sides: 1 of 4 cases."


def test_one_case_gives_a_table_without_a_spread(tmp_path):
    write_results(Results((row("exactly"),)), tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["metrics"]["Parotid_R"]["dice"]
    assert (summary["n"], summary["mean"], summary["sd"]) == (1, 1.0, None)
    assert "1.000 ± nan" in (tmp_path / "summary.md").read_text(encoding="utf-8")


def test_written_results_are_read_again_as_they_were(results):
    rows, folder = results
    again = read_results(folder)
    assert [(one.case, one.scores, one.swapped, one.findings) for one in again.rows] == [
        (one.case, one.scores, one.swapped, one.findings) for one in rows
    ]
    assert again.structures == PAROTIDS
    assert again.about["candidate"] == "automatic"


def test_results_that_are_missing_or_damaged_are_refused_with_one_sentence(results, tmp_path):
    _, folder = results
    assert "evaluate" in refusal(DataError, read_results, tmp_path)
    text = (folder / "cases.csv").read_text(encoding="utf-8")
    for damaged in (text.replace("Parotid_L", "Liver"), text.replace("True", "maybe"), text.splitlines()[0], "a\n1\n"):
        (folder / "cases.csv").write_text(damaged, encoding="utf-8")
        assert "damaged" in refusal(DataError, read_results, folder)


def test_a_structure_without_a_side_is_scored_and_never_swapped(tmp_path):
    swapped = changed("swapped")
    moved = (replace(CORD, label=3),)
    both = sitk.GetArrayFromImage(TRUTH)
    both[both == 2] = 3
    labels = like(TRUTH, both)
    assert swapped_sides(TRUTH, swapped, PAROTIDS)
    assert not swapped_sides(TRUTH, swapped, (PAROTIDS[0], replace(moved[0], label=2)))
    structures = (*PAROTIDS, *moved)
    rows = [CaseScores("a", compare_images(labels, labels, structures), False, (), math.nan)]
    write_results(Results(tuple(rows), structures), tmp_path)
    text = table(rows, structures)
    assert "| Spinal cord | Dice | 1 | 1.000" in text
    # Nobody has the left gland here: it is counted apart and in no mean.
    assert "Left parotid gland: 1 of 1 cases have it neither" in text
    assert figures(rows, structures)["absent"] == {"Parotid_R": 0, "Parotid_L": 1, "Cord": 0}
    assert (summaries(rows, structures)["Parotid_L"]["dice"].n, read_results(tmp_path).structures) == (0, structures)


def test_a_gland_that_the_reference_lacks_counts_as_invented():
    without = changed("no right")
    rows = [CaseScores("a", compare_images(without, TRUTH), False, (), math.nan)]
    assert figures(rows)["invented"] == {"Parotid_R": 1, "Parotid_L": 0}
    assert summaries(rows)["Parotid_R"]["dice"].mean == 0.0
    assert "1 in the candidate alone" in table(rows)


def test_the_agreement_of_volumes_is_in_the_results(results):
    rows, folder = results
    found = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["volume_agreement"]["Parotid_R"]
    scores = [one.scores["Parotid_R"] for one in rows]
    differences = [one.volume_ml - one.volume_reference_ml for one in scores]
    assert found["n"] == 4
    assert found["bias"]["value"] == pytest.approx(np.mean(differences))
    assert found["sd"] == pytest.approx(np.std(differences, ddof=1))
    assert found["upper"]["value"] == pytest.approx(np.mean(differences) + 1.96 * np.std(differences, ddof=1))
    text = (folder / "summary.md").read_text(encoding="utf-8")
    assert f"| right | 4 | {np.mean(differences):.2f} (" in text
    assert "automatic - reference" in text


def test_a_missed_gland_counts_as_no_volume_and_one_that_nobody_drew_is_left_out():
    without = changed("no right")
    nobody = CaseScores("b", compare_images(without, without), False, (), math.nan)
    rows = [row("no right", "a"), nobody]
    reference, candidate = volumes(rows)["Parotid_R"]
    assert (len(reference), candidate) == (1, [0.0])
    assert reference[0] > 0.0
    assert [agreement.n for agreement in agreements(rows).values()] == [1, 2]
