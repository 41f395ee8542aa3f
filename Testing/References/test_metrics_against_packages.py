"""The metrics agree with the packages that share their definitions: surface-distance and SimpleITK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ParotidSegLib.geometry.surfaces import surface_distances
from ParotidSegLib.measuring.metrics import NSD_TOLERANCES, StructureScores, compare_masks

surface_distance = pytest.importorskip("surface_distance", reason="surface-distance is not installed")

# surface-distance 0.1 uses names of SciPy that are deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Please import .* from the `scipy.ndimage` namespace:DeprecationWarning")

SPACINGS = [(1.0, 1.0, 1.0), (2.5, 0.9765625, 0.9765625), (3.0, 1.1, 0.7), (0.6, 1.3, 2.9)]
GLANDS = [
    (case, gland)
    for case in ("0522c0014", "0522c0519", "0522c0576", "0522c0727a", "0522c0727b", "TCGA-CV-5977", "TCGA-CV-5978")
    for gland in ("Parotid-Rt", "Parotid-Lt")
]


def assert_surface_metrics_agree(a: np.ndarray, b: np.ndarray, spacing: tuple[float, ...]) -> StructureScores:
    scores = compare_masks(a, b, spacing)
    theirs = surface_distance.compute_surface_distances(a, b, spacing)
    assert scores.hd95 == pytest.approx(surface_distance.compute_robust_hausdorff(theirs, 95), abs=1e-6)
    directed = surface_distance.compute_average_surface_distance(theirs)
    assert scores.msd == pytest.approx(np.mean(directed), abs=1e-6)
    expected = {mm: surface_distance.compute_surface_dice_at_tolerance(theirs, mm) for mm in NSD_TOLERANCES}
    assert scores.nsd == pytest.approx(expected, abs=1e-6)
    return scores


def assert_overlap_agrees_with_simpleitk(a: np.ndarray, b: np.ndarray, scores: StructureScores) -> None:
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*(sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (a, b)))
    assert scores.dice == pytest.approx(overlap.GetDiceCoefficient(1), abs=1e-6)
    assert scores.iou == pytest.approx(overlap.GetJaccardCoefficient(1), abs=1e-6)


@pytest.mark.parametrize("spacing", SPACINGS[::3])
def test_the_area_of_every_neighbourhood_agrees_with_surface_distance(spacing: tuple[float, ...]) -> None:
    for code in range(1, 256):
        mask = np.array([code >> bit & 1 for bit in range(8)], dtype=bool).reshape(2, 2, 2)
        theirs = surface_distance.compute_surface_distances(mask, mask, spacing)["surfel_areas_gt"]
        ours = surface_distances(mask, mask, spacing).reference_areas
        np.testing.assert_allclose(np.sort(ours), np.sort(theirs), atol=1e-9, err_msg=f"neighbourhood {code}")


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.8])
def test_random_masks_agree(share: float, spacing: tuple[float, ...]) -> None:
    generator = np.random.default_rng(5)
    a, b = (generator.random((10, 12, 14)) < share for _ in range(2))
    assert_overlap_agrees_with_simpleitk(a, b, assert_surface_metrics_agree(a, b, spacing))


@pytest.mark.parametrize("spacing", SPACINGS)
def test_smooth_random_shapes_agree(spacing: tuple[float, ...]) -> None:
    generator = np.random.default_rng(6)
    noise = [sitk.GetImageFromArray(generator.normal(size=(20, 30, 30))) for _ in range(2)]
    a, b = (sitk.GetArrayFromImage(sitk.DiscreteGaussian(image, 4.0)) > 0.02 for image in noise)
    assert_overlap_agrees_with_simpleitk(a, b, assert_surface_metrics_agree(a, b, spacing))


@pytest.mark.data
@pytest.mark.parametrize(("case", "gland"), GLANDS)
def test_two_readers_of_the_same_scan_agree(data_root: Path, case: str, gland: str) -> None:
    folder = data_root / "two_readers"
    images = [
        sitk.ReadImage(str(folder / reader / case / f"{gland}.nrrd")) for reader in ("oncologist", "radiographer")
    ]
    readers = [sitk.GetArrayViewFromImage(image) > 0 for image in images]
    filled = np.flatnonzero(readers[0].any(axis=(1, 2)) | readers[1].any(axis=(1, 2)))
    # Beyond these slices, of up to 437, there is nothing to compare.
    a, b = (reader[filled[0] : filled[-1] + 1] for reader in readers)
    scores = assert_surface_metrics_agree(a, b, images[0].GetSpacing()[::-1])
    assert_overlap_agrees_with_simpleitk(a, b, scores)
    assert 0.7 < scores.dice < 0.95
