"""The module file itself: what its import pulls in, and that its list for developers is whole."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = Path(__file__).resolve().parents[2] / "ParotidSeg" / "ParotidSeg.py"
IN_SLICER = MODULE.parent / "ParotidSegLib" / "in_slicer"
UI = MODULE.parent / "Resources" / "UI" / "ParotidSeg.ui"

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
        [sys.executable, "-c", _IMPORT, str(MODULE.parent)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []


def test_the_module_file_stays_thin() -> None:
    assert len(MODULE.read_text(encoding="utf-8").splitlines()) < 250


def test_reload_names_every_file_of_the_panel_after_those_that_it_imports() -> None:
    tree = ast.parse(MODULE.read_text(encoding="utf-8"))
    (named,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "RELOADED"
    ]
    files = {path.stem for path in IN_SLICER.glob("*.py")} - {"__init__"}
    assert set(named) == files
    for position, name in enumerate(named):
        text = (IN_SLICER / f"{name}.py").read_text(encoding="utf-8")
        later = [other for other in named[position + 1 :] if re.search(rf"^from \.{other} import", text, re.MULTILINE)]
        assert later == [], f"{name} imports {later}, which come after it"


@pytest.mark.parametrize("path", sorted([MODULE, *IN_SLICER.glob("*.py")]), ids=lambda path: path.stem)
def test_no_text_to_translate_is_put_together_before(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_":
            assert len(node.args) == 1
            assert isinstance(node.args[0], ast.Constant), f"{path.name}:{node.lineno} translates what is no plain text"


@pytest.mark.parametrize("path", sorted(IN_SLICER.glob("*_section.py")), ids=lambda path: path.stem)
def test_every_text_that_the_panel_sets_can_be_translated(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Constant):
            continue
        names = [target.attr for target in node.targets if isinstance(target, ast.Attribute)]
        texts = {"text", "toolTip", "placeholderText", "title"} & set(names)
        assert not texts or node.value.value == "", f"{path.name}:{node.lineno} sets {texts} without _()"
