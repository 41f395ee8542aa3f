"""JSON that nobody has checked yet: whatever is wrong with it is one kind of error."""

from __future__ import annotations

import json

import pytest

from ParotidSegLib.files.json_text import parse_json


def test_sound_json_is_read():
    assert parse_json('{"a": [1, null]}') == {"a": [1, None]}
    assert parse_json(b"[1]") == [1]
    assert parse_json('{"a": 1, "a": 2}', object_pairs_hook=list) == [("a", 1), ("a", 2)]


@pytest.mark.parametrize("text", ["[" * 5000 + "]" * 5000, '{"a":' * 5000 + "}" * 5000, "[" * 5000])
def test_brackets_nested_a_thousand_deep_are_a_fault_of_the_text(text):
    with pytest.raises(json.JSONDecodeError):
        parse_json(text)


@pytest.mark.parametrize("text", ["", "{", b"\xff", "9" * 5000])
def test_anything_else_is_a_value_error(text):
    with pytest.raises(ValueError):
        parse_json(text)
