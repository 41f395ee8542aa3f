"""Findings: each appears when it should, where it should, and not otherwise."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from orientations import all_orientations

from ParotidSegLib.geometry.grids import Box
from ParotidSegLib.glands import quality
from ParotidSegLib.glands.postprocessing import Contours
from ParotidSegLib.glands.quality import Measurement, inspect, measure

SHAPE = (30, 60, 100)  # of the scan, 2 mm voxels
BOX = Box((4, 3, 2), (92, 54, 26))
#: 12.8 mL each, 118 mm apart; slices of the scan (z, y, x).
RIGHT = (slice(10, 20), slice(20, 36), slice(15, 25))
LEFT = (slice(10, 20), slice(20, 36), slice(74, 84))


@pytest.fixture(autouse=True)
def stated_limits(monkeypatch):
    """The limits are tuned on patients; the tests state theirs."""
    for name, limit in {
        "VOLUME_ML": (8.0, 65.0),
        "MEAN_HU": (-80.0, 90.0),
        "LARGEST_VOLUME_RATIO": 2.0,
        "LARGEST_CUT_SHARE": 0.4,
        "LARGEST_AT_END": 0.4,
        "LARGEST_IN_MATERIAL": 0.12,
        "LEAST_MATERIAL_ROWS": 0.2,
        "USUAL_DISTANCE_MM": (76.0, 140.0),
        "LARGEST_DROPPED_SHARE": 0.15,
    }.items():
        assert type(getattr(quality, name)) is type(limit)
        monkeypatch.setattr(quality, name, limit)


def a_scan(hounsfield: float = 20.0) -> sitk.Image:
    image = sitk.GetImageFromArray(np.full(SHAPE, hounsfield, np.float32))
    image.SetSpacing((2.0, 2.0, 2.0))
    image.SetOrigin((-100.0, 40.0, 700.0))
    return image


def findings_of(*, right=RIGHT, left=LEFT, box: Box = BOX, hounsfield=20.0, dropped=(0.0, 0.0)) -> dict[str, list]:
    """All findings by code, for glands at these slices of the scan; None leaves a gland out."""
    labels = np.zeros(SHAPE, np.uint8)
    for label, place in ((1, right), (2, left)):
        if place is not None:
            labels[place] = label
    glands = Contours(labels[box.slices], dict(enumerate(dropped, start=1)))
    image = a_scan(hounsfield)
    found: dict[str, list] = {}
    for finding in inspect(glands, box, image, measure(glands, box, image)):
        found.setdefault(finding.code, []).append(finding)
    return found


WHOLE = Box((0, 0, 0), (100, 60, 30))


def moved(place, *, x=0, y=0, z=0):
    return tuple(slice(part.start + by, part.stop + by) for part, by in zip(place, (z, y, x), strict=True))


def test_an_ordinary_result_has_no_findings():
    assert findings_of() == {}
    assert findings_of(box=WHOLE) == {}


@pytest.mark.parametrize(
    ("code", "case"),
    [
        ("gland-missing", {"right": None}),
        ("gland-cut-by-scan", {"right": moved(RIGHT, z=10), "box": WHOLE}),
        ("volume-unusual", {"right": (*RIGHT[:2], slice(15, 20))}),
        ("volume-unusual", {"right": (slice(3, 27), slice(5, 55), slice(15, 25)), "left": moved(LEFT, x=0)}),
        ("density-unusual", {"hounsfield": -81.0}),
        ("density-unusual", {"hounsfield": 91.0}),
        ("pieces-dropped", {"dropped": (0.0, 2.0)}),
        ("sides-implausible", {"right": LEFT, "left": RIGHT}),
        ("sides-implausible", {"left": moved(LEFT, x=-30)}),
        ("volumes-asymmetric", {"right": (*RIGHT[:2], slice(11, 32))}),
    ],
)
def test_each_finding_appears_when_it_should(code, case):
    assert code in findings_of(**case)


@pytest.mark.parametrize(
    "case",
    [
        {"hounsfield": -80.0},
        {"hounsfield": 90.0},
        {"dropped": (1.9, 1.9)},
        {"right": (*RIGHT[:2], slice(10, 30))},
        {"right": (*RIGHT[:2], slice(15, 22))},
        {"left": moved(LEFT, x=-20)},
        {"right": moved(RIGHT, z=9), "box": WHOLE},
    ],
    ids=["fatty", "dense", "dropped", "twice the volume", "small", "close", "last plane but one"],
)
def test_nothing_is_found_just_within_the_limits(case):
    assert findings_of(**case) == {}


@pytest.mark.parametrize(
    ("move", "box", "point"),
    [
        ({"z": -10}, Box((4, 3, 0), (92, 54, 26)), (-61.0, 95.0, 700.0)),
        ({"z": 10}, Box((4, 3, 2), (92, 54, 28)), (-61.0, 95.0, 758.0)),
        ({"y": -20}, Box((4, 0, 2), (92, 57, 26)), (-61.0, 40.0, 729.0)),
        ({"y": 24}, Box((4, 3, 2), (92, 57, 26)), (-61.0, 158.0, 729.0)),
        ({"x": -15}, Box((0, 3, 2), (96, 54, 26)), (-100.0, 95.0, 729.0)),
    ],
    ids=["bottom", "top", "front", "back", "side"],
)
def test_a_gland_that_is_cut_by_the_scan_is_shown_where_it_is_cut(move, box, point):
    for part in (box, WHOLE):
        (finding,) = findings_of(right=moved(RIGHT, **move), box=part)["gland-cut-by-scan"]
        np.testing.assert_allclose(finding.point, point, atol=1e-9)
        assert (finding.severity, finding.structure) == ("warning", "Parotid_R")


def test_the_end_of_the_region_is_not_the_end_of_the_scan():
    at_the_end_of_the_box = moved(RIGHT, z=8)
    assert at_the_end_of_the_box[0].stop == BOX.index[2] + BOX.size[2]
    assert findings_of(right=at_the_end_of_the_box) == {}


def found_in(labels: np.ndarray, values: np.ndarray) -> list[str]:
    """Codes of the findings of a whole scan with these labels and HU, (z, y, x)."""
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.CopyInformation(a_scan())
    glands = Contours(labels, {1: 0.0, 2: 0.0})
    return [finding.code for finding in inspect(glands, WHOLE, image, measure(glands, WHOLE, image))]


def glands_in_tissue() -> tuple[np.ndarray, np.ndarray]:
    """Labels, and HU of tissue that differs from row to row."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[RIGHT], labels[LEFT] = 1, 2
    rows = np.random.default_rng(7).normal(20.0, 40.0, (*SHAPE[:2], 1))
    return labels, np.broadcast_to(rows, SHAPE).copy()


def test_a_gland_whose_tip_alone_reaches_the_end_of_the_scan_is_not_cut():
    labels, values = glands_in_tissue()
    labels[20:30, 24:28, 18:22] = 1
    assert found_in(labels, values) == []
    labels[20:30, 20:36, 15:25] = 1
    assert "gland-cut-by-scan" in found_in(labels, values)


def test_a_contour_in_uniform_material_below_the_air_is_found_and_one_in_tissue_is_not():
    labels, values = glands_in_tissue()
    values[..., :12] = values[..., 86:] = -1000.0
    assert found_in(labels, values) == []
    values[..., 12:22] = -30.0
    assert found_in(labels, values) == ["material-on-skin"]


@pytest.mark.parametrize(("slices", "found"), [(2, []), (4, ["material-on-skin"])])
def test_smooth_fat_beside_a_few_rows_of_a_contour_is_no_material(slices, found):
    labels, _ = glands_in_tissue()
    values = np.random.default_rng(7).normal(20.0, 150.0, SHAPE)  # uniform nowhere
    values[..., :12] = values[..., 86:] = -1000.0
    values[10 : 10 + slices, :, 12:25] = -30.0  # of the ten slices of a gland
    assert found_in(labels, values) == found


@pytest.mark.parametrize(("move", "found"), [(-22, True), (-20, False), (10, False), (12, True)])
def test_glands_too_close_or_too_far_apart_for_a_head_of_usual_size_are_found(move, found):
    assert ("head-size-unusual" in findings_of(left=moved(LEFT, x=move))) == found


def test_a_finding_about_a_gland_points_at_its_middle():
    (finding,) = findings_of(dropped=(0.0, 9.0))["pieces-dropped"]
    np.testing.assert_allclose(finding.point, (57.0, 95.0, 729.0))
    assert finding.structure == "Parotid_L"


def test_errors_come_first_and_every_message_is_one_sentence():
    found = findings_of(right=None, dropped=(0.0, 9.0), hounsfield=500.0)
    findings = [finding for group in found.values() for finding in group]
    assert [finding.severity for finding in findings] == ["error", "warning", "warning"]
    assert findings[0].message == "The right parotid gland was not found."
    assert all(finding.message.endswith(".") and "\n" not in finding.message for finding in findings)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({"right": LEFT, "left": RIGHT}, "wrong sides"),
        ({"left": moved(LEFT, x=-30)}, "58 mm apart"),
        ({"right": moved(RIGHT, y=-17), "left": moved(LEFT, y=21)}, "by 76 mm in height or depth"),
    ],
    ids=["exchanged", "too close", "shifted"],
)
def test_an_implausible_pair_is_told_by_what_is_wrong_with_it(case, words):
    (finding,) = findings_of(**case)["sides-implausible"]
    assert finding.severity == "error"
    assert words in finding.message


def test_two_missing_glands_are_two_findings():
    assert [finding.structure for finding in findings_of(right=None, left=None)["gland-missing"]] == [
        "Parotid_R",
        "Parotid_L",
    ]


def test_a_gland_is_measured_in_physical_units_in_every_orientation():
    rng = np.random.default_rng(5)
    values = rng.normal(20, 30, SHAPE).astype(np.float32)
    labels = np.zeros(SHAPE, np.uint8)
    labels[RIGHT], labels[LEFT] = 1, 2
    image, truth = a_scan(), sitk.GetImageFromArray(labels)
    truth.CopyInformation(image)
    scan = sitk.GetImageFromArray(values)
    scan.CopyInformation(image)
    for one, other in zip(all_orientations(scan), all_orientations(truth), strict=True):
        box = Box((1, 1, 1), tuple(n - 2 for n in one.GetSize()))
        glands = Contours(sitk.GetArrayFromImage(other)[box.slices], {1: 0.0, 2: 0.0})
        measured = measure(glands, box, one)
        assert list(measured) == ["Parotid_R", "Parotid_L"]
        right: Measurement = measured["Parotid_R"]
        assert right.volume_ml == pytest.approx(12.8)
        assert right.mean_hu == pytest.approx(values[RIGHT].mean(), abs=1e-3)
        np.testing.assert_allclose(right.centroid, (-61.0, 95.0, 729.0))
