"""Contours as fields that can be added and interpolated: signed distances to the contour, mm, positive inside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

#: Distances are cut off here: what lies deeper inside or farther outside than this says nothing about the contour, and
#: would outweigh what does.
REACH_MM = 8.0
#: Expected distances are uncertain by about this much: this deep inside, the odds of a voxel to be inside are e. The
#: correcting network learns with it, so that its distances tell how likely each voxel is (`suggestion`).
BLUR_MM = 1.5
#: Millimetres that a unit of the model's log odds stands for, and the least distance of a voxel from its contour.
MM_PER_LOG_ODDS = 2.0
_LEAST_MM = 0.01


def signed_distances(mask: np.ndarray, spacing_zyx: Sequence[float]) -> np.ndarray:
    """Distance to the surface of a mask, half-way between the centres of inner and outer voxels.

    Args:
        mask: boolean (z, y, x).
        spacing_zyx: mm.

    Returns:
        float32 (z, y, x), mm, positive inside, at most `REACH_MM` either way; `-REACH_MM` everywhere of an empty mask.
    """
    if not mask.any() or mask.all():
        return np.full(mask.shape, REACH_MM if mask.any() else -REACH_MM, np.float32)
    # ITK measures from the outermost voxels of the object; the mean with the other way round is half-way. Its arguments
    # make the inside positive, and distances not squared and in mm.
    maps = []
    for side in (mask, ~mask):
        image = sitk.GetImageFromArray(side.astype(np.uint8))
        image.SetSpacing([float(edge) for edge in reversed(spacing_zyx)])
        maps.append(sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(image, True, False, True)))
    return np.clip((maps[0] - maps[1]) / 2.0, -REACH_MM, REACH_MM).astype(np.float32)


def distances_in_slices(masks: np.ndarray, spacing_zyx: Sequence[float]) -> np.ndarray:
    """The same for slices (n, y, x) that know nothing of each other: distances within the plane."""
    return signed_distances(masks, (100.0 * REACH_MM, *spacing_zyx[1:]))


def model_distances(automatic: np.ndarray, uncertainty: np.ndarray) -> np.ndarray:
    """What the model's uncertainty says of the distance to its contour, mm, positive inside.

    Args:
        automatic: boolean (z, y, x), its contour.
        uncertainty: percent (z, y, x), as `postprocessing.indecision` gives it.

    Returns:
        float32 (z, y, x): the log odds of the likelier side, `MM_PER_LOG_ODDS` each, at most `REACH_MM`.
    """
    odds = _log_odds()[np.minimum(uncertainty, 100)]
    size = np.clip(MM_PER_LOG_ODDS * odds, _LEAST_MM, REACH_MM)
    return np.where(automatic, size, -size).astype(np.float32)


def prior_distances(automatic: np.ndarray, geometric: np.ndarray, modelled: np.ndarray | None) -> np.ndarray:
    """The field that corrections change: geometry and, where there is one, the model's opinion, half each.

    Its sign is that of the automatic contour everywhere, so that no correction means no change.
    """
    both = geometric if modelled is None else (geometric + modelled) / 2.0
    return np.where(automatic, np.maximum(both, _LEAST_MM), np.minimum(both, -_LEAST_MM)).astype(np.float32)


def _log_odds() -> np.ndarray:
    """|log odds| by percent of indecision (101), between the gland and the background; the other gland is far away."""
    likelier = np.linspace(0.5, 1.0 - 1e-5, 20_001)
    entropy = -(likelier * np.log(likelier) + (1.0 - likelier) * np.log1p(-likelier)) / np.log(3.0)
    wanted = np.interp(np.arange(101) / 100.0, entropy[::-1], likelier[::-1])
    return np.log(wanted / (1.0 - wanted))
