"""A bundle is never trusted: no path in it leads out of it, and nothing in it is ever run."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from changed_bundles import edit, list_file, zip_of
from sentences import refusal

from ParotidSegLib.errors import BundleError
from ParotidSegLib.model.bundle import load_bundle

pytestmark = pytest.mark.engine


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
        "import sys; from ParotidSegLib.model.bundle import load_bundle; load_bundle(sys.argv[1]); "
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
