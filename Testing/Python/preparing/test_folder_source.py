"""Folders of images with masks: the layouts that are known, and what is said of others."""

from __future__ import annotations

from pathlib import Path

import pytest
from sentences import refusal

from ParotidSegLib.errors import DataError
from ParotidSegTrainingLib.preparing.folder_source import find_pairs, is_folder_of_files, natural


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def pairs(root: Path, *inputs: str) -> dict[str, tuple[list[str], list[str]]]:
    found = find_pairs(root, inputs)
    return {
        pair.name: (
            [path.relative_to(root).as_posix() for path in pair.images],
            [path.relative_to(root).as_posix() for path in pair.masks],
        )
        for pair in found
    }


def test_folders_of_images_and_masks(tmp_path):
    touch(tmp_path, "images/pt_10.nii.gz", "images/pt_2.nrrd", "masks/pt_10.mha", "masks/pt_2.seg.nrrd", "splits.json")
    touch(tmp_path, "images/.hidden.nii", "images/notes.txt")
    assert is_folder_of_files(tmp_path)
    assert pairs(tmp_path) == {
        "pt_2": (["images/pt_2.nrrd"], ["masks/pt_2.seg.nrrd"]),
        "pt_10": (["images/pt_10.nii.gz"], ["masks/pt_10.mha"]),
    }
    assert list(pairs(tmp_path)) == ["pt_2", "pt_10"]


def test_a_folder_of_masks_a_case(tmp_path):
    touch(tmp_path, "images/a.nii", "labels/a/Parotid_R.nrrd", "labels/a/Parotid_L.nrrd")
    assert pairs(tmp_path) == {"a": (["images/a.nii"], ["labels/a/Parotid_L.nrrd", "labels/a/Parotid_R.nrrd"])}


def test_names_that_differ_by_a_word_or_the_number_of_a_channel(tmp_path):
    touch(tmp_path / "btcv", "images/img0001.nii.gz", "labels/label0001.nii.gz")
    assert list(pairs(tmp_path / "btcv")) == ["0001"]
    touch(tmp_path / "amos", "imagesTr/amos_0004.nii.gz", "labelsTr/amos_0004.nii.gz")
    touch(tmp_path / "amos", "imagesVa/amos_0008.nii.gz", "labelsVa/amos_0008.nii.gz", "imagesTs/amos_0009.nii.gz")
    assert pairs(tmp_path / "amos")["amos_0008"] == (["imagesVa/amos_0008.nii.gz"], ["labelsVa/amos_0008.nii.gz"])
    assert list(pairs(tmp_path / "amos")) == ["amos_0004", "amos_0008"]
    touch(tmp_path / "nnunet", "imagesTr/case_7_0000.nii.gz", "labelsTr/case_7.nii.gz")
    assert list(pairs(tmp_path / "nnunet")) == ["case_7"]


@pytest.mark.parametrize("ending", ["_mask.nii.gz", "_seg.nrrd", "-label.mha", "_segmentation.nii", ".seg.nrrd"])
def test_pairs_in_one_folder(ending, tmp_path):
    touch(tmp_path, "scan 1.nii.gz", f"scan 1{ending}", "scan 2.nii.gz", "scan 2_labels.nii.gz")
    assert pairs(tmp_path)["scan 1"] == (["scan 1.nii.gz"], [f"scan 1{ending}"])
    assert list(pairs(tmp_path)) == ["scan 1", "scan 2"]


def test_volumes_and_segmentations_that_begin_with_the_word(tmp_path):
    touch(tmp_path, "volume-12.nii", "segmentation-12.nii")
    assert pairs(tmp_path) == {"12": (["volume-12.nii"], ["segmentation-12.nii"])}


def test_a_folder_a_case(tmp_path):
    touch(tmp_path, "0522c0001/img.nrrd", "0522c0001/structures/Parotid_L.nrrd", "0522c0001/structures/Parotid_R.nrrd")
    touch(tmp_path, "s0002/ct.nii.gz", "s0002/segmentations/liver.nii.gz", "s3/image.mha", "s3/label.mha")
    assert is_folder_of_files(tmp_path)
    found = pairs(tmp_path)
    assert found["0522c0001"][0] == ["0522c0001/img.nrrd"]
    assert len(found["0522c0001"][1]) == 2
    assert found["s0002"] == (["s0002/ct.nii.gz"], ["s0002/segmentations/liver.nii.gz"])
    assert found["s3"] == (["s3/image.mha"], ["s3/label.mha"])


def test_several_inputs_are_found_by_their_names_in_their_order(tmp_path):
    names = [f"images/p{n}_{name}.nii.gz" for n in (1, 2) for name in ("pet", "ct")]
    touch(tmp_path / "a", *names, "masks/p1.nii.gz", "masks/p2.nii.gz")
    assert pairs(tmp_path / "a", "ct", "pet")["p1"][0] == ["images/p1_ct.nii.gz", "images/p1_pet.nii.gz"]
    touch(tmp_path / "b", "p1/ct.nii", "p1/pet.nii", "p1/mask.nii")
    assert pairs(tmp_path / "b", "ct", "pet")["p1"] == (["p1/ct.nii", "p1/pet.nii"], ["p1/mask.nii"])
    touch(tmp_path / "a", "images/p3.nii.gz")
    assert "does not end with one of the inputs (_ct, _pet)" in refusal(
        DataError, find_pairs, tmp_path / "a", ["ct", "pet"]
    )


def test_an_image_without_a_mask_is_a_case_without_masks(tmp_path):
    touch(tmp_path, "images/a.nii", "images/b.nii", "masks/a.nii")
    assert pairs(tmp_path)["b"] == (["images/b.nii"], [])


def test_dicom_folders_are_no_folders_of_files(tmp_path):
    touch(tmp_path, "patient/CT/1.dcm", "patient/RS.dcm", "images/1.dcm")
    assert not is_folder_of_files(tmp_path)


def test_unclear_folders_are_refused(tmp_path):
    assert "holds no images with masks" in refusal(DataError, find_pairs, tmp_path)
    touch(tmp_path / "a", "images/x.nii", "images/x.nrrd", "masks/x.nii")
    assert "Two images of a source belong to one case" in refusal(DataError, find_pairs, tmp_path / "a")
    touch(tmp_path / "b", "images/x.nii", "masks/x.nii", "masks/x_mask.nii")
    assert "Two masks of a source belong to one case" in refusal(DataError, find_pairs, tmp_path / "b")
    touch(tmp_path / "c", "imagesTr/x.nii", "labelsTr/x.nii", "imagesVa/x.nii", "labelsVa/x.nii")
    assert "are in a source twice" in refusal(DataError, find_pairs, tmp_path / "c")


def test_numbers_are_sorted_as_numbers():
    assert sorted(["pt_10", "pt_2", "pt_1b", "x"], key=natural) == ["pt_1b", "pt_2", "pt_10", "x"]
