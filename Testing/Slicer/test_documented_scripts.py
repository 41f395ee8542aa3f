"""What Documentation/Slicer.md says can be pasted is pasted here."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "Documentation" / "Slicer.md").read_text(encoding="utf-8")
FAKE_SLICER = Path(__file__).parent / "application" / "fake_slicer.py"
pytestmark = pytest.mark.engine


def block(heading: str, language: str) -> str:
    """The first code block of a language below a heading."""
    _, _, below = PAGE.partition(f"\n## {heading}")
    found = re.search(rf"```{language}\n(.*?)```", below, re.DOTALL)
    assert found, heading
    return found[1]


@pytest.fixture(autouse=True)
def packages_of_the_tests_only(tmp_path, monkeypatch):
    """What a person has installed for the module is not looked at."""
    monkeypatch.setenv("PAROTIDSEG_PACKAGES", str(tmp_path / "no_packages"))


def test_the_batch_script(started_slicer, tmp_path, sample_ct):
    lines = block("Batch", "sh").splitlines()
    assert [line.partition("=")[0] for line in lines[:3]] == ["SLICER", "SCANS", "RESULTS"]
    launcher = tmp_path / "Slicer"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE_SLICER}" "$@"\n', encoding="utf-8")
    launcher.chmod(0o755)
    scans = tmp_path / "my scans"
    scans.mkdir()
    (scans / "one.nii.gz").symlink_to(sample_ct)
    places = [f"SLICER='{launcher}'", f"SCANS='{scans}'", f"RESULTS='{tmp_path / 'my results'}'"]
    script = "\n".join([*places, *lines[3:]])
    ran = subprocess.run(["sh", "-c", script], capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert ran.stdout.rstrip().endswith("exit code 0"), ran.stdout + ran.stderr
    assert (tmp_path / "my results" / "results.csv").read_text(encoding="utf-8").count("done") == 2


def test_the_python_script(slicer_app, monkeypatch, capsys):
    from ParotidSegLib.in_slicer.logic import ParotidSegLogic
    from ParotidSegLib.in_slicer.registration import register_sample_data

    register_sample_data()
    logic = ParotidSegLogic()
    monkeypatch.setattr(slicer_app.util, "getModuleLogic", lambda name: {"ParotidSeg": logic}[name])
    exec(block("From Python", "python"), {"__name__": "__main__"})
    right, left = capsys.readouterr().out.strip().splitlines()
    assert right.startswith("Right parotid gland: 2")
    assert left.startswith("Left parotid gland: 2")


def test_the_training_script(slicer_app, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    exec(block("Training in Slicer", "python"), {"__name__": "__main__"})
    lines = capsys.readouterr().out.strip().splitlines()
    assert re.fullmatch(r"Right parotid gland \(n = \d+\) -?[\d.]+ mL bias", lines[-2]), lines[-2]
    assert slicer_app.util.getNode("Left parotid gland: agreement").IsA("vtkMRMLPlotChartNode")


def test_the_calls_that_are_listed_exist():
    from ParotidSegLib.in_slicer.logic import ParotidSegLogic
    from ParotidSegLib.in_slicer.scene import scene
    from ParotidSegTrainingLib.in_slicer.logic import ParotidSegTrainingLogic

    before, _, training = PAGE.partition("## Training in Slicer")
    training, _, after = training.partition("\n## ")
    for text, owner in ((before + after, ParotidSegLogic), (training, ParotidSegTrainingLogic)):
        calls = re.findall(r"`(logic|scene)\.(\w+)\(", text)
        assert calls
        for name, call in calls:
            assert callable(getattr(scene if name == "scene" else owner, call)), f"{name}.{call}"
