"""Loads the modules of a set, as the worker will, and looks which versions Python took; run in a process of its own.

    start.py ParotidSegLib.in_slicer.installing.trial NAME

Exit codes: 0 all fit, 3 something does not load or is a version outside the bounds, which is no code of Python's own.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
import traceback
from pathlib import Path
from types import ModuleType

from .engine_packages import PACKAGE_SETS, PackageSet, outside_bounds

DOES_NOT_FIT = 3


def main(name: str) -> int:
    """Try the set of this name; prints what was loaded from where, and what is wrong."""
    kind = PACKAGE_SETS[name]
    try:
        loaded = [importlib.import_module(module) for module in ("numpy", *kind.modules)]
    except BaseException:  # whatever a package does while it loads
        traceback.print_exc()
        return DOES_NOT_FIT
    wrong = versions_outside_bounds(kind, loaded)
    if wrong:
        print(f"Python took versions outside the bounds of: {', '.join(wrong)}", file=sys.stderr)
    return DOES_NOT_FIT if wrong else 0


def versions_outside_bounds(kind: PackageSet, loaded: list[ModuleType]) -> list[str]:
    """Names of distributions: those that lie beside the modules that were loaded, not whatever pip may list."""
    wrong: list[str] = []
    for module in loaded:
        place = Path(module.__file__ or "").parent.parent
        beside = [
            found
            for found in importlib.metadata.distributions(path=[str(place)])
            if found.name.lower().removesuffix("-cpu") == module.__name__
        ]
        print(f"{module.__name__} {' '.join(found.version for found in beside)} in {place}")
        wrong += outside_bounds(kind, beside)
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
