"""Run as a program: takes the options of the program `Slicer` that the documentation uses, without its window.

python fake_slicer.py [--no-splash] [--no-main-window] (--python-code CODE | --python-script FILE [ARGUMENT ...])
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

TESTING = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(TESTING / "Slicer"),
    *(str(TESTING.parent / module) for module in ("ParotidSeg", "ParotidSegTraining")),
]


def main(words: list[str]) -> int:
    """Returns the exit code that the application would end with."""
    # The application's own parser looks at all words up to a lone "--", also at those behind the script.
    own = words[: words.index("--")] if "--" in words else words
    if {"--help", "-h"} & set(own):
        print("Usage\n  Slicer [options]")
        return 0
    from application.start import start

    slicer = start()
    while words and words[0] in ("--no-splash", "--no-main-window"):
        words.pop(0)
    option, what, *arguments = words
    sys.argv = [what, *arguments]
    if option == "--python-code":
        exec(what, {"__name__": "__main__", "slicer": slicer})
    elif option == "--python-script":
        runpy.run_path(what, run_name="__main__")
    else:
        raise SystemExit(f"unknown option {option}")
    return slicer.app.exit_code or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
