"""What a person draws in slices of the glands of a made scan, in the real scene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import slicer
import slicer.util
from made_corrections import Scan, array_of, made_scan

from ParotidSegLib.in_slicer.logic import volume_of
from ParotidSegLib.in_slicer.scene import scene
from ParotidSegLib.structures import RIGHT_PAROTID

RIGHT, LEFT = "Parotid_R", "Parotid_L"


def add_case(add_volume: Any, name: str = "CT", scan: Scan | None = None) -> Any:
    """A CT in the scene, and its glands as if a model had drawn them; returns the segmentation."""
    scan = scan or made_scan()
    volume = add_volume(scan.image, name)
    node = scene.new_segmentation(volume, f"{name} glands")
    scene.put_segments(node, scan.automatic, volume)
    return node


@pytest.fixture
def node(add_volume: Any) -> Any:
    """A scan of the scene with contours that a model drew."""
    return add_case(add_volume)


def voxels(node: Any, key: str) -> np.ndarray:
    """A segment on the CT's voxels (z, y, x), of bools."""
    return slicer.util.arrayFromSegmentBinaryLabelmap(node, key, volume_of(node)) != 0


def draw(node: Any, key: str, mask: np.ndarray) -> None:
    """Give a segment these voxels, by the call in which Slicer's effects end."""
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), node, key, volume_of(node))


def correct(node: Any, key: str, slices: Sequence[int], scan: Scan | None = None) -> np.ndarray:
    """Draw a gland in axial slices as the user of the made scan wants it; returns the whole gland then."""
    mask = voxels(node, key)
    wanted = array_of((scan or made_scan()).wanted) == (1 if key == RIGHT_PAROTID.key else 2)
    mask[list(slices)] = wanted[list(slices)]
    draw(node, key, mask)
    return mask


def overlap(node: Any, key: str, scan: Scan | None = None) -> float:
    """Dice with what the user of the made scan wants."""
    mask, wanted = voxels(node, key), array_of((scan or made_scan()).wanted) == (1 if key == RIGHT_PAROTID.key else 2)
    return float(2.0 * np.count_nonzero(mask & wanted) / (np.count_nonzero(mask) + np.count_nonzero(wanted)))
