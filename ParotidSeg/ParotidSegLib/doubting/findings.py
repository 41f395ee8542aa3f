"""Findings about a contour of any origin: a colleague's, another product's, last week's, or our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from ..glands.quality import Finding
from ..measuring.metrics import require_same_grid
from ..structures import PAROTIDS
from .disagreement import disagreement
from .drawn import Drawn, Scan
from .judgement import shipped_judgement
from .kinds import KINDS
from .places import doubtful_places, place_to_look
from .shape import shape_measures
from .tissue import tissue_measures

#: A gland whose middle lies so far beyond the middle of the head is on the wrong side, mm.
ACROSS_MM = 15.0
#: Smaller holes are slips of the pen, mL.
LEAST_HOLE_ML = 0.3
#: What is counted -> what it is judged as, which need not be said twice.
_EXPLAINS = {"slices missing": "slices uneven", "holes": "part missing"}


@dataclass(frozen=True)
class Doubt:
    """What is doubtful about contours.

    Attributes:
        findings: errors first; `point` says where in the gland the doubt lies.
        overlay: uint8 percent on the grid of the label map: how doubtful each place of the contours is, and each place
            that they may lack; from 50 on it counts as marked. 0 elsewhere.
        scores: of each gland that was drawn, by its key: log-odds of an error as learned from made ones, less the limit
            from which on it is a finding. It ranks contours; it is no probability for any one hospital.
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
        automatic: what `segment` drew, on the same grid: it changes nothing of what is found, but says which way a
            contour is wrong, and where. Leave it out to judge that itself.

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
    places, scores = np.zeros(scan.hounsfield.shape, np.float32), {}
    for structure in PAROTIDS:
        if not masks[structure.key].any():
            text = f"The {structure.name.lower()} was not drawn."
            findings.append(Finding("gland-missing", "error", text, structure.key))
            continue
        gland = Drawn.of(scan, structure, masks, theirs)
        measures = measures_of(gland)
        kinds, scores[structure.key] = kinds_of_errors(measures)
        here = gland.as_scan(doubtful_places(gland, kinds[0] if kinds else None))
        places = np.maximum(places, here)
        said = {**measures, **disagreement(gland)}
        findings += [_finding(kind, said, gland, here, scan) for kind in kinds]
    overlay = scan.on_grid_of(np.rint(100.0 * places).astype(np.uint8), labels)
    return Doubt(sorted(findings, key=lambda finding: finding.severity != "error"), overlay, scores)


def measures_of(gland: Drawn) -> dict[str, float]:
    """Of the contour and of the scan around it; NaN where unknown.

    How it differs from an automatic contour is not among them: on patients whom the model had not seen, that told right
    from wrong no better (Documentation/Findings.md). It tells where, and which way.
    """
    return {**shape_measures(gland), **tissue_measures(gland)}


def kinds_of_errors(measures: Mapping[str, float]) -> tuple[list[str], float]:
    """What errors a contour has by its measures, the main one first, and by how much its score exceeds the limit."""
    verdict = shipped_judgement().of(measures)
    score = verdict.score - verdict.limit
    counted = counted_errors(measures)
    if "wrong side" in counted or not verdict.is_doubtful:
        return counted, score
    if verdict.kind == "stray pieces":  # the slices between the gland and a piece are not missing
        return [verdict.kind], score
    explained = {_EXPLAINS.get(kind) for kind in counted}
    return [*([verdict.kind] if verdict.kind not in explained else []), *counted], score


def counted_errors(measures: Mapping[str, float]) -> list[str]:
    """Errors that need no judgement: the other side of the head, slices without a contour, holes."""
    if measures["to_the_side"] < -ACROSS_MM:
        return ["wrong side"]
    empty, holes = measures["empty_slices"] > 0.0, measures["holes"] > LEAST_HOLE_ML
    return ["slices missing"] * empty + ["holes"] * holes


def _finding(kind: str, measures: Mapping[str, float], gland: Drawn, places: np.ndarray, scan: Scan) -> Finding:
    spoken = KINDS[kind]
    place = place_to_look(places, scan.spacing)
    if place is None:  # the doubt is about the whole: its middle, as it was drawn
        place = place_to_look(gland.as_scan(gland.mask).astype(np.float32), scan.spacing)
    assert place is not None
    text = f"The {gland.structure.name.lower()} {spoken.says(measures)}."
    return Finding(spoken.code, spoken.severity, text, gland.structure.key, scan.point(place))
