"""`parotidseg-train prepare`: images with masks, slices and several images of a case become a data set."""

from __future__ import annotations

import json
from pathlib import Path

import made_training as made
import numpy as np
import pytest
import SimpleITK as sitk
from made_images import like, made_head, write_dicom_series
from made_preparation import prepare, said
from orientations import reoriented

from ParotidSegTrainingLib.data.dataset import DatasetFolder
from ParotidSegTrainingLib.data.structure_lists import structures_from_data


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two heads: one with a label map on turned axes, one with a file a gland."""
    root = tmp_path / "files"
    for number, name in enumerate(("pt_1a", "pt_2a")):
        image, labels = made.head_with_glands(seed=number)
        (root / "images").mkdir(parents=True, exist_ok=True)
        (root / "masks" / "pt_2a").mkdir(parents=True, exist_ok=True)
        if number == 0:
            image, labels = (reoriented(one, (2, 0, 1), (True, False, True)) for one in (image, labels))
            sitk.WriteImage(labels, str(root / "masks" / f"{name}.nrrd"))
        else:
            for label, stem in ((1, "Parotid-Rt"), (2, "parotid_gland_left")):
                sitk.WriteImage(
                    sitk.Cast(labels == label, sitk.sitkUInt8) * 255, str(root / "masks" / name / f"{stem}.nrrd")
                )
        sitk.WriteImage(sitk.Cast(image, sitk.sitkFloat32) + 0.25, str(root / "images" / f"{name}.nii.gz"))
    return root


def test_images_with_masks_become_a_data_set(files, tmp_path):
    output = tmp_path / "data"
    assert prepare(files, "--output", output, "--keep-names", "--patient-pattern", r"pt_\d+") == 0
    folder = DatasetFolder.open(output)
    for case in ("pt_1a", "pt_2a"):
        image = sitk.ReadImage(str(folder.image_paths(case)[0]))
        assert image.GetPixelID() == sitk.sitkInt16
        shapes = sitk.LabelShapeStatisticsImageFilter()
        shapes.Execute(folder.read_mask(case))
        assert shapes.GetCentroid(1) == pytest.approx(made.RIGHT, abs=1.0)
        assert shapes.GetCentroid(2) == pytest.approx(made.LEFT, abs=1.0)
    truth = made.head_with_glands(seed=1)[1]
    assert np.array_equal(sitk.GetArrayViewFromImage(folder.read_mask("pt_2a")), sitk.GetArrayViewFromImage(truth))


def test_what_is_wrong_with_files_is_said_case_by_case(files, tmp_path, capsys):
    image, labels = made.head_with_glands()
    shifted = sitk.Image(labels)
    shifted.SetOrigin((0.0, 0.0, 0.0))
    other = sitk.Image(labels)
    other[0, 0, 0] = 9
    for name, one in (("a", shifted), ("b", other), ("c", labels[:, :, :5]), ("d", None)):
        sitk.WriteImage(image, str(files / "images" / f"{name}.nii.gz"))
        if one is not None:
            sitk.WriteImage(one, str(files / "masks" / f"{name}.nii.gz"))
    sitk.WriteImage(image + 1024, str(files / "images" / "e.nii.gz"))
    sitk.WriteImage(labels, str(files / "masks" / "e.nii.gz"))
    sitk.WriteImage(image, str(files / "images" / "f.nii.gz"))
    (files / "masks" / "f.nii.gz").write_bytes(b"nothing")
    assert prepare(files, "--output", tmp_path / "data", "--keep-names") == 1
    left_out = json.loads((tmp_path / "data" / "preparation.json").read_text(encoding="utf-8"))["left_out"]
    assert "different grids (origin" in left_out["a"]
    assert "holds the value 9, but known are 1, 2" in left_out["b"]
    assert "different grids (size" in left_out["c"]
    assert "has no mask" in left_out["d"]
    assert "Hounsfield" in left_out["e"]
    assert "Its label map is no image in a format" in left_out["f"]
    assert set(left_out) == set("abcdef")
    assert all(sentence.count(".\n") == 0 and sentence.endswith(".") for sentence in left_out.values())


def test_what_is_wrong_with_a_file_is_said_without_its_name(files, tmp_path, capsys):
    image, labels = made.head_with_glands()
    (files / "images" / "Jane_Doe.nii.gz").write_bytes(b"nothing")
    sitk.WriteImage(labels, str(files / "masks" / "Jane_Doe.nii.gz"))
    sitk.WriteImage(image, str(files / "images" / "John_Doe.nii"))
    (files / "images" / "John_Doe.nii").write_bytes((files / "images" / "John_Doe.nii").read_bytes()[:-500])
    sitk.WriteImage(labels, str(files / "masks" / "John_Doe.nii.gz"))
    assert prepare(files, "--output", tmp_path / "data") == 1
    record = (tmp_path / "data" / "preparation.json").read_text(encoding="utf-8")
    left_out = json.loads(record)["left_out"].values()
    assert len(left_out) == 2
    assert all(sentence.startswith("Its image is ") for sentence in left_out)
    printed = capsys.readouterr()
    assert not [word for word in ("Jane", "John", "Doe") if word in record + printed.out + printed.err]


def test_two_data_sets_with_other_labels_become_one(tmp_path):
    image, labels = made.head_with_glands()
    array = sitk.GetArrayFromImage(labels)
    a, b = tmp_path / "first", tmp_path / "second"
    for root, values in ((a, {1: 2, 2: 3}), (b, {1: 7, 2: 40})):
        for folder in ("imagesTr", "labelsTr"):
            (root / folder).mkdir(parents=True)
        renumbered = np.select([array == 1, array == 2], [values[1], values[2]], 0).astype(np.uint8)
        renumbered[0, 0, :5] = 10
        sitk.WriteImage(image, str(root / "imagesTr" / "x_0000.nii.gz"))
        sitk.WriteImage(like(image, renumbered), str(root / "labelsTr" / "x.nii.gz"))
    mapping = {
        "structures": [{"key": "Spleen"}, {"key": "Kidney_R", "name": "Right kidney"}, {"key": "Kidney_L"}],
        "sources": {
            "first": {"labels": {"1": "Spleen", "2": "Kidney_R", "3": "Kidney_L", "10": None}},
            "two": {"labels": {"7": "Kidney_R", "40": "Kidney_L", "*": None}},
        },
    }
    (tmp_path / "mapping.json").write_text(json.dumps(mapping), encoding="utf-8")
    output = tmp_path / "data"
    assert prepare(a, f"two={b}", "--output", output, "--mapping", tmp_path / "mapping.json") == 0
    folder = DatasetFolder.open(output)
    assert folder.structures == structures_from_data(mapping["structures"], "it")
    one, two = (sitk.GetArrayFromImage(folder.read_mask(case)) for case in ("case_001", "case_002"))
    assert np.array_equal(one, two)
    assert np.array_equal(one, np.select([array == 1, array == 2], [2, 3], 0))
    cases = json.loads((output / "preparation.json").read_text(encoding="utf-8"))["cases"]
    assert [cases[case]["source"] for case in sorted(cases)] == ["source_1", "two"]


def test_slices_as_pictures_become_a_data_set_of_slices(tmp_path, capsys):
    rng = np.random.default_rng(8)
    root = tmp_path / "slices"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for name in ("p1_s1", "p1_s2", "p2_s1"):
        picture = rng.integers(0, 255, (24, 32)).astype(np.uint8)
        mask = np.zeros((24, 32), np.uint8)
        mask[4:9, 20:26] = 255
        sitk.WriteImage(sitk.GetImageFromArray(picture), str(root / "images" / f"{name}.png"))
        sitk.WriteImage(sitk.GetImageFromArray(mask), str(root / "masks" / f"{name}.png"))
    mapping = {"structures": [{"key": "Lesion"}], "sources": {"slices": {"labels": {"255": "Lesion"}}}}
    (tmp_path / "mapping.json").write_text(json.dumps(mapping), encoding="utf-8")
    arguments = ["--inputs", "picture:OT", "--patient-pattern", "^(p[0-9]+)_", "--mapping", tmp_path / "mapping.json"]
    assert prepare(root, "--output", tmp_path / "data", *arguments) == 0
    assert "Its .png states no spacing: 1 mm is taken." in capsys.readouterr().out
    image = sitk.ReadImage(str(tmp_path / "data" / "images" / "case_001.nii.gz"))
    assert (image.GetSize(), image.GetSpacing()) == ((32, 24, 1), (1.0, 1.0, 1.0))
    labels = DatasetFolder.open(tmp_path / "data").read_mask("case_001")
    assert sitk.GetArrayFromImage(labels)[0, 4:9, 20:26].min() == 1
    assert sitk.GetArrayFromImage(labels).sum() == 5 * 6
    cases = json.loads((tmp_path / "data" / "preparation.json").read_text(encoding="utf-8"))["cases"]
    assert cases["case_001"]["patient"] == cases["case_002"]["patient"] != cases["case_003"]["patient"]


def test_single_dicom_slices_keep_their_spacing_and_give_it_to_masks_that_are_pictures(tmp_path, capsys):
    root, head = tmp_path / "slices", made_head()
    (root / "masks").mkdir(parents=True)
    for number, path in enumerate(write_dicom_series(root / "images", head)[:2]):
        path.rename(root / "images" / f"s{number}.dcm")
        mask = np.zeros((40, 40), np.uint8)
        mask[10:20, 20:30] = 1
        sitk.WriteImage(sitk.GetImageFromArray(mask), str(root / "masks" / f"s{number}.png"))
    for path in (root / "images").glob("2.25*"):
        path.unlink()
    mapping = {"structures": [{"key": "Lesion"}], "sources": {"slices": {"labels": {"1": "Lesion"}}}}
    (tmp_path / "mapping.json").write_text(json.dumps(mapping), encoding="utf-8")
    assert prepare(root, "--output", tmp_path / "data", "--mapping", tmp_path / "mapping.json") == 0
    assert "1 mm" not in capsys.readouterr().out
    folder = DatasetFolder.open(tmp_path / "data")
    image, labels = (
        sitk.ReadImage(str(path)) for path in (*folder.image_paths("case_002"), folder.mask_path("case_002"))
    )
    assert np.array_equal(sitk.GetArrayFromImage(image)[0], sitk.GetArrayFromImage(head)[1])
    assert image.GetOrigin() == pytest.approx(head.TransformIndexToPhysicalPoint((0, 0, 1)))
    assert labels.GetSpacing()[:2] == image.GetSpacing()[:2] == (5.0, 5.0)


def test_several_images_of_a_case_are_kept_side_by_side(tmp_path, capsys):
    image, labels = made.head_with_glands()
    root = tmp_path / "pairs"
    (root / "p1").mkdir(parents=True)
    sitk.WriteImage(image, str(root / "p1" / "ct.nii.gz"))
    uptake = sitk.Cast(image, sitk.sitkFloat32) * 0.001 + 1.5
    sitk.WriteImage(uptake, str(root / "p1" / "pet.nii.gz"))
    sitk.WriteImage(labels, str(root / "p1" / "mask.nii.gz"))
    assert prepare(root, "--output", tmp_path / "data", "--inputs", "ct:CT", "pet:PT") == 0
    names = sorted(path.name for path in (tmp_path / "data" / "images").iterdir())
    assert names == ["case_001_ct.nii.gz", "case_001_pet.nii.gz"]
    kept = sitk.ReadImage(str(tmp_path / "data" / "images" / "case_001_pet.nii.gz"))
    assert sitk.GetArrayFromImage(kept) == pytest.approx(sitk.GetArrayFromImage(uptake), abs=1e-5)
    assert "a name twice" in said(capsys, root, "--output", tmp_path / "b", "--inputs", "ct", "ct")
    assert "not 'ct:XX'" in said(capsys, root, "--output", tmp_path / "b", "--inputs", "ct:XX")
