"""What lies beside a contour: skin over fat, material in contact with it, or the end of the field of view."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from orientations import image_of, rotation

from ParotidSegLib.glands.cheek import look_beside

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
HEAD, GLAND = 75.0, np.array([56.0, 5.0, 0.0])
SIDES = [(-1.0, "right"), (1.0, "left")]


def made(
    outward: float,
    *,
    bolus: float = 0.0,
    reach: float = 0.0,
    narrow: float = 0.0,
    direction=IDENTITY,
    seed: int = 3,
    uneven: float = 0.0,
) -> tuple[sitk.Image, sitk.Image]:
    """A neck of muscle in fat and skin with a gland at one side, and its contour.

    Args:
        outward: the side, −1 or 1.
        bolus: thickness of a layer of −30 HU on the skin, mm.
        reach: how far the contour runs out beyond the gland, mm.
        narrow: how much of the head the field of view lacks at each side, mm.
        direction: of the grid.
        seed: of the noise, 4 HU.
        uneven: how the fat below the skin differs from height to height, HU.
    """
    half = np.array([HEAD - narrow if narrow else 110.0, 60.0, 30.0])
    size = np.ceil(2.0 * half / 2.0).astype(int)
    centre = outward * GLAND

    def radius(points: np.ndarray) -> np.ndarray:
        return np.hypot(points[..., 0], points[..., 1])

    def in_gland(points: np.ndarray) -> np.ndarray:
        return np.sum(((points - centre) / [12.0, 14.0, 18.0]) ** 2, axis=-1) < 1.0

    def hounsfield(points: np.ndarray) -> np.ndarray:
        r = radius(points)
        fat = -95.0 + uneven * np.sin(points[..., 2] / 4.0)
        tissues = [in_gland(points), r < HEAD - 18.0, r < HEAD - 2.0, r < HEAD, r < HEAD + bolus]
        values = np.select(tissues, [20.0, 50.0, fat, 20.0, -30.0], default=-1000.0)
        return np.rint(values + np.random.default_rng(seed).normal(0.0, 4.0, r.shape))

    def contour(points: np.ndarray) -> np.ndarray:
        return in_gland(points) | in_gland(points - np.array([outward * reach, 0.0, 0.0]))

    origin = -np.reshape(direction, (3, 3)) @ (size - 1.0)
    grid = (size.tolist(), (2.0, 2.0, 2.0), origin.tolist(), direction)
    return sitk.Cast(image_of(hounsfield, *grid), sitk.sitkInt16), sitk.Cast(image_of(contour, *grid), sitk.sitkUInt8)


@pytest.mark.parametrize(("outward", "side"), SIDES)
def test_a_healthy_cheek_has_no_material_and_ends_at_its_skin(outward, side):
    image, mask = made(outward)
    cheek = look_beside(mask, image, outward)
    assert (cheek.in_material, cheek.at_end) == (0.0, 0.0), side
    assert cheek.air == pytest.approx(outward * HEAD, abs=3.0)


@pytest.mark.parametrize(("outward", "side"), SIDES)
def test_a_contour_that_runs_into_bolus_lies_in_material(outward, side):
    image, mask = made(outward, bolus=16.0, reach=22.0)
    cheek = look_beside(mask, image, outward)
    assert cheek.material > 0.8, side
    assert 0.15 < cheek.in_material < 0.6
    assert cheek.air == pytest.approx(outward * (HEAD + 16.0), abs=3.0)


def test_bolus_beside_a_right_contour_is_seen_but_the_contour_does_not_lie_in_it():
    image, mask = made(1.0, bolus=16.0)
    cheek = look_beside(mask, image, 1.0)
    assert cheek.material > 0.8
    assert cheek.in_material == 0.0


def test_tissue_that_is_uniform_in_a_row_but_differs_between_rows_is_no_material():
    image, mask = made(1.0, uneven=40.0)
    assert look_beside(mask, image, 1.0).material == 0.0


@pytest.mark.parametrize(("narrow", "ends"), [(7.0, True), (2.0, False)])
def test_a_contour_at_the_end_of_the_field_is_told_from_one_that_ends_before(narrow, ends):
    image, mask = made(1.0, narrow=narrow)
    cheek = look_beside(mask, image, 1.0)
    assert (cheek.at_end > 0.3) == ends
    assert np.isnan(cheek.air)


def test_the_patient_may_lie_turned():
    image, mask = made(1.0, bolus=16.0, reach=22.0, direction=tuple(rotation(4.0, -6.0, 10.0)))
    cheek = look_beside(mask, image, 1.0)
    assert cheek.material > 0.8
    assert 0.15 < cheek.in_material < 0.6
