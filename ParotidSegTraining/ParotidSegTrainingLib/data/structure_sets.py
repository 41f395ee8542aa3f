"""What the tables and checks of an evaluation ask of a set of structures."""

from __future__ import annotations

from ParotidSegLib.structures import PAROTID_GLAND, Structure


def title_of(structure: Structure) -> str:
    """What tells a structure from the others in a table: its name, for a parotid gland its side."""
    return structure.side if structure.type == PAROTID_GLAND else structure.name


def in_sentence(structure: Structure) -> str:
    """The name as it stands within a sentence: "right parotid gland", but "GTV"."""
    name = structure.name
    return name if name[1:2].isupper() else name[:1].lower() + name[1:]
