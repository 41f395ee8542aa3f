"""What bundle.json says is checked field by field: whatever is wrong with it is one sentence."""

from __future__ import annotations

import pytest
from changed_bundles import edit, list_file
from sentences import refusal

from ParotidSegLib.errors import BundleError
from ParotidSegLib.model.bundle import load_bundle

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("schema", [0, 1, "2", None])
def test_an_unknown_schema_is_refused_with_one_sentence(bundle, schema):
    edit(bundle, lambda data: data.update(schema=schema))
    assert "schema" in refusal(BundleError, load_bundle, bundle)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"null",
        b'"schema"',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"{}",
        b'{"schema": 1e999}',
        b"9" * 9999,
    ],
    ids=["empty", "cut", "list", "number", "null", "text", "binary", "nested", "object", "infinite", "long"],
)
def test_a_bundle_json_that_is_none_is_refused_with_one_sentence(bundle, text):
    (bundle / "bundle.json").write_bytes(text)
    refusal(BundleError, load_bundle, bundle)


@pytest.mark.parametrize(
    "key",
    [
        "schema",
        "name",
        "version",
        "description",
        "intended_use",
        "licence",
        "structures",
        "segmenter",
        "locator",
        "training",
        "validation",
        "files",
    ],
)
@pytest.mark.parametrize("value", [None, 5, "text", [1, 2], {"a": 1}])
def test_a_field_of_another_kind_never_fails_without_a_sentence(bundle, key, value):
    edit(bundle, lambda data: data.update({key: value}))
    try:
        loaded = load_bundle(bundle)
    except BundleError as error:
        assert "\n" not in str(error)
        return
    texts, tables = {"name", "description", "intended_use", "licence"}, {"training", "validation"}
    if value is None:
        assert key == "locator"  # the segmenter looks at the whole scan
        return
    assert key in (texts if isinstance(value, str) else tables)
    assert getattr(loaded, key) == value


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "\033[2J", "../a", "x" * 65, "-rf"])
def test_a_name_that_could_confuse_a_terminal_or_a_path_is_refused(bundle, name):
    edit(bundle, lambda data: data.update(name=name))
    refusal(BundleError, load_bundle, bundle)


def test_a_locator_that_takes_several_images_is_refused(bundle):
    def change(data):
        preprocessing = data["locator"]["preprocessing"]
        preprocessing["inputs"] = [{"name": "ct"}, {"name": "pet", "modality": "PT"}]
        preprocessing["channels"] = [{"input": 0}, {"input": 1}]

    edit(bundle, change)
    assert "several images" in refusal(BundleError, load_bundle, bundle)


@pytest.mark.parametrize("key", ["schema", "name", "structures", "segmenter", "locator", "training", "files"])
def test_a_missing_field_is_refused_by_name(bundle, key):
    edit(bundle, lambda data: data.pop(key))
    assert key in refusal(BundleError, load_bundle, bundle)


@pytest.mark.parametrize(
    "field",
    [
        {"tile": [0, 16, 16]},
        {"tile": [16, 16]},
        {"tile": [1024, 1024, 1024]},
        {"tile": [float("inf"), 16, 16]},
        {"tile": None},
        {"preprocessing": {"spacing": [0.01, 1.0, 1.0]}},
        {"preprocessing": {"spacing": [float("nan"), 1.0, 1.0]}},
        {"preprocessing": {"spacing": [1.0, float("inf"), 1.0]}},
        {"preprocessing": {"spacing": [1.0, 1.0, 1.0], "channels": [{"window": [300, -200]}]}},
        {"preprocessing": {"spacing": [1.0, 1.0, 1.0], "channels": [{"window": [float("nan"), 300]}]}},
        {"preprocessing": {"spacing": [1.0, 1.0, 1.0], "channels": [{"window": [-200, float("inf")]}]}},
        {"preprocessing": {}},
        {"weights": "other.weights.h5"},
        {"weights": "MODEL_CARD.md"},
        {"weights": ["network.weights.h5"]},
        {"weights": "../network.weights.h5"},
        {"openvino": "openvino/network.xml"},
        {"openvino": "MODEL_CARD.md"},
        {"openvino": ""},
        {"openvino": 7},
        {"config": None},
        {"config": [1, 2]},
    ],
    ids=str,
)
def test_a_network_that_cannot_be_is_refused_with_one_sentence(bundle, field):
    edit(bundle, lambda data: data["segmenter"].update(field))
    refusal(BundleError, load_bundle, bundle)


@pytest.mark.parametrize(
    "change",
    [
        lambda structures: structures.reverse(),
        lambda structures: structures[0].update(label=2) or structures[1].update(label=1),
        lambda structures: structures.pop(),
        lambda structures: structures.append(structures[0]),
    ],
    ids=["order", "values", "one", "three"],
)
def test_labels_other_than_right_one_left_two_are_refused(bundle, change):
    edit(bundle, lambda data: change(data["structures"]))
    assert "right 1, left 2" in refusal(BundleError, load_bundle, bundle)


@pytest.mark.parametrize("version", ["1", "1.2", "1.2.3.4", "1.2.x", "v1.2.3", "", "1.2.3\n", "１.2.3"])
def test_a_version_of_another_form_is_refused(bundle, version):
    edit(bundle, lambda data: data.update(version=version))
    refusal(BundleError, load_bundle, bundle)


@pytest.mark.parametrize("size", [-1, 2**40, float("inf"), float("nan"), "many", None])
def test_an_impossible_size_is_refused(bundle, size):
    list_file(bundle, "MODEL_CARD.md", bytes=size)
    refusal(BundleError, load_bundle, bundle)
