"""Bring patients to one common shape: the alignment half of the average anatomy.

Every patient is aligned to the current average, first affinely and then with symmetric-forces demons (Vercauteren et
al., NeuroImage 45, 2009); the mean of all deformations is then inverted and applied to each, so that no patient's
shape is preferred (Guimond, Meunier and Thirion, Computer Vision and Image Understanding 77, 2000).

Template space: LPS, millimetres, origin half-way between the centroids of the two glands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

AIR_HU = -1024.0


@dataclass(frozen=True, kw_only=True)
class TemplateSettings:
    """Everything that shapes the template; lengths in millimetres, corners in template space (x, y, z).

    Attributes:
        lower, upper: opposite corners of the field that is averaged.
        margin: how far registration looks beyond that field.
        working_spacing, output_spacing: isotropic spacing of registration and of the result.
        affine_rounds, demons_rounds: how often everybody is aligned to a new average.
        demons_levels: (spacing, iterations) of each level of the first demons round; later rounds do only the last.
        demons_smoothing: standard deviation of the smoothing of the displacement, in voxels of the level.
        window: range in HU that registration sees.
        fewest_patients: voxels that fewer patients cover become air.
    """

    lower: tuple[float, float, float] = (-136.0, -128.0, -140.0)
    upper: tuple[float, float, float] = (136.0, 136.0, 92.0)
    margin: float = 16.0
    working_spacing: float = 4.0
    output_spacing: float = 2.0
    affine_rounds: int = 2
    demons_rounds: int = 3
    demons_levels: tuple[tuple[float, int], ...] = ((8.0, 30), (4.0, 15))
    demons_smoothing: float = 1.5
    window: tuple[float, float] = (-200.0, 300.0)
    fewest_patients: int = 30

    def grid(self, spacing: float, margin: float = 0.0) -> sitk.Image:
        """An empty image (float32) with this spacing over the field plus the margin."""
        lower = np.subtract(self.lower, margin)
        size = np.ceil((np.add(self.upper, margin) - lower) / spacing).astype(int)
        grid = sitk.Image([int(n) for n in size], sitk.sitkFloat32)
        grid.SetSpacing([spacing] * 3)
        grid.SetOrigin([float(corner) + spacing / 2 for corner in lower])
        return grid

    def working_grid(self) -> sitk.Image:
        """The grid on which deformations live."""
        return self.grid(self.working_spacing, self.margin)


@dataclass(frozen=True)
class Patient:
    """One patient, and the way from the template to the patient.

    Attributes:
        ct: float32, HU; its origin is such that the glands' midpoint lies at 0.
        labels: uint8, same grid.
        covered: uint8, same slices but wider; 1 in those that were really scanned.
        affine: maps template points to the patient's.
        displacement: float64 vectors on the working grid, applied before `affine`; None until the first demons round.
    """

    ct: sitk.Image
    labels: sitk.Image
    covered: sitk.Image
    affine: sitk.AffineTransform = field(default_factory=lambda: sitk.AffineTransform(3))
    displacement: sitk.Image | None = None

    def transform(self) -> sitk.Transform:
        """Maps template points to this patient's points."""
        if self.displacement is None:
            return self.affine
        return sitk.CompositeTransform([self.affine, as_transform(self.displacement)])  # the last one is applied first


def as_transform(displacement: sitk.Image) -> sitk.DisplacementFieldTransform:
    """A transform from a field of displacements, which stays usable (ITK empties the image it is handed)."""
    return sitk.DisplacementFieldTransform(sitk.Image(displacement))


def warp_ct(patient: Patient, grid: sitk.Image, interpolator: int = sitk.sitkLinear) -> NDArray[np.float32]:
    """The patient's CT on a grid in template space, (z, y, x) in HU; NaN where the patient was not scanned."""
    transform = patient.transform()
    array = sitk.GetArrayFromImage(sitk.Resample(patient.ct, grid, transform, interpolator, AIR_HU))
    covered = sitk.Cast(patient.covered, sitk.sitkFloat32)
    covered = sitk.Resample(covered, grid, transform, sitk.sitkLinear, 0.0)
    array[sitk.GetArrayViewFromImage(covered) < 0.99] = np.nan
    return array


def _without_gaps(average: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
    """The average with air instead of NaN, and a uint8 image that is 1 where it was a number."""
    array = sitk.GetArrayFromImage(average)
    known = sitk.GetImageFromArray(np.isfinite(array).astype(np.uint8))
    filled = sitk.GetImageFromArray(np.nan_to_num(array, nan=AIR_HU))
    for image in (known, filled):
        image.CopyInformation(average)
    return filled, known


def align_affinely(average: sitk.Image, patient: Patient, settings: TemplateSettings) -> sitk.AffineTransform:
    """The affine transform, from the patient's present one, that brings the patient's CT closest to the average."""
    fixed, known = _without_gaps(average)
    sigma = settings.working_spacing
    fixed = sitk.SmoothingRecursiveGaussian(sitk.Clamp(fixed, sitk.sitkFloat32, *settings.window), sigma)
    moving = sitk.SmoothingRecursiveGaussian(sitk.Clamp(patient.ct, sitk.sitkFloat32, *settings.window), sigma)
    result = sitk.AffineTransform(patient.affine)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    method.SetMetricFixedMask(sitk.Shrink(known, [2, 2, 2]))
    method.SetMetricMovingMask(patient.covered)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(4.0, 0.05, 60, relaxationFactor=0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(result, inPlace=True)
    method.Execute(sitk.Shrink(fixed, [2, 2, 2]), moving)
    return result


def align_with_demons(
    average: sitk.Image, patient: Patient, settings: TemplateSettings, levels: Sequence[tuple[float, int]]
) -> sitk.Image:
    """The displacement (float64 vectors, mm, working grid) that brings the affinely aligned patient to the average.

    Where the patient was not scanned, the average stands in, so that nothing pulls there. `levels` are (spacing,
    iterations), coarse to fine; they start from the patient's present displacement.
    """
    fixed, _ = _without_gaps(average)
    array = warp_ct(replace(patient, displacement=None), average)
    moving = sitk.GetImageFromArray(np.where(np.isnan(array), sitk.GetArrayViewFromImage(fixed), array))
    moving.CopyInformation(fixed)
    fixed, moving = (sitk.Clamp(image, sitk.sitkFloat32, *settings.window) for image in (fixed, moving))
    displacement = patient.displacement
    demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
    demons.SetStandardDeviations(settings.demons_smoothing)
    for spacing, iterations in levels:
        grid = settings.grid(spacing, settings.margin)
        demons.SetNumberOfIterations(iterations)
        pair = [_on_coarser_grid(image, grid) for image in (fixed, moving)]
        if displacement is None:
            displacement = demons.Execute(*pair)
        else:
            displacement = demons.Execute(*pair, _resample_field(displacement, grid))
    if displacement is None:
        raise ValueError("at least one level is needed")
    return _resample_field(displacement, settings.working_grid())


def _on_coarser_grid(image: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """`image` on `grid`, smoothed first if that is coarser."""
    if grid.GetSpacing()[0] > image.GetSpacing()[0]:
        image = sitk.SmoothingRecursiveGaussian(image, grid.GetSpacing()[0] / 2)
    return sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, AIR_HU)


def _resample_field(displacement: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """A displacement field on another grid; its border values go on outside."""
    return sitk.Resample(
        displacement,
        grid,
        sitk.Transform(),
        sitk.sitkLinear,
        0.0,
        sitk.sitkVectorFloat64,
        useNearestNeighborExtrapolator=True,
    )


def without_mean_affine(patients: Sequence[Patient]) -> list[Patient]:
    """The patients with affine transforms whose mean is the identity, so that the template takes on the mean shape."""
    mean = np.mean([_as_matrix(patient.affine) for patient in patients], axis=0)
    return [
        replace(patient, affine=_as_affine(_as_matrix(patient.affine) @ np.linalg.inv(mean))) for patient in patients
    ]


def _as_matrix(affine: sitk.AffineTransform) -> NDArray[np.float64]:
    """The 4 x 4 matrix of an affine transform whose centre is 0."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(affine.GetMatrix(), (3, 3))
    matrix[:3, 3] = affine.GetTranslation()
    return matrix


def _as_affine(matrix: NDArray[np.float64]) -> sitk.AffineTransform:
    """The affine transform with this 4 x 4 matrix."""
    return sitk.AffineTransform(matrix[:3, :3].ravel().tolist(), matrix[:3, 3].tolist())


def without_mean_displacement(patients: Sequence[Patient]) -> list[Patient]:
    """The patients with displacements from which their mean has been taken away, by composition with its inverse."""
    fields = [patient.displacement for patient in patients if patient.displacement is not None]
    if len(fields) != len(patients):
        raise ValueError("every patient needs a displacement")
    total = sum(sitk.GetArrayViewFromImage(each) for each in fields)
    mean = sitk.GetImageFromArray(total / len(fields), isVector=True)
    mean.CopyInformation(fields[0])
    inverse = as_transform(sitk.InvertDisplacementField(mean, maximumNumberOfIterations=20))
    return [
        replace(patient, displacement=_after(inverse, each)) for patient, each in zip(patients, fields, strict=True)
    ]


def _after(first: sitk.Transform, displacement: sitk.Image) -> sitk.Image:
    """The displacement field of `first` followed by `displacement`, on the grid of the latter."""
    both = sitk.CompositeTransform([as_transform(displacement), first])
    return sitk.TransformToDisplacementField(
        both, sitk.sitkVectorFloat64, displacement.GetSize(), displacement.GetOrigin(), displacement.GetSpacing()
    )
