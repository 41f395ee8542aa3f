"""A message is one line that can be printed anywhere, whatever it quotes."""

from __future__ import annotations

import pickle

import pytest

from ParotidSegLib.errors import DataError, ParotidSegError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("The region 'Ohrspeicheldrüse 頭' is there twice.", "The region 'Ohrspeicheldrüse 頭' is there twice."),
        ("a\nb\r\x1b[31m\x00", "a\\nb\\r\\x1b[31m\\x00"),
        ("a name in bytes \udcff", "a name in bytes \\udcff"),
    ],
)
def test_what_cannot_be_seen_is_spelt_out(text, shown):
    assert str(DataError(text)) == shown
    assert str(pickle.loads(pickle.dumps(DataError(text)))) == shown
    shown.encode("utf-8")


def test_it_may_be_empty_or_made_of_another_error():
    assert str(ParotidSegError()) == ""
    assert str(ParotidSegError(ValueError("x"))) == "x"
