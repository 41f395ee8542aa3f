"""Evaluation: every case counts, a gland that is missed too, and swapped sides are seen; so for folders of contours."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

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
from ParotidSegLib.structures import PAROTIDS, CodedConcept
from ParotidSegTrainingLib.data.dataset import DatasetFolder
from ParotidSegTrainingLib.data.masks import MaskFolder
from ParotidSegTrainingLib.judging import evaluation
from ParotidSegTrainingLib.judging.case_log import CaseLog
from ParotidSegTrainingLib.judging.evaluation import compare_folders, evaluate, swapped_sides
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

TRUTH = made.head_with_glands()[1]
CORD = replace(
    PAROTIDS[0],
    key="Cord",
    name="Spinal cord",
    type=CodedConcept("SCT", "2748008", "Spinal cord"),
    side="",
    laterality=None,
)


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
    return CaseScores(case, compare_images(TRUTH, labels), swapped_sides(TRUTH, labels), ("code",), 1.234)


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


# --- other structures ------------------------------------------------------------------------------------------------


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


def test_the_tolerances_of_the_surface_dice_are_chosen_by_the_caller(two_folders):
    rows = compared(two_folders, nsd_tolerances=(0.5, 12.0))
    assert list(rows[0].scores["Parotid_R"].nsd) == [0.5, 12.0]
    assert "| right | NSD 12 mm |" in table(rows)
    assert "NSD 1 mm" not in table(rows)


# --- agreement of volumes --------------------------------------------------------------------------------------------


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


# --- folders of contours ---------------------------------------------------------------------------------------------


def write_map(path: Path, labels: sitk.Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(labels, str(path), useCompression=True)
    return path


def write_masks(folder: Path, labels: sitk.Image, names: tuple[str, str] = ("Parotid-Rt", "Parotid-Lt")) -> None:
    for name, label in zip(names, (1, 2), strict=True):
        write_map(folder / f"{name}.nrrd", labels == label)


def compared(folder: Path, **options: object) -> list[CaseScores]:
    folders = [MaskFolder.open(folder / name) for name in ("reference", "candidate")]
    return compare_folders(*folders, report=lambda line: None, **options)


@pytest.fixture
def two_folders(tmp_path: Path) -> Path:
    """Two cases in each of two folders: label maps in the one, masks by gland in the other."""
    for case, kind in (("case_1", "half"), ("case_2", "swapped")):
        write_map(tmp_path / "reference" / f"{case}.nii.gz", TRUTH)
        write_masks(tmp_path / "candidate" / case, changed(kind))
    return tmp_path


def test_two_folders_are_scored_as_a_model_is(two_folders):
    rows = compared(two_folders)
    assert [one.case for one in rows] == ["case_1", "case_2"]
    assert rows[0].scores == row("half").scores
    assert [one.swapped for one in rows] == [False, True]
    assert rows[0].findings == () and math.isnan(rows[0].seconds)


def test_label_maps_of_different_formats_are_matched_by_name(tmp_path):
    write_map(tmp_path / "reference" / "one.v2.nii.gz", TRUTH)
    write_map(tmp_path / "candidate" / "one.v2.seg.nrrd", sitk.Cast(changed("half"), sitk.sitkFloat32))
    assert [(one.case, one.scores) for one in compared(tmp_path)] == [("one.v2", row("half").scores)]


@pytest.mark.parametrize(
    "names",
    [
        ("Parotid_R", "Parotid_L"),
        ("parotid_gland_right", "parotid_gland_left"),
        ("Right Parotid", "Left Parotid"),
        ("ParotidRt", "ParotidLt"),
        ("RParotid", "LParotid"),
        ("PAROTID_R", "PAROTID_L"),
    ],
)
def test_masks_are_known_by_the_gland_in_their_names(tmp_path, names):
    write_map(tmp_path / "reference" / "one.nrrd", TRUTH)
    write_masks(tmp_path / "candidate" / "one", TRUTH, names)
    write_map(tmp_path / "candidate" / "one" / "Submandibular_R.nrrd", TRUTH == 1)
    (only,) = compared(tmp_path)
    assert [scores.dice for scores in only.scores.values()] == [1.0, 1.0]


def test_a_mask_may_be_empty_or_have_any_one_value_inside(tmp_path):
    write_map(tmp_path / "reference" / "one.nrrd", TRUTH)
    write_map(tmp_path / "candidate" / "one" / "Parotid_R.nrrd", sitk.Cast((TRUTH == 1) * 255, sitk.sitkInt16))
    write_map(tmp_path / "candidate" / "one" / "Parotid_L.nrrd", TRUTH * 0)
    (only,) = compared(tmp_path)
    assert [(scores.dice, scores.missed) for scores in only.scores.values()] == [(1.0, False), (0.0, True)]


@pytest.mark.parametrize(("more", "fewer"), [("reference", "candidate"), ("candidate", "reference")])
def test_a_case_without_a_counterpart_is_named_and_can_be_excluded(two_folders, more, fewer):
    for case in ("case_3", "case_4"):
        if more == "reference":
            write_map(two_folders / more / f"{case}.nii.gz", TRUTH)
        else:
            write_masks(two_folders / more / case, TRUTH)
    said = refusal(DataError, compared, two_folders)
    assert "case_3 (and 1 more)" in said
    assert said.index(more) < said.index(fewer)
    assert len(compared(two_folders, exclude=["case_3", "case_4"])) == 2
    assert "excluded" in refusal(DataError, compared, two_folders, exclude=[f"case_{i}" for i in range(1, 5)])


def test_another_grid_is_refused_with_the_name_of_the_case(two_folders):
    moved = sitk.Image(TRUTH)
    moved.SetOrigin((0.0, 0.0, 0.0))
    write_map(two_folders / "reference" / "case_2.nii.gz", moved)
    said = refusal(DataError, compared, two_folders)
    assert "case_2" in said
    assert "origin" in said


def test_label_maps_that_cannot_be_scored_are_refused_with_one_sentence(two_folders):
    path = two_folders / "reference" / "case_1.nii.gz"
    write_map(path, TRUTH + 5)
    assert "(5, 6, 7)" in refusal(DataError, compared, two_folders)
    write_map(path, sitk.Cast(TRUTH, sitk.sitkFloat32) * 0.5)
    assert "(0.5)" in refusal(DataError, compared, two_folders)
    write_map(path, TRUTH[:, :, 3])
    assert "grid" in refusal(DataError, compared, two_folders)
    path.write_bytes(b"no image")
    assert "damaged" in refusal(DataError, compared, two_folders)


def test_masks_that_cannot_be_joined_are_refused_with_one_sentence(two_folders):
    folder = two_folders / "candidate" / "case_1"
    write_map(folder / "Parotid-Lt.nrrd", TRUTH > 0)
    assert "overlap" in refusal(DataError, compared, two_folders)
    write_map(folder / "Parotid-Lt.nrrd", TRUTH)
    assert "several labels" in refusal(DataError, compared, two_folders)
    write_map(folder / "Parotid-Lt.nrrd", (TRUTH == 2)[:, :, 1:])
    assert "different grids" in refusal(DataError, compared, two_folders)


def test_masks_of_other_structures_are_known_by_their_keys_and_words(tmp_path):
    cord = replace(CORD, key="SpinalCord")
    gland = replace(PAROTIDS[0], label=2, key="Submandibular_R", name="Right submandibular gland")
    for name, label in (("spinal-cord", 1), ("SubmandibularGland Rt", 2), ("Submandibular_L", 3)):
        write_map(tmp_path / "case" / f"{name}.nrrd", label == TRUTH)
    folder = MaskFolder.open(tmp_path, (cord, gland))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(folder.read("case")), sitk.GetArrayFromImage(TRUTH))
    # A name that is the key itself is preferred to others with its words.
    write_map(tmp_path / "case" / "SpinalCord.nrrd", TRUTH == 1)
    assert MaskFolder.open(tmp_path, (cord, gland)).files["case"][0].name == "SpinalCord.nrrd"
    assert "no mask of the right parotid gland" in refusal(DataError, MaskFolder.open, tmp_path)


def test_a_folder_with_masks_of_one_structure_is_no_folder_of_label_maps(tmp_path):
    write_map(tmp_path / "case" / "Parotid_R.nrrd", sitk.Cast((TRUTH == 1) * 255, sitk.sitkInt16))
    folder = MaskFolder.open(tmp_path, PAROTIDS[:1])
    assert set(np.unique(sitk.GetArrayFromImage(folder.read("case")))) == {0, 1}


def test_folders_that_hold_no_clear_contours_are_refused_with_one_sentence(two_folders):
    reference, candidate = two_folders / "reference", two_folders / "candidate"
    write_map(candidate / "case_1" / "left_parotid.nrrd", TRUTH == 2)
    assert "2 masks of the left" in refusal(DataError, MaskFolder.open, candidate)
    for path in (candidate / "case_1").glob("*[Ll]*t*.nrrd"):
        path.unlink()
    write_map(candidate / "case_1" / "Parotid-Rt.nrrd", TRUTH == 1)
    assert "no mask of the left" in refusal(DataError, MaskFolder.open, candidate)
    write_map(reference / "case_1.mha", TRUTH)
    assert "two label maps" in refusal(DataError, MaskFolder.open, reference)
    (two_folders / "empty").mkdir()
    assert "no contours" in refusal(DataError, MaskFolder.open, two_folders / "empty")
    assert "no folder" in refusal(DataError, MaskFolder.open, two_folders / "nowhere")
