"""Tiny packages for a pip that must not reach for the network."""

from __future__ import annotations

import base64
import hashlib
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from ParotidSegLib.in_slicer.installing.engine_packages import ROOT_VARIABLE


def write_wheel(
    folder: Path, name: str, version: str, *, code: str = "", needs: Sequence[str] = (), tag: str = "py3-none-any"
) -> Path:
    """Write a wheel that holds one package of one file.

    Args:
        code: content of that file.
        needs: its requirements.
        tag: for which Python and machine it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    module, stem = name.replace("-", "_"), f"{name.replace('-', '_')}-{version}"
    metadata = [
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}",
        *(f"Requires-Dist: {need}" for need in needs),
    ]
    files = {
        f"{module}/__init__.py": code,
        f"{stem}.dist-info/METADATA": "\n".join(metadata) + "\n",
        f"{stem}.dist-info/WHEEL": f"Wheel-Version: 1.0\nGenerator: made\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = [f"{file},sha256={_digest(text)},{len(text.encode())}" for file, text in files.items()]
    files[f"{stem}.dist-info/RECORD"] = "\n".join([*record, f"{stem}.dist-info/RECORD,,"]) + "\n"
    path = folder / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return path


def keep_packages_in(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let packages go into this folder; pip knows no index, no folder and no constraints of this machine."""
    monkeypatch.setenv(ROOT_VARIABLE, str(root))
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return root


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
