"""The made errors do what their names say, on the gland that is named, and the same each time."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from made_training import head_with_glands

from Benchmarks.made_errors import HARMLESS, KINDS, ON_BOTH, Error, applied, drawn_error


@pytest.fixture(scope="module")
def head() -> tuple[sitk.Image, sitk.Image]:
    """The made head with a jaw of bone before each gland, on voxels of 3 mm."""
    image, labels = head_with_glands()
    fine = sitk.Image([80, 64, 48], sitk.sitkUInt8)
    fine.SetSpacing((3.0, 3.0, 3.0))
    fine.SetOrigin([o - 1.5 for o in image.GetOrigin()])
    image = sitk.Resample(image, fine, sitk.Transform(), sitk.sitkNearestNeighbor, -1024)
    labels = sitk.Resample(labels, fine, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    values = sitk.GetArrayFromImage(image)
    x, y, z = (np.arange(n) * 3.0 + o for n, o in zip(fine.GetSize(), fine.GetOrigin(), strict=True))
    for side in (-1.0, 1.0):
        jaw = (
            ((x[None, None] - side * 45) / 8) ** 2 + ((y[None, :, None] + 10) / 14) ** 2 + (z[:, None, None] / 20) ** 2
        )
        values[jaw < 1.0] = 800
    changed = sitk.GetImageFromArray(values)
    changed.CopyInformation(image)
    return changed, labels


def an_error(kind: str, label: int, severity: float = 0.8) -> Error:
    drawn = drawn_error(kind, label, np.random.default_rng([3, label]))
    return Error(kind, label, severity, drawn.numbers)


@pytest.mark.parametrize("label", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_an_error_changes_the_gland_that_is_named_and_no_other_and_is_the_same_each_time(head, kind, label):
    image, labels = head
    after_image, after = applied(an_error(kind, label), image, labels)
    again = applied(an_error(kind, label), image, labels)[1]
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(after), sitk.GetArrayViewFromImage(again))
    assert after.GetSize() == after_image.GetSize()
    before = sitk.GetArrayFromImage(sitk.Resample(labels, after, sitk.Transform(), sitk.sitkNearestNeighbor, 0))
    array = sitk.GetArrayViewFromImage(after)
    assert ((before == label) ^ (array == label)).any()
    if kind not in (*ON_BOTH, "on the other side"):
        np.testing.assert_array_equal(before == 3 - label, array == 3 - label)


def gland(head, kind: str, label: int = 1, severity: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    image, labels = head
    _, after = applied(an_error(kind, label, severity), image, labels)
    before = sitk.Resample(labels, after, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    return sitk.GetArrayFromImage(before) == label, sitk.GetArrayFromImage(after) == label


def test_cut_ends_are_at_their_end(head):
    for kind, end in (("top cut", -1), ("bottom cut", 0)):
        before, after = gland(head, kind)
        lost = before & ~after
        assert not (after & ~before).any()
        assert np.flatnonzero(before.any(axis=(1, 2)))[end] == np.flatnonzero(lost.any(axis=(1, 2)))[end]


@pytest.mark.parametrize("kind", ["into the skin", "into bolus"])
@pytest.mark.parametrize(("label", "outward"), [(1, -1.0), (2, 1.0)])
def test_what_runs_into_the_skin_does_so_to_the_side_of_the_patient(head, kind, label, outward):
    before, after = gland(head, kind, label)
    added = np.argwhere(after & ~before)[:, 2].mean() - np.argwhere(before)[:, 2].mean()
    assert added * outward > 3.0


def test_the_other_side_is_the_other_side_and_swapped_sides_are_both(head):
    image, labels = head
    before = sitk.GetArrayFromImage(labels)
    wrong = sitk.GetArrayFromImage(applied(an_error("on the other side", 1), image, labels)[1])
    np.testing.assert_array_equal(wrong == 1, before == 2)
    assert not (wrong == 2).any()
    swapped = sitk.GetArrayFromImage(applied(an_error("sides swapped", 1), image, labels)[1])
    np.testing.assert_array_equal(swapped, np.choose(before, [0, 2, 1]))


def test_severity_says_how_much_and_what_is_harmless_changes_little(head):
    for kind in ("top cut", "moved", "larger", "smaller"):
        changes = [np.count_nonzero(np.logical_xor(*gland(head, kind, 1, severity))) for severity in (0.1, 0.9)]
        assert changes[0] < changes[1]
    for kind in HARMLESS:
        before, after = gland(head, kind)
        assert 2.0 * (before & after).sum() / (before.sum() + after.sum()) > 0.9
    before, after = gland(head, "smoothed")
    assert after.sum() == pytest.approx(before.sum(), rel=0.02)
