"""What would make an installation fail, found before a byte is fetched: each problem one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from ..worker.process_tree import start_options
from .engine_packages import PackageSet, lacks_line

OLDEST_PYTHON, NEWEST_PYTHON = (3, 10), (3, 13)
#: Left over on the disk after the installation.
SPARE_MB = 200
CONNECT_SECONDS = 5.0
PUBLIC_INDEX = "https://pypi.org/simple/"


def platform_problems(kind: PackageSet) -> list[str]:
    """Whether the packages exist for this Python and machine."""
    problems = []
    if sys.maxsize < 2**32:
        problems.append(f"{kind.title} needs a 64-bit system: use another computer.")
    version = sys.version_info[:2]
    if not OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        ours, low, high = (".".join(map(str, v)) for v in (version, OLDEST_PYTHON, NEWEST_PYTHON))
        problems.append(
            f"{kind.title} is made for Python {low} to {high}, and this Slicer has {ours}: use another Slicer version."
        )
    if lacks_line(kind.name):
        problems.append(f"{kind.title} does not exist for this kind of computer: choose OpenVINO, which does.")
    return problems


def pip_problems(python: str | Path) -> list[str]:
    """Whether the Python that will run pip is there and has pip."""
    try:
        answer = subprocess.run(
            [str(python), "-m", "pip", "--version"],
            capture_output=True,
            timeout=60,
            check=False,
            cwd=Path(python).parent,
            **start_options(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ["The Python of Slicer cannot be started: install Slicer again."]
    return [] if answer.returncode == 0 else ["The Python of Slicer has no pip: install Slicer again."]


def disk_problems(kind: PackageSet, root: Path) -> list[str]:
    """Whether the packages fit onto the disk and may be written there."""
    # Not Path.exists, which raises where a folder above may not be read. Of a drive that is not there nothing exists.
    place = next((folder for folder in (root, *root.absolute().parents) if os.path.exists(folder)), None)
    if place is None or not place.is_dir() or not os.access(place, os.W_OK):
        return [not_writable(root)]
    needed = kind.download_mb + kind.installed_mb + SPARE_MB
    free = shutil.disk_usage(place).free // 10**6
    if free < needed:
        return [f"{kind.title} needs {needed} MB on the disk of {root}, and {free} MB are free: make room there."]
    return []


def not_writable(root: Path) -> str:
    """The packages cannot be put where they belong."""
    return (
        f"The packages cannot be written into {root}: set the variable PAROTIDSEG_PACKAGES to a folder where you may "
        "write."
    )


def wheels_problems(wheels: Path) -> list[str]:
    """Whether a folder holds packages at all."""
    if not wheels.is_dir():
        return [f"There is no folder {wheels}: choose the one with the packages (files that end with .whl)."]
    if not any(wheels.glob("*.whl")):
        return [f"The folder {wheels} holds no packages (files that end with .whl): choose the one that does."]
    return []


def connection_problems(
    python: str | Path, *, open_url: Callable[..., object] | None = None, configuration: str | None = None
) -> list[str]:
    """Whether the place that pip fetches from answers; takes up to some seconds.

    Where pip was told of a proxy, or to look into folders only, it knows better than this check, which says nothing.

    Args:
        python: whose pip is asked for its settings.
        open_url: as `urllib.request.urlopen`.
        configuration: what `pip config list` prints, if it was already asked.
    """
    settings = _pip_settings(python) if configuration is None else configuration
    values = dict(line.split("=", 1) for line in settings.splitlines() if "=" in line)
    named = {key.rpartition(".")[2].replace("_", "-"): value.strip("'\"") for key, value in values.items()}
    if "proxy" in named or "no-index" in named:
        return []
    index = named.get("index-url", PUBLIC_INDEX)
    if not index.startswith(("http://", "https://")):
        return []
    try:
        (open_url or urllib.request.urlopen)(urllib.request.Request(index, method="HEAD"), timeout=CONNECT_SECONDS)
    except urllib.error.HTTPError:
        return []  # it answered
    except (OSError, ValueError):
        host = index.split("/")[2].rpartition("@")[2]
        return [
            f"{host} does not answer: check the connection and the proxy, or install from a folder of packages that "
            "was filled on another computer."
        ]
    return []


def _pip_settings(python: str | Path) -> str:
    command = [str(python), "-m", "pip", "config", "list"]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True, errors="replace", **start_options()
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
