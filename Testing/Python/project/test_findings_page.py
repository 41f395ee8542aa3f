"""The page of findings names every code that a result can have, with its severity, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from ParotidSegLib.doubting.kinds import KINDS

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = (REPOSITORY / "Documentation" / "Findings.md").read_text(encoding="utf-8")
GLANDS = REPOSITORY / "ParotidSeg" / "ParotidSegLib" / "glands"


def test_the_page_has_each_finding_of_the_code_with_its_severity():
    code = "\n".join(path.read_text(encoding="utf-8") for path in GLANDS.glob("*.py"))
    of_the_code = set(re.findall(r'Finding\(\s*"([a-z-]+)",\s*"(error|warning)"', code))
    of_the_page = set(re.findall(r"^\| `([a-z-]+)` \| (error|warning) \|", PAGE, re.MULTILINE))
    assert len(of_the_code) == code.count('Finding("') + len(re.findall(r"Finding\(\n", code)) > 10
    of_contours = {(kind.code, kind.severity) for kind in KINDS.values()}
    assert len(of_contours) == len(KINDS)
    assert of_the_page == of_the_code | of_contours


def test_nothing_is_left_to_fill_in():
    assert "@" not in PAGE
