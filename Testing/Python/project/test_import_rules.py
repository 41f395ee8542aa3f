"""Importing the libraries stays light: the heavy packages load at first use, seen from a fresh Python process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
HEAVY = {"tensorflow", "keras", "openvino", "matplotlib", "contourpy", "pydicom", "highdicom", "torch", "scipy"}


def packages_loaded_by(statement: str) -> set[str]:
    """The top-level packages that are loaded after a statement ran in a Python process of its own."""
    folders = [str(REPOSITORY / module) for module in ("ParotidSeg", "ParotidSegTraining")]
    result = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return {name.split(".")[0] for name in json.loads(result.stdout)}


@pytest.mark.parametrize("module", ["ParotidSegLib", "ParotidSegLib.terminal.cli", "ParotidSegTrainingLib.cli"])
def test_importing_loads_no_heavy_package(module):
    loaded = packages_loaded_by(f"import {module}")
    assert module.split(".")[0] in loaded
    assert not loaded & HEAVY


def test_a_heavy_package_would_be_seen():
    assert "matplotlib" in packages_loaded_by("import matplotlib")
