"""Mean doses of two contours: from the planned dose to table, files and page; what cannot be used is named."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from html_checks import checked
from made_contours import TRUTH, changed, write_map
from made_doses import made_dose, write_rtdose
from sentences import refusal

from ParotidSegLib.dose.reading import Dose
from ParotidSegLib.errors import DataError
from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.cli import main
from ParotidSegTrainingLib.data.doses import DoseFolder
from ParotidSegTrainingLib.judging.agreement import bland_altman
from ParotidSegTrainingLib.judging.comparison import compare_results
from ParotidSegTrainingLib.judging.dose_agreement import MeanDoses, dose_pairs, dose_table, mean_doses, same_side
from ParotidSegTrainingLib.judging.results import read_results
from ParotidSegTrainingLib.reporting.comparing import report_on

CASES = {"head_1": "exactly", "head_2": "half", "head_3": "no right"}


def across(points: np.ndarray) -> np.ndarray:
    """More to the left and to the top: half a gland does not receive what a whole one does."""
    return np.clip(30.0 + 0.2 * points[..., 0] + 0.3 * points[..., 2], 0.0, None)


PLAN = made_dose(TRUTH, across)


def test_mean_doses_are_those_of_each_contour_and_of_each_side():
    dose = Dose(PLAN)
    found = mean_doses(dose, TRUTH, changed("half"))
    right, left = (found[structure.key] for structure in PAROTIDS)
    assert left.reference > right.reference + 10.0
    assert left.error == 0.0
    array = sitk.GetArrayFromImage(PLAN)
    labels = sitk.GetArrayFromImage(changed("half"))
    assert right.candidate == pytest.approx(array[labels == 1].mean(), abs=0.05)  # linear, but for the clipped end
    assert abs(right.error) > 1.0


def test_a_missed_gland_has_an_infinite_error_and_no_pair_and_one_that_nobody_drew_has_none():
    found = mean_doses(Dose(PLAN), TRUTH, changed("no right"))
    assert found["Parotid_R"].error == math.inf
    invented = mean_doses(Dose(PLAN), changed("no right"), TRUTH)
    assert math.isnan(invented["Parotid_R"].error)
    assert dose_pairs([found, invented], "Parotid_R") == ([], [])
    assert len(dose_pairs([found, invented], "Parotid_L")[0]) == 2
    assert mean_doses(Dose(PLAN), changed("nothing"), changed("nothing"))["Parotid_L"].error is not None


def test_sides_of_the_limit_are_counted_with_the_interval_of_wilson():
    pairs = [(25.0, 24.0), (25.9, 26.0), (30.0, 27.0), (26.0, 26.1), (math.nan, 20.0)]
    doses = [{"Parotid_R": MeanDoses(a, b)} for a, b in pairs]
    sides = same_side(doses, "Parotid_R")
    assert (sides.n, sides.same, sides.share) == (4, 3, 0.75)
    # Wilson's formula by hand: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n), z = 1.95996, p = 0.75, n = 4.
    assert (sides.low, sides.high) == pytest.approx((0.3006, 0.9544), abs=1e-4)
    assert math.isnan(same_side([], "Parotid_R").share)


def test_the_table_states_bias_and_limits_in_gy():
    doses = [{s.key: MeanDoses(20.0 + n, 21.0 + n + 0.1 * (-1) ** n) for s in PAROTIDS} for n in range(8)]
    text = dose_table(doses, "model")
    expected = bland_altman([20.0 + n for n in range(8)], [21.0 + n + 0.1 * (-1) ** n for n in range(8)])
    assert "bias Gy (95 % CI)" in text
    assert f"| right | 8 | {expected.bias.value:.2f} (" in text
    assert "mean doses on the same side of 26 Gy in" in text
    assert " mL" not in text


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """Reference, candidate and doses of three cases: one dose as NIfTI, one as RTDOSE, one in a folder."""
    made = {name: tmp_path / name for name in ("reference", "candidate", "doses")}
    for case, kind in CASES.items():
        write_map(made["reference"] / f"{case}.nii.gz", TRUTH)
        write_map(made["candidate"] / f"{case}.nii.gz", changed(kind))
    made["doses"].mkdir()
    sitk.WriteImage(PLAN, str(made["doses"] / "head_1.nii.gz"))
    write_rtdose(made["doses"] / "head_2.dcm", PLAN)
    write_rtdose(made["doses"] / "head_3" / "RD.dcm", PLAN)
    return made


def evaluated(folders: dict[str, Path], output: Path, *more: object) -> int:
    words = ["evaluate", "--reference", folders["reference"], "--candidate", folders["candidate"]]
    return main([*map(str, [*words, "--doses", folders["doses"], "--output", output, *more])])


def test_an_evaluation_with_doses_writes_them_everywhere_and_a_page_shows_them(folders, tmp_path, capsys):
    assert evaluated(folders, tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "| right | Mean dose error Gy | 2 |" in printed
    assert "dose_bland_altman.png" in printed
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    right, left = (summary["dose_agreement"][structure.key] for structure in PAROTIDS)
    assert (right["n"], left["n"]) == (2, 3)
    assert left["bias"]["value"] == pytest.approx(0.0, abs=1e-3)
    assert left["same_side"]["same"] == 3
    with (tmp_path / "out" / "cases.csv").open(encoding="utf-8") as file:
        lines = {(line["case"], line["structure"]): line for line in csv.DictReader(file)}
    of_half = lines["head_2", "Parotid_R"]
    difference = float(of_half["mean_dose_gy"]) - float(of_half["mean_dose_reference_gy"])
    assert right["bias"]["value"] == pytest.approx(difference / 2.0, abs=1e-3)
    assert "Mean doses: difference" in (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    page = tmp_path / "page.html"
    report_on([tmp_path / "out"], page, report=lambda line: None)
    checked(page.read_text(encoding="utf-8"))
    assert "Mean doses against the reference" in page.read_text(encoding="utf-8")


def test_results_with_doses_are_read_back_and_compared(folders, tmp_path):
    assert evaluated(folders, tmp_path / "a") == 0
    for case in CASES:
        write_map(folders["candidate"] / f"{case}.nii.gz", TRUTH)
    assert evaluated(folders, tmp_path / "b") == 0
    a, b = (read_results(tmp_path / name) for name in "ab")
    assert a.rows[1].doses["Parotid_R"].error > 1.0
    both = compare_results(a, b)
    compared = both.by_structure["Parotid_R"]["mean_dose_error_gy"]
    assert (compared.n, compared.infinite, compared.b_better) == (2, 1, 1)
    assert both.figures()["dose_agreement"]["b"]["Parotid_R"]["same_side"]["share"] == 1.0
    page = tmp_path / "page.html"
    report_on([tmp_path / "a", tmp_path / "b"], page, names=["first", "second"], report=lambda line: None)
    text = page.read_text(encoding="utf-8")
    checked(text)
    for name in ("A: first", "B: second"):
        assert f"Mean doses against the reference, {name}" in text
    assert "Mean dose error Gy" in text


def test_an_evaluation_with_doses_that_was_killed_goes_on_with_them(folders, tmp_path, monkeypatch):
    from ParotidSegTrainingLib.judging import evaluation

    real, seen = evaluation.mean_doses, []

    def dying(dose, reference, candidate, structures):
        seen.append(1)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(dose, reference, candidate, structures)

    monkeypatch.setattr(evaluation, "mean_doses", dying)
    assert evaluated(folders, tmp_path / "out") == 130
    assert evaluated(folders, tmp_path / "out") == 0
    assert len(seen) == 4  # the first two were kept
    assert read_results(tmp_path / "out").rows[1].doses["Parotid_R"].error > 1.0


def test_a_case_without_a_dose_and_a_dose_that_is_none_are_named(folders, tmp_path, capsys):
    (folders["doses"] / "head_2.dcm").unlink()
    assert evaluated(folders, tmp_path / "out") == 1
    assert "head_2 has no dose" in capsys.readouterr().err
    write_rtdose(folders["doses"] / "head_2.dcm", PLAN, DoseUnits="RELATIVE")
    assert evaluated(folders, tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert "The dose of the case head_2 cannot be used" in said and "in percent" in said
    assert evaluated(folders, tmp_path / "out", "--exclude", "head_2") == 0


def test_folders_of_doses_are_refused_with_a_sentence(folders, tmp_path):
    assert "no folder" in refusal(DataError, DoseFolder.open, tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "holds no doses" in refusal(DataError, DoseFolder.open, tmp_path / "empty")
    shutil.copy(folders["doses"] / "head_1.nii.gz", folders["doses"] / "head_2.nii.gz")
    assert "head_2 has two doses" in refusal(DataError, DoseFolder.open, folders["doses"])
