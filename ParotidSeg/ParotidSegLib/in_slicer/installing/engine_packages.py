"""What can be installed for the worker, where it goes, and whether it is there.

Each set of packages lies in a folder of its own that only the worker process sees. There it comes before Slicer's own
packages and those of other extensions (`worker.start`), so that what was fetched and tried together also runs together.
Slicer's own packages are never moved, whatever an engine asks for; two Slicers with one Python version share a folder;
and removing a set is deleting a folder.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

#: Where the folders lie, if not in the user's own folder for data of applications.
ROOT_VARIABLE = "PAROTIDSEG_PACKAGES"
REQUIREMENTS_FILE = Path(__file__).resolve().parents[3] / "Resources" / "requirements.txt"


@dataclass(frozen=True)
class PackageSet:
    """Packages that belong together.

    Attributes:
        name: "openvino" and "keras" as the engines are called; "dicom".
        title: for a person.
        purpose: what it is good for, a part of a sentence.
        distributions: names in requirements.txt.
        modules: what must be importable.
        with_dependencies: whether pip fetches what these distributions need; else Slicer has it.
        download_mb, installed_mb: measured with the newest versions within the bounds, Python 3.11 on Linux, numpy
            included; the command is in Documentation/Slicer.md.
    """

    name: str
    title: str
    purpose: str
    distributions: tuple[str, ...]
    modules: tuple[str, ...]
    download_mb: int
    installed_mb: int
    with_dependencies: bool = True


#: With matplotlib, for the pictures of a batch: Slicer has none.
OPENVINO = PackageSet(
    "openvino",
    "OpenVINO",
    "segments, small and fast",
    ("numpy", "openvino", "matplotlib"),
    ("openvino", "matplotlib"),
    101,
    357,
)
TENSORFLOW = PackageSet(
    "keras",
    "TensorFlow",
    "segments and trains",
    ("numpy", "tensorflow-cpu", "tensorflow", "keras", "h5py", "matplotlib"),
    ("tensorflow", "keras", "h5py", "matplotlib"),
    350,
    1635,
)
DICOM = PackageSet(
    "dicom",
    "highdicom",
    "writes RTSTRUCT and DICOM SEG",
    ("numpy", "pydicom", "highdicom", "contourpy"),
    ("pydicom", "highdicom", "contourpy"),
    31,
    146,
)
#: What is left of that set in Slicer 5.12 and later, which bring the others; it needs numpy alone.
CONTOURPY = PackageSet(
    DICOM.name, "contourpy", DICOM.purpose, ("contourpy",), DICOM.modules, 1, 1, with_dependencies=False
)
PACKAGE_SETS: dict[str, PackageSet] = {kind.name: kind for kind in (OPENVINO, TENSORFLOW, DICOM)}
#: Sets that run a network, the one to be offered first in front.
ENGINE_SETS = (OPENVINO, TENSORFLOW)


def packages_root() -> Path:
    """The folder that holds the folders of this Python version and machine."""
    if os.environ.get(ROOT_VARIABLE):
        base = Path(os.environ[ROOT_VARIABLE])
    elif sys.platform == "win32":
        # Short, because TensorFlow's deep folders come near the longest path; local, because roaming profiles are slow.
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "ParotidSeg"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support" / "ParotidSeg"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "ParotidSeg"
    return base / f"{sys.implementation.cache_tag}-{sys.platform}-{platform.machine().lower()}"


def folder_of(name: str) -> Path:
    """Where the set of this name lies once it is installed by us."""
    return packages_root() / PACKAGE_SETS[name].name


def python_path(*names: str) -> list[Path]:
    """The folders of those of these sets that we have installed, for `WorkerJob(python_path=…)`.

    The name "auto" stands for the engines, the faster one first.
    """
    wanted = [kind.name for name in names for kind in (ENGINE_SETS if name == "auto" else (PACKAGE_SETS[name],))]
    folders = [folder_of(name) for name in dict.fromkeys(wanted)]
    return [folder for folder in folders if folder.is_dir()]


def missing(name: str) -> list[str]:
    """The modules of a set that the worker would not find, or only in a version outside the bounds; empty: all there.

    It looks where the worker does: into the folder of the set, then among Slicer's packages. The set "auto" is there if
    any engine is.
    """
    if name == "auto":
        lacking = [missing(kind.name) for kind in ENGINE_SETS]
        return [] if not all(lacking) else lacking[0]
    return _missing_in(PACKAGE_SETS[name], [*map(str, python_path(name)), *slicers_folders()])


def slicers_folders() -> list[str]:
    """Where Slicer's own packages lie, and those of other extensions."""
    return sys.path


def set_to_install(name: str) -> PackageSet:
    """The set of this name, or the part of it that Slicer lacks."""
    if name == DICOM.name and set(_missing_in(DICOM, slicers_folders())) <= set(CONTOURPY.distributions):
        return CONTOURPY
    return PACKAGE_SETS[name]


def _missing_in(kind: PackageSet, folders: Sequence[str]) -> list[str]:
    absent = [module for module in kind.modules if PathFinder.find_spec(module, folders) is None]
    wrong = outside_bounds(kind, importlib.metadata.distributions(path=list(folders)))
    return list(dict.fromkeys([*absent, *wrong]))


def requirement_lines(kind: PackageSet) -> list[str]:
    """The lines of requirements.txt for a set that apply to this Python and machine."""
    return [str(requirement) for requirement in _requirements() if requirement.name in kind.distributions]


def lacks_line(name: str) -> bool:
    """Whether a set does not exist for this machine: requirements.txt has no line for one of its modules."""
    named = {requirement.name.removesuffix("-cpu") for requirement in _requirements()}
    return not set(PACKAGE_SETS[name].modules) <= named


def _requirements() -> Iterator[Any]:
    """The requirements that apply here; their markers are left out."""
    requirement_class = _requirement_class()
    for line in REQUIREMENTS_FILE.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text:
            requirement = requirement_class(text)
            if requirement.marker is None or requirement.marker.evaluate():
                requirement.marker = None
                yield requirement


def _requirement_class() -> Any:
    try:
        from packaging.requirements import Requirement
    except ImportError:  # pip has it in any case
        return importlib.import_module("pip._vendor.packaging.requirements").Requirement
    return Requirement


def outside_bounds(kind: PackageSet, installed: Iterable[importlib.metadata.Distribution]) -> list[str]:
    """Distributions of a set whose version the bounds exclude; of several with one name the first counts."""
    versions: dict[str, str] = {}
    for distribution in installed:
        versions.setdefault((distribution.metadata["Name"] or "").lower().replace("_", "-"), distribution.version)
    return [
        requirement.name
        for requirement in _requirements()
        if requirement.name in kind.distributions
        and requirement.name in versions
        and not requirement.specifier.contains(versions[requirement.name], prereleases=True)
    ]
