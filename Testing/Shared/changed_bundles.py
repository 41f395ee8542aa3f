"""Copies of a bundle with something changed: what a damaged, foreign or malicious one may look like."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def copy_of(bundle: Path, folder: Path) -> Path:
    """A copy in this folder."""
    return Path(shutil.copytree(bundle, folder / bundle.name))


def edit(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the data of bundle.json in place."""
    data = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    change(data)
    (bundle / "bundle.json").write_text(json.dumps(data), encoding="utf-8")


def list_file(bundle: Path, name: str, **stated: object) -> None:
    """Enter a file of the bundle with its true hash and size (or those stated), as its maker would."""
    path = bundle / name
    entry: dict[str, object] = {"sha256": "0" * 64, "bytes": 1}
    if path.is_file():
        content = path.read_bytes()
        entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    edit(bundle, lambda data: data["files"].update({name: {**entry, **stated}}))


def zip_of(bundle: Path, path: Path) -> Path:
    """A zip of the bundle's files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(bundle.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(bundle).as_posix())
    return path
