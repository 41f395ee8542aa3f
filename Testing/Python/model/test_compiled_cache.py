"""Compiled networks that are kept: the same answers, nothing that others wrote, never over a bound, never fatal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from ParotidSegLib.model import compiled_cache, openvino_engine
from ParotidSegLib.model.bundle import load_bundle
from ParotidSegLib.model.compiled_cache import cache_folder, keep, kept

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="rights of files as POSIX has them")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the networks of a test are kept; not there yet."""
    monkeypatch.setenv("PAROTIDSEG_CACHE", str(tmp_path / "a" / "cache"))
    return tmp_path / "a" / "cache"


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_what_was_kept_is_found_by_all_that_it_was_made_of(folder):
    keep(b"compiled", b"model", b"weights")
    assert kept(b"model", b"weights") == b"compiled"
    assert kept(b"model", b"other weights") is None
    assert kept(b"modelw", b"eights") is None
    assert kept(b"weights", b"model") is None


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c[:40], lambda c: b"", lambda c: c[:-1] + b"x"])
def test_a_damaged_file_counts_for_nothing(folder, change):
    keep(b"compiled" * 100, b"model")
    (path,) = files(folder)
    path.write_bytes(change(path.read_bytes()))
    assert kept(b"model") is None


@POSIX
def test_only_the_user_can_read_or_write_it(folder):
    keep(b"compiled", b"model")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert files(folder)[0].stat().st_mode & 0o777 == 0o600


@POSIX
@pytest.mark.parametrize("mode", [0o720, 0o702])
@pytest.mark.parametrize("of", ["folder", "file"])
def test_what_others_may_write_is_not_taken(folder, mode, of):
    keep(b"compiled", b"model")
    (folder if of == "folder" else files(folder)[0]).chmod(mode)
    assert kept(b"model") is None


@POSIX
def test_nothing_is_written_where_others_may_write_and_no_link_is_followed(folder, tmp_path):
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    keep(b"compiled", b"model")
    assert files(folder) == []
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    keep(b"compiled", b"model")
    assert files(tmp_path / "elsewhere") == []


def test_the_longest_unused_ones_go_when_there_are_too_many(folder, monkeypatch):
    monkeypatch.setattr(compiled_cache, "MOST_FILES", 3)
    for number in range(4):
        keep(b"compiled", b"%d" % number)
        for age, path in enumerate(files(folder)):  # clocks of file systems are coarse
            os.utime(path, (1000 + age, 1000 + age))
        os.utime(folder / compiled_cache._name((b"%d" % number,)), (2000 + number, 2000 + number))
        kept(b"0")
    assert len(files(folder)) == 3
    assert kept(b"0") == kept(b"3") == b"compiled"


def test_not_more_bytes_than_the_bound_are_kept(folder, monkeypatch):
    monkeypatch.setattr(compiled_cache, "MOST_BYTES", 1000)
    monkeypatch.setattr(compiled_cache, "LARGEST_FILE", 700)
    for number in range(3):
        keep(bytes(600), b"%d" % number)
    assert sum(path.stat().st_size for path in files(folder)) <= 1000
    keep(bytes(800), b"large")
    assert kept(b"large") is None


@pytest.mark.parametrize("value", ["off", "OFF", "some/where"])
def test_nothing_is_kept_if_the_user_says_so_or_the_place_is_not_clear(monkeypatch, tmp_path, value):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAROTIDSEG_CACHE", value)
    assert cache_folder() is None
    keep(b"compiled", b"model")
    assert kept(b"model") is None
    assert files(tmp_path) == []


def test_a_place_that_cannot_be_written_is_no_error(monkeypatch, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("PAROTIDSEG_CACHE", str(tmp_path / "file" / "cache"))
    keep(b"compiled", b"model")
    assert kept(b"model") is None


@pytest.mark.engine
def test_a_kept_network_gives_the_very_answers_of_a_compiled_one(folder, monkeypatch):
    pytest.importorskip("openvino")
    bundle = load_bundle("parotid-ct")
    spec = bundle.locator
    tile = np.random.default_rng(5).uniform(-1, 1, (1, *spec.tile, 1)).astype(np.float32)

    def answer() -> np.ndarray:
        return openvino_engine.Requests(openvino_engine.compiled_network(bundle, spec)).logits(tile)

    compiled = answer()
    (path,) = files(folder)
    content = path.read_bytes()
    taken = []
    monkeypatch.setattr(openvino_engine, "kept", lambda *parts: taken.append(kept(*parts)) or taken[-1])
    np.testing.assert_array_equal(answer(), compiled)
    assert taken == [content[32:]]
    # Bytes that are whole but no network, as of another program.
    monkeypatch.setattr(openvino_engine, "kept", lambda *parts: b"no network")
    np.testing.assert_array_equal(answer(), compiled)
