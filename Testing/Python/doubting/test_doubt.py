"""Errors made on the contours of the sample are found, and the contours as they are are not."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from orientations import all_orientations

from Benchmarks.made_errors import Error, applied, drawn_error
from ParotidSegLib.doubting.findings import Doubt, contour_findings, doubt
from ParotidSegLib.doubting.kinds import KINDS
from ParotidSegLib.errors import DataError
from ParotidSegLib.files.sample_files import sample_file
from ParotidSegLib.reading.images import read_image
from ParotidSegLib.reading.label_maps import read_labels

#: Kind of made error -> codes of which its gland must have one. The average anatomy is smooth, and no patient: which of
#: the like kinds is named is judged on patients, by the benchmark.
FOUND_AS = {
    "top cut": {"contour-end-cut", "contour-too-small"},
    "bottom cut": {"contour-end-cut", "contour-too-small"},
    "moved": {"contour-displaced"},
    "moved by slices": {"contour-displaced", "contour-too-smooth"},
    "some slices moved": {"contour-slices-uneven", "contour-displaced"},
    "slices missing": {"contour-slices-missing"},
    "hole": {"contour-has-holes", "contour-part-missing"},
    "into muscle": {"contour-spills", "contour-too-large"},
    "into the skin": {"contour-spills"},
    "into bolus": {"contour-spills"},
    "into the jaw": {"contour-spills"},
    "larger": {"contour-too-large"},
    "smaller": {"contour-too-small"},
    "smoothed": {"contour-too-smooth"},
    "submandibular gland": {"contour-not-the-gland"},
    "masseter": {"contour-not-the-gland"},
    "jaw": {"contour-not-the-gland"},
    "stray pieces": {"contour-in-pieces"},
    "on the other side": {"contour-on-wrong-side"},
    "sides swapped": {"contour-on-wrong-side"},
    "both moved": {"contour-displaced"},
}


@pytest.fixture(scope="module")
def sample() -> tuple[sitk.Image, sitk.Image]:
    """CT and contours of the average anatomy."""
    image = read_image(sample_file("average_anatomy_ct.nii.gz"))
    labels = read_labels(sample_file("average_anatomy_parotids.seg.nrrd"))
    nearest = sitk.Resample(labels, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    return sitk.DICOMOrient(image, "LPS"), sitk.DICOMOrient(nearest, "LPS")


def with_error(sample, kind: str, label: int = 2) -> tuple[sitk.Image, sitk.Image, sitk.Image]:
    """CT and contours after a gross error, and the contours before on the same voxels."""
    numbers = drawn_error(kind, label, np.random.default_rng(5)).numbers
    image, labels = applied(Error(kind, label, 1.0, numbers), *sample)
    before = sitk.Resample(sample[1], image, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    return image, labels, before


def codes(found: Doubt, key: str = "Parotid_L") -> set[str]:
    return {finding.code for finding in found.findings if finding.structure == key}


def test_the_contours_as_they_are_have_no_finding(sample):
    assert contour_findings(*sample) == []
    assert contour_findings(*sample, sample[1]) == []


@pytest.mark.parametrize("kind", FOUND_AS)
def test_a_gross_error_is_found_and_beside_an_automatic_contour_the_point_lies_in_it(sample, kind):
    image, labels, before = with_error(sample, kind)
    found = doubt(image, labels, before)
    assert codes(found) & FOUND_AS[kind]
    assert codes(doubt(image, labels)) == codes(found)
    (finding, *_) = [f for f in found.findings if f.structure == "Parotid_L"]
    index = image.TransformPhysicalPointToIndex(finding.point)
    wrong = sitk.GetArrayFromImage(labels == 2) != sitk.GetArrayFromImage(before == 2)
    near = sitk.GetArrayFromImage(sitk.BinaryDilate(sitk.GetImageFromArray(wrong.astype(np.uint8)), [3, 3, 3]))
    assert near[index[::-1]]


def test_the_overlay_lies_on_the_grid_of_the_contours_and_marks_what_is_wrong(sample):
    image, labels, before = with_error(sample, "top cut")
    overlay = doubt(image, labels, before).overlay
    assert overlay.GetPixelID() == sitk.sitkUInt8
    assert (overlay.GetSize(), overlay.GetOrigin()) == (labels.GetSize(), labels.GetOrigin())
    percent = sitk.GetArrayFromImage(overlay)
    lost = (sitk.GetArrayFromImage(before) == 2) & (sitk.GetArrayFromImage(labels) != 2)
    assert percent.max() <= 100
    assert (percent[lost] >= 50).mean() > 0.6
    assert (percent[~lost] >= 50).sum() < 0.3 * lost.sum()


@pytest.mark.parametrize("number", [0, 9, 18, 27, 36, 47])
def test_sides_are_those_of_the_patient_in_every_orientation(sample, number):
    image, labels, before = with_error(sample, "top cut")
    stored = [list(all_orientations(each))[number] for each in (image, labels, before)]
    found = doubt(*stored)
    assert {finding.structure for finding in found.findings} == {"Parotid_L"}
    (finding, *_) = found.findings
    assert finding.point[0] > 30.0  # in LPS the left is at larger x, and the middle of the sample at about 0
    swapped = with_error(sample, "sides swapped")
    stored = [list(all_orientations(each))[number] for each in swapped[:2]]
    assert {f.structure for f in doubt(*stored).findings if f.code == "contour-on-wrong-side"} == {
        "Parotid_R",
        "Parotid_L",
    }


def test_a_gland_that_was_not_drawn_is_an_error_and_other_labels_are_passed_over(sample):
    image, labels = sample
    one = sitk.Cast((labels == 1) + 7 * sitk.Cast(labels == 2, sitk.sitkUInt8), sitk.sitkUInt8)
    first = contour_findings(image, one)[0]
    assert (first.code, first.severity, first.structure) == ("gland-missing", "error", "Parotid_L")
    nothing = contour_findings(image, labels * 0)
    assert [finding.code for finding in nothing] == ["gland-missing", "gland-missing"]


def test_contours_of_another_grid_are_refused_in_one_sentence(sample):
    image, labels = sample
    with pytest.raises(DataError, match="not on the same grid"):
        contour_findings(image, labels[1:])
    with pytest.raises(DataError, match="not on the same grid"):
        contour_findings(image, labels, labels[:, 1:])


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_says_one_clause_with_and_without_an_automatic_contour(kind):
    names = "volume volume_ratio bone on_skin air goes_on_at_top goes_on_at_bottom empty_slices holes"
    own = dict.fromkeys(names.split(), 1.0)
    with_model = dict.fromkeys(("beyond_top", "beyond_bottom", "up", "back", "in", "size"), -2.0)
    for measures in (own, {**own, "volume_ratio": float("nan")}, {**own, **with_model}):
        text = kind.says(measures)
        assert text[0].islower()
        assert not text.endswith(".")
        assert "nan" not in text
