"""Importing the libraries stays light: the heavy packages load at first use, seen from a fresh Python process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ParotidSegLib

REPOSITORY = Path(__file__).resolve().parents[3]
HEAVY = {"tensorflow", "keras", "openvino", "matplotlib", "PIL", "contourpy", "pydicom", "highdicom", "torch", "scipy"}


def packages_loaded_by(statement: str) -> set[str]:
    """The top-level packages that a statement loads in a Python process of its own."""
    folders = [str(REPOSITORY / module) for module in ("ParotidSeg", "ParotidSegTraining")]
    script = (
        "import json, sys\nbefore = set(sys.modules)\n"
        f"{statement}\nprint(json.dumps(sorted(set(sys.modules) - before)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
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


def test_importing_the_library_loads_nothing_but_the_standard_library():
    assert packages_loaded_by("import ParotidSegLib") <= {"ParotidSegLib", *sys.stdlib_module_names}


@pytest.mark.parametrize("name", ParotidSegLib.__all__)
def test_each_public_name_comes_at_its_first_use(name):
    assert getattr(ParotidSegLib, name) is not None
    assert name in dir(ParotidSegLib)
    assert name == "__version__" or name in ParotidSegLib._HOME


def test_an_unknown_name_is_refused_as_by_any_module():
    with pytest.raises(AttributeError, match="has no attribute 'segments'"):
        _ = ParotidSegLib.segments


#: What Slicer does when it has started, with empty modules of its names.
_REGISTRATION = """
import types
logic = types.SimpleNamespace(LoadTerminologyFromFile=lambda path: path)
terminologies = types.SimpleNamespace(logic=lambda: logic)
sys.modules["slicer"] = types.SimpleNamespace(modules=types.SimpleNamespace(terminologies=terminologies))
sample = types.SimpleNamespace(registerCustomSampleDataSource=lambda **source: offered.append(source))
sys.modules["SampleData"] = types.SimpleNamespace(SampleDataLogic=sample)
offered = []
from ParotidSegLib.in_slicer import registration
assert registration.register_terminology()
registration.register_sample_data()
assert len(offered) == 2
"""


def test_what_slicer_calls_at_its_start_needs_neither_numpy_nor_simpleitk():
    loaded = packages_loaded_by(_REGISTRATION) - {"slicer", "SampleData"}
    assert "ParotidSegLib" in loaded
    assert loaded <= {"ParotidSegLib", *sys.stdlib_module_names}


#: Folders of the library and how many Python files each may hold beside its subfolders.
MOST_FILES = {"": 6, "in_slicer": 8}
LIBRARY = REPOSITORY / "ParotidSeg" / "ParotidSegLib"


def test_no_folder_of_the_library_grows_into_a_hall():
    folders = [init.parent for init in LIBRARY.rglob("__init__.py") if init.parent.name != "networks"]
    assert len(folders) > 10
    sizes = {folder.relative_to(LIBRARY).as_posix(): len(list(folder.glob("*.py"))) for folder in folders}
    assert {name: size for name, size in sizes.items() if size > MOST_FILES.get(name.strip("."), 9)} == {}


@pytest.mark.parametrize("module", ["ParotidSeg", "ParotidSegTraining"])
def test_no_file_is_longer_than_400_lines(module):
    lines = {path.name: path.read_text(encoding="utf-8").count("\n") for path in (REPOSITORY / module).rglob("*.py")}
    assert {name: count for name, count in lines.items() if count > 400} == {}
