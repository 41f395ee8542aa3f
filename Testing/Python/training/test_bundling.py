"""From runs to a bundle: what was trained is what runs, and an old bundle is replaced whole or not at all."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from pathlib import Path

import made_training as made
import numpy as np
import pytest
from sentences import refusal

from ParotidSegLib.errors import BundleError, DataError, OutputError
from ParotidSegLib.model import bundle as bundle_module
from ParotidSegLib.model.bundle import Bundle, load_bundle
from ParotidSegLib.model.engines import open_engine, softmax
from ParotidSegLib.model.networks import build_network
from ParotidSegLib.writing import export
from ParotidSegTrainingLib.recipe import Recipe
from ParotidSegTrainingLib.training import bundling
from ParotidSegTrainingLib.training.bundling import make_bundle, record_validation
from ParotidSegTrainingLib.training.checkpoints import RunState, save_weights

pytestmark = pytest.mark.engine
keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

#: Another tile and other filters than the segmenter's, so that a mix-up of the two would show.
LOCATOR = made.tiny_recipe(name="tiny-locator", tile=[8, 16, 24], network_config__filters=[6, 12])


def untrained_run(run: Path, recipe: Recipe, seed: int) -> Path:
    """A run folder as `fit` leaves it, without the training: random weights."""
    run.mkdir()
    (run / "recipe.json").write_text(recipe.to_json(), encoding="utf-8")
    keras.utils.set_random_seed(seed)
    model = build_network(recipe.network, tile=recipe.tile, config=recipe.network_arguments)
    save_weights(model, run / "last.weights.h5")
    RunState(epoch=1, rows=[{"epoch": 1}]).save(run, model)
    return run


@pytest.fixture(scope="module")
def locator_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("locator") / "run", LOCATOR, seed=2)


@pytest.fixture(scope="module")
def made_bundle(tiny_run: Path, locator_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the tiny runs, with whatever engines are installed; not to be changed."""
    return bundle_of(tiny_run, locator_run, tmp_path_factory.mktemp("bundles") / "tiny")


def bundle_of(segmenter: Path, locator: Path | None, output: Path, **changes: str) -> Path:
    settings = {"name": "tiny", "version": "0.1.0", "choice": "last", "description": "Two tiny networks.", **changes}
    return make_bundle(
        output, segmenter_run=segmenter, locator_run=locator, training={"data": "made heads"}, **settings
    )


@pytest.fixture
def without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if OpenVINO was not installed: its models take longest to make."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openvino" else find(name))


@pytest.fixture
def copied(made_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle, to be changed."""
    return Path(shutil.copytree(made_bundle, tmp_path / "tiny"))


def tile_for(recipe: Recipe) -> np.ndarray:
    return np.random.default_rng(8).uniform(-1.0, 1.0, (*recipe.tile, 1)).astype(np.float32)


def expected_probabilities(recipe: Recipe, weights: Path, tile: np.ndarray) -> np.ndarray:
    model = build_network(recipe.network, tile=recipe.tile, config=recipe.network_arguments)
    model.load_weights(weights)
    return softmax(np.asarray(model.predict_on_batch(tile[np.newaxis]))[0])


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_bundle_says_what_it_is(made_bundle):
    bundle = load_bundle(made_bundle)
    assert (bundle.name, bundle.version, bundle.licence) == ("tiny", "0.1.0", "MIT")
    assert bundle.training == {"data": "made heads", "weights": "last", "epochs": 3}
    assert bundle.validation == {}
    assert "review" in bundle.intended_use
    assert (bundle.segmenter.tile, bundle.locator.tile) == ((16, 16, 16), (8, 16, 24))
    assert bundle.segmenter.preprocessing == made.tiny_recipe().preprocessing
    assert bundle.segmenter.config == made.tiny_recipe().network_arguments
    assert bundle.locator.config["filters"] == [6, 12]


@pytest.mark.parametrize("role", ["segmenter", "locator"])
@pytest.mark.parametrize("engine", ["keras", "openvino"])
def test_an_engine_predicts_what_the_run_s_last_weights_predict(made_bundle, tiny_run, locator_run, role, engine):
    pytest.importorskip(engine)
    recipe, run = {"segmenter": (made.tiny_recipe(), tiny_run), "locator": (LOCATOR, locator_run)}[role]
    bundle = load_bundle(made_bundle)
    tile = tile_for(recipe)
    found = open_engine(bundle, getattr(bundle, role), engine).probabilities(tile)
    expected = expected_probabilities(recipe, run / "last.weights.h5", tile)
    # To half precision.
    np.testing.assert_allclose(found, expected, atol=1e-2)
    assert np.mean(found.argmax(axis=-1) == expected.argmax(axis=-1)) > 0.995


@pytest.mark.parametrize("role", ["segmenter", "locator"])
def test_both_engines_give_the_same_answer(made_bundle, role):
    pytest.importorskip("openvino")
    bundle = load_bundle(made_bundle)
    spec = getattr(bundle, role)
    tile = np.random.default_rng(9).uniform(-1.0, 1.0, (*spec.tile, 1)).astype(np.float32)
    ours, theirs = (open_engine(bundle, spec, engine).probabilities(tile) for engine in ("keras", "openvino"))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_the_weights_are_stored_in_half_precision_and_without_the_optimizer(made_bundle, tiny_run):
    import h5py

    kinds, numbers = set(), 0

    def look(name: str, item: object) -> None:
        nonlocal numbers
        if isinstance(item, h5py.Dataset):
            kinds.add(item.dtype)
            numbers += item.size

    with h5py.File(made_bundle / "network.weights.h5") as file:
        file.visititems(look)
    recipe = made.tiny_recipe()
    model = build_network(recipe.network, tile=recipe.tile, config=recipe.network_arguments)
    assert kinds == {np.dtype(np.float16)}
    assert numbers == model.count_params()


@pytest.mark.usefixtures("without_openvino")
def test_other_weights_can_be_chosen(tiny_run, locator_run, tmp_path):
    recipe = made.tiny_recipe()
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    shutil.copy(run / "state-3.weights.h5", run / "hybrid.weights.h5")
    output = bundle_of(run, locator_run, tmp_path / "tiny", choice="hybrid")
    bundle = load_bundle(output)
    tile = tile_for(recipe)
    found = open_engine(bundle, bundle.segmenter, "keras").probabilities(tile)
    np.testing.assert_allclose(found, expected_probabilities(recipe, run / "hybrid.weights.h5", tile), atol=5e-3)
    assert np.abs(found - expected_probabilities(recipe, run / "last.weights.h5", tile)).max() > 0.02
    assert bundle.training["weights"] == "hybrid"
    assert bundle.segmenter.openvino is None


@pytest.mark.usefixtures("without_openvino")
def test_the_locator_of_another_bundle_is_taken_over_as_it_is(made_bundle, tiny_run, tmp_path):
    other, original = load_bundle(bundle_of(tiny_run, made_bundle, tmp_path / "other")), load_bundle(made_bundle)
    assert other.locator == original.locator
    assert {name: entry for name, entry in other.files.items() if "locator" in name} == {
        name: entry for name, entry in original.files.items() if "locator" in name
    }
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", made_bundle))
    assert load_bundle(bundle_of(tiny_run, packed, tmp_path / "from-zip")).locator == original.locator
    shipped = load_bundle(bundle_of(tiny_run, Path("parotid-ct"), tmp_path / "from-name")).locator
    assert shipped == load_bundle("parotid-ct").locator


@pytest.mark.usefixtures("without_openvino")
def test_a_bundle_without_a_locator_cannot_lend_one(tiny_run, tmp_path):
    without = bundle_of(tiny_run, None, tmp_path / "without")
    assert "has no locator" in refusal(DataError, bundle_of, tiny_run, without, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.usefixtures("without_openvino")
def test_an_old_bundle_is_replaced_with_its_model_card_and_its_figures(tiny_run, locator_run, copied):
    record_validation(copied, {"dice": 0.9}, "# Figures of the old weights\n")
    (copied / "old.png").write_bytes(b"old")
    bundle_of(tiny_run, locator_run, copied, version="0.2.0")
    bundle = load_bundle(copied)
    assert (bundle.version, bundle.validation) == ("0.2.0", {})
    assert set(content(copied)) == {"bundle.json", "locator.weights.h5", "network.weights.h5"}
    assert [path.name for path in copied.parent.iterdir()] == ["tiny"]


@pytest.mark.usefixtures("without_openvino")
@pytest.mark.parametrize("moment", ["export", "check", "rename"])
def test_an_old_bundle_stays_as_it_was_if_making_the_new_one_fails(tiny_run, locator_run, copied, monkeypatch, moment):
    before = content(copied)
    rename = os.replace

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def rename_but_not_into_place(source: Path, target: Path) -> None:
        if Path(target) == copied and Path(source).name == "tiny":
            full_disk()
        rename(source, target)

    if moment == "export":
        monkeypatch.setattr(bundling, "_halve", full_disk)
    elif moment == "rename":
        monkeypatch.setattr(bundling.os, "replace", rename_but_not_into_place)
    kind, version = (BundleError, "two") if moment == "check" else (OutputError, "0.2.0")
    refusal(kind, bundle_of, tiny_run, locator_run, copied, version=version)
    assert content(copied) == before
    assert [path.name for path in copied.parent.iterdir()] == ["tiny"]


def test_a_folder_that_cannot_be_made_is_refused(tiny_run, locator_run, tmp_path):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    refusal(OutputError, bundle_of, tiny_run, locator_run, tmp_path / "file" / "tiny")


@pytest.mark.usefixtures("without_openvino")
def test_nothing_but_a_bundle_is_replaced(tiny_run, locator_run, tmp_path):
    mine, run = tmp_path / "mine", Path(shutil.copytree(tiny_run, tmp_path / "run"))
    mine.mkdir()
    (mine / "thesis.txt").write_text("years", encoding="utf-8")
    for output in (mine, mine / "thesis.txt", run):
        before = content(tmp_path)
        assert "is no bundle" in refusal(OutputError, bundle_of, run, locator_run, output)
        assert content(tmp_path) == before
    (tmp_path / "empty").mkdir()
    assert load_bundle(bundle_of(run, locator_run, tmp_path / "empty")).name == "tiny"


@pytest.mark.usefixtures("without_openvino")
@pytest.mark.parametrize(
    ("damaged", "content"),
    [("last.weights.h5", b"no weights"), ("last.weights.h5", None), ("state.json", b"no json"), ("state.json", b"[]")],
)
def test_a_damaged_run_is_refused_with_a_sentence(tiny_run, locator_run, tmp_path, damaged, content):
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    # None: weights of another network.
    (run / damaged).write_bytes(content or (locator_run / damaged).read_bytes())
    said = refusal(DataError, bundle_of, run, locator_run, tmp_path / "tiny")
    assert ("state.json" if damaged == "state.json" else "'last'") in said
    assert not (tmp_path / "tiny").exists()


def test_weights_that_a_run_does_not_have_are_refused(tiny_run, locator_run, tmp_path):
    assert "hybrid" in refusal(DataError, bundle_of, locator_run, tiny_run, tmp_path / "tiny", choice="hybrid")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("without_openvino")
def test_a_run_that_has_not_finished_an_epoch_is_refused(tiny_run, locator_run, tmp_path):
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    (run / "state.json").unlink()
    refusal(DataError, bundle_of, run, locator_run, tmp_path / "tiny")


def test_recorded_figures_and_their_card_leave_the_weights_and_the_hashes_valid(copied):
    before = load_bundle(copied)
    record_validation(copied, {"n": 30, "dice": {"Parotid_R": 0.85}}, "# Model card\n\nDice 0.85.\n")
    after: Bundle = load_bundle(copied)
    assert after.validation == {"n": 30, "dice": {"Parotid_R": 0.85}}
    assert after.read("MODEL_CARD.md").startswith(b"# Model card")
    assert after.sha256 != before.sha256
    assert {name: after.files[name] for name in before.files} == dict(before.files)
    record_validation(copied, {"n": 31}, "# Another card\n")
    assert load_bundle(copied).validation == {"n": 31}
    assert not [name for name in content(copied) if ".tmp" in name]


def test_the_pictures_of_a_card_come_and_go_with_it(copied):
    record_validation(
        copied, {"n": 30}, "![worst](worst.png) ![best](best.png)\n", {"worst.png": b"1", "best.png": b"2"}
    )
    assert load_bundle(copied).read("worst.png") == b"1"
    record_validation(copied, {"n": 31}, "![worst](worst.png)\n", {"worst.png": b"3"})
    after = load_bundle(copied)
    assert after.read("worst.png") == b"3"
    assert "best.png" not in after.files
    assert not (copied / "best.png").exists()


def test_a_disk_that_is_full_while_figures_are_recorded_leaves_a_bundle_that_loads(copied, monkeypatch):
    record_validation(copied, {"n": 30}, "# Model card\n")
    (copied / "notes.txt").write_text("not the bundle's", encoding="utf-8")
    real, full = bundling.atomic_path, []

    def until_full(path: Path) -> object:
        if full and path.name == "bundle.json":
            raise OutputError("The disk is full.")
        full.extend([path] if path.name == "MODEL_CARD.md" else [])
        return real(path)

    for module in (bundling, export):
        monkeypatch.setattr(module, "atomic_path", until_full)
    refusal(OutputError, record_validation, copied, {"n": 31}, "# A longer model card\n")
    assert load_bundle(copied).validation == {}
    monkeypatch.undo()
    record_validation(copied, {"n": 31}, "# A longer model card\n")
    assert load_bundle(copied).validation == {"n": 31}


@pytest.mark.usefixtures("without_openvino")
def test_making_a_bundle_leaves_the_precision_of_other_networks_alone(tiny_run, locator_run, tmp_path):
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        bundle_of(tiny_run, locator_run, tmp_path / "tiny")
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(before)


def test_bundle_json_lists_every_file_with_its_hash_and_nothing_unsafe(made_bundle):
    data = json.loads((made_bundle / "bundle.json").read_text(encoding="utf-8"))
    assert set(data["files"]) == set(content(made_bundle)) - {"bundle.json"}
    assert all(name.endswith(bundle_module.ALLOWED_SUFFIXES) for name in data["files"])
