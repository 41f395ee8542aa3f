"""The file that a worker's Python runs: it puts folders of packages in front, then runs a module as `python -m` does.

PythonSlicer is Slicer's launcher: it puts the folders of Slicer's own packages, and of whatever other extensions have
installed, before those of PYTHONPATH. Only within Python can others come first, so they are handed over in a variable
of their own. Standard library only, and it imports nothing of this package: that is not in reach yet.

    PAROTIDSEG_FOLDERS=… PythonSlicer start.py MODULE [ARGUMENT ...]
"""

from __future__ import annotations

import os
import runpy
import sys

#: The variable of the environment that holds the folders, the first one first.
FOLDERS = "PAROTIDSEG_FOLDERS"


def folders_in_front() -> None:
    """Put the folders before all others, in place of the one of this file, which Python has put there by itself."""
    own = os.path.dirname(os.path.realpath(__file__))
    wanted = [folder for folder in os.environ.get(FOLDERS, "").split(os.pathsep) if folder]
    sys.path[:] = wanted + [folder for folder in sys.path if os.path.realpath(folder) != own]


if __name__ == "__main__":
    folders_in_front()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
