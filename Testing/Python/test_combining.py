"""What readers drew as further cases of a data set: one scan, one patient, several references."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import made_training as made
import numpy as np
import pytest
import SimpleITK as sitk
from made_contours import write_map
from sentences import refusal

from ParotidSegLib.errors import DataError, OutputError
from ParotidSegTrainingLib.cli import main
from ParotidSegTrainingLib.data.dataset import Case, DatasetFolder, load_case
from ParotidSegTrainingLib.data.masks import MaskFolder
from ParotidSegTrainingLib.preparing.combining import Reader, combine
from ParotidSegTrainingLib.recipe import Recipe, load
from ParotidSegTrainingLib.training.folds import divide
from ParotidSegTrainingLib.training.patches import random_patch
from ParotidSegTrainingLib.training.run_folder import fingerprint


@pytest.fixture
def reader(made_dataset: Path, tmp_path: Path) -> Path:
    """Two patients of the data set as someone else drew them, and one whose scan lies elsewhere."""
    folder = DatasetFolder.open(made_dataset)
    for case in ("head_1", "head_4"):
        write_map(tmp_path / "reader" / f"{case}.nii.gz", folder.read_mask(case))
    image, labels = made.head_with_glands((0.0, 0.0, 50.0))
    write_map(tmp_path / "reader" / "head_9.nii.gz", labels)
    (tmp_path / "scans").mkdir()
    sitk.WriteImage(image, str(tmp_path / "scans" / "head_9.nii.gz"))
    return tmp_path / "reader"


def finer(labels: sitk.Image, factor: int = 3) -> sitk.Image:
    """The same contours on voxels a third as large."""
    return sitk.Expand(labels, [factor] * 3, sitk.sitkNearestNeighbor)


def test_a_reader_adds_cases_that_train_and_are_known_as_the_same_patient(
    made_dataset: Path, reader: Path, tmp_path: Path
) -> None:
    arguments = ["combine", "--data", made_dataset, "--reader", f"careful={reader}", "--images", tmp_path / "scans"]
    assert main([str(argument) for argument in [*arguments, "--output", tmp_path / "both"]]) == 0
    folder = DatasetFolder.open(tmp_path / "both")
    added = ("head_1_careful", "head_4_careful", "head_9_careful")
    assert folder.splits["train"] == ("head_1", "head_2", "head_3", *added)
    assert folder.splits["validation"] == ("head_4", "head_5")
    record = json.loads((tmp_path / "both" / "preparation.json").read_text(encoding="utf-8"))
    assert record["cases"]["head_4_careful"] == record["cases"]["head_4"] == {"patient": "head_4"}


def test_cross_validation_never_parts_the_references_of_a_patient(
    made_dataset: Path, reader: Path, tmp_path: Path
) -> None:
    readers = [Reader("careful", MaskFolder.open(reader))]
    folder = combine(DatasetFolder.open(made_dataset), readers, tmp_path / "both", images=[tmp_path / "scans"])
    for fold in divide(folder, load("parotid-ct", {"exclude": []}), 3):
        for case in ("head_1", "head_4"):
            assert (case in fold.splits["train"]) == (f"{case}_careful" in fold.splits["train"])


def test_without_its_own_contours_the_readers_alone_train(made_dataset: Path, reader: Path, tmp_path: Path) -> None:
    readers = [Reader("careful", MaskFolder.open(reader))]
    places = {"images": [tmp_path / "scans"], "without_own": True}
    folder = combine(DatasetFolder.open(made_dataset), readers, tmp_path / "both", **places)
    assert folder.splits["train"] == ("head_1_careful", "head_4_careful", "head_9_careful")
    assert folder.splits["validation"] == ("head_4", "head_5")


def test_training_learns_from_contours_as_they_were_drawn(made_dataset: Path, tmp_path: Path) -> None:
    source = DatasetFolder.open(made_dataset)
    write_map(tmp_path / "reader" / "head_1.nii.gz", source.read_mask("head_1"))
    write_map(tmp_path / "drawn" / "head_1.nii.gz", finer(source.read_mask("head_1")))
    readers = [Reader("careful", *(MaskFolder.open(tmp_path / name) for name in ("reader", "drawn")))]
    folder = combine(source, readers, tmp_path / "both")
    recipe = load("parotid-ct")
    coarse, fine = (load_case(folder, case, recipe, 100.0) for case in ("head_1", "head_1_careful"))
    assert fine.masks[0].GetSpacing() == pytest.approx((2.0, 2.0, 2.0))
    assert fine.images[0].GetSpacing() == coarse.images[0].GetSpacing()
    assert len(fine.points[0]) == 27 * len(coarse.points[0])
    assert np.linalg.norm(fine.midpoint - coarse.midpoint) < 0.1
    used = {"train": ["head_1_careful"]}
    before = fingerprint(folder, used)
    next((tmp_path / "both" / "drawn").iterdir()).unlink()
    assert fingerprint(folder, used) != before


def test_contours_drawn_elsewhere_than_the_masks_are_refused(made_dataset: Path, tmp_path: Path) -> None:
    source = DatasetFolder.open(made_dataset)
    write_map(tmp_path / "reader" / "head_1.nii.gz", source.read_mask("head_1"))
    moved = finer(source.read_mask("head_1"))
    moved.SetOrigin((np.array(moved.GetOrigin()) + np.array([0.0, 0.0, 30.0])).tolist())
    write_map(tmp_path / "drawn" / "head_1.nii.gz", moved)
    readers = [Reader("careful", *(MaskFolder.open(tmp_path / name) for name in ("reader", "drawn")))]
    folder = combine(source, readers, tmp_path / "both")
    assert "lie elsewhere" in refusal(DataError, load_case, folder, "head_1_careful", load("parotid-ct"), 100.0)


def test_cases_come_as_often_as_the_recipe_says(made_dataset: Path) -> None:
    folder = DatasetFolder.open(made_dataset)
    recipe = load("parotid-ct", {"sampling.repeats": {"head_2": 3}, "optimisation.steps_per_epoch": 10})
    cases = [load_case(folder, case, recipe, 100.0) for case in folder.splits["train"]]
    assert [recipe.sampling.times(case.name) for case in cases] == [1, 3, 1]
    drawn = [_case_at(cases, recipe, position) for position in range(10)]
    assert [drawn.count(case) for case in folder.splits["train"]] == [2, 6, 2]


def _case_at(cases: Sequence[Case], recipe: Recipe, position: int) -> str:
    """Which case the patch at a position is cut from."""
    with pytest.MonkeyPatch.context() as patch:
        seen: list[str] = []
        patch.setattr("ParotidSegTrainingLib.training.patches.cut", lambda case, *rest: seen.append(case.name))
        random_patch(cases, recipe, 0, position)
    return seen[0]


def test_a_reader_whose_scan_is_nowhere_is_refused_and_a_full_folder_stays(
    made_dataset: Path, reader: Path, tmp_path: Path
) -> None:
    source, readers = DatasetFolder.open(made_dataset), [Reader("careful", MaskFolder.open(reader))]
    said = refusal(DataError, combine, source, readers, tmp_path / "both")
    assert "head_9" in said
    assert not (tmp_path / "both").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    places = {"images": [tmp_path / "scans"]}
    assert "holds something" in refusal(OutputError, combine, source, readers, tmp_path / "full", **places)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["notes.txt"]
