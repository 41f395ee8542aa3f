"""Which packages the worker would take: of a set, or Slicer's own; and below the launcher, which puts its own first."""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path

import pytest
from made_wheels import keep_packages_in, write_wheel
from stand_in_launcher import write_launcher

from ParotidSegLib.in_slicer.installing import engine_packages
from ParotidSegLib.in_slicer.installing.engine_packages import CONTOURPY, DICOM, folder_of, missing
from ParotidSegLib.in_slicer.installing.installer import Installation, Plan, make_plan


@pytest.fixture(autouse=True)
def own_root(tmp_path, monkeypatch) -> Path:
    return keep_packages_in(tmp_path / "Pakete für Slicer", monkeypatch)


@pytest.fixture
def wheels(tmp_path) -> Path:
    """A folder with all that the set of OpenVINO names."""
    folder = tmp_path / "wheels of the hospital"
    for name, version in (("openvino", "2026.3.0"), ("numpy", "2.4.0"), ("matplotlib", "3.11.0")):
        write_wheel(folder, name, version)
    return folder


# --- what is there ---------------------------------------------------------------------------------------------------


@pytest.fixture
def slicer_has(monkeypatch) -> Callable[[Path | None], None]:
    """slicer_has(folder): the packages in this folder are all that the application brings."""

    def use(folder: Path | None) -> None:
        monkeypatch.setattr(engine_packages, "slicers_folders", lambda: [str(folder)] if folder else [])

    return use


def test_a_set_that_is_half_there_or_outside_the_bounds_counts_as_missing(slicer_has):
    slicer_has(None)
    folder = folder_of("openvino")
    folder.mkdir(parents=True)
    assert missing("openvino") == ["openvino", "matplotlib"]
    (folder / "matplotlib").mkdir()
    assert missing("openvino") == ["openvino"]
    (folder / "openvino").mkdir()
    assert missing("openvino") == []
    write_metadata(folder, "openvino", "2020.1")
    assert missing("openvino") == ["openvino"]


def write_metadata(folder: Path, name: str, version: str) -> None:
    metadata = folder / f"{name}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def packages_in(folder: Path, **versions: str) -> Path:
    """A folder with these packages, as an application brings them."""
    for name, version in versions.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").touch()
        write_metadata(folder, name, version)
    return folder


def test_a_set_counts_in_the_version_that_comes_first_in_the_worker(slicer_has, tmp_path):
    slicers = packages_in(tmp_path / "slicer", openvino="2020.1", matplotlib="3.11.0")
    slicer_has(slicers)
    assert missing("openvino") == ["openvino"], "outside the bounds"
    packages_in(folder_of("openvino"), openvino="2026.3.0")
    assert missing("openvino") == [], "one is in the set, the other among Slicer's"


def test_of_the_dicom_set_only_what_slicer_lacks_is_installed(slicer_has, tmp_path):
    slicers = packages_in(tmp_path / "slicer", numpy="2.4.6", pydicom="3.0.2", highdicom="0.27.0")
    slicer_has(slicers)
    assert missing("dicom") == ["contourpy"]
    plan = make_plan("dicom")
    assert plan.requirements == ("contourpy<2,>=1.2",)
    assert (plan.target, plan.packages.title) == (folder_of("dicom"), "contourpy")
    assert "--no-deps" in Installation(plan, sys.executable)._fetching.command
    packages_in(folder_of("dicom"), contourpy="1.3.3")
    assert missing("dicom") == []
    slicer_has(packages_in(tmp_path / "old", numpy="1.26.4", pydicom="3.0.1", highdicom="0.25.0"))
    assert missing("dicom") == ["highdicom"]
    assert make_plan("dicom").packages is DICOM
    assert "--no-deps" not in Installation(make_plan("dicom"), sys.executable)._fetching.command


# --- below Slicer's launcher -----------------------------------------------------------------------------------------


@pytest.fixture
def launcher(tmp_path) -> Path:
    """A PythonSlicer that puts an OpenVINO of its own before all that PYTHONPATH says."""
    write_wheel(tmp_path / "theirs", "openvino", "2020.1", code="raise ImportError('the old one')\n")
    with zipfile.ZipFile(next((tmp_path / "theirs").glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "extensions")
    return write_launcher(tmp_path / "Slicer" / "bin" / "PythonSlicer", folders=[tmp_path / "extensions"])


def test_what_was_fetched_is_tried_before_what_slicer_has(wheels, launcher):
    installation = Installation(make_plan("openvino", wheels=wheels), launcher)
    installation.start()
    assert installation.wait(), installation.log
    assert re.search(r"^openvino 2026\.3\.0 in .*packages$", installation.log, re.MULTILINE)
    assert missing("openvino") == []


def test_versions_that_python_took_from_elsewhere_are_not_put_in_place(wheels, launcher, tmp_path):
    for name in ("pydicom", "highdicom", "contourpy"):
        write_wheel(wheels, name, "3.0.2" if name == "pydicom" else "1.3.3")
    for path in packages_in(tmp_path / "slicer", pydicom="3.0.2", highdicom="0.26.0").iterdir():
        shutil.move(path, tmp_path / "extensions")
    plan = Plan(CONTOURPY, ("contourpy",), folder_of("dicom"), wheels)
    installation = Installation(plan, launcher)
    installation.start()
    assert not installation.wait()
    assert "another version of it comes first" in installation.failure, installation.log
    assert "outside the bounds of: highdicom" in installation.log
    assert not folder_of("dicom").exists()


def test_a_pip_that_is_killed_below_the_launcher_is_told_so(wheels, tmp_path):
    killed = tmp_path / "python"
    killed.write_text("#!/bin/sh\nkill -KILL $$\n")
    killed.chmod(0o700)
    installation = Installation(make_plan("openvino", wheels=wheels), write_launcher(tmp_path / "P", python=killed))
    installation.start()
    assert not installation.wait()
    assert "memory" in installation.failure


def test_auto_is_there_if_any_engine_is(slicer_has, tmp_path):
    slicer_has(tmp_path / "slicer")
    assert missing("auto") == ["openvino", "matplotlib"]
    packages_in(tmp_path / "slicer", tensorflow="2.21.0", keras="3.15.0", h5py="3.16.0", matplotlib="3.11.0")
    PathFinder.invalidate_caches()
    assert missing("auto") == []
    assert missing("openvino") == ["openvino"]
    assert missing("dicom") == list(DICOM.modules)


def test_the_root_names_the_python_and_the_machine_and_follows_the_variable(monkeypatch, own_root):
    assert engine_packages.packages_root().parent == own_root
    assert sys.implementation.cache_tag in engine_packages.packages_root().name
    monkeypatch.delenv(engine_packages.ROOT_VARIABLE)
    for system, part in (("win32", "Local"), ("darwin", "Application Support"), ("linux", "share")):
        monkeypatch.setattr(engine_packages.sys, "platform", system)
        monkeypatch.delenv("XDG_DATA_HOME", raising=False)
        monkeypatch.delenv("LOCALAPPDATA", raising=False)
        folder = engine_packages.packages_root()
        assert folder.parent.name == "ParotidSeg"
        assert part in folder.parts
        assert folder.name.endswith(engine_packages.platform.machine().lower())
