"""What Slicer and pip ship: the CMake lists, the package lists, the requirements, the version and the module files."""

from __future__ import annotations

import ast
import json
import re
import struct
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import update_cmake_lists
from ParotidSegLib.structures import PAROTIDS
from ParotidSegLib.version import __version__

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).resolve().parents[3]
MODULES = update_cmake_lists.MODULES
PROJECT = "ParotidSeg/SlicerParotidSeg"
TERMINOLOGY = next((REPOSITORY / "ParotidSeg" / "Resources" / "Terminology").glob("*.term.json"))


def read(path: str) -> str:
    return (REPOSITORY / path).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads(read("pyproject.toml"))


# --- Slicer ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_the_cmake_lists_name_exactly_the_files_of_the_tree(module):
    listed = update_cmake_lists.files_of_lists(read(f"{module}/CMakeLists.txt"))
    assert listed == update_cmake_lists.files_of_tree(REPOSITORY / module), "run: make cmake-lists"


def test_a_new_file_enters_its_list_and_temporary_ones_do_not(tmp_path):
    for name in (
        "A.py",
        "Lib/b.py",
        "Resources/c.json",
        "CMakeLists.txt",
        "Lib/__pycache__/b.pyc",
        ".hidden/d",
        "e.tmp",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    text = "set(MODULE_PYTHON_SCRIPTS\n  Old.py\n  )\nset(MODULE_PYTHON_RESOURCES\n  )\nother(stays)\n"
    text = update_cmake_lists.with_lists_of_tree(text, tmp_path)
    assert text == (
        "set(MODULE_PYTHON_SCRIPTS\n  A.py\n  Lib/b.py\n  )\n"
        "set(MODULE_PYTHON_RESOURCES\n  Resources/c.json\n  )\nother(stays)\n"
    )


def test_the_extension_metadata_are_one_line_each():
    text = read("CMakeLists.txt")
    for name in (
        "HOMEPAGE",
        "CONTRIBUTORS",
        "DESCRIPTION",
        "ICONURL",
        "SCREENSHOTURLS",
        "DEPENDS",
        "RECOMMENDS",
        "KEYWORDS",
    ):
        assert re.search(rf'^set\(EXTENSION_{name} "[^"\n]+"\)', text, re.MULTILINE), name


def test_icon_and_screenshots_of_the_catalogue_lie_where_their_addresses_say():
    """The Extensions Index fetches every address, and takes nothing but PNG, JPEG and GIF."""
    for name in ("ICONURL", "SCREENSHOTURLS"):
        addresses = re.search(rf'set\(EXTENSION_{name} "([^"]+)"\)', read("CMakeLists.txt"))[1].split()
        assert addresses
        for address in addresses:
            base, _, path = address.partition("/main/")
            assert base == f"https://raw.githubusercontent.com/{PROJECT}"
            assert (REPOSITORY / path).read_bytes().startswith(b"\x89PNG\r\n"), path


def test_the_icons_are_pictures_of_128_pixels():
    icons = [REPOSITORY / "Resources" / "ParotidSeg.png"]
    icons += [REPOSITORY / module / "Resources" / "Icons" / f"{module}.png" for module in MODULES]
    for icon in icons:
        assert struct.unpack(">II", icon.read_bytes()[16:24]) == (128, 128), icon.name


def test_the_catalogue_entry_is_what_the_extensions_index_takes():
    """Its schema 1.0.2 and the checks of its pull requests, as far as they need no network."""
    path = REPOSITORY / "Resources" / "ParotidSeg.json"
    assert b"\r" not in path.read_bytes()
    entry = json.loads(path.read_text(encoding="utf-8"))
    assert entry["$schema"].endswith("/slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert {"$schema", "category", "scm_url"} <= set(entry)
    optional = {"scm_revision", "scm_type", "build_dependencies", "build_subdirectory", "enabled", "tier"}
    assert set(entry) <= {"$schema", "category", "scm_url", "dicom_support_rule"} | optional
    assert entry["category"] == "Segmentation"
    assert entry["tier"] in range(1, 6)
    assert entry["scm_url"] == f"https://github.com/{PROJECT}.git"
    assert "slicer" in PROJECT.partition("/")[2].lower()
    (name,) = re.findall(r"project\s*\(\s*([^\s)]+)", read("CMakeLists.txt"))
    assert name == path.stem
    assert not name.lower().startswith("slicer")
    assert (REPOSITORY / "LICENSE.txt").is_file()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_file_imports_only_slicer_qt_and_the_standard_library_at_file_scope(module):
    tree = ast.parse(read(f"{module}/{module}.py"))
    imported = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    assert "slicer" in imported
    assert imported <= sys.stdlib_module_names | {"slicer", "qt", "ctk", "vtk"}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_file_has_the_classes_that_slicer_looks_for(module):
    tree = ast.parse(read(f"{module}/{module}.py"))
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    assert {module, f"{module}Test"} <= classes


@pytest.mark.parametrize("module", MODULES)
def test_no_translated_text_is_an_f_string(module):
    calls = [node for node in ast.walk(ast.parse(read(f"{module}/{module}.py"))) if isinstance(node, ast.Call)]
    translated = [call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "_"]
    assert translated
    assert not [text for text in translated if isinstance(text, ast.JoinedStr)]


def test_the_terminology_equals_the_structures_of_the_library():
    (category,) = json.loads(TERMINOLOGY.read_text(encoding="utf-8"))["SegmentationCodes"]["Category"]
    (gland,) = category["Type"]
    assert len(gland["Modifier"]) == len(PAROTIDS)
    for side, structure in zip(gland["Modifier"], PAROTIDS, strict=True):
        entries = ((category, structure.category), (gland, structure.type), (side, structure.laterality))
        for entry, code in entries:
            found = (entry["CodingSchemeDesignator"], entry["CodeValue"], entry["CodeMeaning"])
            assert found == (code.scheme, code.value, code.meaning)
        assert tuple(side["recommendedDisplayRGBValue"]) == structure.colour
        assert (side["3dSlicerLabel"], side["3dSlicerIntegerLabel"]) == (structure.name, structure.label)


# --- pip -------------------------------------------------------------------------------------------------------------


def test_every_package_of_the_tree_is_in_the_list_of_packages(project):
    setuptools = project["tool"]["setuptools"]
    found = set()
    for top in ("ParotidSegLib", "ParotidSegTrainingLib"):
        folder = REPOSITORY / setuptools["package-dir"][top]
        found |= {".".join((top, *init.parent.relative_to(folder).parts)) for init in folder.rglob("__init__.py")}
    assert set(setuptools["packages"]) - {"ParotidSegLib.sample_data"} == found


def test_every_other_file_of_the_libraries_is_package_data(project):
    setuptools = project["tool"]["setuptools"]
    for package, patterns in setuptools["package-data"].items():
        folder = REPOSITORY / setuptools["package-dir"][package]
        shipped = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
        present = {folder / name for name in update_cmake_lists.files_of_tree(folder)["MODULE_PYTHON_RESOURCES"]}
        assert present <= shipped, package


def test_slicers_requirements_have_the_bounds_of_the_package(project):
    lines = [line for line in read("ParotidSeg/Resources/requirements.txt").splitlines() if not line.startswith("#")]
    assert lines
    extras = project["project"]["optional-dependencies"]
    allowed = {*project["project"]["dependencies"], *extras["tensorflow"], *extras["openvino"], *extras["dicom"]}
    assert set(lines) <= allowed


def test_what_slicer_brings_is_within_the_bounds_and_so_is_the_newest_highdicom(project):
    extras = project["project"]["optional-dependencies"]
    bounds = {re.split("[<>=]", line)[0]: line for line in (*project["project"]["dependencies"], *extras["dicom"])}
    pins = dict(re.findall(r"^(\w+)==([\w.]+)", read("Testing/Slicer/slicers_own_packages.txt"), re.MULTILINE))
    assert {"numpy", "SimpleITK", "pydicom", "highdicom", "requests"} == set(pins)
    for name in pins.keys() & bounds.keys():
        assert Requirement(bounds[name]).specifier.contains(pins[name]), name
    (newest,) = re.findall(r"--target \$\(VENV\)/newest 'highdicom(<[\d.]+)'", read("Makefile"))
    assert bounds["highdicom"].endswith(f",{newest}")


def test_every_requirement_has_an_upper_bound(project):
    groups = [project["project"]["dependencies"], *project["project"]["optional-dependencies"].values()]
    outside = [line for group in groups for line in group if not line.startswith("parotidseg[")]
    assert outside
    assert not [line for line in outside if "<" not in line and "==" not in line]


def test_the_version_is_the_same_everywhere(project):
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "ParotidSegLib.version.__version__"}
    assert f"\nversion: {__version__}\n" in read("CITATION.cff")
    assert re.search(r"^## \[(.+?)\]", read("CHANGELOG.md"), re.MULTILINE)[1] == __version__


# --- commands --------------------------------------------------------------------------------------------------------


def test_the_readme_names_the_commands_that_the_makefile_has():
    named = set(re.findall(r"^make ([a-z-]+)", read("README.md"), re.MULTILINE))
    assert {"segment", "test"} <= named
    assert named <= set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))


def test_the_gate_runs_the_test_command_of_the_readme():
    assert re.search(r"^make test\b.*\nexec make references\b", read(".ci/run"), re.MULTILINE)
    assert re.search(r"^make test\b", read("README.md"), re.MULTILINE)
