"""The table of features names fields, losses, networks and tests that exist."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from ParotidSegLib.model.networks import REGISTRY as NETWORKS
from ParotidSegTrainingLib import recipe as recipes
from ParotidSegTrainingLib.losses import REGISTRY as LOSSES

ROOT = Path(__file__).parents[3]
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split("|")]
    for line in (ROOT / "Documentation" / "Methods.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and "recipe field" not in line
]
TESTS = {
    name
    for path in (ROOT / "Testing").rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
}
FIELDS = {field.name: field.type for field in dataclasses.fields(recipes.Recipe)}


def test_each_of_the_four_systems_has_its_table():
    assert len(ROWS) > 35
    assert {len(row) for row in ROWS} == {3}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_a_row_names_tests_and_fields_that_exist(row):
    _, fields, tests = row
    named = re.findall(r"`(\w+)`", tests)
    assert named
    assert set(named) <= TESTS, set(named) - TESTS
    plain = recipes.load("parotid-ct")
    for dotted in re.findall(r"`([a-z_.]+)`", fields):
        first, _, last = dotted.partition(".")
        if first in FIELDS:
            assert not last or hasattr(getattr(plain, first), last), dotted
    for what, known in (("network", NETWORKS), ("loss", LOSSES)):
        for listed in re.findall(rf"`{what}` = ([\w, ]+)", fields):
            assert {name.strip() for name in listed.split(",") if name.strip()} <= set(known), listed
