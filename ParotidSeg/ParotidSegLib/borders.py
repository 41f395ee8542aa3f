"""Where two contours of one structure differ: signed distances by direction of the patient, in millimetres.

Every number says how far the candidate reaches beyond the reference; below zero it falls short of it.

- superior, inferior, medial, lateral, anterior, posterior: of the part of a surface that faces this way, the mean
  distance to the other surface: positive where the reference's surface lies within the candidate, or the candidate's
  outside the reference. An element of the surface counts with its area times the square of the cosine between its
  normal and the direction, so that it is shared out whole among the directions that it faces. As for the mean surface
  distance, both surfaces are asked, and the mean of the two is taken: exchanging the contours changes the sign and
  nothing else. Surfaces are those of `surfaces`: elements at the corners of voxels.
- top, bottom: how much farther up, or down, the outermost voxel of the candidate lies than that of the reference.

Medial is towards the middle of the body, as the structure's side says; one without a side has right and left instead.
Directions are those of the patient, whatever the order and the angle of the voxels' axes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import SimpleITK as sitk

from .metrics import require_same_grid
from .structures import PAROTIDS, Structure
from .surfaces import Floats, Mask, facing_surface, joint_bounding_box

#: Of a structure with a side, in the order of tables.
DIRECTIONS = ("superior", "inferior", "medial", "lateral", "anterior", "posterior")
ENDS = ("top", "bottom")
#: Patient axes (x, y, z; LPS) of what does not depend on the side.
_UP_AND_DOWN = {"superior": (0.0, 0.0, 1.0), "inferior": (0.0, 0.0, -1.0)}
_FRONT_AND_BACK = {"anterior": (0.0, -1.0, 0.0), "posterior": (0.0, 1.0, 0.0)}
_RIGHT, _LEFT = (-1.0, 0.0, 0.0), (1.0, 0.0, 0.0)


def directions_of(side: str) -> dict[str, tuple[float, float, float]]:
    """The six directions of a structure as unit vectors (x, y, z; LPS): `side` is "right", "left" or empty."""
    across = {
        "right": {"medial": _LEFT, "lateral": _RIGHT},
        "left": {"medial": _RIGHT, "lateral": _LEFT},
        "": {"right": _RIGHT, "left": _LEFT},
    }[side]
    return {**_UP_AND_DOWN, **across, **_FRONT_AND_BACK}


def compare_borders(
    reference: sitk.Image, candidate: sitk.Image, structures: Iterable[Structure] = PAROTIDS
) -> dict[str, dict[str, float]]:
    """Where two label maps differ: structure key -> direction or end -> mm, positive where the candidate goes beyond.

    A structure that one of them does not have gives NaN, and so does a direction that no part of a surface faces.

    Raises:
        DataError: the label maps are not three-dimensional, or not on the same grid.
    """
    require_same_grid(reference, candidate)
    truth, found = (sitk.GetArrayViewFromImage(image) for image in (reference, candidate))
    # Rows are the patient's axes (x, y, z), columns those of the arrays (z, y, x).
    to_patient = np.array(reference.GetDirection()).reshape(3, 3)[:, ::-1]
    spacing_zyx = np.array(reference.GetSpacing()[::-1])
    return {
        structure.key: _borders(
            truth == structure.label,
            found == structure.label,
            spacing_zyx,
            to_patient,
            directions_of(structure.side),
        )
        for structure in structures
    }


def _borders(
    reference: Mask,
    candidate: Mask,
    spacing_zyx: Floats,
    to_patient: Floats,
    directions: Mapping[str, tuple[float, float, float]],
) -> dict[str, float]:
    if not reference.any() or not candidate.any():
        return dict.fromkeys((*directions, *ENDS), math.nan)
    box = joint_bounding_box(reference, candidate)
    reference, candidate = reference[box], candidate[box]
    axes = np.array(list(directions.values())) @ to_patient
    there = _by_direction(*facing_surface(reference, candidate, spacing_zyx), axes)
    back = _by_direction(*facing_surface(candidate, reference, spacing_zyx), axes)
    values = dict(zip(directions, ((there - back) / 2.0).tolist(), strict=True))
    heights = [np.argwhere(mask) * spacing_zyx @ to_patient[2] for mask in (reference, candidate)]
    top = heights[1].max() - heights[0].max()
    bottom = heights[0].min() - heights[1].min()
    return {**values, "top": float(top), "bottom": float(bottom)}


def _by_direction(beyond: Floats, areas: Floats, normals: Floats, axes: Floats) -> Floats:
    """The mean of `beyond` over the elements that face each of the axes (n, 3; z, y, x); NaN where none does."""
    weights = np.maximum(normals @ axes.T, 0.0) ** 2 * areas[:, np.newaxis]
    with np.errstate(invalid="ignore"):
        return np.asarray(beyond @ weights / weights.sum(axis=0))
