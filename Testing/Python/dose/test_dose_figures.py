"""Doses of bodies of which the truth is known: spheres, cylinders and boxes in linear and Gaussian gradients."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pytest
import SimpleITK as sitk
from made_doses import made_dose, made_grid, points_of
from made_images import like
from sentences import refusal

from ParotidSegLib.dose.figures import VOLUMES_OF, dose_figures
from ParotidSegLib.dose.function import LIMIT_GY, REFERENCES, TD50_GY, complication_probability
from ParotidSegLib.dose.reading import Dose
from ParotidSegLib.errors import DataError
from ParotidSegLib.structures import PAROTIDS

MIDDLE = np.array([3.3, -7.1, 41.7])
OBLIQUE = (0.96, -0.28, 0.0, 0.28, 0.96, 0.0, 0.0, 0.0, 1.0)
STEEP = 2.0  # Gy/mm
EDGES = (13.0, 16.0, 20.0)


def sphere(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points - MIDDLE, axis=-1) <= 18.0


def cylinder(points: np.ndarray) -> np.ndarray:
    from_axis = points - MIDDLE
    return (np.hypot(from_axis[..., 0], from_axis[..., 1]) <= 14.0) & (np.abs(from_axis[..., 2]) <= 20.0)


def box(points: np.ndarray) -> np.ndarray:
    return (np.abs(points - MIDDLE) <= np.array(EDGES)).all(axis=-1)


BODIES = {
    sphere: 4.0 / 3.0 * math.pi * 18.0**3 / 1000.0,
    cylinder: math.pi * 14.0**2 * 40.0 / 1000.0,
    box: 8.0 * math.prod(EDGES) / 1000.0,
}


def linear(points: np.ndarray) -> np.ndarray:
    """40 Gy at the middle of the bodies, 1 Gy/mm from side to side and 0.5 from front to back."""
    return 40.0 + (points - MIDDLE) @ np.array([1.0, 0.5, 0.2])


def gaussian(points: np.ndarray) -> np.ndarray:
    """60 Gy beside the body, falling steeply to the other side."""
    beside = points - MIDDLE - np.array([-15.0, 0.0, 0.0])
    return 60.0 * np.exp(-((beside**2).sum(axis=-1)) / (2.0 * 20.0**2))


@lru_cache
def exact(body, gy) -> np.ndarray:
    """Doses at about a million points of the body, evenly spread: far finer than any grid here."""
    edges = np.array(EDGES) if body is box else np.array([20.0, 20.0, 22.0])
    axes = [np.linspace(-edge, edge, 111) for edge in edges]
    middles = [(axis[1:] + axis[:-1]) / 2.0 for axis in axes]
    points = np.stack(np.meshgrid(*middles, indexing="ij"), axis=-1) + MIDDLE
    return gy(points[body(points)])


def labels_of(body, spacing, direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)) -> sitk.Image:
    reach = 30.0
    size = [math.ceil(2 * reach / step) for step in spacing]
    grid = made_grid(size, spacing, (0, 0, 0), direction)
    centre = np.array(grid.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in size]))
    # Flat faces lie where faces of voxels can lie; a sphere lies anywhere.
    grid.SetOrigin((MIDDLE + (0.31 if body is sphere else 0.0) - centre).tolist())
    return like(grid, body(points_of(grid)).astype(np.uint8))


def dose_of(gy, spacing=(2.5, 2.5, 2.5)) -> Dose:
    size = [math.ceil(100.0 / step) for step in spacing]
    return Dose(made_dose(made_grid(size, spacing, (MIDDLE - 49.3).tolist()), gy))


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 1.0, 2.0)])
@pytest.mark.parametrize("direction", [(1, 0, 0, 0, 1, 0, 0, 0, 1), OBLIQUE], ids=["straight", "oblique"])
@pytest.mark.parametrize("gy", [linear, gaussian])
@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_bodies_in_gradients_have_the_dose_that_geometry_says(body, gy, direction, spacing):
    found = dose_figures(dose_of(gy, (1.5, 1.5, 1.5)), labels_of(body, spacing, direction))["Parotid_R"]
    truth, volume = exact(body, gy), BODIES[body]
    assert found.mean == pytest.approx(truth.mean(), abs=0.1)
    assert found.d50 == pytest.approx(np.median(truth), abs=0.25)
    assert found.volume_ml == pytest.approx(volume, rel=0.01)
    for gy_of in VOLUMES_OF:
        share = float((truth >= gy_of).mean())
        assert found.volume_of[gy_of] == pytest.approx(share, abs=0.01)
        assert found.volume_of_ml[gy_of] == pytest.approx(found.volume_of[gy_of] * found.volume_ml)
    assert found.outside == 0.0


@pytest.mark.parametrize("gy", [linear, gaussian])
@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_coarse_voxels_of_contours_and_dose_keep_the_mean_dose(body, gy):
    """As in the clinical data: some 4 mm in plane, 2.5 mm slices; what differs is what the voxels can hold."""
    labels = labels_of(body, (3.9, 3.9, 2.5))
    found = dose_figures(dose_of(gy, (2.5, 2.5, 2.5)), labels)["Parotid_R"]
    fine = sub_voxels(labels, gy)
    assert found.mean == pytest.approx(fine.mean(), abs=0.1)
    for gy_of in VOLUMES_OF:
        assert found.volume_of[gy_of] == pytest.approx(float((fine >= gy_of).mean()), abs=0.01)


def sub_voxels(labels: sitk.Image, gy) -> np.ndarray:
    """The exact dose within the voxels of a label map, 15 points along each axis."""
    steps = (np.arange(15) + 0.5) / 15 - 0.5
    within = np.stack(np.meshgrid(*[steps * step for step in labels.GetSpacing()], indexing="ij"), -1).reshape(-1, 3)
    centres = points_of(labels)[sitk.GetArrayFromImage(labels) > 0]
    return gy(centres[:, np.newaxis] + within).ravel()


def test_partial_voxels_are_counted_in_parts():
    """A single voxel of 8 mm in a gradient: half of it receives 40 Gy, which its centre alone could not say."""
    grid = made_grid((3, 3, 3), (8.0, 8.0, 8.0), (MIDDLE - 8.0).tolist())
    array = np.zeros((3, 3, 3), np.uint8)
    array[1, 1, 1] = 1

    def ramp(points: np.ndarray) -> np.ndarray:
        return 40.0 + STEEP * (points - MIDDLE)[..., 0]

    found = dose_figures(dose_of(ramp), like(grid, array))["Parotid_R"]
    assert found.volume_of[40.0] == pytest.approx(0.5)
    assert found.minimum == pytest.approx(40.0 - STEEP * 3.5, abs=0.01)
    assert found.maximum == pytest.approx(40.0 + STEEP * 3.5, abs=0.01)
    assert found.volume_ml == pytest.approx(0.512)


def test_the_histogram_is_cumulative_and_says_the_same_as_the_figures():
    found = dose_figures(dose_of(gaussian), labels_of(sphere, (1.0, 1.0, 1.0)))["Parotid_R"]
    edges, volumes = found.histogram.edges_gy, found.histogram.volumes_ml
    assert edges[0] == 0.0
    assert np.allclose(np.diff(edges), 0.1)
    assert volumes[0] == pytest.approx(found.volume_ml)
    assert volumes[-1] == 0.0
    assert (np.diff(volumes) <= 0.0).all()
    for gy in VOLUMES_OF:
        assert volumes[round(gy / 0.1)] == pytest.approx(found.volume_of_ml[gy], rel=1e-6, abs=found.volume_ml * 1e-4)
    middles = (edges[1:] + edges[:-1]) / 2.0
    assert (middles * -np.diff(volumes)).sum() / found.volume_ml == pytest.approx(found.mean, abs=0.01)


def test_left_is_left_in_any_orientation():
    """The dose rises towards the patient's left, so the gland with label 2 receives more, however voxels are stored."""
    grid = made_grid((60, 30, 30), (2.0, 2.0, 2.0), (-59.0, -29.0, -29.0))
    points = points_of(grid)
    array = np.zeros(points.shape[:3], np.uint8)
    array[np.linalg.norm(points - [-40.0, 0.0, 0.0], axis=-1) < 10.0] = 1
    array[np.linalg.norm(points - [40.0, 0.0, 0.0], axis=-1) < 10.0] = 2
    labels = like(grid, array)
    dose = Dose(made_dose(made_grid((50, 25, 25), (3, 3, 3), (-74, -37, -37)), lambda p: 30.0 + 0.25 * p[..., 0]))
    for order in [(0, 1, 2), (1, 2, 0), (2, 0, 1)]:
        for flip in [(False, False, False), (True, False, True), (True, True, True)]:
            stored = sitk.Flip(sitk.PermuteAxes(labels, order), flip)
            found = dose_figures(dose, stored)
            assert found["Parotid_R"].mean == pytest.approx(20.0, abs=0.02)
            assert found["Parotid_L"].mean == pytest.approx(40.0, abs=0.02)


def test_a_gland_beyond_the_dose_grid_is_refused_and_a_sliver_is_stated():
    labels = labels_of(sphere, (1.0, 1.0, 1.0))
    size, spacing = (60, 60, 60), (1.0, 1.0, 1.0)

    def below(top: float) -> Dose:
        return Dose(
            made_dose(made_grid(size, spacing, (MIDDLE + np.array([-30.0, -30.0, top - 59.5])).tolist()), linear)
        )

    said = refusal(DataError, dose_figures, below(0.0), labels)
    assert "50% of Parotid_R lies beyond the dose grid" in said or "51%" in said or "49%" in said
    found = dose_figures(below(16.0), labels)["Parotid_R"]
    assert 0.0 < found.outside < 0.02
    assert found.volume_of_ml[20.0] == pytest.approx(found.volume_ml, rel=0.02)


def test_empty_contours_have_no_dose():
    nothing = sitk.Image([10, 10, 10], sitk.sitkUInt8)
    assert "empty" in refusal(DataError, dose_figures, dose_of(linear), nothing)
    one = dose_figures(dose_of(linear), labels_of(sphere, (2.0, 2.0, 2.0)), PAROTIDS)
    assert list(one) == ["Parotid_R"]


def test_the_probability_is_that_of_the_published_model():
    """Normal distribution at (mean - TD50) / (m TD50): one half at TD50, 0.193 at 26 Gy, 0.84 at one SD above."""
    assert complication_probability(TD50_GY) == 0.5
    assert complication_probability(26.0) == pytest.approx(0.1919, abs=5e-4)
    # "Mean doses of 25-30 Gy were associated with 17-26% NTCP", says its abstract.
    assert [complication_probability(gy) for gy in (25.0, 30.0)] == pytest.approx([0.17, 0.26], abs=0.01)
    assert complication_probability(39.9 * 1.4) == pytest.approx(0.8413, abs=1e-4)
    assert [reference.mean_gy for reference in REFERENCES] == [20.0, 25.0, LIMIT_GY]
