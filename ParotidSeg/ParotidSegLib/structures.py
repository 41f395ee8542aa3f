"""Structures: label value, names, SNOMED CT codes and colour; and the two that this project is for, the parotid glands.

Right and left are the patient's. The right gland is label 1 because the source method weighs its classes in the order
background, right, left. A bundle for something else brings structures of its own, as data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class CodedConcept:
    """A code of a terminology: scheme, value and meaning, as DICOM writes it."""

    scheme: str
    value: str
    meaning: str

    def __post_init__(self) -> None:
        for text in (self.scheme, self.value, self.meaning):
            _check_text("code", text, "\\^~|")  # what DICOM and Slicer separate codes with


def _check_text(what: str, text: str, separators: str = "\\") -> None:
    """Refuse a text that a terminal or a header (DICOM: 64 characters) would take for something else."""
    if not (0 < len(text) <= 64 and text.isprintable()) or set(text) & set(separators):
        raise ValueError(f"{what} must be 1 to 64 printable characters without {separators}, not {text!r}")


RIGHT, LEFT = CodedConcept("SCT", "24028007", "Right"), CodedConcept("SCT", "7771000", "Left")


@dataclass(frozen=True)
class Structure:
    """One structure to segment.

    Attributes:
        label: value in a label map.
        key: short identifier that is stable between versions (names of segments, keys in reports; AAPM TG-263 name).
        name: what a person reads.
        category, type: SNOMED CT codes.
        colour: red, green and blue, 0..255.
        side: "right" or "left", the patient's; empty if it has none.
        laterality: SNOMED CT code of the side; None if it has none.
    """

    label: int
    key: str
    name: str
    category: CodedConcept
    type: CodedConcept
    colour: tuple[int, int, int]
    side: str = ""
    laterality: CodedConcept | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.label <= 255:
            raise ValueError(f"label must lie between 1 and 255, not {self.label}")
        _check_text("key", self.key)
        _check_text("name", self.name)
        if not all(0 <= channel <= 255 for channel in self.colour):
            raise ValueError("colour must lie between 0 and 255")
        if self.laterality != {"": None, "right": RIGHT, "left": LEFT}.get(self.side, self.side):
            raise ValueError("side must be 'right' or 'left' with the laterality of that side, or empty without one")


def check_structures(structures: Sequence[Structure]) -> None:
    """Refuse a list of structures that no network could give.

    Raises:
        ValueError: there is none, their labels are not 1, 2, 3 … in order, or two have one key.
    """
    if [structure.label for structure in structures] != list(range(1, len(structures) + 1)) or not structures:
        raise ValueError("structures must have the labels 1, 2, 3 and so on, in order")
    if len({structure.key for structure in structures}) != len(structures):
        raise ValueError("structures must have keys of their own")


def partner_of(structure: Structure, structures: Sequence[Structure]) -> Structure | None:
    """The same structure on the other side; None if it has no side or the other is not among them."""
    for other in structures:
        if structure.side and other.side and other.side != structure.side and other.type == structure.type:
            return other
    return None


def partners(structures: Sequence[Structure]) -> list[tuple[Structure, Structure]]:
    """The (right, left) pairs of one and the same structure; what has no side, or one side alone, is in none."""
    pairs = [(structure, partner_of(structure, structures)) for structure in structures if structure.side == "right"]
    return [(right, left) for right, left in pairs if left is not None]


def mirrored_labels(structures: Sequence[Structure]) -> tuple[int, ...]:
    """The label that each label becomes in a mirror image, background first: (0, 2, 1) for the parotid glands.

    Raises:
        ValueError: a structure of one side has no partner, so that its mirror image has no label.
    """
    labels = [0]
    for structure in structures:
        partner = partner_of(structure, structures)
        if structure.side and partner is None:
            raise ValueError(f"structures lack the other side of '{structure.key}', which a mirror image needs")
        labels.append(partner.label if partner else structure.label)
    return tuple(labels)


#: Values of SNOMED-RT, which DICOM used until 2019, by those of SNOMED CT.
_OLDER = {"T-61100": "45289007", "G-A100": RIGHT.value, "G-A101": LEFT.value}


def has_code(structure: Structure, kind: str, side: str) -> bool:
    """Whether code values are those of the type and the side of a structure; `side` is "" where none is coded."""
    own = structure.laterality.value if structure.laterality else ""
    return (_OLDER.get(kind, kind), _OLDER.get(side, side)) == (structure.type.value, own)


ANATOMICAL_STRUCTURE = CodedConcept("SCT", "123037004", "Anatomical Structure")
PAROTID_GLAND = CodedConcept("SCT", "45289007", "Parotid gland")

RIGHT_PAROTID = Structure(
    label=1,
    key="Parotid_R",
    name="Right parotid gland",
    category=ANATOMICAL_STRUCTURE,
    type=PAROTID_GLAND,
    colour=(230, 159, 0),
    side="right",
    laterality=RIGHT,
)
LEFT_PAROTID = Structure(
    label=2,
    key="Parotid_L",
    name="Left parotid gland",
    category=ANATOMICAL_STRUCTURE,
    type=PAROTID_GLAND,
    colour=(86, 180, 233),
    side="left",
    laterality=LEFT,
)

#: Both glands, in label order; their colours are of Okabe and Ito's palette: told apart with any colour vision.
PAROTIDS: tuple[Structure, ...] = (RIGHT_PAROTID, LEFT_PAROTID)


def by_label(label: int) -> Structure:
    """The structure with this label value; KeyError if there is none."""
    return {structure.label: structure for structure in PAROTIDS}[label]
