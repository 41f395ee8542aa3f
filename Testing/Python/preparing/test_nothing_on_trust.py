"""`parotidseg-train prepare`: what masks hold and regions are called is not taken on trust, and no loss goes unsaid."""

from __future__ import annotations

import json
from pathlib import Path

import made_training as made
import numpy as np
import pytest
import SimpleITK as sitk
from made_dicom import gland_contours, write_patient, write_structure_set
from made_images import like
from made_preparation import prepare

IMAGE, TRUTH = made.head_with_glands()
ARRAY = sitk.GetArrayFromImage(TRUTH)


def case_of_files(folder: Path, **arrays: np.ndarray) -> Path:
    """A case with its image, and files with these names (without ending) and voxels."""
    case = folder / "source" / "p1"
    case.mkdir(parents=True)
    sitk.WriteImage(IMAGE, str(case / "ct.nii.gz"))
    for name, array in arrays.items():
        sitk.WriteImage(like(IMAGE, array), str(case / f"{name}.nii.gz"))
    return case.parent


def outcome(folder: Path, source: Path, *arguments: str) -> dict:
    """What the record says of the only case: its entry, or {"why": sentence} if it was left out."""
    output = folder / "data"
    status = prepare(source, "--output", output, *arguments)
    record = json.loads((output / "preparation.json").read_text(encoding="utf-8"))
    if status:
        assert record["cases"] == {}
        (why,) = record["left_out"].values()
        return {"why": why}
    return record["cases"]["case_001"]


def written(folder: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "data" / "masks" / "case_001.nii.gz")))


def soft(label: int) -> np.ndarray:
    """A mask as interpolation leaves it: shares of voxels far beyond the gland."""
    blurred = sitk.SmoothingRecursiveGaussian(sitk.Cast(label == TRUTH, sitk.sitkFloat32), 6.0)
    return np.clip(sitk.GetArrayFromImage(blurred), 0.0, 1.0)


def test_soft_masks_count_from_one_half_on_and_say_so(tmp_path):
    entry = outcome(tmp_path, case_of_files(tmp_path, parotid_right=soft(1), parotid_left=soft(2)))
    for key, label in (("Parotid_R", 1), ("Parotid_L", 2)):
        assert entry["volumes_ml"][key] == pytest.approx((soft(label) >= 0.5).sum() * 0.216)
        assert entry["volumes_ml"][key] < 0.5 * (soft(label) > 0.0).sum() * 0.216
    assert ["has fractions in" in remark for remark in entry["remarks"]] == [True, True]
    assert np.array_equal(written(tmp_path) == 1, soft(1) >= 0.5)


@pytest.mark.parametrize("kind", ["grey values", "per cent", "several labels", "below zero"])
def test_masks_that_do_not_say_what_is_inside_are_refused(kind, tmp_path):
    mask = {
        "grey values": (soft(1) * 255).astype(np.uint8),
        "per cent": (soft(1) * 100).astype(np.float32),
        "several labels": ARRAY,
        "below zero": (soft(1) - 0.5).astype(np.float32),
    }[kind]
    source = case_of_files(tmp_path, parotid_right=mask, parotid_left=(ARRAY == 2).astype(np.uint8))
    assert "The mask of Parotid_R holds several values" in outcome(tmp_path, source)["why"]


def test_a_label_map_with_fractions_is_refused(tmp_path):
    why = outcome(tmp_path, case_of_files(tmp_path, label=(soft(1) + 2.0 * soft(2)).astype(np.float32)))["why"]
    assert "which is no label: it was interpolated" in why


def both_as_right() -> np.ndarray:
    return (ARRAY > 0).astype(np.uint8)


def rim_of_right_around_left() -> np.ndarray:
    """An interpolated label map, rounded: between 0 and 2 lies 1."""
    inner = sitk.GetArrayFromImage(sitk.BinaryErode(TRUTH == 2, [1, 1, 1]))
    return np.where(ARRAY == 2, np.where(inner > 0, 2, 1), ARRAY).astype(np.uint8)


@pytest.mark.parametrize("made_wrong", [both_as_right, rim_of_right_around_left])
@pytest.mark.parametrize("arguments", [[], ["--allow-missing"]], ids=["", "missing allowed"])
def test_a_gland_on_both_sides_of_the_head_is_an_error(made_wrong, arguments, tmp_path):
    why = outcome(tmp_path, case_of_files(tmp_path, label=made_wrong()), *arguments)["why"]
    assert "Parotid_R lies on both sides of the head" in why


def test_a_region_on_both_sides_of_the_head_is_an_error_in_dicom_too(tmp_path):
    image, _ = write_patient(tmp_path / "source", 1)
    glands = gland_contours(image)
    regions = {"Parotid_R": [*glands["Parotid_R"], *glands["Parotid_L"]], "Parotid_L": glands["Parotid_L"]}
    write_structure_set(tmp_path / "source" / "RS.dcm", regions, series="2.25.1001")
    why = outcome(tmp_path, tmp_path / "source")["why"]
    assert "both sides of the head" in why or "overlap" in why


@pytest.mark.parametrize(("label", "missing"), [(1, "Parotid_L"), (2, "Parotid_R")])
def test_a_missing_label_is_a_missing_region(label, missing, tmp_path):
    source = case_of_files(tmp_path, label=np.where(label == ARRAY, label, 0).astype(np.uint8))
    assert f"Nothing is labelled as {missing}" in outcome(tmp_path, source)["why"]
    assert outcome(tmp_path / "again", source, "--allow-missing")["remarks"] == [f"Without {missing}."]


def test_an_empty_mask_file_is_a_missing_region(tmp_path):
    masks = {"parotid_right": (ARRAY == 1).astype(np.uint8), "parotid_left": np.zeros_like(ARRAY)}
    source = case_of_files(tmp_path, **masks)
    assert "Nothing is labelled as Parotid_L" in outcome(tmp_path, source)["why"]
    assert outcome(tmp_path / "again", source, "--allow-missing")["remarks"] == ["Without Parotid_L."]


def test_a_single_mask_of_the_left_gland_is_not_taken_for_the_right_one(tmp_path):
    source = case_of_files(tmp_path, parotid_left=(ARRAY == 2).astype(np.uint8))
    assert "No region is named like Parotid_R" in outcome(tmp_path, source)["why"]
    entry = outcome(tmp_path / "again", source, "--allow-missing")
    assert entry["volumes_ml"]["Parotid_R"] == 0.0
    assert np.array_equal(written(tmp_path / "again") == 2, ARRAY == 2)


def test_a_lone_gland_on_the_other_side_is_remarked(tmp_path):
    source = case_of_files(tmp_path, label=(ARRAY == 2).astype(np.uint8))
    (without, side) = outcome(tmp_path, source, "--allow-missing")["remarks"]
    assert without == "Without Parotid_L."
    assert "Parotid_R lies 60 mm to the left of the middle of the body" in side


@pytest.mark.parametrize(
    "name", ["L Parotid+5mm", "left parotid_resected", "L parotid nodes", "L_Parotid_sup", "Ring_Parotid_L"]
)
def test_a_derived_region_is_not_the_gland(name, tmp_path):
    write_patient(tmp_path / "source", 1, names={"Parotid_L": name})
    why = outcome(tmp_path, tmp_path / "source")["why"]
    assert "No region is named like Parotid_L" in why
    assert f"('{name}' is no whole gland)" in why
    entry = outcome(tmp_path / "again", tmp_path / "source", "--allow-missing")
    assert entry["remarks"] == [f"Without Parotid_L. Passed over: '{name}'."]


def test_mask_files_have_the_same_rules_for_names(tmp_path):
    masks = {"parotid_right": (ARRAY == 1).astype(np.uint8), "parotid_left_deep": (ARRAY == 2).astype(np.uint8)}
    assert "No region is named like Parotid_L" in outcome(tmp_path, case_of_files(tmp_path, **masks))["why"]


def test_the_regions_own_names_are_recorded_and_further_words_remarked(tmp_path):
    write_patient(tmp_path / "source", 1, names={"Parotid_R": "Parotide droite", "Parotid_L": "OAR Parotid L"})
    entry = outcome(tmp_path, tmp_path / "source")
    assert entry["regions"] == {"Parotid_R": ["Parotide droite"], "Parotid_L": ["OAR Parotid L"]}
    assert entry["remarks"] == ["'OAR Parotid L' was taken for Parotid_L, though its name says more than that."]


def test_losses_of_contours_are_remarks(tmp_path):
    image, _ = write_patient(tmp_path / "source", 1)
    glands = gland_contours(image)
    stray = np.array([(0.0, 0.0, 0.0), (0.4, 0.0, 0.0), (0.4, 0.4, 0.0)]) + glands["Parotid_L"][2][0] + (0.5, 0.5, 0.0)
    regions = {"Parotid_R": glands["Parotid_R"] * 2, "Parotid_L": [*glands["Parotid_L"], stray, stray[:1]]}
    write_structure_set(tmp_path / "source" / "RS.dcm", regions, series="2.25.1001")
    assert outcome(tmp_path, tmp_path / "source")["remarks"] == [
        f"{len(glands['Parotid_R'])} contour(s) of 'Parotid_R' are there twice and count once.",
        "1 point(s) or open line(s) of 'Parotid_L' enclose nothing.",
        "1 contour(s) of 'Parotid_L' enclose the centre of no voxel and are lost.",
    ]
    truth = made.head_with_glands(seed=1)[1]
    assert (written(tmp_path) != sitk.GetArrayFromImage(truth)).sum() <= 0.01 * (ARRAY > 0).sum()


#: Case of the shared data -> a word of the sentence that leaves it out, or what the remarks say ("" for none).
CASES = {
    "04_contours_twice_or_overlapping/all_twice": ("", "11 contour(s) of 'Parotid_L' are there twice"),
    "07_soft_masks_count_whole/data": ("", "fractions"),
    "08_one_label_for_both_glands/both_as_1": ("both sides of the head", ""),
    "08_one_label_for_both_glands/left_only": ("Nothing is labelled as Parotid_R", ""),
    "09_names_that_say_more/margin": ("no whole gland", ""),
    "09_names_that_say_more/nodes": ("no whole gland", ""),
    "09_names_that_say_more/resected": ("no whole gland", ""),
    "09_names_that_say_more/superficial": ("no whole gland", ""),
    "13_tg263_french_and_spanish/french": ("", ""),
    "13_tg263_french_and_spanish/spanish": ("", ""),
    "16_one_broken_region": ("", ""),
}


@pytest.mark.data
@pytest.mark.parametrize("case", CASES)
def test_the_cases_that_came_out_wrong_come_out_right(case, data_root, tmp_path):
    refused, remarked = CASES[case]
    entry = outcome(tmp_path, data_root / "cases" / case)
    if refused:
        assert refused in entry["why"]
        return
    assert 20.0 < entry["volumes_ml"]["Parotid_R"] < 30.0
    assert 20.0 < entry["volumes_ml"]["Parotid_L"] < 30.0
    assert remarked in " ".join(entry["remarks"])
    assert bool(entry["remarks"]) == bool(remarked)
