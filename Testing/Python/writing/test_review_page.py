"""The page of a review: valid and self-contained, with the figures of the review; JSON and CSV say the same."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from html_checks import CheckedPage, checked
from made_images import like
from made_reviews import exchanged, extended, without, without_top
from sentences import refusal

from ParotidSegLib import read_image
from ParotidSegLib.dose.function import complication_probability
from ParotidSegLib.dose.reading import Dose
from ParotidSegLib.errors import OutputError
from ParotidSegLib.glands.quality import Finding
from ParotidSegLib.reading.label_maps import read_labels
from ParotidSegLib.reviewing import review as module
from ParotidSegLib.reviewing.review import Review, ReviewedContours, review
from ParotidSegLib.structures import LEFT_PAROTID, RIGHT_PAROTID
from ParotidSegLib.writing.pages import review_files
from ParotidSegLib.writing.pages.plots import COLOUR_A, COLOUR_B
from ParotidSegLib.writing.pages.review_files import FILES, write_review
from ParotidSegLib.writing.pages.review_pictures import PIXELS, draw_slices

MADE = {"software": {"parotidseg": "1.2.3"}, "date": "2026-01-02 03:04 UTC"}
MODEL = {"name": "a-model", "version": "4.5.6", "sha256": "0" * 64}


@pytest.fixture(scope="module")
def scan(sample_ct) -> sitk.Image:
    return read_image(sample_ct)


@pytest.fixture(scope="module")
def labels(sample_labels) -> sitk.Image:
    return read_labels(sample_labels)


@pytest.fixture
def findings(monkeypatch) -> list[Finding]:
    """What the checks of contours find, to be filled."""
    found: list[Finding] = []
    monkeypatch.setattr(module, "contour_findings", lambda image, labels, automatic=None: list(found))
    return found


@pytest.fixture
def dose(scan) -> Dose:
    """40 Gy at the right, falling by 0.25 Gy a millimetre towards the patient's left to 0."""
    x = scan.GetOrigin()[0] + scan.GetSpacing()[0] * np.arange(scan.GetSize()[0])
    values = np.clip(25.0 - 0.25 * x, 0.0, None).astype(np.float32)
    return Dose(like(scan, np.ascontiguousarray(np.broadcast_to(values, scan.GetSize()[::-1]))))


@pytest.fixture
def pair(labels) -> tuple[ReviewedContours, ReviewedContours]:
    """A: a reader whose right gland reaches 4 mm farther to the side, and whose left one lacks its top. B: a model."""
    a = without_top(extended(labels, RIGHT_PAROTID, (-4.0, 0.0, 0.0)), LEFT_PAROTID, 4)
    return ReviewedContours('Reader <1> & "co"', a, remarks=("Two points were lost.",)), ReviewedContours(
        "automatic", labels, model=MODEL
    )


def written(scan: sitk.Image, found: Review, folder: Path) -> tuple[CheckedPage, dict, list[dict[str, str]]]:
    """The page, the report and the rows of the table."""
    assert [path.name for path in write_review(scan, found, folder, made=MADE)] == list(FILES)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    report = json.loads((folder / "review.json").read_text(encoding="utf-8"))
    with (folder / "review.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return checked((folder / "review.html").read_text(encoding="utf-8")), report, rows


def cells(page: CheckedPage, first: str, place: int = 0) -> list[list[str]]:
    """The rows of the table whose header has this text."""
    return next(table for table in page.tables if any(len(row) > place and row[place] == first for row in table[:2]))


def test_the_page_says_what_a_and_b_are_and_how_they_differ(scan, pair, dose, findings, tmp_path):
    findings.append(Finding("made", "error", "The left gland is odd.", LEFT_PAROTID.key, (60.0, -3.26, 7.0)))
    found = review(scan, *pair, dose=dose)
    page, report, rows = written(scan, found, tmp_path)
    assert page.headings[0] == 'Parotid contours: Reader <1> & "co" (A), automatic (B)'
    assert "automatic, not corrected by a person" in page.words
    assert "Right and left are the patient's." in page.words
    assert "A reaches beyond B on the lateral side" in page.words
    assert "A falls short of B on the superior side" in page.words
    assert "Every difference on this page is A − B" in page.words
    assert "Two points were lost." in page.words
    assert page.words.count("The left gland is odd.") == 4  # of A and of B: in short, and in the table
    assert "60.0, −3.3, 7.0" in page.words
    assert "never advice for one patient" in page.words
    assert "Vaassen" in page.words and "Dijkema" in page.words and "Eisbruch" in page.words
    assert MODEL["sha256"] in page.words
    assert len(page.pictures) == 3
    assert report["a"]["remarks"] == ["Two points were lost."] and report["b"]["model"] == MODEL
    assert report["difference"] == "A - B" and not report["sides_are_swapped"]
    assert report["software"] == MADE["software"]
    assert [row["structure"] for row in rows] == ["Parotid_R", "Parotid_L"]
    assert rows[1]["contour_remarks_a"] == rows[1]["contour_remarks_b"] == "made"
    assert rows[0]["contour_remarks_a"] == ""


def test_figures_are_the_same_on_the_page_in_the_report_and_in_the_table(scan, pair, dose, findings, tmp_path):
    found = review(scan, *pair, dose=dose)
    page, report, rows = written(scan, found, tmp_path)
    a, b = found.sides
    for place, key in enumerate(("Parotid_R", "Parotid_L")):
        comparison, row = found.comparisons[key], rows[place]
        volumes = cells(page, "A, mL", 1)[place + 1]
        assert volumes[1:4] == [
            f"{a.volumes_ml[key]:.1f}",
            f"{b.volumes_ml[key]:.1f}",
            f"{a.volumes_ml[key] - b.volumes_ml[key]:.1f}".replace("-", "−"),
        ]
        scores = cells(page, "Dice", 1)[place + 1]
        assert scores[1] == f"{comparison.scores.dice:.3f}"
        assert scores[4] == f"{comparison.scores.msd:.2f}"
        borders = cells(page, "Superior", 1)[place + 2]
        for column, name in ((1, "superior"), (4, "lateral"), (7, "top")):
            value = comparison.borders[name]
            sign = "+" if round(value, 1) > 0 else ""
            assert borders[column] == f"{sign}{value + 0.0:.1f}".replace("-", "−").replace("−0.0", "0.0")
            assert float(row[f"{name}_mm"]) == pytest.approx(value, abs=1e-4)
            assert report["comparison"][key]["borders_mm"][name] == pytest.approx(value)
        assert float(row["dice"]) == pytest.approx(comparison.scores.dice, abs=1e-4)
        assert float(row["added_path_to_a_mm"]) == pytest.approx(comparison.path_to_a.added_mm, abs=1e-3)
        assert report["comparison"][key]["added_path_tolerance_mm"] == 2.0
        assert [one["z"] for one in report["comparison"][key]["slices"]] == [one.z for one in comparison.slices]
        doses = [side.doses[key] for side in (a, b)]
        table = [line for line in cells(page, "Mean, Gy", 2) if line[0] == (RIGHT_PAROTID, LEFT_PAROTID)[place].name]
        assert [line[1] for line in table] == ["A", "B", "A − B"]
        assert [line[2] for line in table[:2]] == [f"{one.mean:.1f}" for one in doses]
        difference = f"{doses[0].mean - doses[1].mean:+.1f}".replace("-", "−")
        assert table[2][2] == ("0.0" if difference[1:] == "0.0" else difference)
        assert float(row["mean_gy_difference"]) == pytest.approx(doses[0].mean - doses[1].mean, abs=1e-4)
        probability = 100.0 * complication_probability(doses[0].mean)
        assert report["a"]["structures"][key]["dose"]["ntcp_percent"] == pytest.approx(probability)
    # The lateral part of the right gland, which A has and B lacks, receives more than the rest.
    assert float(rows[0]["mean_gy_difference"]) > 0.1
    assert "both lie at or above 26 Gy" in page.words and "both lie below 26 Gy" in page.words


def test_mean_doses_on_different_sides_of_26_gy_are_said(scan, pair, findings, tmp_path):
    x = scan.GetOrigin()[0] + scan.GetSpacing()[0] * np.arange(scan.GetSize()[0])
    slope = np.broadcast_to((-0.25 * x).astype(np.float32), scan.GetSize()[::-1])
    level = review(scan, *pair, dose=Dose(like(scan, np.ascontiguousarray(slope + 40.0))))
    means = [side.doses["Parotid_R"].mean for side in level.sides]
    between = like(scan, np.ascontiguousarray(slope + 40.0 + 26.0 - np.float32(sum(means) / 2.0)))
    page, _, _ = written(scan, review(scan, *pair, dose=Dose(between)), tmp_path)
    assert "they lie on different sides of 26 Gy" in page.words


def test_contours_alone_have_a_page_without_b(scan, labels, dose, findings, tmp_path):
    found = review(scan, ReviewedContours("mine", without(labels, LEFT_PAROTID)), dose=dose)
    page, report, rows = written(scan, found, tmp_path)
    assert page.headings[0] == "Parotid contours: mine (A)"
    assert "A − B" not in page.words and "Dice" not in page.words and "dashed" not in page.words
    assert "Left parotid gland: not drawn in A." in page.words
    assert len(page.pictures) == 2
    assert "b" not in report and "comparison" not in report
    assert rows[1]["volume_a_ml"] == "0.0" and "dice" not in rows[0]


def test_without_a_dose_nothing_is_said_of_one(scan, pair, findings, tmp_path):
    page, report, rows = written(scan, review(scan, *pair), tmp_path)
    assert "Gy" not in page.words and "Dose" not in page.headings
    assert not any("gy" in name for name in rows[0]) and "dose_reference_line_gy" not in report
    assert len(page.pictures) == 2


def test_a_gland_that_one_lacks_and_exchanged_sides_are_told_first(scan, labels, findings, tmp_path):
    given = ReviewedContours("theirs", labels)
    page, report, rows = written(scan, review(scan, ReviewedContours("mine", exchanged(labels)), given), tmp_path)
    assert "Right and left are exchanged between A and B" in page.words
    assert report["sides_are_swapped"]
    lacking = ReviewedContours("mine", without(labels, LEFT_PAROTID))
    page, report, rows = written(scan, review(scan, lacking, given), tmp_path)
    assert "Left parotid gland: not drawn in A." in page.words
    assert cells(page, "Dice", 1)[2][3:5] == ["∞", "∞"]
    assert "Right parotid gland: A and B are the same." in page.words
    assert report["comparison"]["Parotid_L"]["hd95_mm"] is None
    assert rows[1]["hd95_mm"] == "inf" and rows[1]["lateral_mm"] == ""


def test_two_contours_of_which_each_has_another_gland(scan, labels, dose, findings, tmp_path):
    a, b = (ReviewedContours(one.key, without(labels, one)) for one in (LEFT_PAROTID, RIGHT_PAROTID))
    page, report, rows = written(scan, review(scan, a, b, dose=dose), tmp_path)
    assert "Right parotid gland: not drawn in B." in page.words and "Left parotid gland: not drawn in A." in page.words
    table = cells(page, "Mean, Gy", 2)
    assert [line[:2] for line in table[1:]] == [
        [f"{side} parotid gland", x] for side in ("Right", "Left") for x in "AB"
    ]
    assert table[2][2:] == ["–"] * 8 == table[3][2:]
    assert "dose" not in report["b"]["structures"]["Parotid_R"] and "mean_gy_difference" not in rows[0]


def test_a_picture_shows_each_contour_where_it_lies_the_patients_right_at_the_left(scan, labels, findings, tmp_path):
    a = extended(labels, RIGHT_PAROTID, (-6.0, 0.0, 0.0))
    found = review(scan, ReviewedContours("a", a), ReviewedContours("b", labels))
    slices = draw_slices(scan, found, RIGHT_PAROTID, tmp_path / "right.png")
    assert [one.z for one in slices] == sorted((one.z for one in slices), reverse=True)
    assert draw_slices(scan, found, LEFT_PAROTID, tmp_path / "left.png") == []
    assert not (tmp_path / "left.png").exists()
    picture = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "right.png")))[..., :3].astype(int)
    for place in range(len(slices)):
        view = picture[100 : 100 + PIXELS, 16 + place * (PIXELS + 16) : (place + 1) * (PIXELS + 16)]
        first = {
            letter: np.nonzero(np.abs(view - colour).max(axis=-1) < 40)[1].min()
            for letter, colour in (("a", COLOUR_A), ("b", COLOUR_B))
        }
        assert first["a"] < first["b"] - 10  # farther to the picture's left is farther to the patient's right


def test_files_of_an_earlier_review_stay_if_a_new_one_fails(scan, labels, findings, tmp_path, monkeypatch):
    found = review(scan, ReviewedContours("mine", labels))
    written(scan, found, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fails(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(review_files, "write_csv", fails)
    said = refusal(OutputError, write_review, scan, found, tmp_path, made={**MADE, "date": "later"})
    assert "No space left" in said
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    with pytest.raises(OutputError):
        write_review(scan, found, tmp_path / "new", made=MADE)
    assert not (tmp_path / "new").exists()
    assert not math.isnan(found.sides[0].volumes_ml["Parotid_R"])
