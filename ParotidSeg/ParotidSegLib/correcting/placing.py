"""Label maps that hold a part of a scan's voxels, as 3D Slicer saves them, on the grid of the scan."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..errors import ImageError
from .checks import same_grid

#: A label map lies on the voxels of a scan if the centres of its own are not farther from theirs than this share.
_SHARE_OF_VOXEL = 0.05


def on_grid_of(image: sitk.Image, labels: sitk.Image, name: str) -> sitk.Image:
    """The label map on the grid of a scan, nothing where it does not reach; its axes may run in another order.

    Args:
        image: the scan; only its geometry is used.
        labels: on voxels of the scan, or a part of them.
        name: what to call it in a message.

    Raises:
        ImageError: it lies on other voxels, or something is drawn beyond the scan.
    """
    if same_grid(image, labels):
        return labels
    last = np.array(labels.GetSize()) - 1
    corners = [[int(end) * (bit >> axis & 1) for axis, end in enumerate(last)] for bit in range(8)]
    places = [
        image.TransformPhysicalPointToContinuousIndex(labels.TransformIndexToPhysicalPoint(corner))
        for corner in corners
    ]
    same_size = np.allclose(np.sort(labels.GetSpacing()), np.sort(image.GetSpacing()), rtol=1e-3)
    if not same_size or np.abs(places - np.rint(places)).max() > _SHARE_OF_VOXEL:
        raise ImageError(f"{name} does not lie on the voxels of the scan: export it on the grid of the CT.")
    placed = sitk.Resample(labels, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    if np.count_nonzero(sitk.GetArrayViewFromImage(placed)) != np.count_nonzero(sitk.GetArrayViewFromImage(labels)):
        raise ImageError(f"{name} reaches beyond the scan: give the CT that it was drawn on.")
    return placed
