"""Lists of structures as JSON: what a short entry means, and that what is written is read back."""

from __future__ import annotations

import json

import pytest
from sentences import refusal

from ParotidSegLib.errors import DataError
from ParotidSegLib.structures import LEFT, PAROTIDS, RIGHT, mirrored_labels
from ParotidSegTrainingLib.data.structure_lists import FILE, read_structures, structures_from_data, write_structures
from ParotidSegTrainingLib.recipe import load


def test_a_short_entry_is_completed_from_its_key():
    liver, right, left = structures_from_data([{"key": "Liver"}, {"key": "Kidney_R"}, {"key": "Kidney_L"}], "It")
    assert (liver.label, liver.name, liver.side, liver.laterality) == (1, "Liver", "", None)
    assert (right.label, right.name, right.side, right.laterality) == (2, "Kidney R", "right", RIGHT)
    assert (left.side, left.laterality, left.type) == ("left", LEFT, right.type)
    assert len({liver.colour, right.colour, left.colour}) == 3
    assert mirrored_labels([liver, right, left]) == (0, 1, 3, 2)


def test_what_is_stated_counts():
    (one,) = structures_from_data([{"key": "Lobe_L", "name": "Lingula", "side": "", "colour": [1, 2, 3]}], "It")
    assert (one.name, one.side, one.colour) == ("Lingula", "", (1, 2, 3))


@pytest.mark.parametrize("name", ["abdomen-unet2d", "parotid-ct"])
def test_what_is_written_is_read_back(name, tmp_path):
    structures = load(name).structures
    write_structures(structures, tmp_path)
    assert (tmp_path / FILE).exists() == (structures != PAROTIDS)
    assert read_structures(tmp_path) == structures


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "must have 'structures'"),
        ([], "must have 'structures'"),
        (["Liver"], "which number 1 lacks"),
        ([{"key": "Liver", "color": [0, 0, 0]}], "unknown field 'color'"),
        ([{"key": "a b"}], "letters, digits"),
        ([{"key": "A", "side": "middle"}], "side 'right', 'left' or ''"),
        ([{"key": "A", "label": "1"}], "whole number"),
        ([{"key": "A", "label": True}], "whole number"),
        ([{"key": "A", "label": 2}], "1, 2, 3 and so on"),
        ([{"key": "A"}, {"key": "A"}], "a key of its own"),
        ([{"key": "A", "name": " "}], "a text as its name"),
        ([{"key": "A", "colour": [0, 0, 256]}], "from 0 to 255"),
        ([{"key": "A", "type": {"scheme": "SCT"}}], "scheme, value, meaning"),
        ([{"key": "A", "label": 300}], "between 1 and 255"),
        ([{"key": "A", "name": "a\nb"}], "printable"),
        ([{"key": "A", "type": {"scheme": "SCT", "value": "", "meaning": "A"}}], "printable"),
    ],
)
def test_impossible_lists_are_refused(data, said, tmp_path):
    assert said in refusal(DataError, structures_from_data, data, "It")
    (tmp_path / FILE).write_text(json.dumps(data), encoding="utf-8")
    assert said in refusal(DataError, read_structures, tmp_path)
