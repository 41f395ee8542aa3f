"""The page on reliability promises only what a test of this repository holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = (REPOSITORY / "Documentation" / "Reliability.md").read_text(encoding="utf-8")
PROMISES = PAGE.partition("## How far")[0]
ROWS = [line for line in PROMISES.splitlines() if line.startswith("| ") and not line.startswith("| what we promise")]
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)(?:::(test_\w+))?`", PAGE)))


def test_every_row_names_a_test_and_says_how_far_it_was_tried():
    assert len(ROWS) > 20
    for row in ROWS:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 3, row
        assert all(cells), row
        assert "`test_" in cells[1] or "/test_" in cells[1], row


@pytest.mark.parametrize(("file", "test"), NAMED, ids=lambda value: value or "whole")
def test_a_test_that_is_named_exists(file, test):
    path = next((p for p in (REPOSITORY / "Testing" / "Python" / file, REPOSITORY / file) if p.is_file()), None)
    assert path is not None, file
    assert not test or re.search(rf"^def {test}\(", path.read_text(encoding="utf-8"), re.MULTILINE), test
