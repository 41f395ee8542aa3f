"""Write MODULE_PYTHON_SCRIPTS and MODULE_PYTHON_RESOURCES of both modules from the files that lie in their folders.

    python Testing/update_cmake_lists.py

Slicer ships exactly what these two lists name; `Testing/Python/project/test_packaging.py` fails when they differ from
the tree.
"""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
MODULES = ("ParotidSeg", "ParotidSegTraining")
SCRIPTS, RESOURCES = "MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES"
_IGNORED_SUFFIXES = {".pyc", ".egg-info", ".tmp"}


def files_of_tree(module_folder: Path) -> dict[str, list[str]]:
    """The files to ship below a module's folder, relative to it, sorted: the .py files, and all others.

    Left out: CMakeLists.txt, byte code, hidden files and what an interrupted program left under a temporary name.
    """
    relative = [path.relative_to(module_folder) for path in module_folder.rglob("*") if path.is_file()]
    shipped = [path for path in relative if path.name != "CMakeLists.txt" and not any(map(_is_ignored, path.parts))]
    names = sorted(path.as_posix() for path in shipped)
    return {
        SCRIPTS: [name for name in names if name.endswith(".py")],
        RESOURCES: [name for name in names if not name.endswith(".py")],
    }


def files_of_lists(cmake_text: str) -> dict[str, list[str]]:
    """What a module's CMakeLists.txt lists now, in its order; KeyError if one of the two lists is missing."""
    return {variable: _list_pattern(variable, cmake_text)["files"].split() for variable in (SCRIPTS, RESOURCES)}


def with_lists_of_tree(cmake_text: str, module_folder: Path) -> str:
    """The text of a module's CMakeLists.txt, its two lists replaced by the files of the tree."""
    for variable, names in files_of_tree(module_folder).items():
        found = _list_pattern(variable, cmake_text)
        lines = "".join(f"  {name}\n" for name in names)
        cmake_text = f"{cmake_text[: found.start('files')]}\n{lines}  {cmake_text[found.end('files') :]}"
    return cmake_text


def _is_ignored(part: str) -> bool:
    return part == "__pycache__" or part.startswith(".") or Path(part).suffix in _IGNORED_SUFFIXES


def _list_pattern(variable: str, cmake_text: str) -> re.Match[str]:
    found = re.search(rf"set\({variable}(?P<files>[^)]*)\)", cmake_text)
    if found is None:
        raise KeyError(f"set({variable} ...) is missing")
    return found


def main() -> None:
    """Rewrite the CMakeLists.txt of both modules and say which one changed."""
    for module in MODULES:
        path = REPOSITORY / module / "CMakeLists.txt"
        before = path.read_text(encoding="utf-8")
        after = with_lists_of_tree(before, path.parent)
        if after != before:
            path.write_text(after, encoding="utf-8")
        print(f"{module}/CMakeLists.txt: {'rewritten' if after != before else 'up to date'}")


if __name__ == "__main__":
    main()
