"""Errors that need no judgement: a gland on the other side, slices without a contour, holes, pieces."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..glands.quality import Finding
from ..structures import PAROTIDS
from .drawn import Drawn, Scan, middle_of
from .shape import shape_measures
from .tissue import tissue_measures

#: A gland whose middle lies so far on the other side of the head is on the wrong side, mm.
ACROSS_MM = 15.0
LEAST_HOLE_ML, LEAST_PIECE_ML = 0.3, 0.3


def broken_rules(gland: Drawn, scan: Scan) -> list[Finding]:
    """Findings about one gland."""
    name, key = f"The {gland.structure.name.lower()}", gland.structure.key
    shape, tissue = shape_measures(gland), tissue_measures(gland)
    found = []
    if tissue["to_the_side"] < -ACROSS_MM:
        side = next(structure.side for structure in PAROTIDS if structure != gland.structure)
        text = f"{name} was drawn on the patient's {side}: the sides are exchanged, or the label is wrong."
        found.append(Finding("contour-on-wrong-side", "error", text, key, _point(gland, gland.mask, scan)))
    if shape["empty_slices"]:
        filled = np.flatnonzero(gland.mask.any(axis=(1, 2)))
        before = int(filled[np.diff(filled).argmax()])
        text = f"{name} lacks a contour in {shape['empty_slices']:.0f} slices between others."
        place = _point(gland, gland.mask[before : before + 1], scan, before + 1)
        found.append(Finding("contour-slices-missing", "warning", text, key, place))
    if shape["holes"] > LEAST_HOLE_ML:
        filled_mask = np.stack([_filled(plane) for plane in gland.mask])
        text = f"{name} has holes of {shape['holes']:.1f} mL within its contours."
        place = _point(gland, filled_mask & ~gland.mask, scan)
        found.append(Finding("contour-has-holes", "warning", text, key, place))
    return found


def _filled(plane: np.ndarray) -> np.ndarray:
    image = sitk.GetImageFromArray(plane.astype(np.uint8))
    return sitk.GetArrayFromImage(sitk.BinaryFillhole(image)) > 0


def _point(gland: Drawn, mask: np.ndarray, scan: Scan, slice_number: int = 0) -> tuple[float, float, float]:
    """The middle of a mask in the patient; `slice_number`: of its first slice."""
    place = middle_of(mask, np.ones(3)) + [slice_number, 0, 0]
    if gland.structure.side == "left":
        place[2] = mask.shape[2] - 1 - place[2]
    return scan.point(place)
