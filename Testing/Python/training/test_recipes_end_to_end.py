"""Every shipped recipe of the four systems, from its data set to a result of `segment`, in the small."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import made_related as made
import numpy as np
import pytest
import SimpleITK as sitk
from sentences import refusal

from ParotidSegLib.errors import ImageError, RecipeError
from ParotidSegLib.model.bundle import load_bundle
from ParotidSegLib.segmentation import open_model, segment
from ParotidSegLib.terminal import cli
from ParotidSegTrainingLib.data.dataset import DatasetFolder
from ParotidSegTrainingLib.judging.evaluation import evaluate
from ParotidSegTrainingLib.recipe import Recipe
from ParotidSegTrainingLib.training.bundling import make_bundle
from ParotidSegTrainingLib.training.trainer import fit

pytestmark = pytest.mark.engine


@dataclass(frozen=True)
class Trained:
    """A recipe that was trained in the small: its data set, its run and its bundle."""

    recipe: Recipe
    data: DatasetFolder
    run: Path
    bundle: Path


def train(recipe: Recipe, data: Path, folder: Path, choice: str = "last") -> Trained:
    pytest.importorskip("tensorflow")
    dataset = DatasetFolder.open(data, recipe.preprocessing.inputs)
    run = fit(recipe, dataset, folder / "run", report=lambda line: None)
    bundle = make_bundle(
        folder / recipe.name,
        name=recipe.name,
        version="0.0.1",
        segmenter_run=run,
        locator_run=None,
        choice=choice,
        training={"data": "made patients"},
        description="For tests.",
    )
    return Trained(recipe, dataset, run, bundle)


@pytest.fixture(scope="module", params=list(made.SMALLER))
def trained(request, tmp_path_factory) -> Trained:
    recipe, folder = made.small(request.param), tmp_path_factory.mktemp(request.param)
    return train(recipe, made.write_related(folder / "data", recipe), folder)


def test_a_recipe_trains_and_its_bundle_segments(trained):
    recipe = trained.recipe
    rows = json.loads((trained.run / "state.json").read_text(encoding="utf-8"))["rows"]
    assert rows[-1]["loss"] < rows[0]["loss"]
    bundle = load_bundle(trained.bundle)
    assert bundle.structures == recipe.structures
    assert bundle.segmenter.preprocessing == recipe.preprocessing
    assert bundle.segmenter.mirror == (recipe.augmentation.mirror > 0)
    images = trained.data.read_images("four")
    result = segment(images, open_model(bundle))
    assert result.labels.GetSize() == images[0].GetSize()
    np.testing.assert_allclose(result.labels.GetOrigin(), images[0].GetOrigin())
    known = {0, *(structure.label for structure in recipe.structures)}
    assert set(np.unique(sitk.GetArrayViewFromImage(result.labels))) <= known
    assert result.provenance["options"]["mirror"] == bundle.segmenter.mirror


def test_what_was_trained_is_evaluated_structure_by_structure(trained):
    rows = evaluate(open_model(trained.bundle), trained.data, "validation", report=lambda line: None)
    assert [row.case for row in rows] == ["three"]
    assert list(rows[0].scores) == [structure.key for structure in trained.recipe.structures]


@pytest.fixture(scope="module")
def pet_ct(tmp_path_factory) -> Trained:
    """TransUNet on PET and CT, trained a little longer: it finds the tumour."""
    recipe = made.small("tumor-transunet", optimisation__epochs=6, optimisation__steps_per_epoch=12)
    folder = tmp_path_factory.mktemp("pet")
    return train(recipe, made.write_related(folder / "data", recipe), folder, choice="best_dice")


def test_a_network_for_slices_of_two_images_finds_what_it_learnt_where_it_is(pet_ct):
    (row,) = evaluate(open_model(pet_ct.bundle), pet_ct.data, "test", report=lambda line: None)
    assert row.scores["Tumor"].dice > 0.6


def test_the_command_line_takes_a_second_image_by_name(pet_ct, tmp_path, capsys):
    ct, pet = (str(path) for path in pet_ct.data.image_paths("four"))
    call = ["segment", ct, "--bundle", str(pet_ct.bundle), "--output", str(tmp_path / "out"), "--progress", "none"]
    assert cli.main([*call, "--with", f"pet={pet}"]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "segmentation.seg.nrrd",
        "segmentation.png",
        "report.json",
    }
    for wrong in ([], ["--with", f"mr={pet}"], ["--with", pet]):
        assert cli.main([*call, *wrong]) == 1
        assert "--with pet=PATH" in capsys.readouterr().err


def test_too_few_images_are_refused_with_the_names_of_those_that_it_takes(pet_ct):
    ct, _ = pet_ct.data.read_images("four")
    assert "ct, pet" in refusal(ImageError, segment, ct, open_model(pet_ct.bundle))


def test_slices_as_pictures_are_trained_on_and_segmented(tmp_path):
    """A data set of PNG slices (pixels of 1 mm), images and masks."""
    pytest.importorskip("tensorflow")
    inputs = [{"name": "ct", "modality": "OT"}, {"name": "pet", "modality": "OT"}]
    windows = [{"input": 0, "window": [0, 255]}, {"input": 1, "window": [0, 255]}]
    recipe = made.small(
        "tumor-transunet",
        preprocessing__inputs=inputs,
        preprocessing__channels=windows,
        preprocessing__spacing=[1.0, 1.0, 1.0],
        optimisation__epochs=1,
        optimisation__steps_per_epoch=2,
    )
    rng = np.random.default_rng(4)
    for name in ("images", "masks"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for case in made.CASES:
        mask = np.zeros((40, 48), np.uint8)
        mask[10:20, 12:26] = 1
        for wanted in ("ct", "pet"):
            picture = (mask * 150 + rng.integers(0, 40, mask.shape)).astype(np.uint8)
            sitk.WriteImage(sitk.GetImageFromArray(picture), str(tmp_path / "data" / "images" / f"{case}_{wanted}.png"))
        sitk.WriteImage(sitk.GetImageFromArray(mask), str(tmp_path / "data" / "masks" / f"{case}.png"))
    structures = json.dumps([asdict(structure) for structure in recipe.structures])
    (tmp_path / "data" / "structures.json").write_text(structures, encoding="utf-8")
    (tmp_path / "data" / "splits.json").write_text(json.dumps(made.SPLITS), encoding="utf-8")
    trained = train(recipe, tmp_path / "data", tmp_path)
    result = segment(trained.data.read_images("four"), open_model(trained.bundle))
    assert result.labels.GetSize() == (48, 40, 1)


def test_a_recipe_and_a_data_set_of_other_structures_do_not_go_together(made_dataset, tmp_path):
    pytest.importorskip("tensorflow")
    recipe = made.small("hie-unet")
    message = refusal(RecipeError, fit, recipe, DatasetFolder.open(made_dataset), tmp_path / "run")
    assert "different structures" in message
    assert not (tmp_path / "run").exists()
