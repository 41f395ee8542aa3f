"""The two structures: label value, names, SNOMED CT codes and colour of the right and the left parotid gland.

Right and left are the patient's. Right is label 1 because the source method weighs its classes in the order
background, right, left.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CodedConcept:
    """A code of a terminology: scheme, value and meaning, as DICOM writes it."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Structure:
    """One structure to segment.

    Attributes:
        label: value in a label map.
        key: short identifier that is stable between versions (names of segments, keys in reports; AAPM TG-263 name).
        name: what a person reads.
        side: "right" or "left", the patient's.
        category, type, laterality: SNOMED CT codes.
        colour: red, green and blue, 0..255 (Okabe and Ito's palette: told apart with any colour vision).
    """

    label: int
    key: str
    name: str
    side: str
    category: CodedConcept
    type: CodedConcept
    laterality: CodedConcept
    colour: tuple[int, int, int]


ANATOMICAL_STRUCTURE = CodedConcept("SCT", "123037004", "Anatomical Structure")
PAROTID_GLAND = CodedConcept("SCT", "45289007", "Parotid gland")

RIGHT_PAROTID = Structure(
    label=1,
    key="Parotid_R",
    name="Right parotid gland",
    side="right",
    category=ANATOMICAL_STRUCTURE,
    type=PAROTID_GLAND,
    laterality=CodedConcept("SCT", "24028007", "Right"),
    colour=(230, 159, 0),
)
LEFT_PAROTID = Structure(
    label=2,
    key="Parotid_L",
    name="Left parotid gland",
    side="left",
    category=ANATOMICAL_STRUCTURE,
    type=PAROTID_GLAND,
    laterality=CodedConcept("SCT", "7771000", "Left"),
    colour=(86, 180, 233),
)

#: Both glands, in label order.
PAROTIDS: tuple[Structure, ...] = (RIGHT_PAROTID, LEFT_PAROTID)


def by_label(label: int) -> Structure:
    """The structure with this label value; KeyError if there is none."""
    return {structure.label: structure for structure in PAROTIDS}[label]
