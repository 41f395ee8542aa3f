"""review(): contours of any origin, A, alone or beside others, B. A difference is A − B: positive where A is more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from ..dose.figures import GlandDose, dose_figures
from ..dose.reading import Dose
from ..doubting.findings import contour_findings
from ..errors import DataError
from ..glands.quality import Finding
from ..measuring.borders import compare_borders
from ..measuring.differing_slices import DifferingSlice, differing_slices
from ..measuring.metrics import StructureScores, compare_images, require_same_grid, volume_ml
from ..measuring.path_length import AddedPath, compare_paths
from ..measuring.sides import swapped_sides
from ..structures import PAROTIDS

#: So many slices in which A and B differ most are named and shown, for each gland.
SLICES = 3


@dataclass(frozen=True)
class ReviewedContours:
    """Contours of both glands, as they are to be reviewed.

    Attributes:
        name: what a reader calls them; never a path, which may name a patient.
        labels: uint8 on the grid of the CT; 1 right, 2 left parotid (the patient's sides).
        remarks: what was lost or changed as they were read, sentences.
        model: bundle, version and hash of the model that drew them; empty if it was none.
        findings: of `segment`, if a model drew them.
    """

    name: str
    labels: sitk.Image
    remarks: Sequence[str] = ()
    model: Mapping[str, str] = field(default_factory=dict)
    findings: Sequence[Finding] = ()

    @property
    def is_automatic(self) -> bool:
        """Whether a model drew them and no person has corrected them."""
        return bool(self.model)


@dataclass(frozen=True)
class Side:
    """A or B.

    Attributes:
        letter: "A" or "B".
        contours: whose.
        volumes_ml: by the key of the gland; 0 for one that was not drawn.
        findings: what a reviewer should see of them, errors first.
        doses: what each gland receives, by its key; empty without a dose.
    """

    letter: str
    contours: ReviewedContours
    volumes_ml: Mapping[str, float]
    findings: Sequence[Finding]
    doses: Mapping[str, GlandDose] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """How A and B differ about one gland.

    Attributes:
        scores: overlap and surface distances, B in the place of the reference.
        borders: direction or end -> mm that A reaches beyond B (`measuring.borders`).
        path_to_a, path_to_b: what has to be drawn anew for A if one begins with B, and for B if one begins with A.
        slices: in which they differ most, the first one most.
    """

    scores: StructureScores
    borders: Mapping[str, float]
    path_to_a: AddedPath
    path_to_b: AddedPath
    slices: Sequence[DifferingSlice]


@dataclass(frozen=True)
class Review:
    """What was found.

    Attributes:
        sides: A, or A and B.
        comparisons: by the key of the gland; empty if A is alone.
        dose_remarks: what is doubtful about the dose, sentences.
        are_swapped: whether right and left are exchanged between A and B.
    """

    sides: Sequence[Side]
    comparisons: Mapping[str, Comparison]
    dose_remarks: Sequence[str] = ()
    are_swapped: bool = False

    @property
    def letters(self) -> str:
        """ "A", or "A and B"."""
        return " and ".join(side.letter for side in self.sides)

    @property
    def has_dose(self) -> bool:
        """Whether it says what the glands receive."""
        return any(side.doses for side in self.sides)


def review(
    image: sitk.Image,
    a: ReviewedContours,
    b: ReviewedContours | None = None,
    *,
    dose: Dose | None = None,
    progress: Callable[[float, str], None] = lambda fraction, message: None,
) -> Review:
    """Look at contours, and compare them with others.

    Args:
        image: the CT in HU.
        a: the contours under review, on its grid.
        b: those that they are compared with, on its grid; None to look at A alone.
        dose: of the plan, on its own grid; None to leave the dose out.
        progress: called with a fraction of 1 and what is being done.

    Raises:
        DataError: contours hold neither gland or do not lie on the grid of the CT, or the dose does not cover a gland.
    """
    given = [("A", a)] if b is None else [("A", a), ("B", b)]
    for letter, contours in given:
        require_same_grid(image, contours.labels)
        if not any(_volumes(contours.labels).values()):
            raise DataError(f"{letter} ({contours.name}) holds neither parotid gland: choose other contours.")
    sides = []
    for place, (letter, contours) in enumerate(given):
        progress(0.3 * place, f"Looking at the contours {letter}")
        others = next((other for _, other in given if other is not contours and other.is_automatic), None)
        findings = _findings(image, contours, others)
        doses = dose_figures(dose, contours.labels) if dose else {}
        sides.append(Side(letter, contours, _volumes(contours.labels), findings, doses))
    remarks = dose.remarks if dose else ()
    if b is None:
        return Review(sides, {}, remarks)
    progress(0.6, "Comparing A and B")
    return Review(sides, _compared(a.labels, b.labels), remarks, swapped_sides(b.labels, a.labels))


def _findings(image: sitk.Image, contours: ReviewedContours, others: ReviewedContours | None) -> list[Finding]:
    """Of the contours as such, and what the model said as it drew them; errors first."""
    # The model's contours are judged by themselves: against those of another model they would be judged by its errors.
    automatic = others.labels if others is not None and not contours.is_automatic else None
    found = contour_findings(image, contours.labels, automatic)
    known = {(finding.code, finding.structure) for finding in found}
    found += [finding for finding in contours.findings if (finding.code, finding.structure) not in known]
    return sorted(found, key=lambda finding: finding.severity != "error")


def _volumes(labels: sitk.Image) -> dict[str, float]:
    array = sitk.GetArrayViewFromImage(labels)
    spacing = labels.GetSpacing()
    return {structure.key: volume_ml(np.equal(array, structure.label), spacing) for structure in PAROTIDS}


def _compared(a: sitk.Image, b: sitk.Image) -> dict[str, Comparison]:
    scores, borders = compare_images(b, a, PAROTIDS), compare_borders(b, a, PAROTIDS)
    to_a, to_b = compare_paths(b, a, PAROTIDS), compare_paths(a, b, PAROTIDS)
    return {
        structure.key: Comparison(
            scores[structure.key],
            borders[structure.key],
            to_a[structure.key],
            to_b[structure.key],
            differing_slices(a, b, structure, most=SLICES),
        )
        for structure in PAROTIDS
    }
