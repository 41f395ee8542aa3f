"""The two ends of a scan along the body: where they are, and how the scan goes on there.

A network that meets air right above a gland takes it for the gland's own end and stops short. Continued by its own
last slice for a few millimetres, the scan ends like one that was cut.
"""

from __future__ import annotations

import math

import numpy as np
import SimpleITK as sitk


def axis_along_body(image: sitk.Image) -> int:
    """The image axis (0, 1, 2 for x, y, z) that runs nearest to the patient's long axis."""
    return int(np.argmax(np.abs(np.reshape(image.GetDirection(), (3, 3))[2])))


def filled_slices(image: sitk.Image, empty_below: float) -> tuple[int, int] | None:
    """The first and the last slice along the body that holds anything: some programs pad a scan with empty ones.

    Args:
        image: scalar image.
        empty_below: a slice without a value above this is empty.

    Returns:
        Their numbers; None if all are empty.
    """
    axis = axis_along_body(image)
    others = tuple(2 - other for other in range(3) if other != axis)
    filled = np.flatnonzero(sitk.GetArrayViewFromImage(image).max(axis=others) > empty_below)
    return (int(filled[0]), int(filled[-1])) if filled.size else None


def end_points(image: sitk.Image, empty_below: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Middles (x, y, z in mm) of the first and the last slice that is not empty; see `filled_slices`."""
    filled = filled_slices(image, empty_below)
    if filled is None:
        return None
    axis, places = axis_along_body(image), []
    for number in filled:
        place = [(n - 1) / 2.0 for n in image.GetSize()]
        place[axis] = float(number)
        places.append(np.array(image.TransformContinuousIndexToPhysicalPoint(place)))
    return places[0], places[1]


def continued(image: sitk.Image, ends: tuple[np.ndarray, np.ndarray], length: float) -> sitk.Image:
    """The slices between two points, and the outermost ones again and again for `length` mm beyond each.

    Args:
        image: a scan, or a label map of one on a grid of its own with the same axis along the body.
        ends: points (x, y, z in mm) within the first and the last slice that stays, in any order.
        length: how far the image goes on beyond, in mm.

    Returns:
        The image on more slices, or on fewer; the image itself where no slice lies between the points.
    """
    axis = axis_along_body(image)
    at = sorted(image.TransformPhysicalPointToContinuousIndex(end.tolist())[axis] for end in ends)
    first, last = max(math.ceil(at[0] - 0.5), 0), min(math.floor(at[1] + 0.5), image.GetSize()[axis] - 1)
    if last < first:
        return image
    start, size, more = [0, 0, 0], list(image.GetSize()), [0, 0, 0]
    start[axis], size[axis], more[axis] = first, last - first + 1, math.ceil(length / image.GetSpacing()[axis])
    return sitk.ZeroFluxNeumannPad(sitk.RegionOfInterest(image, size, start), more, more)
