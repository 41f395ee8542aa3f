"""`parotidseg-train check`: a data set with every kind of fault, from its files to tables and pictures."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import made_training as made
import numpy as np
import pytest
import SimpleITK as sitk
from made_images import cut_short, like
from orientations import rotation

from ParotidSegTrainingLib.checking.dataset_check import UNDIVIDED, open_for_check
from ParotidSegTrainingLib.cli import main

CASES = 14


def check(*arguments: object) -> int:
    return main(["check", *map(str, arguments)])


def table(folder: Path, name: str = "findings.csv") -> list[dict[str, str]]:
    return list(csv.DictReader((folder / name).read_text(encoding="utf-8").splitlines()))


def codes(folder: Path, case: str) -> set[str]:
    return {row["code"] for row in table(folder) if row["case"] == case}


def in_two_splits(folder: Path) -> set[str]:
    return {row["case"] for row in table(folder) if row["code"] == "patient-in-two-splits"}


def write(root: Path, case: str, image: sitk.Image, labels: sitk.Image) -> None:
    sitk.WriteImage(image, str(root / "images" / f"{case}.nii.gz"))
    sitk.WriteImage(labels, str(root / "masks" / f"{case}.nii.gz"))


def head(number: int) -> tuple[sitk.Image, sitk.Image]:
    """A made head and its labels; each is turned a little on its grid, so that no two have the same voxels."""
    turned = rotation(0.0, 0.0, 1.5 * number - 10.0)
    return made.head_with_glands((3.0 * number, 0.0, -5.0 * number), turned, number)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen made heads, a little different from each other, without splits; not to be changed."""
    root = tmp_path_factory.mktemp("check") / "sound"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number in range(CASES):
        write(root, f"h{number:02d}", *head(number))
    return root


@pytest.fixture(scope="module")
def faulty(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with faults in the first cases."""
    root = shutil.copytree(sound, tmp_path_factory.mktemp("check") / "faulty")
    heads = [head(number) for number in range(9)]
    arrays = [sitk.GetArrayFromImage(labels) for _, labels in heads]
    write(root, "h00", heads[0][0], like(heads[0][1], np.array([0, 2, 1], np.uint8)[arrays[0]]))
    # Two gland's lengths before its place, as if it had been drawn on another patient.
    write(root, "h01", heads[1][0], like(heads[1][1], np.roll(arrays[1], -13, axis=1)))
    write(root, "h02", heads[2][0], like(heads[2][1], np.where(arrays[2] == 2, arrays[2], 0)))
    write(root, "h03", heads[3][0], heads[3][1] * 0)
    shifted = sitk.Image(heads[4][1])
    shifted.SetOrigin(np.add(shifted.GetOrigin(), (0.0, 6.0, 0.0)).tolist())
    write(root, "h04", heads[4][0], shifted)
    write(root, "h05", heads[5][0] + 1024, heads[5][1])
    write(root, "h06", like(heads[6][0], sitk.GetArrayFromImage(head(13)[0])), heads[6][1])
    cut_short(root / "images" / "h07.nii.gz")
    write(root, "h08", *(each[:, :, 11:] for each in heads[8]))
    splits = {"train": [f"h{n:02d}" for n in range(12)], "validation": ["h12"], "test": ["h13"]}
    (root / "splits.json").write_text(json.dumps(splits), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def checked(faulty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its check."""
    output = tmp_path_factory.mktemp("check") / "report"
    before = {path: path.read_bytes() for path in faulty.rglob("*") if path.is_file()}
    assert check(faulty, "--output", output, "--strict") == 1
    assert {path: path.read_bytes() for path in faulty.rglob("*") if path.is_file()} == before
    return output


def test_a_sound_data_set_has_no_findings(sound, tmp_path, capsys):
    assert check(sound, "--output", tmp_path / "report", "--strict") == 0
    assert "0 finding(s) in 0 case(s)" in capsys.readouterr().out
    assert table(tmp_path / "report") == []
    assert (tmp_path / "report" / "findings.md").read_text(encoding="utf-8") == "0 findings in 0 of 14 cases.\n"
    assert len(table(tmp_path / "report", "cases.csv")) == 2 * CASES
    assert not (tmp_path / "report" / "pictures").exists()


def test_every_fault_is_found_under_its_code(checked):
    assert "sides-swapped" in codes(checked, "h00")
    assert "label-outside-body" in codes(checked, "h01")
    assert "one-sided" in codes(checked, "h02")
    assert "mask-empty" in codes(checked, "h03")
    assert "geometry-mismatch" in codes(checked, "h04")
    assert "not-hu" in codes(checked, "h05")
    assert "duplicate-image" in codes(checked, "h06") & codes(checked, "h13")
    assert codes(checked, "h07") == {"unreadable"}
    assert "gland-cut-by-scan" in codes(checked, "h08")
    assert {row["case"] for row in table(checked)} == {f"h{n:02d}" for n in range(9)} | {"h13"}


def test_a_finding_says_how_bad_it_is_and_where_to_look(checked):
    (row,) = [row for row in table(checked) if row["code"] == "sides-swapped"]
    assert (row["severity"], row["structure"], row["split"]) == ("error", "Parotid_R", "train")
    assert float(row["value"]) == pytest.approx(120.0, abs=1.0)
    assert [float(row[axis]) for axis in ("x_mm", "y_mm", "z_mm")] == pytest.approx(list(made.LEFT), abs=1.0)
    (row,) = [row for row in table(checked) if row["code"] == "duplicate-image" and row["case"] == "h06"]
    assert row["message"] == "Its image is also that of h13 (test)."


def test_the_tables_agree(checked):
    text = (checked / "findings.md").read_text(encoding="utf-8")
    rows = table(checked)
    assert text.startswith(f"{len(rows)} findings in 10 of 14 cases.")
    for row in rows:
        assert f"| {row['case']} | {row['split']} | {row['code']} | {row['severity']} |" in text
    measures = [row for row in table(checked, "cases.csv") if row["case"] == "h12"]
    assert [row["structure"] for row in measures] == ["Parotid_R", "Parotid_L"]
    assert float(measures[0]["mean"]) == pytest.approx(made.RIGHT_HU, abs=3.0)


def test_every_suspicious_case_that_can_be_read_has_a_picture(checked):
    drawn = {path.stem for path in (checked / "pictures").iterdir()}
    assert drawn == {row["case"] for row in table(checked)} - {"h07"}
    for path in [*(checked / "pictures").iterdir(), checked / "overview.png"]:
        picture = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        assert min(picture.shape[:2]) > 400
        assert picture[..., :3].std() > 5.0


def test_the_picture_shows_both_glands_in_their_colours(checked):
    picture = sitk.GetArrayFromImage(sitk.ReadImage(str(checked / "pictures" / "h00.png")))[..., :3].astype(int)
    orange, blue = (
        np.abs(picture[:400, :400] - colour).sum(axis=-1) < 60 for colour in ((230, 159, 0), (86, 180, 233))
    )
    # The sides of this case are swapped: the right label is drawn at the picture's right.
    assert np.argwhere(orange)[:, 1].mean() > np.argwhere(blue)[:, 1].mean()


def test_patients_are_grouped_by_a_pattern_or_as_the_data_set_says(faulty, tmp_path):
    output = tmp_path / "report"
    assert check(faulty, "--output", output, "--no-pictures", "--patient-pattern", r"^h(\d)") == 0
    assert {row["case"] for row in table(output) if row["code"] == "patient-in-two-splits"} == {
        "h10",
        "h11",
        "h12",
        "h13",
    }
    root = shutil.copytree(faulty, tmp_path / "data")
    cases = {case: {"patient": "patient_001"} for case in ("h11", "h12")}
    (root / "preparation.json").write_text(json.dumps({"cases": cases}), encoding="utf-8")
    assert check(root, "--output", output, "--no-pictures") == 0
    assert in_two_splits(output) == {"h11", "h12"}
    assert not (output / "pictures").exists()


def test_slices_of_another_modality_are_checked_without_hounsfield_units(tmp_path):
    root = tmp_path / "slices"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    (root / "structures.json").write_text(json.dumps([{"key": "Lesion"}]), encoding="utf-8")
    rng = np.random.default_rng(2)
    for number in range(3):
        mask = np.zeros((1, 24, 32), np.uint8)
        mask[0, 8:14, 10:20] = number > 0
        image = sitk.GetImageFromArray(rng.integers(0, 255, (1, 24, 32)).astype(np.int16))
        write(root, f"s{number}", image, like(image, mask))
    output = tmp_path / "report"
    assert check(root, "--output", output, "--inputs", "picture:OT") == 0
    assert {(row["case"], row["code"]) for row in table(output)} == {
        ("s0", "mask-empty"),
        ("s1", "duplicate-mask"),
        ("s2", "duplicate-mask"),
    }
    assert (output / "pictures" / "s1.png").is_file()


def test_images_of_one_case_that_show_other_parts_are_found(tmp_path):
    root = tmp_path / "pairs"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    image, labels = made.head_with_glands()
    apart = sitk.Image(image)
    apart.SetOrigin((0.0, 0.0, 900.0))
    for case, second in (("a", image), ("b", apart)):
        sitk.WriteImage(image + (case == "b"), str(root / "images" / f"{case}_ct.nii.gz"))
        sitk.WriteImage(second, str(root / "images" / f"{case}_pet.nii.gz"))
        sitk.WriteImage(labels, str(root / "masks" / f"{case}.nii.gz"))
    output = tmp_path / "report"
    assert check(root, "--output", output, "--inputs", "ct", "pet:PT", "--no-pictures") == 0
    assert codes(output, "b") == {"inputs-apart", "duplicate-mask"}
    assert codes(output, "a") == {"duplicate-mask"}


def test_a_folder_without_splits_is_checked_as_it_lies(sound):
    folder = open_for_check(sound)
    assert folder.splits == {UNDIVIDED: tuple(f"h{n:02d}" for n in range(CASES))}


def test_wrong_calls_are_one_sentence_and_nothing_is_overwritten(sound, tmp_path, capsys):
    def said(*arguments: object) -> str:
        capsys.readouterr()
        assert check(*arguments) == 1
        text = capsys.readouterr().err
        assert text.startswith("parotidseg-train: ")
        assert text.count("\n") == 1
        return text

    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years", encoding="utf-8")
    assert "holds something else than an earlier check" in said(sound, "--output", mine)
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]
    assert "is no data set" in said(mine, "--output", tmp_path / "report")
    assert "is a file" in said(sound, "--output", mine / "thesis.txt")
    assert "no regular expression" in said(sound, "--output", tmp_path / "report", "--patient-pattern", "(")
    damaged = shutil.copytree(sound, tmp_path / "damaged")
    for content in ("[]", '{"inputs": [{"nme": "ct"}]}', '{"cases": {"h00": {}}}', '{"cases": []}'):
        (damaged / "preparation.json").write_text(content, encoding="utf-8")
        assert "preparation.json is damaged" in said(damaged, "--output", tmp_path / "report")


def test_pictures_of_an_earlier_check_do_not_stay(sound, tmp_path):
    assert check(sound, "--output", tmp_path / "report") == 0
    assert (tmp_path / "report" / "overview.png").exists()
    assert check(sound, "--output", tmp_path / "report", "--no-pictures") == 0
    assert not [path.name for path in (tmp_path / "report").rglob("*.png")]


@pytest.mark.data
def test_the_broken_reference_of_the_shared_data_is_found(data_root, tmp_path):
    source, root = data_root / "openkbp", tmp_path / "data"
    names = ["pt_221", *[path.name[:-7] for path in sorted((source / "masks").iterdir())[:14]]]
    for name in names:
        for folder in ("images", "masks"):
            (root / folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(source / folder / f"{name}.nii.gz", root / folder)
    assert check(root, "--output", tmp_path / "report", "--no-pictures") == 0
    assert {"label-outside-body", "value-outlier"} <= codes(tmp_path / "report", "pt_221")
    errors = {row["case"] for row in table(tmp_path / "report") if row["severity"] == "error"}
    assert errors == {"pt_221"}
