"""Folders of contours: which files are a case, what is refused, and that they are scored as a model is."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from made_contours import CORD, TRUTH, changed, row, write_map, write_masks
from sentences import refusal

from ParotidSegLib.errors import DataError
from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.data.masks import MaskFolder
from ParotidSegTrainingLib.judging.evaluation import compare_folders
from ParotidSegTrainingLib.judging.results import (
    CaseScores,
    table,
)


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


def test_the_tolerances_of_the_surface_dice_are_chosen_by_the_caller(two_folders):
    rows = compared(two_folders, nsd_tolerances=(0.5, 12.0))
    assert list(rows[0].scores["Parotid_R"].nsd) == [0.5, 12.0]
    assert "| right | NSD 12 mm |" in table(rows)
    assert "NSD 1 mm" not in table(rows)


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
        ("Parotide_D", "Parotide_G"),
        ("Parotida_D", "Parotida_I"),
    ],
)
def test_masks_are_known_by_the_gland_in_their_names(tmp_path, names):
    write_map(tmp_path / "reference" / "one.nrrd", TRUTH)
    write_masks(tmp_path / "candidate" / "one", TRUTH, names)
    write_map(tmp_path / "candidate" / "one" / "Submandibular_R.nrrd", TRUTH == 1)
    (only,) = compared(tmp_path)
    assert [scores.dice for scores in only.scores.values()] == [1.0, 1.0]


@pytest.mark.parametrize("name", ["Parotid_L_deep", "left parotid_resected", "Parotid_L+5mm"])
def test_a_mask_of_something_derived_from_a_gland_is_not_taken_for_it(tmp_path, name):
    write_map(tmp_path / "reference" / "one.nrrd", TRUTH)
    write_masks(tmp_path / "candidate" / "one", TRUTH, ("Parotid_R", name))
    assert "has no mask of the left parotid gland" in refusal(DataError, compared, tmp_path)


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
