"""The troubleshooting of the Slicer module quotes messages that the code really has, and the sizes that it states."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ParotidSegLib.in_slicer.installing.engine_packages import OPENVINO, PACKAGE_SETS, requirement_lines

REPOSITORY = Path(__file__).resolve().parents[3]
TEXT = (REPOSITORY / "Documentation" / "Slicer.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """A section of the page, up to the next one of its level."""
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def texts_of(path: Path) -> Iterator[str]:
    """All texts of a Python file; what a formatted one puts in becomes "…"."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"\{\w+\}", "…", node.value)
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)


MESSAGES = re.findall(
    r"\*([^*]+)\*", "\n".join(re.findall(r"^\| (\*.+?) \|", section("Troubleshooting by exact message"), re.M))
)


def test_there_are_messages():
    assert len(MESSAGES) > 20


@pytest.mark.parametrize("message", MESSAGES)
def test_a_quoted_message_is_one_of_the_code(message):
    texts = [text for path in (REPOSITORY / "ParotidSeg" / "ParotidSegLib").rglob("*.py") for text in texts_of(path)]
    parts = [part.strip() for part in message.split("…") if part.strip()]
    pattern = ".*".join(re.escape(part) for part in parts)
    assert any(re.search(pattern, text, re.DOTALL) for text in texts)


def test_the_sizes_are_those_that_the_panel_tells():
    for kind in PACKAGE_SETS.values():
        row = next(
            line for line in section("Installing the engine").splitlines() if line.startswith(f"| **{kind.title}**")
        )
        assert f" {kind.download_mb} MB | {kind.installed_mb} MB |" in row


def test_the_command_that_fills_a_folder_has_the_bounds_of_the_requirements():
    (command,) = re.findall(r"^python -m pip download .*$", section("Installing the engine"), re.MULTILINE)
    quoted = {frozenset(re.split("[<>=,]+", text)) for text in re.findall(r'"([^"]+)"', command)}
    assert quoted == {frozenset(re.split("[<>=,]+", line)) for line in requirement_lines(OPENVINO)}
