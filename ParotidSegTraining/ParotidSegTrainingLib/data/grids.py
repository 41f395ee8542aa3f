"""Do two images lie on one grid?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

#: Grids are the same if they agree to this: NIfTI keeps them in single precision only (mm, mm, cosines).
_TOLERANCES = {"origin": 1e-2, "spacing": 1e-4, "direction": 1e-4}


def grid_difference(image: sitk.Image, other: sitk.Image) -> str:
    """What differs between two grids, as words and numbers; empty if they are the same."""
    if image.GetSize() != other.GetSize():
        return f"size {_numbers(image.GetSize())} and {_numbers(other.GetSize())}"
    for what, tolerance in _TOLERANCES.items():
        one, two = (getattr(each, f"Get{what.title()}")() for each in (image, other))
        if not np.allclose(one, two, rtol=0.0, atol=tolerance):
            return f"{what} {_numbers(one)} and {_numbers(two)}"
    return ""


def _numbers(values: Sequence[float]) -> str:
    return " x ".join(f"{value:.6g}" for value in values)
