"""The module file itself: what its import pulls in, and that its list for developers is whole."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
MODULE = HERE.parents[1] / "ParotidSeg" / "ParotidSeg.py"
IN_SLICER = MODULE.parent / "ParotidSegLib" / "in_slicer"

#: Imports the module file beside empty modules of Slicer's names, and prints which packages that loaded.
_IMPORT = """
import importlib, sys, types
for name in ("slicer", "slicer.i18n", "slicer.ScriptedLoadableModule", "slicer.util", "qt", "ctk", "vtk"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["slicer.i18n"].tr = sys.modules["slicer.i18n"].translate = lambda *texts: texts[-1]
base = sys.modules["slicer.ScriptedLoadableModule"]
for kind in ("", "Widget", "Logic", "Test"):
    setattr(base, f"ScriptedLoadableModule{kind}", type(f"ScriptedLoadableModule{kind}", (), {}))
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
importlib.import_module("ParotidSeg")
new = (sys.modules[name] for name in set(sys.modules) - before)
foreign = ("-packages", "ParotidSegLib")
print(*sorted(m.__name__ for m in new if any(part in (getattr(m, "__file__", None) or "") for part in foreign)))
"""


def test_the_import_of_the_module_file_loads_no_package() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT, str(MODULE.parent)],
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == []


def test_the_module_file_stays_thin() -> None:
    assert len(MODULE.read_text(encoding="utf-8").splitlines()) < 250


def imported_by(name: str) -> set[str]:
    """The files of in_slicer that one of them imports when it is read, as the list for developers names them."""
    path = IN_SLICER.joinpath(*name.split(".")).with_suffix(".py")
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            candidates = [folder, *(folder / alias.name for alias in node.names)]
            files = [
                path for path in candidates if path.with_suffix(".py").is_file() and path.is_relative_to(IN_SLICER)
            ]
            found |= {".".join(path.relative_to(IN_SLICER).parts) for path in files}
    return found


def test_reload_names_every_file_behind_the_panel_after_those_that_it_imports() -> None:
    tree = ast.parse(MODULE.read_text(encoding="utf-8"))
    (named,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "RELOADED"
    ]
    behind, waiting = set(), {"panel.panel", "logic", "registration"}
    while waiting:
        behind.add(name := waiting.pop())
        waiting |= imported_by(name) - behind
    assert set(named) == behind
    for position, name in enumerate(named):
        assert imported_by(name).isdisjoint(named[position + 1 :]), f"{name} stands before what it imports"


@pytest.mark.parametrize("path", sorted([MODULE, *IN_SLICER.rglob("*.py")]), ids=lambda path: path.stem)
def test_no_text_to_translate_is_put_together_before(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_":
            assert len(node.args) == 1
            assert isinstance(node.args[0], ast.Constant), f"{path.name}:{node.lineno} translates what is no plain text"


@pytest.mark.parametrize("path", sorted((IN_SLICER / "panel").glob("*_section.py")), ids=lambda path: path.stem)
def test_every_text_that_the_panel_sets_can_be_translated(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Constant):
            continue
        names = [target.attr for target in node.targets if isinstance(target, ast.Attribute)]
        texts = {"text", "toolTip", "placeholderText", "title"} & set(names)
        assert not texts or node.value.value == "", f"{path.name}:{node.lineno} sets {texts} without _()"


#: Opens the panel, reloads as a developer does, opens it again and lets it choose a CT.
_RELOAD = """
import sys
from pathlib import Path
from application.scripted import load_scripted_module
from application.start import start
slicer = start()
import widgets
widgets.install()
module = load_scripted_module(slicer, Path(sys.argv[1]))
first = module.ParotidSegWidget()
from ParotidSegLib.in_slicer.panel import panel
from ParotidSegLib.in_slicer.scene import scene
before = panel.ParotidSegPanel, scene.GlandRow
first.onReload()
first.cleanup()
assert panel.ParotidSegPanel is not before[0] and scene.GlandRow is not before[1]
assert panel.GlandRow is scene.GlandRow
second = module.ParotidSegWidget()
from made_panel import add_ct
add_ct()
assert second.panel.ui.segmentButton.enabled
second.cleanup()
print("reloaded")
"""


def test_reload_reads_every_file_anew_and_the_panel_works_after_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _RELOAD, str(MODULE)],
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (MODULE.parent, HERE, HERE.parent)))},
    )
    assert done.stdout.split() == ["reloaded"], done.stderr


def test_every_picture_that_the_documentation_and_the_catalogue_name_is_there() -> None:
    repository = HERE.parents[1]
    page = (repository / "Documentation" / "Slicer.md").read_text(encoding="utf-8")
    shown = [repository / "Documentation" / name for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page)]
    cmake = (repository / "CMakeLists.txt").read_text(encoding="utf-8")
    (listed,) = re.findall(r'set\(EXTENSION_SCREENSHOTURLS "([^"]+)"\)', cmake)
    shown += [repository / url.partition("/main/")[2] for url in listed.split()]
    assert len(shown) >= 10
    assert [path for path in shown if not path.is_file()] == []
