"""Findings about a contour of any origin: a colleague's, another product's, last week's, or our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from ..glands.quality import Finding
from ..measuring.metrics import require_same_grid
from ..structures import PAROTIDS
from .drawn import Drawn, Scan
from .rules import broken_rules


@dataclass(frozen=True)
class Doubt:
    """What is doubtful about contours.

    Attributes:
        findings: errors first; `point` says where in the gland the doubt lies.
        scores: of each gland that was drawn, by its key: how likely its contour has an error, 0 to 1, as the judgement
            learned it on made errors. It ranks contours; it is no probability for any one hospital.
        overlay: uint8 percent on the grid of the label map: how doubtful each place of the contours is, and each place
            that they may lack. 0 elsewhere.
    """

    findings: list[Finding]
    overlay: sitk.Image
    scores: Mapping[str, float] = field(default_factory=dict)


def contour_findings(image: sitk.Image, labels: sitk.Image, automatic: sitk.Image | None = None) -> list[Finding]:
    """What a reviewer should see of these contours, errors first: `doubt` without the places.

    Args:
        image: the CT in HU.
        labels: the contours on its grid, uint8; 1 right, 2 left parotid (the patient's sides), other labels are passed
            over.
        automatic: what `segment` drew, on the same grid; with it more is found. Leave it out to judge that itself.

    Raises:
        DataError: the three are not three-dimensional, or not on one grid.
    """
    return doubt(image, labels, automatic).findings


def doubt(image: sitk.Image, labels: sitk.Image, automatic: sitk.Image | None = None) -> Doubt:
    """Look for errors of contours, whoever drew them; arguments and errors of `contour_findings`."""
    for other in (labels, automatic):
        if other is not None:
            require_same_grid(image, other)
    scan = Scan.about(image, labels, *([automatic] if automatic is not None else []))
    masks = scan.label_arrays(labels)
    theirs = scan.label_arrays(automatic) if automatic is not None else None
    findings: list[Finding] = []
    for structure in PAROTIDS:
        if not masks[structure.key].any():
            text = f"The {structure.name.lower()} was not drawn."
            findings.append(Finding("gland-missing", "error", text, structure.key))
            continue
        gland = Drawn.of(scan, structure, masks, theirs)
        findings += broken_rules(gland, scan)
    overlay = sitk.GetImageFromArray(np.zeros(labels.GetSize()[::-1], np.uint8))
    overlay.CopyInformation(labels)
    return Doubt(sorted(findings, key=lambda finding: finding.severity != "error"), overlay)
