"""A bundle is read without trusting it: what is missing, damaged or changed is one sentence."""

from __future__ import annotations

import dataclasses
import os
import zipfile
from pathlib import Path

import pytest
from changed_bundles import copy_of, edit, list_file, zip_of
from sentences import refusal

from ParotidSegLib.errors import BundleError
from ParotidSegLib.model import bundle as bundle_module
from ParotidSegLib.model.bundle import load_bundle, shipped_bundles
from ParotidSegLib.model.preprocessing import Preprocessing

pytestmark = pytest.mark.engine


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
