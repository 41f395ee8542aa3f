"""Where names of sides and places in the body contradict each other: said, never corrected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.reading.ct_checks import AIR_BELOW
from ParotidSegLib.structures import PAROTID_GLAND, Structure

from ..data.case_findings import swapped_pairs

#: Every so manyth voxel says well enough where the middle of the body is.
_STRIDE = 3
#: A gland so far beyond the middle lies on the other side, in mm; heads are turned, but not by more.
_BEYOND_MM = 15.0


def side_remarks(labels: sitk.Image, image: sitk.Image | None, structures: Sequence[Structure]) -> list[str]:
    """A sentence on each pair that is swapped, and on each lone gland on the other side of the body.

    Args:
        labels: label map of the structures.
        image: the CT in HU on its grid; None if there is none, and nothing can be said of lone glands.
        structures: what the labels mean.
    """
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.ComputePerimeterOff()
    shapes.Execute(labels)
    centroids = {s.key: shapes.GetCentroid(s.label) for s in structures if shapes.HasLabel(s.label)}
    remarks = [
        f"{right.key} lies {distance:.0f} mm to the left of {left.key}: the sides seem to be swapped."
        for right, left, distance in swapped_pairs(centroids, structures)
    ]
    glands = [s for s in structures if s.type == PAROTID_GLAND and s.key in centroids]
    if image is not None and len(glands) == 1:
        remarks += _of_lone_gland(glands[0], centroids[glands[0].key], image)
    return remarks


def _of_lone_gland(gland: Structure, centroid: Sequence[float], image: sitk.Image) -> list[str]:
    body = np.argwhere(sitk.GetArrayViewFromImage(image)[::_STRIDE, ::_STRIDE, ::_STRIDE] >= AIR_BELOW)[:, ::-1]
    index_to_mm = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    points = body * _STRIDE @ index_to_mm.T + np.array(image.GetOrigin())
    level = points[np.abs(points[:, 2] - centroid[2]) <= _STRIDE * max(image.GetSpacing()), 0]
    if not level.size:
        return []
    beyond = centroid[0] - float(level.min() + level.max()) / 2.0  # towards the patient's left
    if gland.side == "left":
        beyond = -beyond
    if beyond <= _BEYOND_MM:
        return []
    other = {"right": "left", "left": "right"}[gland.side]
    return [f"{gland.key} lies {beyond:.0f} mm to the {other} of the middle of the body: is its side right?"]
