"""The overview of a data set: counts, intensities and volumes that can be counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import made_training as made
import numpy as np
import pytest
import SimpleITK as sitk
from matplotlib.figure import Figure
from sentences import refusal

from ParotidSegLib.errors import DataError
from ParotidSegLib.model.preprocessing import Input
from ParotidSegLib.structures import PAROTIDS
from ParotidSegLib.writing.export import write_json
from ParotidSegTrainingLib.data.dataset import DatasetFolder
from ParotidSegTrainingLib.judging.overview import HOUNSFIELD, RELATIVE, SIZE, TISSUE, Overview, draw_overview, survey


@pytest.fixture(scope="module")
def overview(made_dataset: Path) -> Overview:
    return survey(DatasetFolder.open(made_dataset))


def test_cases_and_grids_are_counted(overview):
    assert overview.cases == {"train": 3, "validation": 2, "test": 1}
    assert overview.excluded == ()
    assert [s.mean for s in overview.spacing_mm] == [6.0] * 3
    # Six heads of 40 x 32 x 24 voxels, stored with their axes in different orders.
    assert sum(s.mean for s in overview.size) == 40 + 32 + 24
    assert (overview.size[0].n, overview.size[0].maximum, overview.size[0].minimum) == (6, 40.0, 24.0)


def test_volumes_are_those_of_the_masks_by_split(made_dataset, overview):
    folder = DatasetFolder.open(made_dataset)
    for structure in PAROTIDS:
        for split, cases in folder.splits.items():
            masks = [sitk.GetArrayFromImage(folder.read_mask(case)) == structure.label for case in cases]
            expected = [mask.sum() * 6.0**3 / 1000.0 for mask in masks]
            assert overview.volumes_ml[structure.key][split] == pytest.approx(expected)
    assert overview.absent == {"Parotid_R": 0, "Parotid_L": 0}


def test_intensities_are_counted_inside_each_structure_and_in_tissue(made_dataset, overview):
    folder = DatasetFolder.open(made_dataset)
    inside: dict[str, list[np.ndarray]] = {"Parotid_R": [], "Parotid_L": [], TISSUE: []}
    for case in made.CASES:
        image = sitk.GetArrayFromImage(sitk.ReadImage(str(folder.image_paths(case)[0])))
        labels = sitk.GetArrayFromImage(folder.read_mask(case))
        inside[TISSUE].append(image[image >= -300])
        for structure in PAROTIDS:
            inside[structure.key].append(image[labels == structure.label])
    for key, parts in inside.items():
        values = np.concatenate(parts)
        np.testing.assert_array_equal(overview.intensities[key], np.histogram(values, HOUNSFIELD.edges)[0])
        expected = np.percentile(values, (1, 50, 99))
        np.testing.assert_allclose(overview.percentiles[key], expected, atol=10.0)
    assert overview.percentiles["Parotid_R"][1] > overview.percentiles["Parotid_L"][1] + 200


def test_values_beyond_the_histogram_count_in_its_outermost_bins(made_dataset, monkeypatch):
    read = DatasetFolder.read_images
    monkeypatch.setattr(DatasetFolder, "read_images", lambda self, case: [image + 3000 for image in read(self, case)])
    found = survey(DatasetFolder.open(made_dataset), exclude=[case for case in made.CASES if case != "head_1"])
    assert found.intensities["Parotid_R"][-1] == sum(found.intensities["Parotid_R"]) > 0
    assert found.cases == {"train": 1, "validation": 0, "test": 0}


def test_images_without_a_scale_of_their_own_are_counted_relative_to_their_brightest_part(made_dataset, monkeypatch):
    folder = DatasetFolder.open(made_dataset, [Input("mr", "MR")])
    brighter = iter([1.0, 4.0, 0.5, 2.0, 3.0, 1.0])

    def scaled(self: DatasetFolder, case: str) -> list[sitk.Image]:
        image = sitk.Cast(sitk.ReadImage(str(self.image_paths(case)[0])), sitk.sitkFloat32)
        return [(image + 1024.0) * next(brighter)]

    monkeypatch.setattr(DatasetFolder, "read_images", scaled)
    found = survey(folder)
    assert found.scale == RELATIVE
    # The right gland is the brightest part of every head, whatever the scale of its image.
    low, _, high = found.percentiles["Parotid_R"]
    assert 0.9 < low < high < 1.2
    assert found.percentiles["Parotid_L"][2] < low


def test_a_case_without_a_gland_has_no_volume_and_is_counted(made_dataset, monkeypatch):
    read = DatasetFolder.read_mask
    monkeypatch.setattr(
        DatasetFolder, "read_mask", lambda self, case: read(self, case) * (0 if case == "head_2" else 1)
    )
    found = survey(DatasetFolder.open(made_dataset))
    assert found.absent == {"Parotid_R": 1, "Parotid_L": 1}
    assert len(found.volumes_ml["Parotid_R"]["train"]) == 2


def test_nothing_to_look_at_and_other_grids_are_refused_with_one_sentence(made_dataset, monkeypatch):
    folder = DatasetFolder.open(made_dataset)
    assert "excluded" in refusal(DataError, survey, folder, exclude=list(made.CASES))
    monkeypatch.setattr(DatasetFolder, "read_mask", lambda self, case: sitk.Image((3, 3, 3), sitk.sitkUInt8))
    assert "head_1" in refusal(DataError, survey, folder)


def test_the_figures_are_json(overview, tmp_path):
    write_json(overview.figures(), tmp_path / "overview.json")
    data = json.loads((tmp_path / "overview.json").read_text(encoding="utf-8"))
    assert data["cases"] == {"train": 3, "validation": 2, "test": 1}
    assert len(data["scale"]["edges"]) == len(data["intensities"][TISSUE]) + 1


def test_the_picture_shows_both_histograms(overview, tmp_path, monkeypatch):
    saved: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **o: (saved.append(figure), save(figure, *a, **o))[1])
    path = draw_overview(overview, tmp_path / "overview.png")
    assert sitk.ReadImage(str(path)).GetSize() == SIZE
    above, below = saved[0].axes
    named = {patch.get_label(): patch.get_data() for patch in above.patches}
    assert named["Right parotid gland"].values.sum() == pytest.approx(100.0)
    volumes = [patch.get_data().values.sum() for patch in below.patches if "n = 6" in patch.get_label()]
    assert volumes == [6, 6]
