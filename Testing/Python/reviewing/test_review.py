"""review(): a made difference shows up where it was made, on the patient's side, with the sign of A − B."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import like
from made_reviews import exchanged, extended, without, without_top
from orientations import reoriented
from sentences import refusal

from ParotidSegLib import read_image
from ParotidSegLib.dose.reading import Dose
from ParotidSegLib.errors import DataError
from ParotidSegLib.glands.quality import Finding
from ParotidSegLib.reading.label_maps import read_labels
from ParotidSegLib.reviewing import review as module
from ParotidSegLib.reviewing.review import ReviewedContours, review
from ParotidSegLib.structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID

RIGHT, LEFT = RIGHT_PAROTID.key, LEFT_PAROTID.key


@pytest.fixture(scope="module")
def scan(sample_ct) -> sitk.Image:
    return read_image(sample_ct)


@pytest.fixture(scope="module")
def labels(sample_labels) -> sitk.Image:
    return read_labels(sample_labels)


@pytest.fixture
def no_findings(monkeypatch):
    """The checks of the contours have tests of their own, and take most of the time."""
    monkeypatch.setattr(module, "contour_findings", lambda image, labels, automatic=None: [])


def compared(scan, a, b):
    return review(scan, ReviewedContours("a", a), ReviewedContours("b", b)).comparisons


@pytest.mark.usefixtures("no_findings")
@pytest.mark.parametrize(
    ("structure", "step", "direction"),
    [
        (RIGHT_PAROTID, (-4.0, 0.0, 0.0), "lateral"),
        (LEFT_PAROTID, (4.0, 0.0, 0.0), "lateral"),
        (RIGHT_PAROTID, (4.0, 0.0, 0.0), "medial"),
        (LEFT_PAROTID, (-4.0, 0.0, 0.0), "medial"),
        (RIGHT_PAROTID, (0.0, -4.0, 0.0), "anterior"),
        (LEFT_PAROTID, (0.0, 4.0, 0.0), "posterior"),
        (RIGHT_PAROTID, (0.0, 0.0, 4.0), "superior"),
        (LEFT_PAROTID, (0.0, 0.0, -4.0), "inferior"),
    ],
)
def test_what_a_has_more_shows_on_its_side_of_the_patient(scan, labels, structure, step, direction):
    found = compared(scan, extended(labels, structure, step), labels)
    other = LEFT if structure is RIGHT_PAROTID else RIGHT
    borders = {name: found[structure.key].borders[name] for name in ("superior", "inferior", "medial", "lateral")}
    borders |= {name: found[structure.key].borders[name] for name in ("anterior", "posterior")}
    assert max(borders, key=borders.get) == direction
    assert borders[direction] > 1.5
    assert all(value == 0.0 for value in found[other].borders.values())
    assert found[other].slices == []
    assert found[structure.key].path_to_a.added_mm > 100.0
    first = found[structure.key].slices[0]
    assert first.only_a_cm2 > 0.0 == first.only_b_cm2
    # And the other way round: the same with the other sign, and A alone becomes B alone.
    turned = compared(scan, labels, extended(labels, structure, step))[structure.key]
    assert turned.borders == pytest.approx({name: -value for name, value in found[structure.key].borders.items()})
    assert (turned.slices[0].only_a_cm2, turned.slices[0].only_b_cm2) == (0.0, first.only_a_cm2)
    assert turned.path_to_b == found[structure.key].path_to_a


@pytest.mark.usefixtures("no_findings")
@pytest.mark.parametrize(("order", "flips"), [((2, 0, 1), (True, False, True)), ((1, 0, 2), (True, True, False))])
def test_the_stored_orientation_changes_nothing(scan, labels, order, flips):
    a = without_top(extended(labels, RIGHT_PAROTID, (-4.0, 0.0, 0.0), upper=0.5), LEFT_PAROTID, 4)
    expected = compared(scan, a, labels)
    found = compared(*(reoriented(image, order, flips) for image in (scan, a, labels)))
    for structure in PAROTIDS:
        one, other = found[structure.key], expected[structure.key]
        assert one.scores.msd == pytest.approx(other.scores.msd)
        assert one.borders == pytest.approx(other.borders)
        assert one.path_to_a.added_mm == pytest.approx(other.path_to_a.added_mm)
        assert [s.middle for s in one.slices] == [pytest.approx(s.middle) for s in other.slices]
    # The lower half of the right gland; the upper end of the left one.
    assert {one.middle[0] < 0.0 for one in found[RIGHT].slices} == {True}
    heights = np.argwhere(sitk.GetArrayViewFromImage(labels) == RIGHT_PAROTID.label)[:, 0]
    middle = labels.TransformContinuousIndexToPhysicalPoint((0.0, 0.0, (heights.min() + heights.max()) / 2.0))[2]
    assert all(one.z <= middle for one in found[RIGHT].slices)
    assert found[LEFT].borders["top"] == -8.0
    assert found[LEFT].slices[0].only_b_cm2 > 0.0 == found[LEFT].slices[0].only_a_cm2


@pytest.mark.usefixtures("no_findings")
def test_volumes_and_a_gland_that_one_of_both_lacks(scan, labels):
    found = review(scan, ReviewedContours("a", without(labels, LEFT_PAROTID)), ReviewedContours("b", labels))
    a, b = found.sides
    voxels = np.count_nonzero(sitk.GetArrayViewFromImage(labels) == RIGHT_PAROTID.label)
    assert a.volumes_ml[RIGHT] == b.volumes_ml[RIGHT] == pytest.approx(voxels * 0.008)
    assert a.volumes_ml[LEFT] == 0.0 < b.volumes_ml[LEFT]
    comparison = found.comparisons[LEFT]
    assert comparison.scores.dice == 0.0 and math.isinf(comparison.scores.hd95)
    assert math.isnan(comparison.borders["lateral"])
    assert math.isnan(comparison.path_to_a.added_mm)
    assert comparison.path_to_b.added_mm == comparison.path_to_b.total_mm > 0.0
    assert len(comparison.slices) == 3


@pytest.mark.usefixtures("no_findings")
def test_exchanged_sides_are_said(scan, labels):
    given = ReviewedContours("b", labels)
    assert review(scan, ReviewedContours("a", exchanged(labels)), given).are_swapped
    assert not review(scan, ReviewedContours("a", without_top(labels, LEFT_PAROTID, 3)), given).are_swapped


def test_contours_have_the_findings_of_the_checks_and_of_the_model_that_drew_them(scan, labels, monkeypatch):
    asked = []

    def checks(image, contours, automatic=None):
        asked.append((contours, automatic))
        return [Finding("of-the-checks", "warning", "Look."), Finding("both", "warning", "Look.", LEFT)]

    monkeypatch.setattr(module, "contour_findings", checks)
    of_model = (Finding("both", "warning", "Again.", LEFT), Finding("of-the-model", "error", "Look."))
    a = ReviewedContours("a", labels)
    b = ReviewedContours("b", without_top(labels, RIGHT_PAROTID, 2), model={"name": "m"}, findings=of_model)
    sides = review(scan, a, b).sides
    assert [finding.code for finding in sides[0].findings] == ["of-the-checks", "both"]
    assert [finding.code for finding in sides[1].findings] == ["of-the-model", "of-the-checks", "both"]
    # Ours are judged beside the model's; the model's by themselves.
    assert asked == [(a.labels, b.labels), (b.labels, None)]


def test_the_checks_see_a_gland_that_was_not_drawn(scan, labels):
    (side,) = review(scan, ReviewedContours("a", without(labels, LEFT_PAROTID))).sides
    assert (side.findings[0].code, side.findings[0].structure) == ("gland-missing", LEFT)


@pytest.mark.usefixtures("no_findings")
def test_the_dose_is_that_of_each_contour(scan, labels):
    # 0.5 Gy a millimetre towards the patient's right.
    x = scan.GetOrigin()[0] + scan.GetSpacing()[0] * np.arange(scan.GetSize()[0])
    values = np.broadcast_to((40.0 - 0.25 * x).astype(np.float32), scan.GetSize()[::-1])
    dose = Dose(like(scan, np.ascontiguousarray(values)), ("Doubtful.",))
    a = extended(labels, RIGHT_PAROTID, (-6.0, 0.0, 0.0))
    found = review(scan, ReviewedContours("a", a), ReviewedContours("b", labels), dose=dose)
    assert found.has_dose and found.dose_remarks == ("Doubtful.",)
    for side, given in zip(found.sides, (a, labels), strict=True):
        for structure in PAROTIDS:
            inside = np.argwhere(sitk.GetArrayViewFromImage(given) == structure.label)[:, 2]
            assert side.doses[structure.key].mean == pytest.approx(40.0 - 0.25 * x[inside].mean(), abs=0.01)
    assert found.sides[0].doses[RIGHT].mean > found.sides[1].doses[RIGHT].mean + 0.3
    assert not review(scan, ReviewedContours("a", a)).has_dose


def test_contours_without_glands_or_on_another_grid_are_refused(scan, labels):
    nothing = ReviewedContours("mine", without(labels, *PAROTIDS))
    assert "A (mine) holds neither" in refusal(DataError, review, scan, nothing)
    assert "B (mine) holds neither" in refusal(DataError, review, scan, ReviewedContours("a", labels), nothing)
    cropped = ReviewedContours("a", labels[:, :, 2:])
    assert "not on the same grid" in refusal(DataError, review, scan, cropped)
