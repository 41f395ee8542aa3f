"""A bundle is read without trusting it: whatever is wrong with it is one sentence, and nothing in it is ever run."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from changed_bundles import copy_of, edit, list_file, zip_of
from sentences import refusal

from ParotidSegLib import bundle as bundle_module
from ParotidSegLib.bundle import load_bundle, shipped_bundles
from ParotidSegLib.errors import BundleError
from ParotidSegLib.preprocessing import Preprocessing

pytestmark = pytest.mark.engine


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return copy_of(tiny_bundle, tmp_path)


# --- sound ones ------------------------------------------------------------------------------------------------------


def test_a_sound_bundle_says_what_it_is(bundle):
    loaded = load_bundle(bundle)
    assert (loaded.name, loaded.version, loaded.licence, loaded.path) == ("tiny", "0.0.1", "MIT", bundle)
    assert loaded.segmenter.preprocessing == Preprocessing((3.0, 1.5, 1.5))
    assert loaded.segmenter.tile == (16, 16, 16)
    assert loaded.locator.weights == "locator.weights.h5"
    assert loaded.segmenter.openvino is None
    assert set(loaded.files) == {"MODEL_CARD.md", "locator.weights.h5", "network.weights.h5"}


def test_a_zip_of_a_bundle_is_the_same_bundle(bundle, tmp_path):
    folder = load_bundle(bundle)
    archive = load_bundle(zip_of(bundle, tmp_path / "tiny.zip"))
    assert dataclasses.replace(archive, path=folder.path) == folder
    for name in folder.files:
        assert archive.read(name) == folder.read(name) == (bundle / name).read_bytes()


def test_a_bundle_behind_a_link_to_its_folder_is_read(bundle, tmp_path):
    (tmp_path / "link").symlink_to(bundle, target_is_directory=True)
    assert load_bundle(tmp_path / "link").name == "tiny"


def pipe(path: Path) -> None:
    """A named pipe: who opens it waits for ever."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(path)


def test_files_that_are_not_listed_are_never_opened(bundle):
    (bundle / "readme.pkl").write_bytes(b"not listed")
    pipe(bundle / "pipe.md")
    assert "readme.pkl" not in load_bundle(bundle).files


def test_a_bundle_that_ships_is_found_by_its_name_even_beside_a_folder_of_that_name(bundle, tmp_path, monkeypatch):
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    copy_of(bundle, shipped)
    monkeypatch.setattr(bundle_module, "bundles_folder", lambda: shipped)
    monkeypatch.chdir(tmp_path)
    edit(bundle, lambda data: data.update(name="another"))
    assert shipped_bundles() == ["tiny"]
    assert load_bundle("tiny").name == "tiny"
    assert load_bundle("./tiny").name == "another"
    assert load_bundle(Path("tiny")).name == "another"


# --- missing and damaged ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["no-such-bundle", "a/b/c", "x" * 300, "a\0b", "../parotid-ct"])
def test_an_unknown_bundle_is_refused_with_one_sentence(name):
    assert "no bundle" in refusal(BundleError, load_bundle, name)


def test_a_folder_without_a_bundle_is_refused_with_one_sentence(tmp_path):
    assert "bundle.json" in refusal(BundleError, load_bundle, tmp_path)


def test_a_zip_that_holds_the_folder_of_a_bundle_is_the_same_bundle(bundle, tmp_path):
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        for file in (path for path in bundle.rglob("*") if path.is_file()):
            archive.write(file, f"folder/{file.relative_to(bundle).as_posix()}")
    assert load_bundle(tmp_path / "outer.zip").sha256 == load_bundle(bundle).sha256


def test_a_file_that_is_no_zip_is_refused_with_one_sentence(tmp_path):
    (tmp_path / "tiny.zip").write_bytes(b"PK but no zip" * 100)
    assert "zip" in refusal(BundleError, load_bundle, tmp_path / "tiny.zip")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_a_truncated_zip_is_refused_with_one_sentence(bundle, tmp_path, share):
    content = zip_of(bundle, tmp_path / "tiny.zip").read_bytes()
    (tmp_path / "tiny.zip").write_bytes(content[: int(share * len(content))])
    refusal(BundleError, load_bundle, tmp_path / "tiny.zip")


def test_a_zip_whose_content_is_damaged_is_refused_with_one_sentence(bundle, tmp_path):
    """Bytes changed all over: in the compressed stream, in headers, in the directory."""
    content = zip_of(bundle, tmp_path / "tiny.zip").read_bytes()
    for position in range(0, len(content), max(1, len(content) // 150)):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        (tmp_path / "damaged.zip").write_bytes(damaged)
        try:
            loaded = load_bundle(tmp_path / "damaged.zip")
        except BundleError as error:
            assert "\n" not in str(error)
        else:  # a byte that means nothing, such as a date
            assert loaded.name == "tiny"


@pytest.mark.parametrize("name", ["network.weights.h5", "locator.weights.h5", "MODEL_CARD.md", "bundle.json"])
def test_a_missing_file_is_refused_by_name(bundle, name):
    (bundle / name).unlink()
    assert name in refusal(BundleError, load_bundle, bundle)


def test_a_folder_in_the_place_of_a_file_is_refused_with_one_sentence(bundle):
    (bundle / "MODEL_CARD.md").unlink()
    (bundle / "MODEL_CARD.md").mkdir()
    refusal(BundleError, load_bundle, bundle)


def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(bundle):
    (bundle / "MODEL_CARD.md").unlink()
    pipe(bundle / "MODEL_CARD.md")
    refusal(BundleError, load_bundle, bundle)


def test_a_changed_byte_is_found_by_the_hash(bundle):
    path = bundle / "network.weights.h5"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    message = refusal(BundleError, load_bundle, bundle)
    assert "network.weights.h5" in message
    assert "SHA-256" in message


def test_a_file_that_is_changed_after_the_check_is_not_used(bundle):
    loaded = load_bundle(bundle)
    (bundle / "MODEL_CARD.md").write_text("# Evil\n")
    assert "SHA-256" in refusal(BundleError, loaded.read, "MODEL_CARD.md")


def test_a_file_that_is_larger_than_stated_is_refused_unread(bundle, tmp_path):
    list_file(bundle, "MODEL_CARD.md", bytes=3)
    assert "larger" in refusal(BundleError, load_bundle, bundle)
    assert "larger" in refusal(BundleError, load_bundle, zip_of(bundle, tmp_path / "tiny.zip"))


def test_a_zip_entry_that_lies_about_its_size_is_not_unpacked(bundle, tmp_path):
    """A bomb: the directory says 7 bytes, the stream holds 50 MB."""
    (bundle / "MODEL_CARD.md").write_bytes(b"0" * 50_000_000)
    content = zip_of(bundle, tmp_path / "bomb.zip").read_bytes()
    lie = content.replace((50_000_000).to_bytes(4, "little"), (7).to_bytes(4, "little"))
    assert lie != content
    (tmp_path / "bomb.zip").write_bytes(lie)
    refusal(BundleError, load_bundle, tmp_path / "bomb.zip")


def test_an_encrypted_zip_is_refused_with_one_sentence(bundle, tmp_path):
    content = bytearray(zip_of(bundle, tmp_path / "tiny.zip").read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(signature)
        while start >= 0:
            content[start + offset] |= 1
            start = content.find(signature, start + 4)
    (tmp_path / "tiny.zip").write_bytes(content)
    refusal(BundleError, load_bundle, tmp_path / "tiny.zip")


# --- what bundle.json says -------------------------------------------------------------------------------------------


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


# --- paths that climb out --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../secret.md",
        "openvino/../../secret.md",
        "openvino/..",
        "/etc/hosts.md",
        "//server/share.md",
        "..\\secret.md",
        "openvino\\network.xml",
        "C:\\secret.md",
        "C:secret.md",
        "a/b/c.md",
        "a\0.md",
        "\ud800.md",
        "",
        ".",
        "MODEL_CARD.md/",
    ],
)
def test_a_name_that_leads_out_of_the_bundle_is_refused(bundle, tmp_path, name):
    (tmp_path / "secret.md").write_text("secret")
    edit(bundle, lambda data: data["files"].update({name: {"sha256": "0" * 64, "bytes": 100}}))
    message = refusal(BundleError, load_bundle, bundle)
    assert "SHA-256" not in message
    refusal(BundleError, load_bundle, zip_of(bundle, tmp_path / "tiny.zip"))


@pytest.mark.parametrize("name", ["MODEL_CARD.md", "bundle.json", "network.weights.h5"])
def test_a_link_that_leads_out_of_the_bundle_is_not_followed(bundle, tmp_path, name):
    (bundle / name).rename(tmp_path / name)
    (bundle / name).symlink_to(tmp_path / name)
    assert "outside" in refusal(BundleError, load_bundle, bundle)


def test_a_linked_folder_that_leads_out_of_the_bundle_is_not_followed(bundle, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "note.md").write_text("note")
    (bundle / "extra").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    list_file(bundle, "extra/note.md")
    assert "outside" in refusal(BundleError, load_bundle, bundle)


def test_a_link_in_a_circle_is_refused_with_one_sentence(bundle):
    (bundle / "MODEL_CARD.md").unlink()
    (bundle / "MODEL_CARD.md").symlink_to(bundle / "MODEL_CARD.md")
    refusal(BundleError, load_bundle, bundle)


def test_a_zip_is_never_unpacked_to_the_disk(bundle, tmp_path):
    archive_path = zip_of(bundle, tmp_path / "tiny.zip")
    with zipfile.ZipFile(archive_path, "a") as archive:
        archive.writestr("../climbed.md", "climbed")
        archive.writestr("/tmp/climbed-absolute.md", "climbed")
    before = sorted(tmp_path.rglob("*"))
    assert load_bundle(archive_path).name == "tiny"
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/climbed-absolute.md").exists()


# --- files that carry code -------------------------------------------------------------------------------------------


class MakesAFolder:
    """Unpickling this makes a folder: how a pickle runs code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_the_pickle_of_these_tests_would_run_code(tmp_path):
    pickle.loads(pickle.dumps(MakesAFolder(tmp_path / "was-run")))
    assert (tmp_path / "was-run").is_dir()


@pytest.mark.parametrize("name", ["evil.pkl", "network.weights.h5", "network.bin", "MODEL_CARD.md"])
def test_a_pickle_is_never_unpickled_whatever_its_name(bundle, tmp_path, name):
    (bundle / name).write_bytes(pickle.dumps(MakesAFolder(tmp_path / "was-run")))
    list_file(bundle, name)
    try:
        loaded = load_bundle(bundle)
    except BundleError as error:
        assert name in str(error)
        assert "\n" not in str(error)
    else:
        assert name in {"network.bin", "MODEL_CARD.md"}
        assert loaded.read(name) == (bundle / name).read_bytes()
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize(
    "name",
    [
        "model.keras",
        "model.h5",
        "model.pkl",
        "layers.py",
        "network.weights.h5.py",
        "saved_model.pb",
        "run.so",
        "a.json",
    ],
)
def test_a_kind_of_file_that_has_no_place_in_a_bundle_is_refused(bundle, name):
    (bundle / name).write_bytes(b"content")
    list_file(bundle, name)
    assert name in refusal(BundleError, load_bundle, bundle)


def test_weights_that_are_no_hdf5_file_are_refused(bundle):
    with zipfile.ZipFile(bundle / "network.weights.h5", "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Lambda"}))
    list_file(bundle, "network.weights.h5")
    assert "HDF5" in refusal(BundleError, load_bundle, bundle)


def test_no_engine_is_needed_to_check_a_bundle(bundle):
    script = (
        "import sys; from ParotidSegLib.bundle import load_bundle; load_bundle(sys.argv[1]); "
        "print(*sorted({'keras', 'tensorflow', 'h5py', 'openvino'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(bundle)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
