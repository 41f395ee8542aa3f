"""What a structure may be called: its texts go to terminals and into headers, and bundles bring them along."""

from __future__ import annotations

import dataclasses

import pytest

from ParotidSegLib.structures import PAROTIDS, RIGHT_PAROTID, CodedConcept

BAD_TEXTS = pytest.mark.parametrize("text", ["", "a\nb", "\033[2J", "a\\b", "x" * 65])


@BAD_TEXTS
@pytest.mark.parametrize("field", ["key", "name"])
def test_a_name_that_could_confuse_a_terminal_or_a_header_is_refused(field, text):
    with pytest.raises(ValueError, match=field):
        dataclasses.replace(RIGHT_PAROTID, **{field: text})


@BAD_TEXTS
@pytest.mark.parametrize("field", ["scheme", "value", "meaning"])
def test_so_is_such_a_code(field, text):
    with pytest.raises(ValueError, match="code"):
        dataclasses.replace(RIGHT_PAROTID.type, **{field: text})


@pytest.mark.parametrize("separator", "^~|")
def test_a_code_holds_none_of_the_signs_that_separate_codes_in_a_header_of_slicer(separator):
    with pytest.raises(ValueError, match="code"):
        CodedConcept("SCT", "1", f"Left{separator}Right")


def test_names_in_any_script_are_taken():
    assert dataclasses.replace(RIGHT_PAROTID, name="Rechte Ohrspeicheldrüse (右)").key == PAROTIDS[0].key
