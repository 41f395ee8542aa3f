"""A stand-in for PythonSlicer, which is no Python but Slicer's launcher: it does what the launcher's sources say.

It puts its own folders before those of PYTHONPATH. It starts Python as a child in the same process group, with the same
pipes, and waits. A signal ends it at once, and not its child. The child's exit code is passed on; where a signal ended
the child, it says that this "exit abnormally" and ends with 1.
"""

from __future__ import annotations

import stat
import sys
from collections.abc import Sequence
from pathlib import Path

_PROGRAM = """#!{python} -ESs
import os, signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
real, folders = {real!r}, {folders!r}
if not os.path.exists(real):
    sys.stderr.write("error: Application does NOT exists [" + real + "]\\n")
    sys.exit(1)
if not os.access(real, os.X_OK):
    sys.stderr.write("error: Application is NOT executable [" + real + "]\\n")
    sys.exit(1)
inherited = os.environ.get("PYTHONPATH")
path = os.pathsep.join(folders + ([inherited] if inherited else []))
environment = dict(os.environ, PYTHONPATH=path) if path else None
code = subprocess.Popen([real] + sys.argv[1:], env=environment).wait()
if code < 0:
    sys.stderr.write("error: [" + real + "] exit abnormally - Report the problem.\\n")
    code = 1
sys.exit(code)
"""


def write_launcher(path: Path, *, folders: Sequence[Path] = (), python: str | Path = sys.executable) -> Path:
    """Write the launcher as an executable file; only on systems with signals.

    Args:
        path: where to, as a rule .../bin/PythonSlicer; folders are made for it.
        folders: those of the application's own packages, and of other extensions.
        python: the Python below it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = _PROGRAM.format(python=sys.executable, real=str(python), folders=[str(folder) for folder in folders])
    path.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
