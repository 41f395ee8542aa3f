"""Evaluation: every case counts, a gland that is missed too, and swapped sides are seen."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import made_training as made
import numpy as np
import pytest
import SimpleITK as sitk
from made_images import like
from orientations import reoriented
from sentences import refusal

from ParotidSegLib.errors import DataError, ImageError
from ParotidSegLib.metrics import BOOTSTRAP_RESAMPLES, compare_images
from ParotidSegLib.quality import Finding
from ParotidSegLib.segmentation import Segmentation
from ParotidSegTrainingLib import evaluation
from ParotidSegTrainingLib.dataset import DatasetFolder
from ParotidSegTrainingLib.evaluation import CaseScores, evaluate, summaries, table, write_results

TRUTH = made.head_with_glands()[1]


def changed(kind: str, truth: sitk.Image = TRUTH) -> sitk.Image:
    """What a model might make of a reference."""
    array = sitk.GetArrayFromImage(truth)
    right, left = array == 1, array == 2
    if kind == "swapped":
        array = np.where(right, 2, np.where(left, 1, 0)).astype(np.uint8)
    elif kind == "no right":
        array[right] = 0
    elif kind == "nothing":
        array[:] = 0
    elif kind == "left twice":
        array[right] = 2
    elif kind == "only right, called left":
        array[left] = 0
        array[right] = 2
    elif kind == "half":
        rows = np.zeros_like(right)
        rows[: int(np.argwhere(right)[:, 0].mean())] = True
        array[right & rows] = 0
    return like(truth, array)


def row(kind: str, case: str = "head") -> CaseScores:
    labels = changed(kind)
    return CaseScores(case, compare_images(TRUTH, labels), evaluation._swapped(TRUTH, labels), ("code",), 1.234)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, made_dataset: Path) -> dict[str, str]:
    """By case, what the stand-in for segment() makes of the reference; "exactly" if nothing is said."""
    wanted: dict[str, str] = {}
    folder = DatasetFolder.open(made_dataset)
    by_origin = {
        sitk.ReadImage(str(folder.image_path(case))).GetOrigin(): case
        for split in folder.splits
        for case in folder.cases(split)
    }
    assert len(by_origin) == 6

    def segment(image: sitk.Image, model: object, *, mirror: bool) -> Segmentation:
        assert (model, mirror) == ("model", False)
        case = by_origin[image.GetOrigin()]
        kind = wanted.get(case, "exactly")
        if kind == "refused":
            raise ImageError("No parotid gland was found in the scan: is it a CT of the head and neck?")
        labels = changed(kind, folder.read_mask(case))
        findings = [] if kind == "exactly" else [Finding("asymmetric", "warning", "The glands differ.", None)]
        return Segmentation(labels, {}, findings, {"locate": 0.5, "segment": 1.0}, {})

    monkeypatch.setattr(evaluation, "segment", segment)
    return wanted


def run(made_dataset: Path, split: str = "train", **options: object) -> tuple[list[CaseScores], list[str]]:
    lines: list[str] = []
    folder = DatasetFolder.open(made_dataset)
    return evaluate("model", folder, split, mirror=False, report=lines.append, **options), lines


def test_each_case_of_a_split_is_scored_on_its_own_grid(made_dataset, answers):
    answers["head_2"] = "half"
    rows, lines = run(made_dataset)
    assert [one.case for one in rows] == ["head_1", "head_2", "head_3"]
    assert [one.scores["Parotid_R"].dice == 1.0 for one in rows] == [True, False, True]
    assert 0.4 < rows[1].scores["Parotid_R"].dice < 0.9
    assert [one.findings for one in rows] == [(), ("asymmetric",), ()]
    assert [one.seconds for one in rows] == [1.5] * 3
    assert [line.split()[0] for line in lines] == ["head_1", "head_2", "head_3"]


def test_excluded_cases_are_left_out(made_dataset, answers):
    assert [one.case for one in run(made_dataset, exclude=["head_2"])[0]] == ["head_1", "head_3"]


def test_a_scan_in_which_nothing_is_found_counts_as_two_missed_glands(made_dataset, answers):
    answers["head_2"] = "refused"
    rows, lines = run(made_dataset)
    scores = rows[1].scores
    assert [(s.missed, s.dice, s.nsd[2.0], s.hd95) for s in scores.values()] == [(True, 0.0, 0.0, math.inf)] * 2
    assert rows[1].findings == ("gland-missing",)
    assert not rows[1].swapped
    assert any("No parotid gland" in line for line in lines)
    counted = summaries(rows)["Parotid_L"]
    assert (counted["dice"].n, counted["hd95"].n, counted["hd95"].infinite) == (3, 2, 1)


def test_the_label_maps_are_written_on_the_grid_of_the_scan(made_dataset, answers, tmp_path):
    answers["head_2"] = "refused"
    run(made_dataset, masks=tmp_path / "masks")
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == [f"head_{i}.nii.gz" for i in (1, 2, 3)]
    folder = DatasetFolder.open(made_dataset)
    for case, wanted in (("head_1", {0, 1, 2}), ("head_2", {0})):
        written, truth = sitk.ReadImage(str(tmp_path / "masks" / f"{case}.nii.gz")), folder.read_mask(case)
        assert set(np.unique(sitk.GetArrayViewFromImage(written))) == wanted
        np.testing.assert_allclose(written.GetOrigin(), truth.GetOrigin(), atol=1e-3)
        np.testing.assert_allclose(written.GetDirection(), truth.GetDirection(), atol=1e-5)


def test_a_mask_on_another_grid_ends_the_evaluation_with_a_sentence(made_dataset, answers, monkeypatch):
    moved = sitk.Image(TRUTH)
    moved.SetOrigin((0.0, 0.0, 0.0))
    monkeypatch.setattr(DatasetFolder, "read_mask", lambda self, case: moved)
    monkeypatch.setattr(evaluation, "segment", lambda image, model, *, mirror: Segmentation(image * 0, {}, [], {}, {}))
    refusal(DataError, run, made_dataset)


@pytest.mark.parametrize(
    ("kind", "swapped"),
    [
        ("exactly", False),
        ("half", False),
        ("no right", False),
        ("nothing", False),
        ("swapped", True),
        ("left twice", True),
        ("only right, called left", True),
    ],
)
def test_swapped_sides_are_seen(kind, swapped):
    assert evaluation._swapped(TRUTH, changed(kind)) is swapped
    other_way = [reoriented(image, (2, 0, 1), (True, False, True)) for image in (TRUTH, changed(kind))]
    assert evaluation._swapped(*other_way) is swapped


def test_a_reference_with_one_gland_is_not_swapped_by_finding_both():
    assert not evaluation._swapped(changed("no right"), TRUTH)
    assert evaluation._swapped(changed("no right"), changed("swapped"))


@pytest.fixture
def results(tmp_path: Path) -> tuple[list[CaseScores], Path]:
    rows = [row("exactly", "a"), row("half", "b"), row("no right", "c"), row("swapped", "d")]
    paths = write_results(rows, tmp_path / "results")
    assert [path.name for path in paths] == ["cases.csv", "summary.json", "summary.md"]
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["cases.csv", "summary.json", "summary.md"]
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
    assert text == table(rows) + "\n"
    lines = text.splitlines()
    header = [cell.strip() for cell in lines[0].strip("|").split("|")]
    assert header == ["gland", "metric", "n", "mean ± SD", "95 % CI", "median", "range", "missed"]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:] if line.startswith("|")]
    assert [(c[0], c[1]) for c in cells] == [
        (side, title) for side in ("right", "left") for _, title, _ in evaluation.METRICS
    ]
    by_name = {(c[0], c[1]): c for c in cells}
    values = [one.scores["Parotid_R"].dice for one in rows]
    assert by_name["right", "Dice"][2] == "4"
    assert by_name["right", "Dice"][3] == f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
    assert by_name["right", "HD95 mm"][2] == "3"
    assert {by_name["right", "Dice"][7], by_name["left", "Dice"][7]} == {"2", "1"}
    assert lines[-1] == "Swapped sides: 1 of 4 cases."


def test_one_case_gives_a_table_without_a_spread(tmp_path):
    write_results([row("exactly")], tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["metrics"]["Parotid_R"]["dice"]
    assert (summary["n"], summary["mean"], summary["sd"]) == (1, 1.0, None)
    assert "1.000 ± nan" in (tmp_path / "summary.md").read_text(encoding="utf-8")
