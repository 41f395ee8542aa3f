"""The overlays show the slice in which A and B differ most, right at the picture's left, in any stored orientation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import like
from made_training import head_with_glands
from orientations import reoriented

from ParotidSegLib.structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID
from ParotidSegLib.writing.pages.plots import COLOUR_A, COLOUR_B
from ParotidSegTrainingLib.judging.overlays import (
    COLOUR_REFERENCE,
    disagreement_ml,
    draw_overlay,
    find_difference,
)

#: Edge of a view.
PIXELS = 640
MIDDLE = (12.0, -80.0, -400.0)
IMAGE, TRUTH = head_with_glands(MIDDLE)
VOXEL_ML = 6.0**3 / 1000.0
COLOURS = {"reference": COLOUR_REFERENCE, "a": COLOUR_A, "b": COLOUR_B}


def without(labels: sitk.Image, label: int, slices: slice) -> sitk.Image:
    """The label map without one label in some slices (array order, z)."""
    array = sitk.GetArrayFromImage(labels)
    array[slices][array[slices] == label] = 0
    return like(labels, array)


def rows_with(label: int) -> np.ndarray:
    """The slices that hold a label."""
    return np.flatnonzero((sitk.GetArrayViewFromImage(TRUTH) == label).any(axis=(1, 2)))


def area_voxels(label: int, z: int) -> int:
    return int((sitk.GetArrayViewFromImage(TRUTH)[z] == label).sum())


@pytest.fixture
def cut() -> tuple[sitk.Image, int]:
    """B as a reader who left two slices of the right gland out; and which of them is the larger one."""
    first = int(rows_with(1)[2])
    larger = max((first, first + 1), key=lambda z: area_voxels(1, z))
    assert area_voxels(1, first) != area_voxels(1, first + 1)
    return without(TRUTH, 1, slice(first, first + 2)), larger


def test_the_slice_of_the_largest_difference_is_found(cut):
    b, larger = cut
    found = find_difference(TRUTH, TRUTH, b, RIGHT_PAROTID)
    assert found.z == pytest.approx(TRUTH.TransformIndexToPhysicalPoint((0, 0, larger))[2])
    assert found.area_cm2 == pytest.approx(area_voxels(1, larger) * 0.36)
    both = area_voxels(1, larger) + area_voxels(1, larger - 1 if larger != rows_with(1)[2] else larger + 1)
    assert found.volume_ml == pytest.approx(both * VOXEL_ML)
    assert found.in_reference
    assert disagreement_ml(TRUTH, b) == pytest.approx(both * VOXEL_ML)


def test_the_view_is_centred_on_the_gland_of_the_patient(cut):
    found = find_difference(TRUTH, TRUTH, cut[0], RIGHT_PAROTID)
    assert found.centre[:2] == pytest.approx((MIDDLE[0] - 60.0, MIDDLE[1] + 12.0), abs=3.5)
    assert found.field >= 90.0


@pytest.mark.parametrize(("order", "flips"), [((2, 0, 1), (True, False, True)), ((1, 2, 0), (False, True, True))])
def test_the_stored_orientation_changes_nothing(cut, order, flips):
    expected = find_difference(TRUTH, TRUTH, cut[0], RIGHT_PAROTID)
    turned = [reoriented(image, order, flips) for image in (TRUTH, TRUTH, cut[0])]
    found = find_difference(*turned, RIGHT_PAROTID)
    assert found.z == pytest.approx(expected.z)
    assert found.centre == pytest.approx(expected.centre)
    assert (found.area_cm2, found.volume_ml) == pytest.approx((expected.area_cm2, expected.volume_ml))


def test_equal_contours_show_the_largest_slice_and_say_so():
    found = find_difference(TRUTH, TRUTH, TRUTH, LEFT_PAROTID)
    assert (found.volume_ml, found.area_cm2) == (0.0, 0.0)
    z = TRUTH.TransformPhysicalPointToIndex((MIDDLE[0] + 60.0, MIDDLE[1], found.z))[2]
    assert area_voxels(2, z) == max(area_voxels(2, row) for row in rows_with(2))


def test_a_slice_without_the_reference_is_told(cut):
    b, _ = cut
    assert not find_difference(b, TRUTH, b, RIGHT_PAROTID).in_reference
    assert find_difference(b * 0, b * 0, b * 0, RIGHT_PAROTID) is None


# --- the picture -----------------------------------------------------------------------------------------------------


def shifted(labels: sitk.Image, voxels: int) -> sitk.Image:
    """The label map, moved to the patient's left."""
    return like(labels, np.roll(sitk.GetArrayFromImage(labels), voxels, axis=2))


def drawn(folder: Path, image: sitk.Image, *labels: sitk.Image) -> tuple[list[str], np.ndarray]:
    """Keys of what is shown, and the picture as int (rows, columns, RGB)."""
    named = dict(zip(("reference", "a", "b"), labels, strict=True))
    shown = draw_overlay(image, named, folder / "overlay.png", title="case", names=("first", "second"))
    picture = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "overlay.png")))[..., :3].astype(int)
    return [difference.structure.key for difference in shown], picture


def columns_of(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Columns of the pixels in a colour, above the legend."""
    return np.nonzero(np.abs(picture[:-64] - colour).max(axis=-1) < 40)[1]


def test_each_gland_has_a_view_with_all_three_boundaries_the_right_one_at_the_left(tmp_path):
    shown, picture = drawn(tmp_path, IMAGE, TRUTH, shifted(TRUTH, 1), shifted(TRUTH, 2))
    assert shown == ["Parotid_R", "Parotid_L"]
    middle = picture.shape[1] / 2
    for view in (slice(0, int(middle)), slice(int(middle), None)):
        means = [columns_of(picture[:, view], colour).mean() for colour in COLOURS.values()]
        # Moved to the patient's left is moved to the picture's right: the reference, then A, then B.
        assert means == sorted(means)
        assert means[2] - means[0] > 20
    # The brighter right gland fills the left view, the darker left gland the right view.
    glands = [picture[56 + 48 + PIXELS // 2, column].mean() for column in (16 + PIXELS // 2, 32 + PIXELS * 3 // 2)]
    assert glands[0] > glands[1] + 60


def test_the_picture_is_the_same_for_any_stored_orientation(tmp_path):
    labels = (TRUTH, shifted(TRUTH, 1), shifted(TRUTH, 2))
    _, expected = drawn(tmp_path, IMAGE, *labels)
    turned = [reoriented(image, (1, 2, 0), (True, False, True)) for image in (IMAGE, *labels)]
    _, found = drawn(tmp_path, *turned)
    assert np.mean(np.abs(found - expected).max(axis=-1) > 16) < 1e-3


def test_letters_names_and_amounts_are_written_out(tmp_path, canvases, cut):
    drawn(tmp_path, IMAGE, TRUTH, TRUTH, cut[0])
    written = canvases[0].texts
    texts = [text for text, _, _ in written]
    captions = [text for text in texts if "parotid gland" in text]
    assert captions[0].startswith("Right parotid gland") and "A and B differ by" in captions[0]
    assert captions[1].endswith("A and B are the same")
    assert {"case", "reference", "A: first", "B: second"} <= set(texts)
    for left in (16, 32 + PIXELS):
        places = {text: (x - left) / PIXELS for text, x, _ in written if text in "RL" and 0 < x - left < PIXELS}
        assert places["R"] < 0.5 < places["L"]


def test_only_the_structures_that_differ_most_are_shown(tmp_path):
    array = sitk.GetArrayFromImage(TRUTH)
    array[array == 2] = 5
    many = [replace(RIGHT_PAROTID, label=label, key=f"Part_{label}") for label in range(1, 7)]
    array[:2, :2, :12] = np.repeat((2, 3, 4, 6), 3)
    whole, halved = like(TRUTH, array), like(TRUTH, np.where(np.arange(24)[:, None, None] > 12, 0, array))
    named = {"reference": whole, "a": whole, "b": halved}
    shown = draw_overlay(IMAGE, named, tmp_path / "overlay.png", title="", structures=many)
    assert len(shown) == 4
    assert {1, 5} <= {difference.structure.label for difference in shown}


def test_a_case_without_any_contour_is_drawn_and_said(tmp_path, canvases):
    empty = TRUTH * 0
    shown, _ = drawn(tmp_path, IMAGE, empty, empty, empty)
    assert shown == []
    assert any("holds any structure" in text for text, _, _ in canvases[0].texts)


def test_both_glands_are_compared_by_default(cut):
    assert disagreement_ml(TRUTH, TRUTH * 0) == pytest.approx(
        sum(np.count_nonzero(sitk.GetArrayViewFromImage(TRUTH) == s.label) for s in PAROTIDS) * VOXEL_ML
    )
