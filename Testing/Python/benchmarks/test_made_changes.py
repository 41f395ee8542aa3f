"""The changes of the robustness benchmark do what they say, where they say."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from made_training import HEAD, head_with_glands

from Benchmarks.made_changes import CHANGES, FULL_RESOLUTION, body_of, off_skin
from Benchmarks.robustness import (
    UNCHANGED,
    Gland,
    back_in_place,
    changed_scan,
    on,
    results_of,
    site_of,
    summary,
    table_row,
)

CASE = "head"


@pytest.fixture(scope="module")
def head() -> tuple[sitk.Image, sitk.Image]:
    return head_with_glands()


@pytest.mark.parametrize("change", [*CHANGES, *FULL_RESOLUTION])
def test_every_change_leaves_the_glands_in_place_and_is_the_same_each_time(head, change):
    image, labels = head
    changed = changed_scan(image, site_of(labels), change, CASE)
    again = changed_scan(image, site_of(labels), change, CASE)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(changed), sitk.GetArrayViewFromImage(again))
    assert changed.GetPixelID() == sitk.sitkInt16
    here = back_in_place(changed, image, change)
    bright = on(sitk.Cast(here > 140, sitk.sitkUInt8), labels) > 0  # the right gland of the made head is bright
    right = sitk.GetArrayViewFromImage(labels) == 1
    field = on(here * 0 + 1, labels) > 0
    assert np.mean(bright[right & field]) > (0.3 if "streaks" in change or "noise" in change else 0.6)


@pytest.mark.parametrize("change", [name for name in CHANGES if "bolus" in name])
def test_bolus_lies_outside_the_body_on_both_sides_and_changes_nothing_within(head, change):
    image, labels = head
    changed = changed_scan(image, site_of(labels), change, CASE)
    before = sitk.Resample(image, changed, sitk.Transform(), sitk.sitkNearestNeighbor, -1000.0)
    difference = sitk.GetArrayFromImage(changed).astype(int) - sitk.GetArrayFromImage(before)
    body = on(body_of(image), changed) > 0
    assert not difference[body].any()
    middle = difference.shape[2] // 2
    assert (difference[..., :middle] > 300).any()
    assert (difference[..., middle:] > 300).any()


@pytest.mark.parametrize("depth", [4, 8, 16])
def test_a_narrow_field_ends_so_far_below_the_skin_of_the_cheeks(head, depth):
    image, labels = head
    site = site_of(labels)
    changed = changed_scan(image, site, f"field cut {depth} mm into both cheeks", CASE)
    row = [image.TransformPhysicalPointToIndex(site.middle.tolist())[axis] for axis in (1, 2)]
    skin = np.flatnonzero(off_skin(image)[row[1], row[0]] < 0.0)
    lost = image.GetSize()[0] - changed.GetSize()[0]
    in_air = image.GetSize()[0] - (skin[-1] - skin[0] + 1)
    assert (lost - in_air) * image.GetSpacing()[0] == pytest.approx(2.0 * depth, abs=12.0)
    assert HEAD[0] > depth


def test_a_head_of_the_wrong_size_is_smaller_and_lies_where_it_was_once_it_is_back(head):
    image, labels = head
    changed = changed_scan(image, site_of(labels), "wrong voxels, head 0.75 as large", CASE)
    assert changed.GetSpacing() == pytest.approx([0.75 * step for step in image.GetSpacing()])
    back = back_in_place(changed, image, "wrong voxels, head 0.75 as large")
    assert (back.GetSpacing(), back.GetOrigin()) == (image.GetSpacing(), image.GetOrigin())


def gland(case: str, after: float, findings: str = "", *, outside=0.0, lost=0.0, change="c") -> Gland:
    dice = np.float64(after)  # as it is measured
    return Gland("b", case, change, "Parotid_R", 0.8, dice, 0.8, dice, lost, outside, False, False, findings)


def test_the_table_counts_the_harmed_the_warned_and_the_unharmed():
    glands = [
        gland("1", 0.5, "material-on-skin", outside=0.2),
        gland("2", 0.6),
        gland("3", 0.79, "volume-unusual"),
        gland("4", 0.8),
    ]
    row = table_row("c", glands)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["c", "0.128", "0.300", "0.128", "0.300", "1 of 4", "0, 0", "2 / 1", "1 of 2", "1"]
    assert table_row("wrong voxels, head 0.75 as large", glands).endswith("| 1 of 2 | wanted |")


@pytest.mark.parametrize(
    ("after", "findings", "place", "alarm"),
    [
        (0.8, "gland-cut-by-scan", {"lost": 0.01}, False),
        (0.8, "gland-cut-by-scan", {"outside": 0.2}, True),
        (0.8, "gland-cut-by-scan volume-unusual", {"lost": 0.01}, True),
        (0.8, "material-on-skin", {"outside": 0.06}, False),
        (0.8, "material-on-skin", {"outside": 0.04, "lost": 0.2}, True),
        (0.8, "volume-unusual", {"lost": 0.01, "outside": 0.06}, True),
        (0.6, "volume-unusual", {}, False),
        (0.8, "", {}, False),
    ],
)
def test_a_finding_on_a_result_that_is_not_harmed_is_a_false_alarm_unless_it_says_what_is_so(
    after, findings, place, alarm
):
    other = gland("1", 0.8, findings)
    assert [result.is_false_alarm for result in results_of([other, gland("1", after, findings, **place)])] == [alarm]


def test_the_summary_leaves_out_wrong_voxels_and_counts_results():
    glands = [gland(case, 0.8, "", change=change) for case in "123" for change in "cd"]
    glands += [gland("4", 0.6, "material-on-skin"), gland("4", 0.8, "volume-unusual", change="d")]
    glands += [gland("4", 0.5, change="wrong voxels, head 0.75 as large")]
    said = summary(glands)
    assert said.startswith("8 results; harmed, with a finding: 1 of 1 (100.0%, 100% to 100%); unharmed")
    assert "with a false alarm: 1 of 7 (14.3%, 0% to 60%), of 1 patients; volume-unusual 1" in said


def test_the_unchanged_scan_is_the_scan(head):
    image, labels = head
    assert changed_scan(image, site_of(labels), UNCHANGED, CASE) is image
