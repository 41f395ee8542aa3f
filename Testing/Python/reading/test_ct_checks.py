"""Which images count as a CT; seeds are those of made_images, 1 unless stated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import like, made_head, values
from sentences import refusal

from ParotidSegLib.errors import ImageError
from ParotidSegLib.reading.ct_checks import check_ct


def refused(image: sitk.Image) -> str:
    return refusal(ImageError, check_ct, image)


@pytest.mark.parametrize("pixel_type", [sitk.sitkInt16, sitk.sitkInt32, sitk.sitkFloat32, sitk.sitkFloat64])
def test_a_head_in_hounsfield_units_passes_in_any_pixel_type_and_unchanged(pixel_type: int) -> None:
    image = sitk.Cast(made_head(), pixel_type)
    before = sitk.Hash(image)
    check_ct(image)
    assert sitk.Hash(image) == before


@pytest.mark.parametrize("padding", [-1024, -2048, -3024, -32768])
def test_padding_outside_the_scanned_circle_does_not_matter(padding: int) -> None:
    array = values(made_head())
    array[:, :8] = array[:, -8:] = padding
    check_ct(like(made_head(), array.astype(np.int16)))


def test_a_box_cut_from_inside_the_head_passes() -> None:
    head = made_head((80, 80, 20), (2.5, 2.5, 6.0))
    box = head[6:74, 22:66, :]
    assert 0.01 < np.mean(values(box) < -300) < 0.2
    check_ct(box)


def test_a_very_noisy_scan_passes() -> None:
    noise = np.random.default_rng(2).normal(0, 100, (20, 40, 40))
    check_ct(like(made_head(), np.rint(values(made_head()) + noise).astype(np.int16)))


def test_oblique_and_flipped_grids_pass() -> None:
    image = made_head()
    image.SetDirection([0, 0.6, 0.8, 0, -0.8, 0.6, 1, 0, 0])
    check_ct(image)


def test_an_mri_is_refused() -> None:
    assert "MRI" in refused(like(made_head(), np.abs(values(made_head())).astype(np.int16)))


def test_a_standardised_mri_is_refused() -> None:
    array = np.random.default_rng(3).normal(0, 1, (20, 40, 40)).astype(np.float32)
    assert "Hounsfield" in refused(like(made_head(), array))


@pytest.mark.parametrize("offset", [1000, 1024])
def test_a_ct_stored_without_its_rescale_is_refused(offset: int) -> None:
    assert "without its rescale" in refused(made_head() + offset)


def test_a_ct_without_its_rescale_but_with_negative_padding_is_refused() -> None:
    array = values(made_head()) + 1024
    array[:, :8] = -2000
    assert "Hounsfield" in refused(like(made_head(), array.astype(np.int16)))


def test_a_windowed_ct_and_a_mask_and_an_empty_image_are_refused() -> None:
    for image in (sitk.Clamp(made_head(), sitk.sitkInt16, -160, 240), made_head() > 0, made_head() * 0):
        assert "Hounsfield" in refused(image)
    assert "Hounsfield" in refused(made_head() * 0 - 1000)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("pixel_type", [np.float32, np.float64])
def test_one_voxel_that_is_no_number_is_refused(bad: float, pixel_type: type) -> None:
    array = values(made_head()).astype(pixel_type)
    array[17, 3, 5] = bad
    assert "NaN or infinite" in refused(like(made_head(), array))


def test_other_kinds_of_image_are_refused() -> None:
    head = made_head()
    real = sitk.Cast(head, sitk.sitkFloat32)
    assert "colours or vectors" in refused(sitk.Compose([head, head, head]))
    assert "complex" in refused(sitk.RealAndImaginaryToComplex(real, real))
    assert "4 dimensions" in refused(sitk.JoinSeries([head, head]))
    assert "single slice" in refused(head[:, :, 3])
    assert "single slice" in refused(head[:, :, 3:4])
    assert "label map" in refused(sitk.Cast(head > 0, sitk.sitkLabelUInt8))


def test_too_few_slices_and_too_short_a_stack_are_refused() -> None:
    assert "too small" in refused(made_head()[:, :, :7])
    assert "too small" in refused(made_head()[:6])
    assert "too small" in refused(made_head((40, 40, 20), (5, 5, 1.4)))
    check_ct(made_head((40, 40, 20), (5, 5, 1.6)))


def test_an_impossible_spacing_is_refused() -> None:
    assert "spacing is impossible" in refused(made_head(spacing=(5, 5, 21)))


def test_a_sheared_grid_is_refused() -> None:
    image = made_head()
    image.SetDirection([1, 0, 0, 0, 1, 0.1, 0, 0, 0.995])
    assert "right angles" in refused(image)


def test_rounded_direction_cosines_pass() -> None:
    image = made_head()
    image.SetDirection([0.966, 0.259, 0, -0.259, 0.966, 0, 0, 0, 1])
    check_ct(image)


@pytest.mark.data
@pytest.mark.parametrize("case", ["pt_1", "pt_25", "pt_64", "pt_180", "pt_231"])
def test_real_planning_scans_pass(data_root: Path, case: str) -> None:
    check_ct(sitk.ReadImage(str(data_root / "openkbp" / "images" / f"{case}.nii.gz")))


@pytest.mark.data
@pytest.mark.parametrize("offset", [1000, 1024])
def test_a_real_scan_with_1000_added_is_named_though_padding_and_noise_look_like_air(data_root, offset):
    """Seed 5."""
    rng = np.random.default_rng(5)
    for patient in ("pt_1", "pt_203", "pt_150"):
        image = sitk.ReadImage(str(data_root / "openkbp" / "images" / f"{patient}.nii.gz"))
        array = sitk.GetArrayFromImage(image).astype(np.int32) + offset
        array += np.rint(rng.normal(0.0, 15.0, array.shape)).astype(np.int32)
        array[:, :3] = -2000
        assert "subtract 1024" in refusal(ImageError, check_ct, like(image, array.astype(np.int16)))
