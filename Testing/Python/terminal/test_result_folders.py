"""Where results go, as a person says it: folders with dots, several inputs, names, and a disk that is full."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ParotidSegLib.terminal.cli import main

REPOSITORY = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.engine


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_several_inputs_keep_their_numbers_in_a_folder_that_is_used_again(tmp_path):
    out = tmp_path / "out"
    first, second, third = (str(tmp_path / name) for name in ("a.nii.gz", "b.nii.gz", "c.nii.gz"))  # none is there
    assert main(["segment", first, second, "-o", str(out), "--progress", "none"]) == 1
    assert main(["segment", third, first, "-o", str(out), "--progress", "none"]) == 1
    named = json.loads((out / "scans.json").read_text(encoding="utf-8"))["scans"]
    assert {number: entry["scan"] for number, entry in named.items()} == {"001": first, "002": second, "003": third}


def test_folders_are_named_after_the_inputs_where_that_is_asked_for_with_a_word_on_patients(tmp_path, capsys):
    folder = tmp_path / "scans"
    for name in ("Doe_Jane.nii.gz", "b/Doe_Jane.nrrd", "../etc.mha"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    inputs = [str(folder / name) for name in ("Doe_Jane.nii.gz", "b/Doe_Jane.nrrd", "../etc.mha")]
    assert main(["segment", *inputs, "-o", str(tmp_path / "out"), "--names", "input"]) == 1
    assert "called after patients" in capsys.readouterr().err
    named = json.loads((tmp_path / "out" / "scans.json").read_text(encoding="utf-8"))
    assert list(named["scans"]) == ["Doe_Jane", "Doe_Jane 2", "etc"]
    assert main(["segment", *inputs, "-o", str(tmp_path / "out"), "--progress", "none"]) == 1
    assert "go on with --names input" in capsys.readouterr().err


def test_a_slash_at_the_end_means_a_folder_though_its_name_has_a_dot(tmp_path, sample_ct, capsys):
    out = f"{tmp_path / 'results_v1.2'}/"
    assert main(["segment", str(sample_ct), "-o", out, "--no-preview", "--no-mirror"]) == 0
    assert files_below(tmp_path / "results_v1.2") == ["parotids.seg.nrrd", "report.json"]
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.nii.gz").touch()
    assert main(["batch", str(tmp_path / "scans"), "-o", f"{tmp_path / 'batch_v1.2'}/"]) == 1
    assert (tmp_path / "batch_v1.2" / "results.csv").is_file()
    assert main(["batch", str(tmp_path / "scans"), "-o", f"{tmp_path / 'batch_v1.3'}"]) == 2
    assert "end it with a slash" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("progress", ["human", "json"])
def test_an_output_that_goes_to_a_full_disk_is_one_sentence_after_whole_results(tmp_path, sample_ct, progress):
    words = ["segment", str(sample_ct), "-o", str(tmp_path / "out"), "--no-preview", "--progress", progress]
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "ParotidSegLib", *words, "--no-mirror"],
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            check=False,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY / "ParotidSeg")},
        )
    assert ended.returncode == 1
    sentences = [line for line in ended.stderr.splitlines() if "parotidseg: " in line]
    assert len(sentences) == 1
    assert "No space left on device" in sentences[0]
    assert "Traceback" not in ended.stderr
    assert "Exception" not in ended.stderr
    if progress == "human":  # the worker's first line already has no place to go
        assert files_below(tmp_path / "out") == ["parotids.seg.nrrd", "report.json"]
