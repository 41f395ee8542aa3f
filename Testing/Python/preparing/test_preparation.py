"""`parotidseg-train prepare`: from patients' files to a data set that trains, names nobody, and survives a kill."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import made_training as made
import pytest
import SimpleITK as sitk
from made_dicom import IDENTIFIER, NAME, write_patient
from made_preparation import everything_in, prepare, said

from ParotidSegTrainingLib.data.dataset import DatasetFolder, load_case
from ParotidSegTrainingLib.preparing import preparation
from ParotidSegTrainingLib.recipe import load

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four patients with CT and structure set, named by different habits; the first was scanned twice."""
    root = tmp_path_factory.mktemp("clinic") / f"{NAME} 頭"
    habits = ("Parotid_R Parotid_L", "parotid-rt parotid-lt", "PAROTIDE.DX PAROTIDE.SX", "RParotid LParotid")
    for number, habit in enumerate(habits, start=1):
        names = dict(zip(("Parotid_R", "Parotid_L"), habit.split(), strict=True))
        write_patient(root / f"p{number}", number, names=names, patient=f"{IDENTIFIER}-{max(1, number - 1)}")
    return root


@pytest.fixture(scope="session")
def prepared(clinic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set of those patients; not to be changed."""
    output = tmp_path_factory.mktemp("prepared") / "data"
    assert prepare(clinic, "--output", output, "--seed", 3) == 0
    return output


def test_a_tree_of_dicom_files_becomes_a_data_set(prepared):
    names = {f"case_{number:03d}" for number in range(1, 5)}
    folder = DatasetFolder.open(prepared)
    assert {case for cases in folder.splits.values() for case in cases} == names
    assert {path.name for path in prepared.iterdir()} == {"images", "masks", "splits.json", "preparation.json"}
    for case in names:
        image, mask = sitk.ReadImage(str(folder.image_paths(case)[0])), folder.read_mask(case)
        assert image.GetPixelID() == sitk.sitkInt16
        assert mask.GetPixelID() == sitk.sitkUInt8
        shapes = sitk.LabelShapeStatisticsImageFilter()
        shapes.Execute(mask)
        for label, place in ((1, made.RIGHT), (2, made.LEFT)):
            assert shapes.GetCentroid(label) == pytest.approx(place, abs=1.0)


def test_scans_of_one_patient_stay_in_one_split(prepared):
    splits = json.loads((prepared / "splits.json").read_text(encoding="utf-8"))
    homes = {case: split for split, cases in splits.items() for case in cases}
    assert homes["case_001"] == homes["case_002"]
    cases = json.loads((prepared / "preparation.json").read_text(encoding="utf-8"))["cases"]
    assert [entry["patient"] for entry in cases.values()] == [
        "patient_001",
        "patient_001",
        "patient_002",
        "patient_003",
    ]


def test_nothing_names_a_patient(prepared, clinic):
    for name, content in everything_in(prepared).items():
        for word in (NAME, "Doe", "Jane", IDENTIFIER, clinic.name, "2.25."):
            assert word.encode() not in content, (name, word)


def test_what_is_printed_names_no_patient(clinic, tmp_path, capsys):
    broken = shutil.copytree(clinic, tmp_path / NAME)
    (broken / "p1" / "RS.dcm").unlink()
    sorted((broken / "p3" / "CT").iterdir())[5].unlink()
    output = tmp_path / "data"
    assert prepare(broken, "--output", output) == 1
    printed = capsys.readouterr()
    text = printed.out + printed.err
    assert "1 CT series without a structure set" in text
    assert "case_002: left out." in text
    assert "1 case(s) left out" in text
    assert "case_001: Parotid_R" in text
    for word in ("Doe", "Jane", IDENTIFIER, "2.25.", "p3"):
        assert word not in text
    assert not (output / "images" / "case_002.nii.gz").exists()
    assert "missing" in json.loads((output / "preparation.json").read_text(encoding="utf-8"))["left_out"]["case_002"]


def test_the_data_set_trains_as_it_is(prepared):
    folder = DatasetFolder.open(prepared)
    case = load_case(folder, folder.cases("train")[0], made.tiny_recipe(), 40.0)
    assert all(mask is not None for mask in case.masks)


def test_the_same_call_on_a_finished_data_set_changes_nothing(prepared, clinic, tmp_path, monkeypatch):
    output = shutil.copytree(prepared, tmp_path / "data")
    before = everything_in(output)
    monkeypatch.setattr(preparation, "_write_case", None)
    assert prepare(clinic, "--output", output, "--seed", 3) == 0
    assert everything_in(output) == before


def test_a_call_that_was_killed_is_taken_up_where_it_stopped(prepared, clinic, tmp_path):
    output = tmp_path / "data"
    command = [sys.executable, "-m", "ParotidSegTrainingLib.cli", "prepare", clinic, "--output", output, "--seed", "3"]
    paths = os.pathsep.join(str(REPOSITORY / name) for name in ("ParotidSeg", "ParotidSegTraining"))
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.DEVNULL)
    masks, deadline = output / "masks", time.monotonic() + 60
    while not (masks.is_dir() and any(masks.iterdir())) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in masks.iterdir()}
    assert 1 <= len(done) < 4, "the call was not killed within its work"
    assert not (output / "splits.json").exists()
    (output / ".staging").mkdir(exist_ok=True)
    (output / ".staging" / "half.nii.gz").write_bytes(b"half")
    assert prepare(clinic, "--output", output, "--seed", 3) == 0
    assert everything_in(output) == everything_in(prepared)
    finished = json.loads((output / "preparation.json").read_text(encoding="utf-8"))["cases"]
    assert set(finished) == {f"case_{number:03d}" for number in range(1, 5)}
    # What was whole is not made again; the one case between its files and its entry may be.
    assert sum(path.stat().st_mtime_ns != time_ns for path, time_ns in done.items()) <= 1


def test_a_case_that_fails_while_it_is_written_leaves_nothing(clinic, tmp_path, monkeypatch):
    output, real, calls = tmp_path / "data", os.replace, []

    def fails(source: Path, target: Path) -> None:
        if "masks" in str(target) and ".staging" not in str(target):
            calls.append(target)
            if len(calls) == 2:
                raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(preparation.os, "replace", fails)
    assert prepare(clinic, "--output", output) == 1
    monkeypatch.undo()
    assert [path.name for path in sorted((output / "images").iterdir())] == ["case_001.nii.gz"]
    assert [path.name for path in sorted((output / "masks").iterdir())] == ["case_001.nii.gz"]
    assert not (output / ".staging").exists()
    assert prepare(clinic, "--output", output) == 0
    assert len(list((output / "masks").iterdir())) == 4


def test_a_case_that_could_not_be_used_is_tried_again_and_earlier_cases_keep_their_split(clinic, tmp_path):
    source, output = shutil.copytree(clinic, tmp_path / "source"), tmp_path / "data"
    lost = sorted((source / "p4" / "CT").iterdir())[5]
    kept = lost.rename(tmp_path / "kept.dcm")
    assert prepare(source, "--output", output) == 1
    before = json.loads((output / "splits.json").read_text(encoding="utf-8"))
    kept.rename(lost)
    assert prepare(source, "--output", output) == 0
    after = json.loads((output / "splits.json").read_text(encoding="utf-8"))
    assert all(set(before[split]) <= set(after[split]) for split in before)
    assert sum(map(len, after.values())) == 4


def test_nothing_that_lies_there_is_overwritten(clinic, prepared, tmp_path, capsys):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years", encoding="utf-8")
    assert "is not empty" in said(capsys, clinic, "--output", mine)
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]
    other = shutil.copytree(prepared, tmp_path / "other")
    assert "other sources, options or another seed" in said(capsys, clinic, "--output", other, "--seed", 4)
    assert "other sources, options" in said(capsys, clinic, "--output", other, "--seed", 3, "--allow-missing")
    assert everything_in(other) == everything_in(prepared)
    assert "cannot lie in a source" in said(capsys, clinic, "--output", clinic / "data")


def test_which_case_is_whose_is_written_only_on_request_and_only_for_its_owner(clinic, tmp_path, capsys):
    key, output = tmp_path / "private" / "key.csv", tmp_path / "data"
    assert prepare(clinic, "--output", output, "--key-file", key) == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    rows = list(csv.DictReader(key.read_text(encoding="utf-8").splitlines()))
    assert [row["case"] for row in rows] == [f"case_{number:03d}" for number in range(1, 5)]
    assert rows[3]["patient"].endswith(f"{IDENTIFIER}-3")
    assert "outside the data set" in said(
        capsys, clinic, "--output", tmp_path / "b", "--key-file", tmp_path / "b" / "k"
    )
    before = key.read_bytes()
    assert prepare(clinic, "--output", output, "--key-file", key) == 0
    other = tmp_path / "other"
    write_patient(other, 9)
    assert "nothing in it is overwritten" in said(capsys, other, "--output", tmp_path / "b", "--key-file", key)
    assert key.read_bytes() == before
    assert not (tmp_path / "b").exists()


def test_sides_that_contradict_their_place_are_remarked_and_kept(tmp_path, capsys):
    write_patient(tmp_path / "source", 1, names={"Parotid_R": "Parotid_L", "Parotid_L": "Parotid_R"})
    assert prepare(tmp_path / "source", "--output", tmp_path / "data") == 0
    assert "Parotid_R lies 120 mm to the left of Parotid_L: the sides seem to be swapped." in capsys.readouterr().out
    mask = DatasetFolder.open(tmp_path / "data").read_mask("case_001")
    assert (sitk.GetArrayFromImage(mask)[:, :, :20] == 1).sum() == 0


def test_own_patterns_decide_and_unclear_names_are_listed(clinic, tmp_path, capsys):
    patterns = tmp_path / "patterns.json"
    patterns.write_text(json.dumps({"Parotid_R": ["^rparotid$"], "Parotid_L": ["^lparotid$"]}), encoding="utf-8")
    output = tmp_path / "data"
    assert prepare(clinic, "--output", output, "--patterns", patterns) == 1
    assert "case_004: Parotid_R" in capsys.readouterr().out
    left_out = json.loads((output / "preparation.json").read_text(encoding="utf-8"))["left_out"]
    assert "the regions are 'parotid-lt', 'parotid-rt'" in left_out["case_002"]
    patterns.write_text(json.dumps({"Parotid_R": ["parotid"], "Parotid_L": ["parotid"]}), encoding="utf-8")
    text = said(capsys, clinic, "--output", tmp_path / "none", "--patterns", patterns)
    assert "None of the 4 case(s) could be used" in text
    assert "side is not clear" in text


def test_a_recipe_says_what_is_to_be_had(clinic, tmp_path, capsys):
    assert prepare(clinic, "--output", tmp_path / "data", "--recipe", "parotid-ct") == 0
    mapping = {"structures": [{"key": "Spleen"}], "sources": {clinic.name: {"labels": {}}}}
    (tmp_path / "mapping.json").write_text(json.dumps(mapping), encoding="utf-8")
    arguments = ["--recipe", "parotid-ct", "--mapping", tmp_path / "mapping.json"]
    assert "different structures" in said(capsys, clinic, "--output", tmp_path / "b", *arguments)
    assert load("parotid-ct").structures == DatasetFolder.open(tmp_path / "data").structures


def test_wrong_calls_are_one_sentence(clinic, tmp_path, capsys):
    output = ["--output", tmp_path / "data"]
    assert "is no folder" in said(capsys, tmp_path / "none", *output)
    (tmp_path / "empty").mkdir()
    assert "no CT series with a structure set (0 CT series" in said(capsys, tmp_path / "empty", *output)
    assert "add up to 100 %" in said(capsys, clinic, *output, "--shares", "50", "50", "50")
    assert not (tmp_path / "data").exists()
    assert "have no names to keep" in said(capsys, clinic, *output, "--keep-names")
    (tmp_path / "link").symlink_to(clinic)
    for twice in (tmp_path / "link", clinic / "p1"):
        assert "twice" in said(capsys, clinic, twice, *output)
    assert "read as CT alone" in said(capsys, clinic, *output, "--inputs", "ct", "pet:PT")
    assert "does not exist" in said(capsys, clinic, *output, "--mapping", tmp_path / "none.json")
    for arguments in ([], [clinic], [clinic, "--output", "x", "--seed", "y"]):
        with pytest.raises(SystemExit) as ended:
            prepare(*arguments)
        assert ended.value.code == 2
