"""Findings that a reviewer should see: what is unusual about a result, and where to look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..geometry.grids import Box
from ..structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID, Structure
from .anatomy import LARGEST_DISTANCE_MM, LARGEST_OFFSET_MM, SMALLEST_DISTANCE_MM, plausible_pair
from .cheek import look_beside
from .postprocessing import Contours

#: Limits outside which a reviewer should look: what parotid-ct 0.5.0 draws of 159 training patients of OpenKBP, and of
#: 19 of them after changes that did no harm, lies within, rounded outward (10.7 to 74.9 mL; -124 to 86 HU; larger to
#: smaller gland at most 1.68). They are no signs of an illness, and weak ones of harm.
VOLUME_ML = (10.0, 80.0)
MEAN_HU = (-130.0, 90.0)
LARGEST_VOLUME_RATIO = 1.7
LARGEST_DROPPED_SHARE = 0.15
#: Limits found on made failures, see Documentation/Findings.md and Testing/Benchmarks/finding_limits.py: the share of a
#: contour in uniform material below the air, if so many of its rows have some; the share of its largest cross-section
#: at the end of the scan, and of its rows that run to the end of the field at the side; the distance of the glands.
LARGEST_IN_MATERIAL, LEAST_MATERIAL_ROWS = 0.10, 0.25
LARGEST_CUT_SHARE = 0.40
LARGEST_AT_END = 0.40
USUAL_DISTANCE_MM = (96.0, 136.0)
#: Which way the skin lies from each gland, along x in LPS.
OUTWARD = {RIGHT_PAROTID: -1.0, LEFT_PAROTID: 1.0}


@dataclass(frozen=True)
class Finding:
    """Something to look at.

    Attributes:
        code: stable identifier, e.g. "gland-cut-by-scan".
        severity: "error" (the result is not usable as it is) or "warning" (look before use).
        message: one sentence.
        structure: key of the gland, or None for both.
        point: where to look, (x, y, z) in mm, LPS; None if there is no place.
    """

    code: str
    severity: str
    message: str
    structure: str | None = None
    point: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Measurement:
    """What was measured of a structure: volume in mL, mean HU, middle (x, y, z in mm, LPS)."""

    volume_ml: float
    mean_hu: float
    centroid: tuple[float, float, float]


def measure(
    contours: Contours, box: Box, image: sitk.Image, structures: Sequence[Structure] = PAROTIDS
) -> dict[str, Measurement]:
    """Measure each structure that was found, by its key."""
    hounsfield = sitk.GetArrayViewFromImage(image)[box.slices]
    voxel_ml = float(np.prod(image.GetSpacing())) / 1000.0
    measurements = {}
    for structure in structures:
        inside = contours.labels == structure.label
        if not inside.any():
            continue
        index = np.argwhere(inside)[:, ::-1].mean(axis=0) + np.array(box.index)
        measurements[structure.key] = Measurement(
            volume_ml=float(inside.sum()) * voxel_ml,
            mean_hu=float(hounsfield[inside].mean()),
            centroid=tuple(image.TransformContinuousIndexToPhysicalPoint(index.tolist())),
        )
    return measurements


def inspect(
    glands: Contours,
    box: Box,
    image: sitk.Image,
    measurements: Mapping[str, Measurement],
    *,
    cut_by_region: bool = False,
) -> list[Finding]:
    """All findings of a result for the parotid glands, errors first.

    Args:
        glands: the labels in a box of the scan.
        box: that box.
        image: the scan in HU.
        measurements: of `measure`.
        cut_by_region: whether a contour touches the border of the widest region that was tried.
    """
    findings = []
    for structure in PAROTIDS:
        measurement = measurements.get(structure.key)
        if measurement is None:
            findings.append(
                Finding("gland-missing", "error", f"The {structure.name.lower()} was not found.", structure.key)
            )
        else:
            findings += _inspect_gland(structure, measurement, glands, box, image)
    if len(measurements) == len(PAROTIDS):
        findings += _inspect_pair(measurements)
    if cut_by_region:
        text = "A contour reaches the border of the region that was looked at: part of it may be missing."
        findings.append(Finding("contour-cut-by-region", "warning", text))
    return sorted(findings, key=lambda finding: finding.severity != "error")


def _inspect_gland(
    structure: Structure, measurement: Measurement, glands: Contours, box: Box, image: sitk.Image
) -> list[Finding]:
    name, key, point = f"The {structure.name.lower()}", structure.key, measurement.centroid
    found = []
    mask = glands.labels == structure.label
    share, border = cut_share(mask, box, image)
    beside = look_beside(box.place(mask.astype(np.uint8), image), image, OUTWARD[structure])
    if share > LARGEST_CUT_SHARE or beside.at_end > LARGEST_AT_END:
        text = f"{name} reaches the end of the scan: part is missing."
        found.append(Finding("gland-cut-by-scan", "warning", text, key, border or point))
    if beside.in_material > LARGEST_IN_MATERIAL and beside.material >= LEAST_MATERIAL_ROWS:
        text = f"{name} was drawn into uniform material below the air, as bolus is: look at its outer side."
        found.append(Finding("material-on-skin", "warning", text, key, point))
    low, high = VOLUME_ML
    if not low <= measurement.volume_ml <= high:
        text = f"{name} has an unusual volume of {measurement.volume_ml:.1f} mL (usual: {low:.0f} to {high:.0f} mL)."
        found.append(Finding("volume-unusual", "warning", text, key, point))
    low, high = MEAN_HU
    if not low <= measurement.mean_hu <= high:
        text = f"{name} has an unusual mean of {measurement.mean_hu:.0f} HU (usual: {low:.0f} to {high:.0f} HU)."
        found.append(Finding("density-unusual", "warning", text, key, point))
    dropped = glands.dropped_ml[structure.label]
    if dropped > LARGEST_DROPPED_SHARE * measurement.volume_ml:
        text = f"{name} came in several pieces; {dropped:.1f} mL away from the main one were left out."
        found.append(Finding("pieces-dropped", "warning", text, key, point))
    return found


def _inspect_pair(measurements: Mapping[str, Measurement]) -> list[Finding]:
    right, left = measurements[RIGHT_PAROTID.key], measurements[LEFT_PAROTID.key]
    found = []
    if not plausible_pair(np.array(right.centroid), np.array(left.centroid)):
        how = _implausibility(*(np.array(left.centroid) - np.array(right.centroid)).tolist())
        found.append(Finding("sides-implausible", "error", f"The two glands lie implausibly: {how}."))
    else:
        distance = float(np.linalg.norm(np.subtract(left.centroid, right.centroid)))
        low, high = USUAL_DISTANCE_MM
        if not low <= distance <= high:
            text = (
                f"The glands lie {distance:.0f} mm apart (usual: {low:.0f} to {high:.0f} mm): a head of unusual size, "
                "or a scan with a wrong voxel size."
            )
            found.append(Finding("head-size-unusual", "warning", text))
    ratio = max(right.volume_ml, left.volume_ml) / min(right.volume_ml, left.volume_ml)
    if ratio > LARGEST_VOLUME_RATIO:
        volumes = f"{right.volume_ml:.1f} and {left.volume_ml:.1f} mL"
        text = f"The glands differ in volume by a factor of {ratio:.1f} ({volumes})."
        found.append(Finding("volumes-asymmetric", "warning", text))
    return found


def _implausibility(across: float, depth: float, height: float) -> str:
    """What is wrong with the way from the right gland to the left one (x, y, z in mm)."""
    if across < 0:
        return "on the wrong sides"
    if not SMALLEST_DISTANCE_MM <= across <= LARGEST_DISTANCE_MM:
        return f"{across:.0f} mm apart (usual: {SMALLEST_DISTANCE_MM:.0f} to {LARGEST_DISTANCE_MM:.0f} mm)"
    offset = max(abs(depth), abs(height))
    return f"displaced by {offset:.0f} mm in height or depth (at most {LARGEST_OFFSET_MM:.0f} mm)"


def cut_share(mask: np.ndarray, box: Box, image: sitk.Image) -> tuple[float, tuple[float, float, float] | None]:
    """How much of the mask the ends of the scan cut: the largest part of it that lies in an outermost plane.

    Returns:
        Its share of the mask's largest cross-section in this direction, and its middle; 0 and None without any.
    """
    largest, point = 0.0, None
    for axis in range(3):
        plane_axis = 2 - axis
        planes = np.moveaxis(mask, plane_axis, 0)
        for edge, outermost in (
            (0, box.index[axis] == 0),
            (-1, box.index[axis] + box.size[axis] == image.GetSize()[axis]),
        ):
            if not outermost or not planes[edge].any():
                continue
            share = np.count_nonzero(planes[edge]) / np.count_nonzero(planes, axis=(1, 2)).max()
            if share > largest:
                in_plane = list(np.argwhere(planes[edge]).mean(axis=0))
                in_plane.insert(plane_axis, 0 if edge == 0 else mask.shape[plane_axis] - 1)
                index = np.array(in_plane[::-1]) + np.array(box.index)
                largest, point = float(share), tuple(image.TransformContinuousIndexToPhysicalPoint(index.tolist()))
    return largest, point
