"""Data sets on disk: what is wrong with one is said in a sentence, and where things are does not depend on storage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import made_training as made
import numpy as np
import pytest
import SimpleITK as sitk
from made_images import cut_short, like
from orientations import all_orientations
from sentences import refusal

from ParotidSegLib.errors import DataError, ImageError
from ParotidSegLib.geometry.grids import Grid, physical_bounds
from ParotidSegLib.geometry.sampling import sample
from ParotidSegTrainingLib.data.dataset import Case, DatasetFolder, load_case

RECIPE = made.tiny_recipe()


@pytest.fixture
def dataset(made_dataset: Path, tmp_path: Path) -> Path:
    """A copy of the made data set, to be broken."""
    return Path(shutil.copytree(made_dataset, tmp_path / "dataset"))


def set_splits(dataset: Path, splits: object) -> None:
    (dataset / "splits.json").write_text(json.dumps(splits), encoding="utf-8")


def load(dataset: Path, case: str, margin_mm: float = 1000.0) -> Case:
    return load_case(DatasetFolder.open(dataset), case, RECIPE, margin_mm)


def test_the_cases_of_a_split_come_in_their_order_without_the_excluded_ones(made_dataset):
    folder = DatasetFolder.open(made_dataset)
    assert folder.cases("train") == ["head_1", "head_2", "head_3"]
    assert folder.cases("train", exclude=["head_2", "head_9"]) == ["head_1", "head_3"]


def test_a_split_without_a_case_is_refused(made_dataset):
    folder = DatasetFolder.open(made_dataset)
    assert "test" in refusal(DataError, folder.cases, "test", ["head_6"])


@pytest.mark.parametrize("folder", ["images", "masks"])
def test_a_missing_file_is_named_by_case_and_folder(dataset, folder):
    next((dataset / folder).glob("head_4.*")).unlink()
    message = refusal(DataError, DatasetFolder.open, dataset)
    assert "head_4" in message
    assert folder in message


def test_a_folder_without_splits_is_refused(dataset):
    (dataset / "splits.json").unlink()
    assert "splits.json" in refusal(DataError, DatasetFolder.open, dataset)
    assert "splits.json" in refusal(DataError, DatasetFolder.open, dataset / "nowhere")
    assert "splits.json" in refusal(DataError, DatasetFolder.open, next((dataset / "images").iterdir()))


@pytest.mark.parametrize(
    "splits", [[], {}, {"training": ["head_1"]}, {"train": "head_1"}, {"train": 3}, {"train": [1]}, {"test": None}]
)
def test_splits_of_another_form_are_refused(dataset, splits):
    set_splits(dataset, splits)
    assert "splits.json" in refusal(DataError, DatasetFolder.open, dataset)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe"])
def test_splits_that_are_no_json_are_refused(dataset, content):
    (dataset / "splits.json").write_bytes(content)
    assert "splits.json" in refusal(DataError, DatasetFolder.open, dataset)


@pytest.mark.parametrize("validation", [["head_2"], ["head_4", "head_4"]])
def test_a_case_that_is_listed_twice_is_refused(dataset, validation):
    set_splits(dataset, {"train": ["head_1", "head_2"], "validation": validation})
    assert validation[0] in refusal(DataError, DatasetFolder.open, dataset)


@pytest.mark.parametrize("change", ["SetOrigin", "SetSpacing", "SetDirection", "size"])
def test_a_mask_on_another_grid_than_its_image_is_refused(dataset, change):
    path = dataset / "masks" / "head_1.nii.gz"
    mask = sitk.ReadImage(str(path))
    if change == "SetOrigin":
        mask.SetOrigin(np.add(mask.GetOrigin(), (0.0, 0.0, 3.0)).tolist())
    elif change == "SetSpacing":
        mask.SetSpacing((6.0, 6.0, 5.9))
    elif change == "SetDirection":
        mask.SetDirection((-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0))
    else:
        mask = mask[:, :, 1:]
    sitk.WriteImage(mask, str(path))
    assert "head_1" in refusal(DataError, load, dataset, "head_1")


def test_labels_of_no_structure_are_refused_and_listed(dataset):
    path = dataset / "masks" / "head_1.nii.gz"
    mask = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(mask)
    array[0, 0, :2] = 3, 7
    sitk.WriteImage(like(mask, array), str(path))
    message = refusal(DataError, load, dataset, "head_1")
    assert "head_1" in message
    assert "(3, 7)" in message


def test_a_damaged_mask_and_a_damaged_image_are_refused(dataset):
    cut_short(dataset / "masks" / "head_3.nrrd")
    refusal(DataError, load, dataset, "head_3")
    cut_short(dataset / "images" / "head_1.nii.gz")
    refusal(ImageError, load, dataset, "head_1")


def test_a_mask_of_colours_is_refused(dataset):
    path = dataset / "masks" / "head_3.nrrd"
    mask = sitk.ReadImage(str(path))
    sitk.WriteImage(sitk.Compose(mask, mask, mask), str(path))
    refusal(DataError, load, dataset, "head_3")


@pytest.mark.parametrize("case", made.CASES)
def test_the_midpoint_and_the_glands_are_where_they_are_in_the_patient_however_the_scan_is_stored(made_dataset, case):
    loaded = load(made_dataset, case)
    middle = np.array(made.CASES[case][0])
    np.testing.assert_allclose(loaded.midpoint, middle + (made.RIGHT + made.LEFT) / 2.0, atol=1.0)
    for points, gland in zip(loaded.points, (made.RIGHT, made.LEFT), strict=True):
        np.testing.assert_allclose(points.mean(axis=0), middle + gland, atol=1.5)


def test_all_48_orientations_of_a_head_give_one_midpoint(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    image, labels = made.head_with_glands((30.0, -20.0, 7.0))
    names = [f"turned_{i}" for i in range(48)]
    for name, turned_image, turned in zip(names, all_orientations(image), all_orientations(labels), strict=True):
        sitk.WriteImage(turned_image, str(tmp_path / "images" / f"{name}.mha"))
        sitk.WriteImage(turned, str(tmp_path / "masks" / f"{name}.mha"))
    set_splits(tmp_path, {"train": names})
    cases = [load(tmp_path, name) for name in names]
    for case in cases[1:]:
        np.testing.assert_allclose(case.midpoint, cases[0].midpoint, atol=1e-6)
        np.testing.assert_allclose(case.bounds, cases[0].bounds, atol=1e-6)


def test_only_the_scan_within_the_margin_of_the_glands_is_kept(made_dataset):
    case = load(made_dataset, "head_1", margin_mm=12.0)
    points = np.concatenate(case.points)
    low, high = case.bounds
    # To the outer faces of the voxels: half a voxel more, and at most one for the rounding outwards.
    assert np.all(low >= points.min(axis=0) - 12.0 - 9.0)
    assert np.all(low <= points.min(axis=0) - 12.0)
    assert np.all(high <= points.max(axis=0) + 12.0 + 9.0)
    assert np.all(high >= points.max(axis=0) + 12.0)
    np.testing.assert_allclose(case.bounds, physical_bounds(case.images[0]))
    kept = [int(sitk.GetArrayViewFromImage(mask).sum()) for mask in case.masks]
    assert kept == [len(points) for points in case.points]


def test_a_mask_is_cut_out_with_a_rim_that_keeps_its_border_as_it_was(made_dataset):
    case = load(made_dataset, "head_3")
    whole = DatasetFolder.open(made_dataset).read_mask("head_3")
    grid = Grid.centred(case.midpoint.tolist(), (2.0, 2.0, 2.0), (60, 60, 100))
    for label, mask in enumerate(case.masks, start=1):
        assert np.prod(mask.GetSize()) < 0.2 * np.prod(whole.GetSize())
        expected = sample(sitk.Cast(whole == label, sitk.sitkUInt8), grid, outside=0.0)
        np.testing.assert_allclose(sample(mask, grid, outside=0.0), expected, atol=1e-5)


def test_a_case_without_a_gland_is_kept_whole_and_has_its_midpoint_in_the_scan(dataset):
    path = dataset / "masks" / "head_2.nii.gz"
    mask = sitk.ReadImage(str(path))
    sitk.WriteImage(mask * 0, str(path))
    case = load(dataset, "head_2", margin_mm=1.0)
    assert case.images[0].GetSize() == mask.GetSize()
    np.testing.assert_allclose(case.midpoint, made.CASES["head_2"][0], atol=1e-3)


def test_a_case_with_one_gland_has_its_midpoint_in_it(dataset):
    path = dataset / "masks" / "head_1.nii.gz"
    mask = sitk.ReadImage(str(path))
    sitk.WriteImage(sitk.Cast(mask == 2, sitk.sitkUInt8) * 2, str(path))
    np.testing.assert_allclose(load(dataset, "head_1").midpoint, made.LEFT, atol=1.0)


def test_the_image_keeps_its_values_where_the_working_grid_is_no_coarser(made_dataset):
    case = load(made_dataset, "head_1")
    stored = sitk.ReadImage(str(made_dataset / "images" / "head_1.nii.gz"))
    assert case.images[0].GetPixelID() == sitk.sitkInt16
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(case.images[0]), sitk.GetArrayViewFromImage(stored))
