"""A reference from a file, where Slicer has no reader for it or a person would rather not look for one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from slicer.i18n import tr as _

from ...errors import ImageError
from ...reading.contours.reader import read_contours
from ...structures import Structure
from ..scene.hierarchy import dicom_files, series_files
from ..scene.scene import new_segmentation, put_segments
from ..scene.voxels import index_to_ras, with_geometry


def load_reference(path: str | Path, volume_node: Any, structures: Sequence[Structure]) -> tuple[Any, tuple[str, ...]]:
    """Read the glands of a file into a new segmentation on the CT's voxels.

    Args:
        path: as of `read_contours`: RTSTRUCT, SEG, .seg.nrrd, a label map, or a folder.
        volume_node: the CT. If its DICOM files are known, contours of another patient are refused.
        structures: the glands.

    Returns:
        The segmentation node, and what was lost or is doubtful, a sentence each.

    Raises:
        DataError: as of `read_contours`.
        ImageError: there is no CT, or a transform bends it.
    """
    if volume_node is None or volume_node.GetImageData() is None:
        raise ImageError(_("Choose the CT above to which the contours belong."))
    shape = volume_node.GetImageData().GetDimensions()[::-1]
    grid = with_geometry(np.zeros(shape, np.uint8), index_to_ras(volume_node, world=True))
    scan = dicom_files(volume_node) or series_files(volume_node)
    contours = read_contours(path, grid, scan=scan or None, structures=structures)
    labels = sitk.GetArrayViewFromImage(contours.labels)
    present = [structure for structure in structures if (labels == structure.label).any()]
    node = new_segmentation(volume_node, _("Reference"))
    put_segments(node, contours.labels, volume_node, present, is_automatic=False)
    return node, contours.remarks
