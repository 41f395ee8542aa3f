"""A contour and the scan around it on one grid in the patient's axes: what every measure of doubt looks at.

Slices stay those of the scan as a rule, since people draw slice by slice; in the plane all scans are alike. The left
gland is seen mirrored, so that "towards the middle of the head" is the same way for both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..geometry.sampling import AIR_HU, smooth_for
from ..geometry.surfaces import joint_bounding_box
from ..glands.body import body_mask, skin_distance
from ..structures import PAROTIDS, Structure

#: In the plane, mm, and the distances of slices that are taken as they are; others are brought to the middle value.
IN_PLANE_MM, SLICES_MM, SLICE_MM = 2.5, (2.0, 5.0), 2.5
#: Point spread that all scans are brought to, mm (z, y, x).
RESOLUTION_MM = (3.0, 4.0, 4.0)
#: So much of the scan is kept above and below the contours, mm.
ABOVE_AND_BELOW_MM = 40.0


@dataclass(frozen=True)
class Scan:
    """A scan about its contours, (z, y, x) with x from the patient's right to the left and z upwards.

    Attributes:
        hounsfield: float32 HU.
        skin: distance from the skin in mm, negative in the body.
        body: bool, the patient.
        geometry: an image on these voxels.
    """

    hounsfield: np.ndarray
    skin: np.ndarray
    body: np.ndarray
    geometry: sitk.Image

    @classmethod
    def about(cls, image: sitk.Image, *label_maps: sitk.Image, reach_mm: float = ABOVE_AND_BELOW_MM) -> Scan:
        """Look at the scan so far above and below all these contours."""
        scan = sitk.DICOMOrient(image, "LPS")
        heights = np.concatenate([_slices_of(labels) for labels in label_maps] or [np.zeros(0)])
        last = scan.GetSize()[2] - 1
        first, end = 0, last
        if heights.size:
            extra = round(reach_mm / scan.GetSpacing()[2])
            first, end = max(0, int(heights.min()) - extra), min(last, int(heights.max()) + extra)
        geometry = _working_geometry(scan[:, :, first : end + 1])
        spacing = geometry.GetSpacing()[::-1]
        dull = smooth_for(scan[:, :, first : end + 1], spacing, RESOLUTION_MM)
        hounsfield = sitk.GetArrayFromImage(
            sitk.Resample(dull, geometry, sitk.Transform(), sitk.sitkLinear, AIR_HU, sitk.sitkFloat32)
        )
        body = body_mask(hounsfield)
        return cls(hounsfield, skin_distance(body, spacing), body, geometry)

    @property
    def spacing(self) -> np.ndarray:
        """mm, (z, y, x)."""
        return np.array(self.geometry.GetSpacing()[::-1])

    def label_arrays(self, labels: sitk.Image) -> dict[str, np.ndarray]:
        """The glands of a label map on these voxels, bool, by key."""
        oriented = sitk.DICOMOrient(labels, "LPS")
        masks = {}
        for structure in PAROTIDS:
            share = sitk.Cast(oriented == structure.label, sitk.sitkFloat32)
            there = sitk.Resample(share, self.geometry, sitk.Transform(), sitk.sitkLinear, 0.0)
            masks[structure.key] = sitk.GetArrayFromImage(there) > 0.5
        return masks

    def point(self, place: np.ndarray) -> tuple[float, float, float]:
        """Patient coordinates (x, y, z in mm, LPS) of an index (z, y, x)."""
        x, y, z = self.geometry.TransformContinuousIndexToPhysicalPoint([float(i) for i in place[::-1]])
        return x, y, z


@dataclass(frozen=True)
class Drawn:
    """One gland as it was drawn, with all else on the same voxels (z, y, x), x running towards the middle of the head.

    Attributes:
        structure: which gland the label says it is.
        mask: the contour, not empty.
        other: the contour of the other gland; empty if there is none.
        automatic, automatic_other: what the model drew of the two; None if nobody asked it.
        hounsfield, skin, body: of the scan.
        spacing: mm, (z, y, x).
    """

    structure: Structure
    mask: np.ndarray
    other: np.ndarray
    automatic: np.ndarray | None
    automatic_other: np.ndarray | None
    hounsfield: np.ndarray
    skin: np.ndarray
    body: np.ndarray
    spacing: np.ndarray

    @classmethod
    def of(
        cls,
        scan: Scan,
        structure: Structure,
        masks: dict[str, np.ndarray],
        automatic: dict[str, np.ndarray] | None = None,
    ) -> Drawn:
        """The gland of this name, and the other one, in a scan."""
        partner = next(other for other in PAROTIDS if other != structure)
        step = -1 if structure.side == "left" else 1

        def seen(array: np.ndarray) -> np.ndarray:
            return array[..., ::step]

        return cls(
            structure,
            seen(masks[structure.key]),
            seen(masks[partner.key]),
            seen(automatic[structure.key]) if automatic else None,
            seen(automatic[partner.key]) if automatic else None,
            seen(scan.hounsfield),
            seen(scan.skin),
            seen(scan.body),
            scan.spacing,
        )

    @property
    def middle(self) -> np.ndarray:
        """Middle of the contour, mm from the first voxel (z, y, x)."""
        return middle_of(self.mask, self.spacing)


def middle_of(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Middle of a mask, mm from the first voxel (z, y, x); NaN of an empty one."""
    box = joint_bounding_box(mask, mask)
    index = np.argwhere(mask[box])
    if not len(index):
        return np.full(3, np.nan)
    return np.asarray((index.mean(axis=0) + [part.start for part in box]) * spacing)


def _working_geometry(scan: sitk.Image) -> sitk.Image:
    """The voxels to work on, in the directions of the scan, over all of it."""
    old, size = np.array(scan.GetSpacing()), np.array(scan.GetSize())
    keeps_slices = SLICES_MM[0] <= old[2] <= SLICES_MM[1]
    new = np.array([IN_PLANE_MM, IN_PLANE_MM, old[2] if keeps_slices else SLICE_MM])
    count = np.maximum(np.ceil(size * old / new - 1e-6), 1).astype(int)
    first = (size - 1) / 2.0 - (count - 1) / 2.0 * new / old
    geometry = sitk.Image([int(n) for n in count], sitk.sitkUInt8)
    geometry.SetSpacing(new.tolist())
    geometry.SetDirection(scan.GetDirection())
    geometry.SetOrigin(scan.TransformContinuousIndexToPhysicalPoint(first.tolist()))
    return geometry


def _slices_of(labels: sitk.Image) -> np.ndarray:
    """Numbers of the slices, from below, that hold a contour."""
    array = sitk.GetArrayViewFromImage(sitk.DICOMOrient(labels, "LPS"))
    return np.flatnonzero((array > 0).any(axis=(1, 2)))
