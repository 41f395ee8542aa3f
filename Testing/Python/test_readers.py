"""Several contours against several references: every pair, by patient, with the borders and the paired gains."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import made_training as made
import numpy as np
import pytest
import SimpleITK as sitk
from made_contours import changed, write_map
from made_images import like
from sentences import refusal

from ParotidSegLib.errors import DataError
from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.cli import main
from ParotidSegTrainingLib.data.masks import MaskFolder
from ParotidSegTrainingLib.judging import readers

CASES = ("head_a", "head_b", "head_c")


def raised(labels: sitk.Image, voxels: int) -> sitk.Image:
    """The same glands so many voxels (6 mm) higher."""
    return like(labels, np.roll(sitk.GetArrayFromImage(labels), voxels, axis=0))


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """Contours of three heads: exact ones, some without a half, some a voxel too high; the clinic has two heads."""
    made_by = {
        "exact": lambda labels: labels,
        "half": lambda labels: changed("half", labels),
        "high": lambda labels: raised(labels, 1),
        "clinic": lambda labels: raised(labels, -1),
    }
    for seed, case in enumerate(CASES):
        truth = made.head_with_glands((0.0, 10.0 * seed, 0.0), seed=seed)[1]
        for name, change in made_by.items():
            if name != "clinic" or case != "head_c":
                write_map(tmp_path / name / f"{case}.nii.gz", change(truth))
    return {name: tmp_path / name for name in made_by}


def contours(folders: dict[str, Path], *names: str) -> list[readers.Contours]:
    return [readers.Contours(name, MaskFolder.open(folders[name])) for name in names]


def test_every_candidate_meets_every_reference_and_references_one_another(folders: dict[str, Path]) -> None:
    pairs = readers.compare_all(contours(folders, "half", "high"), contours(folders, "exact", "clinic"))
    assert [(pair.candidate, pair.reference, len(pair.scores)) for pair in pairs] == [
        ("half", "exact", 3),
        ("half", "clinic", 2),
        ("high", "exact", 3),
        ("high", "clinic", 2),
        ("clinic", "exact", 2),
    ]


def test_the_borders_say_where_a_contour_lies(folders: dict[str, Path]) -> None:
    high, low = readers.compare_all(contours(folders, "high"), contours(folders, "exact", "clinic"))[::2]
    assert (high.candidate, low.candidate) == ("high", "clinic")
    for pair, sign in ((high, 1.0), (low, -1.0)):
        assert pair.summary("top").mean == pytest.approx(6.0 * sign)
        assert pair.summary("bottom").mean == pytest.approx(-6.0 * sign)
        assert pair.summary("superior").mean * sign > 2.0
        assert pair.summary("inferior").mean * sign < -2.0
        assert pair.summary("medial").mean == pytest.approx(0.0, abs=0.3)


def test_a_patient_is_one_unit_and_gains_are_paired(folders: dict[str, Path]) -> None:
    candidates = contours(folders, "exact", "half")
    pairs = readers.compare_all(candidates, contours(folders, "high"))
    half = next(pair for pair in pairs if pair.candidate == "half")
    for case, keyed in half.scores.items():
        assert half.by_patient("dice")[case] == pytest.approx(np.mean([of["dice"] for of in keyed.values()]))
    (gain,) = readers.gains(pairs, ["exact", "half"])
    exact = next(pair for pair in pairs if pair.candidate == "exact")
    assert gain.dice.n == 3
    assert gain.dice.mean == pytest.approx(exact.summary("dice").mean - half.summary("dice").mean)


def test_the_command_writes_a_table_and_a_row_a_gland(folders: dict[str, Path], tmp_path: Path, capsys) -> None:
    output = tmp_path / "results"
    references = [f"careful={folders['exact']}", str(folders["clinic"])]
    candidates = [f"new={folders['high']}", f"old={folders['half']}"]
    assert main(["evaluate", "--reference", *references, "--candidate", *candidates, "--output", str(output)]) == 0
    table = (output / "summary.md").read_text(encoding="utf-8")
    assert table.strip() in capsys.readouterr().out
    assert "| new − old | careful |" in table
    rows = list(csv.DictReader((output / "cases.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 2 * (3 + 2 + 3 + 2 + 2)
    tops = [float(row["top"]) for row in rows if (row["contours"], row["with"]) == ("new", "careful")]
    assert tops == pytest.approx([6.0] * 6)
    summary = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    assert [pair["patients"] for pair in summary["pairs"]] == [3, 2, 3, 2, 2]
    assert str(tmp_path) not in json.dumps([summary["pairs"], summary["gains"]])


def test_the_lowest_patients_are_drawn_with_both_readers(folders: dict[str, Path], tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for seed, case in enumerate(CASES):
        sitk.WriteImage(made.head_with_glands((0.0, 10.0 * seed, 0.0), seed=seed)[0], str(images / f"{case}.nii.gz"))
    truth = sitk.ReadImage(str(folders["exact"] / "head_b.nii.gz"))
    write_map(folders["half"] / "head_b.nii.gz", raised(changed("half", truth), 2))
    references = [str(folders["exact"]), str(folders["high"])]
    arguments = ["evaluate", "--reference", *references, "--candidate", str(folders["half"]), "--overlays", "1"]
    assert main([*arguments, "--images", str(images), "--output", str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out" / "overlays").iterdir()] == ["head_b.png"]
    assert not (tmp_path / "out" / "masks").exists()  # no model was asked


def test_a_missed_gland_is_no_number_among_the_borders_but_counts_in_dice(folders: dict[str, Path]) -> None:
    path = folders["half"] / "head_a.nii.gz"
    write_map(path, changed("no right", sitk.ReadImage(str(path))))
    pairs = readers.compare_all(contours(folders, "half"), contours(folders, "exact"))
    assert pairs[0].scores["head_a"]["Parotid_R"]["dice"] == 0.0
    assert pairs[0].by_patient("dice")["head_a"] < 0.6
    assert pairs[0].by_patient("top")["head_a"] == 0.0  # the left gland alone


def test_folders_of_one_name_or_without_a_common_case_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["exact"], tmp_path / "more" / "exact")
    same = [readers.Contours("exact", MaskFolder.open(tmp_path / "more" / "exact"))]
    assert "have one name" in refusal(DataError, readers.compare_all, same, contours(folders, "exact"))
    other = readers.Contours("other", MaskFolder(tmp_path, {"head_z": ()}, PAROTIDS))
    assert "no case in common" in refusal(DataError, readers.compare_all, [other], contours(folders, "exact"))


def test_a_case_without_a_ct_is_refused_before_a_model_is_asked(folders: dict[str, Path], tmp_path: Path) -> None:
    said = refusal(DataError, readers.contour_all, None, ["head_a"], [tmp_path], tmp_path / "masks")
    assert "head_a" in said
