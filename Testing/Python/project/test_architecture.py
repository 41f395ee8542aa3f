"""The map of the project names what exists, and every wing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = (REPOSITORY / "Documentation" / "Architecture.md").read_text(encoding="utf-8")
LIBRARIES = [REPOSITORY / "ParotidSeg" / "ParotidSegLib", REPOSITORY / "ParotidSegTraining" / "ParotidSegTrainingLib"]

#: What is named by its whole path, and what by its path within one of the libraries.
WHOLE = sorted(set(re.findall(r"`((?:ParotidSeg|ParotidSegTraining|Testing)/[\w./]+)`", PAGE)))
WITHIN = sorted(set(re.findall(r"`([a-z_]+(?:/|\.py))`", PAGE)))
IN_THE_DIAGRAM = sorted(set(re.findall(r'\["([a-z_]+/[a-z_]+):', PAGE)))


def test_there_are_paths_of_every_kind():
    assert len(WHOLE) > 40
    assert len(WITHIN) > 15
    assert len(IN_THE_DIAGRAM) == 6


@pytest.mark.parametrize("path", WHOLE)
def test_a_path_on_the_map_exists(path):
    assert (REPOSITORY / path).exists()


@pytest.mark.parametrize("path", [*WITHIN, *(f"{path}.py" for path in IN_THE_DIAGRAM)])
def test_a_wing_on_the_map_exists(path):
    folders = [*LIBRARIES, LIBRARIES[0] / "in_slicer", LIBRARIES[0] / "model", REPOSITORY]
    assert any((folder / path).exists() for folder in folders)


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda path: path.name)
def test_every_wing_is_on_the_map(library):
    wings = [init.parent.name for init in library.glob("*/__init__.py")]
    assert len(wings) > 8
    assert [wing for wing in wings if f"`{wing}/`" not in PAGE] == []


def test_readme_and_contributing_show_the_way_to_the_map():
    for page in ("README.md", "CONTRIBUTING.md"):
        assert "Documentation/Architecture.md" in (REPOSITORY / page).read_text(encoding="utf-8")
