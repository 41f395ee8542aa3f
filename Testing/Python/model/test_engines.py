"""Engines: one answer from each of them, and weights that are only ever numbers."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from changed_bundles import copy_of, edit, list_file
from sentences import refusal

from ParotidSegLib.errors import BundleError, EngineError
from ParotidSegLib.model.bundle import load_bundle
from ParotidSegLib.model.engines import installed_engines, open_engine, refuse_unsafe_hdf5, softmax
from ParotidSegLib.model.networks import build_network

h5py = pytest.importorskip("h5py")
pytestmark = pytest.mark.engine
TILE = (16, 16, 16)


@pytest.fixture(scope="module")
def bundle_for_openvino(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle with OpenVINO models, converted as the bundles that ship are."""
    pytest.importorskip("openvino")
    from ParotidSegTrainingLib.training.bundling import _export_openvino

    folder = copy_of(tiny_bundle, tmp_path_factory.mktemp("openvino"))
    for role, stem in (("segmenter", "network"), ("locator", "locator")):
        spec = getattr(load_bundle(folder), role)
        model = build_network(spec.network, tile=spec.tile, config=spec.config)
        model.load_weights(folder / spec.weights)
        name = f"openvino/{stem}.xml"
        _export_openvino(model, folder / name)
        for suffix in (".xml", ".bin"):
            list_file(folder, f"openvino/{stem}{suffix}")
        edit(folder, lambda data, role=role, name=name: data[role].update(openvino=name))
    return folder


def a_tile(seed: int = 21) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (*TILE, 1)).astype(np.float32)


def opened(folder: Path, engine: str = "keras", role: str = "segmenter"):
    bundle = load_bundle(folder)
    return open_engine(bundle, getattr(bundle, role), engine)


# --- softmax ---------------------------------------------------------------------------------------------------------


def test_softmax_sums_to_one_and_survives_large_logits():
    logits = np.array([[0.0, 0.0], [1000.0, -1000.0], [-1e4, -1e4 + np.log(3)]], np.float32)
    np.testing.assert_allclose(softmax(logits), [[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]], atol=1e-3)
    assert softmax(logits).dtype == np.float32


# --- which engine ----------------------------------------------------------------------------------------------------


@pytest.fixture
def without(monkeypatch):
    """Packages that are made to look missing."""
    missing: set[str] = set()
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in missing else find(name, *rest))
    return missing


def test_an_unknown_engine_is_refused_with_one_sentence(bundle):
    assert "openvino" in refusal(EngineError, opened, bundle, "torch")


@pytest.mark.parametrize("package", ["tensorflow", "keras"])
def test_an_engine_whose_package_is_missing_is_refused_with_what_to_install(bundle, without, package):
    without.add(package)
    assert "pip install tensorflow-cpu" in refusal(EngineError, opened, bundle, "keras")
    assert "keras" not in installed_engines()


def test_openvino_is_refused_with_what_to_install_where_it_is_missing(bundle_for_openvino, without):
    without.add("openvino")
    assert "pip install openvino" in refusal(EngineError, opened, bundle_for_openvino, "openvino")


def test_without_any_engine_it_is_said_what_to_install(bundle, without):
    without.update({"tensorflow", "openvino"})
    assert installed_engines() == []
    assert "pip install" in refusal(EngineError, opened, bundle, "auto")


def test_a_bundle_without_openvino_models_is_run_by_keras(bundle):
    assert opened(bundle, "auto").name == "keras"
    assert "keras" in refusal(EngineError, opened, bundle, "openvino")


def test_the_faster_engine_is_taken_where_both_can(bundle_for_openvino, without):
    assert opened(bundle_for_openvino, "auto").name == "openvino"
    without.add("openvino")
    assert opened(bundle_for_openvino, "auto").name == "keras"


def test_a_package_that_is_there_but_does_not_start_is_told_in_one_sentence(bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: object())
    assert "does not start" in refusal(EngineError, opened, bundle, "keras")


# --- the answer ------------------------------------------------------------------------------------------------------


def test_keras_gives_the_softmax_of_a_direct_call_of_the_model(bundle):
    model = build_network("residual_unet", tile=TILE, config={"filters": [4, 8]})
    model.load_weights(bundle / "network.weights.h5")
    tile = a_tile()
    expected = softmax(np.asarray(model(tile[np.newaxis], training=False))[0])
    found = opened(bundle).probabilities(tile)
    assert found.dtype == np.float32
    assert found.shape == (*TILE, 3)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.std() > 0.05


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_inference_is_in_float32_whatever_the_global_policy_of_keras(bundle, policy):
    import keras

    expected = opened(bundle).probabilities(a_tile())
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        found = opened(bundle).probabilities(a_tile())
        assert keras.config.dtype_policy().name == policy
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_array_equal(found, expected)


def test_the_global_policy_is_put_back_even_when_the_network_cannot_be_built(bundle):
    import keras

    before = keras.config.dtype_policy().name
    edit(bundle, lambda data: data["segmenter"].update(network="unknown"))
    refusal(BundleError, opened, bundle)
    assert keras.config.dtype_policy().name == before


def test_weights_stored_in_half_precision_are_the_same_weights(bundle):
    from ParotidSegTrainingLib.training.bundling import _halve

    expected = opened(bundle).probabilities(a_tile())
    size = (bundle / "network.weights.h5").stat().st_size
    _halve(bundle / "network.weights.h5")
    list_file(bundle, "network.weights.h5")
    assert (bundle / "network.weights.h5").stat().st_size < size
    np.testing.assert_array_equal(opened(bundle).probabilities(a_tile()), expected)


@pytest.mark.parametrize("engine", ["keras", "openvino"])
def test_a_tile_cut_from_a_larger_array_gives_the_same_answer(bundle_for_openvino, engine):
    whole = np.random.default_rng(22).uniform(-1, 1, (24, 20, 18)).astype(np.float32)
    part = whole[3:19, 2:18, 1:17][..., np.newaxis]
    opened_engine = opened(bundle_for_openvino, engine)
    expected = opened_engine.probabilities(np.ascontiguousarray(part))
    np.testing.assert_array_equal(opened_engine.probabilities(part), expected)
    # An answer is the caller's own: the next one does not overwrite it.
    kept = expected.copy()
    opened_engine.probabilities(a_tile())
    np.testing.assert_array_equal(expected, kept)


@pytest.mark.parametrize("role", ["segmenter", "locator"])
def test_openvino_agrees_with_keras(bundle_for_openvino, role):
    tile = a_tile()
    keras_answer, openvino_answer = (
        opened(bundle_for_openvino, e, role).probabilities(tile) for e in ("keras", "openvino")
    )
    np.testing.assert_allclose(openvino_answer, keras_answer, atol=1e-4)
    agree = openvino_answer.argmax(axis=-1) == keras_answer.argmax(axis=-1)
    assert agree.mean() > 0.999
    assert len(np.unique(keras_answer.argmax(axis=-1))) > 1


# --- several threads -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["keras", "openvino"])
def test_an_opened_engine_answers_several_threads_at_once(bundle_for_openvino, engine):
    one = opened(bundle_for_openvino, engine)
    tiles = [a_tile(seed) for seed in range(32)]
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(one.probabilities, tiles))
    one.rest()
    for tile, answer in zip(tiles, answers, strict=True):
        np.testing.assert_array_equal(answer, one.probabilities(tile))


def test_openvino_loads_without_its_converter_which_is_there_for_those_who_want_it(bundle_for_openvino):
    script = f"""
import sys
sys.path.insert(0, {str(Path(sys.modules["ParotidSegLib"].__path__[0]).parent)!r})
from ParotidSegLib.model.bundle import load_bundle
from ParotidSegLib.model.engines import open_engine
bundle = load_bundle({str(bundle_for_openvino)!r})
open_engine(bundle, bundle.segmenter, "openvino")
assert not [name for name in sys.modules if name.startswith(("openvino.tools", "openvino_telemetry"))]
from openvino.tools.ovc import convert_model
"""
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


# --- networks that do not fit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"network": "Lambda"},
        {"network": "../residual_unet"},
        {"config": {"filters": [4, 8, 16]}},
        {"config": {"filters": [8, 16]}},
        {"config": {"filters": [4, 8], "classes": 2}},
        {"config": {"filters": [4, 8], "input_channels": 2}},
        {"config": {"filters": [4, 8], "after_block": {"class_name": "Lambda", "config": {"function": "print"}}}},
        {"config": {"class_name": "Lambda", "function": "print"}},
        {"network": "attention_unet"},
        {"tile": [15, 16, 16]},
        {"tile": [16, 16, 17]},
    ],
    ids=str,
)
def test_a_network_other_than_the_one_of_the_weights_is_refused_with_one_sentence(bundle, change):
    edit(bundle, lambda data: data["segmenter"].update(change))
    refusal(BundleError, opened, bundle)


def test_a_network_of_other_classes_is_refused_even_with_fitting_weights(bundle):
    model = build_network("residual_unet", tile=TILE, config={"filters": [4, 8], "classes": 2})
    model.save_weights(bundle / "network.weights.h5")
    list_file(bundle, "network.weights.h5")
    edit(bundle, lambda data: data["segmenter"]["config"].update(classes=2))
    assert "background and its structures" in refusal(BundleError, opened, bundle)


def test_an_openvino_model_of_another_tile_is_refused_with_one_sentence(bundle_for_openvino, tmp_path):
    folder = copy_of(bundle_for_openvino, tmp_path)
    edit(folder, lambda data: data["segmenter"].update(tile=[16, 16, 32]))
    assert "tile" in refusal(BundleError, opened, folder, "openvino")


@pytest.mark.parametrize("content", [b"", b"<net/>", b"no xml", b"\x80\x04pickle"])
def test_an_openvino_model_that_is_none_is_refused_with_one_sentence(bundle_for_openvino, tmp_path, content):
    folder = copy_of(bundle_for_openvino, tmp_path)
    (folder / "openvino" / "network.xml").write_bytes(content)
    list_file(folder, "openvino/network.xml")
    refusal(BundleError, opened, folder, "openvino")


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_an_openvino_model_whose_weights_are_cut_is_refused_with_one_sentence(bundle_for_openvino, tmp_path, share):
    folder = copy_of(bundle_for_openvino, tmp_path)
    weights = folder / "openvino" / "network.bin"
    weights.write_bytes(weights.read_bytes()[: int(share * weights.stat().st_size)])
    list_file(folder, "openvino/network.bin")
    refusal(BundleError, opened, folder, "openvino")


# --- HDF5 files that are more than weights ---------------------------------------------------------------------------


def with_changed_weights(bundle: Path, change) -> Path:
    """The bundle after a change of its HDF5 file, with the hash that its maker would state."""
    with h5py.File(bundle / "network.weights.h5", "a") as file:
        change(file)
    list_file(bundle, "network.weights.h5")
    return bundle


def external_link(file) -> None:
    file["elsewhere"] = h5py.ExternalLink("/tmp/other.h5", "/")


def soft_link(file) -> None:
    file["elsewhere"] = h5py.SoftLink("/layers")


def dangling_link(file) -> None:
    file["elsewhere"] = h5py.SoftLink("/nowhere")


def circle(file) -> None:
    group = file.create_group("a/b")
    group["up"] = file["a"]


def circle_at_the_root(file) -> None:
    file["self"] = file["/"]


def many_ways_down(file) -> None:
    """Forty groups, each with two links to the next: a million million ways through."""
    group = file.create_group("way")
    for _ in range(40):
        below = group.create_group("a")
        group["b"] = below
        group = below


def external_storage(file) -> None:
    file.create_dataset("array", (4,), "u1", external=[("/etc/hostname", 0, 4)])


def virtual_dataset(file) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "array", (4,))
    file.create_virtual_dataset("array", layout)


def text(file) -> None:
    file.create_dataset("code", data="import os")


def fixed_text(file) -> None:
    file.create_dataset("code", data=np.array([b"import os"]))


def records(file) -> None:
    file.create_dataset("record", data=np.zeros(2, [("a", "f4"), ("b", "i4")]))


def references(file) -> None:
    file.create_dataset("reference", (1,), h5py.ref_dtype)


def named_type(file) -> None:
    file["type"] = np.dtype("f4")


def bomb(file) -> None:
    file.create_dataset("array", (2**30,), "f4", chunks=(2**20,), compression="gzip")


@pytest.mark.parametrize(
    "change",
    [
        external_link,
        soft_link,
        dangling_link,
        circle,
        circle_at_the_root,
        many_ways_down,
        external_storage,
        virtual_dataset,
        text,
        fixed_text,
        records,
        references,
        named_type,
        bomb,
    ],
    ids=lambda change: change.__name__,
)
def test_weights_that_are_more_than_numbers_are_refused_with_one_sentence(bundle, change):
    refusal(BundleError, opened, with_changed_weights(bundle, change))


def test_a_whole_keras_model_is_refused_although_its_name_is_that_of_weights(bundle, tmp_path):
    import keras

    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs))
    model.save(tmp_path / "whole.h5")
    shutil.move(tmp_path / "whole.h5", bundle / "network.weights.h5")
    list_file(bundle, "network.weights.h5")
    assert "whole Keras model" in refusal(BundleError, opened, bundle)


def test_a_file_that_is_hdf5_by_its_first_bytes_alone_is_refused_with_one_sentence(bundle):
    content = (bundle / "network.weights.h5").read_bytes()
    for damaged in (content[:8], content[:700], content[: len(content) // 2], content[:8] + bytes(len(content) - 8)):
        (bundle / "network.weights.h5").write_bytes(damaged)
        list_file(bundle, "network.weights.h5")
        refusal(BundleError, opened, bundle)


def test_sound_weights_pass_the_check(bundle):
    refuse_unsafe_hdf5(bundle / "network.weights.h5", "tiny")
