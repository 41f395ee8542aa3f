"""The data set to practise on: left is left in it, and it can be trained on and evaluated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from sentences import refusal

from ParotidSegLib.errors import DataError, OutputError
from ParotidSegLib.reading.images import read_image
from ParotidSegTrainingLib.anatomy.practice import write_practice_dataset
from ParotidSegTrainingLib.cli import main
from ParotidSegTrainingLib.data.dataset import DatasetFolder


@pytest.fixture(scope="module")
def practice(tmp_path_factory) -> DatasetFolder:
    return DatasetFolder.open(write_practice_dataset(tmp_path_factory.mktemp("practice") / "data", patients=6, seed=3))


def test_every_case_is_a_ct_with_both_glands_on_their_sides(practice):
    cases = [case for cases in practice.splits.values() for case in cases]
    assert [len(cases) for cases in practice.splits.values()] == [4, 1, 1]
    pictures = []
    for case in cases:
        (image,), labels = practice.read_images(case), practice.read_mask(case)
        assert image.GetSize() == labels.GetSize()
        shapes = sitk.LabelShapeStatisticsImageFilter()
        shapes.Execute(labels)
        right, left = (np.array(shapes.GetCentroid(label)) for label in (1, 2))
        assert 90.0 < (left - right)[0] < 150.0
        assert all(8.0 < shapes.GetPhysicalSize(label) / 1000.0 < 60.0 for label in (1, 2))
        pictures.append(sitk.GetArrayFromImage(image))
    assert all(np.std(pictures[0] - other) > 20.0 for other in pictures[1:])


def test_the_same_seed_gives_the_same_patients(practice, tmp_path):
    again = write_practice_dataset(tmp_path / "again", patients=6, seed=3)
    first = practice.read_images("practice_02")[0]
    second = read_image(again / "images" / "practice_02.nii.gz")
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(first), sitk.GetArrayViewFromImage(second))


def test_nothing_is_written_over(practice, tmp_path):
    assert "not empty" in refusal(DataError, write_practice_dataset, practice.root)
    assert "3 patients" in refusal(DataError, write_practice_dataset, tmp_path / "few", patients=2)
    (tmp_path / "file").write_text("years", encoding="utf-8")
    assert "is a file" in refusal(DataError, write_practice_dataset, tmp_path / "file")
    refusal(OutputError, write_practice_dataset, tmp_path / "file" / "data", patients=3)


def test_the_command_writes_it(tmp_path: Path, capsys):
    assert main(["practice", str(tmp_path / "data"), "--patients", "3"]) == 0
    assert "3 made patients" in capsys.readouterr().out
    assert len(list((tmp_path / "data" / "images").iterdir())) == 3
