"""The command `parotidseg-train prepare` as tests call it, and what it leaves behind."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ParotidSegTrainingLib.cli import main


def prepare(*arguments: object) -> int:
    return main(["prepare", *map(str, arguments)])


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a call that has to fail says: one line, no traceback."""
    capsys.readouterr()
    assert prepare(*arguments) == 1
    text = capsys.readouterr().err
    assert text.startswith("parotidseg-train: ")
    assert text.count("\n") == 1
    assert "Traceback" not in text
    return text


def everything_in(folder: Path) -> dict[str, bytes]:
    """Content of all files, decompressed; times in gzip headers say nothing."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: gzip.decompress(raw) if name.endswith(".gz") else raw for name, raw in files.items()}
