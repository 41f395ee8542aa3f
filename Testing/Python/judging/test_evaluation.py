"""Evaluation of a model: every case counts, a gland that is missed too, and swapped sides are seen."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from made_contours import CORD, TRUTH, changed
from orientations import reoriented
from sentences import refusal

from ParotidSegLib.errors import DataError, ImageError, OutputError
from ParotidSegLib.glands.quality import Finding
from ParotidSegLib.measuring.sides import swapped_sides
from ParotidSegLib.segmentation import Segmentation
from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.data.dataset import DatasetFolder
from ParotidSegTrainingLib.judging import evaluation
from ParotidSegTrainingLib.judging.case_log import CaseLog
from ParotidSegTrainingLib.judging.evaluation import evaluate
from ParotidSegTrainingLib.judging.results import (
    CaseScores,
    summaries,
    table,
)

#: All that an evaluation asks of a model itself.
MODEL = SimpleNamespace(bundle=SimpleNamespace(structures=PAROTIDS))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, made_dataset: Path) -> dict[str, str]:
    """By case, what the stand-in for segment() makes of the reference; "exactly" if nothing is said."""
    wanted: dict[str, str] = {}
    folder = DatasetFolder.open(made_dataset)
    by_origin = {
        sitk.ReadImage(str(folder.image_paths(case)[0])).GetOrigin(): case
        for split in folder.splits
        for case in folder.cases(split)
    }
    assert len(by_origin) == 6

    def segment(images: list[sitk.Image], model: object, *, mirror: bool) -> Segmentation:
        (image,) = images
        assert (model, mirror) == (MODEL, False)
        case = by_origin[image.GetOrigin()]
        kind = wanted.get(case, "exactly")
        if kind == "interrupted":
            raise KeyboardInterrupt
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
    return evaluate(MODEL, folder, split, mirror=False, report=lines.append, **options), lines


def test_each_case_of_a_split_is_scored_on_its_own_grid(made_dataset, answers):
    answers["head_2"] = "half"
    rows, lines = run(made_dataset)
    assert [one.case for one in rows] == ["head_1", "head_2", "head_3"]
    assert [one.scores["Parotid_R"].dice == 1.0 for one in rows] == [True, False, True]
    assert 0.4 < rows[1].scores["Parotid_R"].dice < 0.9
    assert [one.findings for one in rows] == [(), ("asymmetric",), ()]
    assert [one.seconds for one in rows] == [1.5] * 3
    assert [line.split()[0] for line in lines] == ["head_1", "head_2", "head_3"]


def test_the_accuracy_is_the_share_of_voxels_with_the_right_label(made_dataset, answers):
    answers.update(head_1="exactly", head_2="half")
    rows, _ = run(made_dataset)
    truth, half = (sitk.GetArrayFromImage(labels) for labels in (TRUTH, changed("half")))
    assert rows[0].accuracy == 1.0
    assert rows[1].accuracy == pytest.approx(np.mean(truth == half), abs=2e-3)
    assert "categorical accuracy" in table(rows)


def test_excluded_cases_are_left_out(made_dataset, answers):
    assert [one.case for one in run(made_dataset, exclude=["head_2"])[0]] == ["head_1", "head_3"]


def test_a_case_to_be_left_out_that_does_not_exist_is_a_slip(made_dataset, answers):
    assert "head_22" in refusal(DataError, run, made_dataset, exclude=["head_22"])
    # That of another split is none: one list may serve all splits.
    assert len(run(made_dataset, exclude=["head_6"])[0]) == 3


@pytest.mark.parametrize("name", ["masks", "images"])
def test_label_maps_never_take_the_place_of_the_data_set(made_dataset, answers, tmp_path, name):
    data = Path(shutil.copytree(made_dataset, tmp_path / "data"))
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    (tmp_path / "link").symlink_to(data)
    assert "another folder" in refusal(OutputError, run, data, masks=tmp_path / "link" / name)
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before


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


def test_an_interrupted_evaluation_segments_only_what_is_left_or_has_no_label_map(made_dataset, answers, tmp_path):
    log, masks = tmp_path / "log", tmp_path / "masks"
    settings = {"bundle": "00ff"}
    answers["head_3"] = "interrupted"
    with pytest.raises(KeyboardInterrupt):
        run(made_dataset, masks=masks, log=CaseLog.open(log, settings))
    answers.update(head_1="nothing", head_2="nothing", head_3="exactly")
    (masks / "head_2.nii.gz").unlink()
    rows, lines = run(made_dataset, masks=masks, log=CaseLog.open(log, settings))
    assert [one.scores["Parotid_R"].dice for one in rows] == [1.0, 0.0, 1.0]
    assert [line.split()[0] for line in lines] == ["head_1", "head_2", "head_3"]
    assert len(list(masks.iterdir())) == 3


def test_a_model_for_other_structures_than_those_of_the_data_set_is_refused(made_dataset, answers, monkeypatch):
    monkeypatch.setattr(MODEL.bundle, "structures", (replace(CORD, label=1), replace(CORD, label=2, key="Other")))
    assert "draws Cord, Other, but the data set has Parotid_R, Parotid_L" in refusal(DataError, run, made_dataset)


def test_a_mask_on_another_grid_ends_the_evaluation_with_a_sentence(made_dataset, answers, monkeypatch):
    moved = sitk.Image(TRUTH)
    moved.SetOrigin((0.0, 0.0, 0.0))
    monkeypatch.setattr(DatasetFolder, "read_mask", lambda self, case: moved)
    monkeypatch.setattr(
        evaluation, "segment", lambda images, model, *, mirror: Segmentation(images[0] * 0, {}, [], {}, {})
    )
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
    assert swapped_sides(TRUTH, changed(kind)) is swapped
    other_way = [reoriented(image, (2, 0, 1), (True, False, True)) for image in (TRUTH, changed(kind))]
    assert swapped_sides(*other_way) is swapped


def test_a_reference_with_one_gland_is_not_swapped_by_finding_both():
    assert not swapped_sides(changed("no right"), TRUTH)
    assert swapped_sides(changed("no right"), changed("swapped"))
