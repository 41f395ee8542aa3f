"""Contours of structure sets as masks: in the right voxels, in patient space, whatever the grid; what is refused."""

from __future__ import annotations

import sys
import warnings

import made_dicom
import made_training as made
import numpy as np
import pytest
import SimpleITK as sitk
from made_dicom import ellipsoid_contours, gland_contours, write_structure_set
from made_images import cut_short, write_dicom_without_pixels
from orientations import rotation
from sentences import refusal

from ParotidSegLib.errors import DataError, ParotidSegError
from ParotidSegTrainingLib.preparing.rtstruct import draw, read_structure_set

DIRECTIONS = {
    "as usual": made.IDENTITY,
    "feet first": (1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, -1.0),
    "prone": (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0),
    "sagittal": (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    "oblique": tuple(rotation(4.0, -6.0, 10.0)),
}


def grid(size=(30, 24, 12), spacing=(2.0, 2.0, 3.0), origin=(-10.0, 5.0, 100.0)) -> sitk.Image:
    image = sitk.Image(list(size), sitk.sitkInt16)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    return image


def polygon(image: sitk.Image, corners: list[tuple[float, float]], k: float) -> np.ndarray:
    """Corners in pixels (x, y) of a slice, as points in mm."""
    return np.array([image.TransformContinuousIndexToPhysicalPoint((x, y, k)) for x, y in corners])


def square(image: sitk.Image, low: float, high: float, k: float) -> np.ndarray:
    return polygon(image, [(low, low), (high, low), (high, high), (low, high)], k)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_contours_fill_the_voxels_that_they_were_drawn_around_on_any_grid(name, tmp_path):
    image, truth = made.head_with_glands((12.0, -40.0, 70.0), DIRECTIONS[name])
    path = write_structure_set(tmp_path / "RS.dcm", gland_contours(image, (12.0, -40.0, 70.0)))
    regions = read_structure_set(path)
    assert regions.names == ["Parotid_R", "Parotid_L"]
    array = sitk.GetArrayFromImage(truth)
    for label, key in ((1, "Parotid_R"), (2, "Parotid_L")):
        mask = draw(regions.contours_of(key), image).mask
        differ = int((mask != (array == label)).sum())
        # A polygon of 90 corners, written to 0.1 µm, misses voxels that an ellipse just touches.
        assert differ <= 0.01 * int((array == label).sum())


def test_the_right_gland_lies_at_smaller_x(tmp_path):
    image, _ = made.head_with_glands(direction=DIRECTIONS["feet first"])
    regions = read_structure_set(write_structure_set(tmp_path / "RS.dcm", gland_contours(image)))
    x = {}
    for key in regions.names:
        index = np.argwhere(draw(regions.contours_of(key), image).mask).mean(axis=0)[::-1]
        x[key] = image.TransformContinuousIndexToPhysicalPoint(index.tolist())[0]
    assert x["Parotid_R"] == pytest.approx(-60.0, abs=1.0)
    assert x["Parotid_L"] == pytest.approx(60.0, abs=1.0)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_voxel_counts_if_its_centre_is_inside_or_on_the_line_whichever_way_the_line_runs(backwards):
    image = grid()
    corners = square(image, 4.0, 9.0, 3)
    mask = draw([corners[::-1] if backwards else corners], image).mask
    assert mask[3, 4:10, 4:10].all()
    assert mask.sum() == 36
    inner = square(image, 4.01, 8.99, 3)
    assert draw([inner[::-1] if backwards else inner], image).mask.sum() == 16


def test_a_contour_within_another_is_a_hole_and_one_within_the_hole_is_filled():
    image = grid()
    outer, hole, island = (square(image, low, high, 5) for low, high in ((2.5, 20.5), (5.5, 17.5), (9.5, 12.5)))
    mask = draw([outer, hole, island], image).mask
    assert mask.sum() == 18**2 - 12**2 + 3**2
    assert mask[5, 10, 10]
    assert not mask[5, 7, 7]
    assert np.array_equal(mask, draw([island, outer, hole], image).mask)


def test_a_hole_drawn_through_a_keyhole_is_a_hole():
    image = grid()
    ring = [(2.5, 2.5), (20.5, 2.5), (20.5, 20.5), (2.5, 20.5), (2.5, 2.5)]
    inner = [(5.5, 5.5), (5.5, 17.5), (17.5, 17.5), (17.5, 5.5), (5.5, 5.5)]
    mask = draw([polygon(image, ring + inner + [(2.5, 2.5)], 5)], image).mask
    assert mask.sum() == 18**2 - 12**2


def test_two_pieces_in_one_slice_are_both_there():
    image = grid()
    mask = draw([square(image, 1.5, 3.5, 0), square(image, 9.5, 12.5, 0)], image).mask
    assert mask.sum() == 4 + 9


def test_contours_beside_the_scan_are_cut_and_those_above_it_are_counted():
    image = grid()
    beside = polygon(image, [(-5.0, 2.5), (3.5, 2.5), (3.5, 4.5), (-5.0, 4.5)], 2)
    drawn = draw([beside, square(image, 2.5, 5.5, 40), square(image, 2.5, 5.5, -2)], image)
    assert drawn.mask.sum() == 4 * 2
    assert (drawn.outside, drawn.filled) == (2, 0)


def test_a_region_drawn_on_every_second_slice_is_interpolated_and_counted():
    image = grid((60, 60, 40), (2.0, 2.0, 2.0), (20.0, -50.0, -45.0))
    contours = ellipsoid_contours(image, made.LEFT, made.GLAND)
    contours = contours[: (len(contours) - 1) // 2 * 2 + 1]
    whole, half = draw(contours, image), draw(contours[::2], image)
    assert (whole.filled, half.filled) == (0, len(contours) // 2)
    assert np.array_equal(whole.mask.any(axis=(1, 2)), half.mask.any(axis=(1, 2)))
    assert 2.0 * (whole.mask & half.mask).sum() / (whole.mask.sum() + half.mask.sum()) > 0.975


def test_a_wide_gap_stays_a_gap():
    image = grid((30, 24, 40), (2.0, 2.0, 3.0))
    drawn = draw([square(image, 2.5, 8.5, k) for k in (3, 4, 20, 21)], image)
    assert drawn.filled == 0
    assert not drawn.mask[5:20].any()


def test_contours_drawn_on_another_slice_distance_fill_the_slices_of_the_scan():
    drawn_on = grid((60, 60, 60), (2.0, 2.0, 1.7), (20.0, -50.0, -45.0))
    image = grid((60, 60, 40), (2.0, 2.0, 2.0), (20.0, -50.0, -45.0))
    mask = draw(ellipsoid_contours(drawn_on, made.LEFT, made.GLAND), image).mask
    truth = draw(ellipsoid_contours(image, made.LEFT, made.GLAND), image).mask
    assert 2.0 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.97


def test_contours_across_the_slices_are_refused():
    image = grid()
    upright = np.array([image.TransformContinuousIndexToPhysicalPoint(p) for p in ((3, 3, 2), (3, 9, 2), (3, 9, 8))])
    assert "do not lie in the slices" in refusal(DataError, draw, [upright], image)


def test_contours_that_all_lie_elsewhere_are_refused():
    image = grid()
    assert "outside the scan" in refusal(DataError, draw, [square(image, 2.5, 8.5, 99)], image)
    assert "outside the scan" in refusal(DataError, draw, [square(image, 200.0, 210.0, 3)], image)


def test_points_and_regions_without_contours_are_no_regions(tmp_path):
    image = grid()
    some = [square(image, 2.5, 8.5, 3)]
    path = write_structure_set(tmp_path / "a.dcm", {"Isocentre": [some[0][:1]], "Empty": [], " Gland ": some})
    assert read_structure_set(path).names == ["Gland"]
    assert read_structure_set(write_structure_set(tmp_path / "b.dcm", {"A": some}, kind="POINT")).names == []


def test_a_damaged_file_is_refused_with_a_sentence(tmp_path):
    image = grid()
    whole = write_structure_set(tmp_path / "a.dcm", {"A": [square(image, 2.5, 8.5, k) for k in range(9)]})
    cut_short(whole, 0.8)
    cut = whole.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            assert len(read_structure_set(whole).regions) <= 1
        except DataError as error:
            assert "damaged" in str(error)
    whole.write_bytes(cut[: len(cut) // 3])
    assert "damaged" in refusal(DataError, read_structure_set, whole)
    whole.write_bytes(b"no DICOM at all" * 20)
    assert "no DICOM file" in refusal(DataError, read_structure_set, whole)
    write_dicom_without_pixels(whole)
    assert "damaged or incomplete" in refusal(DataError, read_structure_set, whole)
    assert "damaged" in refusal(DataError, read_structure_set, tmp_path / "missing.dcm")


def test_without_pydicom_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    said = refusal(ParotidSegError, read_structure_set, tmp_path / "a.dcm")
    assert "pip install 'pydicom>=3.0.1,<4'" in said


def test_the_made_file_is_what_it_claims(tmp_path):
    path = write_structure_set(tmp_path / "a.dcm", {"A": []}, series="2.25.3", frame="2.25.4")
    dataset = made_dicom.pydicom.dcmread(path)
    assert dataset.Modality == "RTSTRUCT"
    assert dataset.PatientID == made_dicom.IDENTIFIER
