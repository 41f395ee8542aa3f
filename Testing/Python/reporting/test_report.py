"""The HTML page: well-formed, self-contained, honest about what is missing, and it says what the figures say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from html_checks import CheckedPage, checked
from sentences import refusal

from ParotidSegLib.errors import DataError, OutputError
from ParotidSegLib.measuring.metrics import StructureScores
from ParotidSegLib.structures import PAROTIDS, CodedConcept
from ParotidSegLib.writing.pages.html_page import picture, table
from ParotidSegTrainingLib.judging.results import CaseScores, Results, write_results
from ParotidSegTrainingLib.provenance import shown_command
from ParotidSegTrainingLib.reporting.comparing import report_on

WORDS = ["report", "--results", "/home/somebody/Jane Doe/results", "--output=C:\\Users\\jane\\page.html"]
A = [0.80, 0.75, 0.90, 0.60, 0.85, 0.70]
#: Lower by 0.02 to 0.07 in every case.
B = [0.78, 0.72, 0.86, 0.55, 0.79, 0.63]


def scores(dice: float, *, reference: float = 26.0, volume: float = 25.0) -> StructureScores:
    """Of a gland; a Dice of 0 is a missed one, NaN one that nobody drew."""
    distance = math.nan if math.isnan(dice) else math.inf if dice == 0.0 else 8.0 * (1 - dice)
    overlap = dice / (2 - dice)
    return StructureScores(dice, overlap, distance, distance / 4, {2.0: dice}, reference, volume, dice == 0.0)


def write(folder: Path, name: str, dice: Sequence[float], **about: object) -> Path:
    """Results of one evaluation."""
    rows = []
    for number, value in enumerate(dice):
        # Volumes follow the number, so that the Bland-Altman plot has something to show.
        volume = 0.0 if value == 0.0 or math.isnan(value) else 20.0 + number
        by_key = {s.key: scores(value, reference=0.0 if math.isnan(value) else 22.0, volume=volume) for s in PAROTIDS}
        rows.append(CaseScores(f"case_{number}", by_key, value == 0.6, ("volume-unusual",) if number == 1 else (), 1.0))
    write_results(Results(tuple(rows), PAROTIDS, {"name": name, **about}), folder)
    return folder


def page_of(folders: Sequence[Path], target: Path, **options: object) -> CheckedPage:
    report_on(folders, target, words=WORDS, report=lambda line: None, **options)
    return checked(target.read_text(encoding="utf-8"))


@pytest.fixture
def both(tmp_path: Path) -> list[Path]:
    """Results of A and of B."""
    bundle = {"name": "mine", "version": "1.2.3", "sha256": "00ff" * 16}
    about = {"bundle": bundle, "engine": "keras", "mirror": False, "split": "validation", "excluded": ["case_9"]}
    return [write(tmp_path / "a", "first", A, **about), write(tmp_path / "b", "second", B)]


def row(page: CheckedPage, *starts: str) -> list[str]:
    """The first row of any table that starts with these cells."""
    return next(row for rows in page.tables for row in rows if row[: len(starts)] == list(starts))


def test_the_comparison_says_which_model_is_better_and_by_how_much(both, tmp_path):
    page = page_of(both, tmp_path / "page.html")
    assert page.headings[0] == "first (A) against second (B)"
    said = page.words
    assert "Dice is higher with A, by 0.045 on average" in said
    assert "0.767 with A, 0.722 with B. A is better in 6, B in 0 of 6 cases; p = 0.031 (signed ranks)" in said
    dice = row(page, "Right", "Dice", "6")
    assert dice[3:8] == ["0.767 ± 0.108", "0.775", "0.722 ± 0.114", "0.750", "0.045"]
    test = row(page, "Left", "Dice", "6 / 0 / 0")
    assert test[3:5] == ["0.031", "1.00"]
    assert row(page, "case_3")[1:4] == ["0.600", "0.550", "0.050"]
    assert "No pair is left out." in said


@pytest.mark.parametrize(("split", "warned"), [("validation", True), ("train", True), ("test", False), ("", False)])
def test_a_split_that_chose_the_weights_is_said_to_flatter_them(tmp_path, split, warned):
    bundle = {"name": "mine", "version": "1.2.3", "sha256": "00ff"}
    folders = [write(tmp_path / name, name, A, bundle=bundle, split=split) for name in ("a", "b")]
    for given in (folders, folders[:1]):
        said = page_of(given, tmp_path / "page.html").words
        assert ("are usually lower" in said) is warned
    others = [write(tmp_path / "contours", "contours", A, split=split)]
    assert "usually lower" not in page_of(others, tmp_path / "page.html").words, "nobody knows what they were made with"


def test_exchanged_models_give_the_same_answer_with_the_letters_exchanged(both, tmp_path):
    said = page_of(both[::-1], tmp_path / "page.html").words
    assert "Dice is higher with B, by 0.045 on average" in said
    assert "A is better in 0, B in 6 of 6 cases" in said


def test_models_that_do_not_differ_clearly_are_not_said_to(tmp_path):
    folders = [write(tmp_path / "a", "first", A), write(tmp_path / "b", "second", [*A[1:3], A[0], *A[4:], A[3]])]
    said = page_of(folders, tmp_path / "page.html").words
    assert "no clear difference in Dice: A − B is 0.000 on average" in said
    assert "higher with" not in said


def test_what_went_wrong_stands_at_the_top(tmp_path):
    folders = [write(tmp_path / "a", "first", A), write(tmp_path / "b", "second", [0.0, math.nan, *B[2:]])]
    page = page_of(folders, tmp_path / "page.html")
    said = page.words
    top = said[: said.index("Overlap with the reference")]
    assert "A swapped the sides in 1 of 6 cases." in top
    assert "B missed the right parotid gland in 1 of 6 cases." in top
    # Dice: the case that nobody drew is left out; distances: the missed one, too.
    assert [row(page, "Right", "Dice", "5")[2], row(page, "Right", "HD95 mm", "4")[2]] == ["5", "4"]
    assert row(page, "Right", "HD95 mm", "4 / 0 / 0")[-2:] == ["1", "1"]
    assert "B: Parotid_R missed, Parotid_L missed" in row(page, "case_0")[-1]
    assert row(page, "case_1")[1:4] == ["0.750", "–", "–"]


def test_cases_that_only_one_has_are_named(tmp_path, both):
    fewer = write(tmp_path / "fewer", "third", B[:5])
    assert "Only A was evaluated on case_5: left out here." in page_of([both[0], fewer], tmp_path / "page.html").words


def test_the_page_says_how_it_came_about_without_paths(both, tmp_path):
    target = tmp_path / "page.html"
    page = page_of(both, target)
    assert row(page, "Model") == ["Model", "mine 1.2.3", "–"]
    assert row(page, "SHA-256")[1] == "00ff" * 16
    assert row(page, "Mirrored pass")[1:] == ["no", "–"]
    assert row(page, "Left out")[1] == "case_9"
    assert row(page, "Command") == ["Command", "parotidseg-train report --results results --output=page.html"]
    markup = target.read_text(encoding="utf-8")
    assert "somebody" not in markup and "Jane" not in markup and "jane" not in markup
    assert str(tmp_path) not in markup


def test_every_name_is_text_and_never_markup(tmp_path):
    evil = '<script>alert("1")</script> & $x$'
    folders = [write(tmp_path / name, evil, A) for name in ("a", "b")]
    page = page_of(folders, tmp_path / "page.html")
    assert f"{evil} (1)" in page.words and f"{evil} (2)" in page.words
    assert f"{evil} (1)" in page.pictures[1]["alt"]


def test_one_evaluation_has_its_summary_and_its_worst_cases_first(both, tmp_path):
    page = page_of(both[:1], tmp_path / "page.html")
    assert page.headings[0] == "first"
    assert row(page, "Right", "Dice")[2:4] == ["6", "0.767 ± 0.108"]
    assert "Sides are swapped in 1 of 6 cases." in page.words
    cases = next(rows for rows in page.tables if rows[-1][0].startswith("case_"))
    assert [line[0] for line in cases[2:]] == [f"case_{i}" for i in (3, 5, 1, 0, 4, 2)]
    assert cases[2][-1] == "sides swapped" and cases[4][-1] == "volume-unusual"
    assert len(page.pictures) == 1
    assert "split: validation; left out: case_9" in page.words


def test_three_evaluations_stand_one_after_the_other(both, tmp_path):
    third = write(tmp_path / "c", "third", [0.9])
    page = page_of([*both, third], tmp_path / "page.html", names=["one", "two", "three"])
    assert page.headings[0] == "one, two, three"
    assert len(page.pictures) == 3
    assert "In short" not in page.headings


def test_structures_without_sides_have_rows_of_their_own(tmp_path):
    target = CodedConcept("SCT", "1", "Target")
    gtv = replace(PAROTIDS[0], label=3, key="GTV", name="GTV", type=target, side="", laterality=None)
    folders = []
    for name, dice in (("a", A), ("b", [0.0, *B[1:]])):
        keys = [*(s.key for s in PAROTIDS), "GTV"]
        rows = [CaseScores(f"case_{i}", {key: scores(d) for key in keys}, False, (), 1.0) for i, d in enumerate(dice)]
        write_results(Results(tuple(rows), (*PAROTIDS, gtv), {"name": name}), tmp_path / name)
        folders.append(tmp_path / name)
    page = page_of(folders, tmp_path / "page.html")
    assert row(page, "GTV", "Dice", "6")[3] == "0.767 ± 0.108"
    assert "B missed the GTV in 1 of 6 cases." in page.words
    assert row(page, "case_2")[1:10] == ["0.900", "0.860", "0.040"] * 3


def test_one_case_is_too_few_to_compare_and_said(tmp_path):
    folders = [write(tmp_path / name, name, [0.8]) for name in ("a", "b")]
    assert "too few pairs (1) to compare" in page_of(folders, tmp_path / "page.html").words


def test_a_page_that_cannot_be_made_is_refused_with_one_sentence(both, tmp_path):
    def make(folders: Sequence[Path], name: str = "page.html") -> None:
        report_on(folders, tmp_path / name, report=lambda line: None)

    assert ".html" in refusal(OutputError, make, both, "page.pdf")
    assert "evaluate" in refusal(DataError, make, [tmp_path])
    (both[0] / "bland_altman.png").write_bytes(b"no picture")
    assert "damaged" in refusal(DataError, make, both[:1])
    (both[0] / "bland_altman.png").unlink()
    assert "missing" in refusal(DataError, make, both[:1])
    assert not (tmp_path / "page.html").exists()


def test_a_table_has_headings_for_rows_columns_and_groups():
    markup = table(
        ["x", "y", "z"],
        [["a", "b", "1"], ["a", "c", "2"], ["d", "e", "3"]],
        caption="<t>",
        groups=[("", 2), ("g", 1)],
        headings=2,
    )
    assert markup.count('scope="row"') == 6 and markup.count('scope="col"') == 3
    assert '<th class="group" colspan="1" scope="colgroup">g</th>' in markup
    assert markup.count('<tr class="first">') == 1
    assert "&lt;t&gt;" in markup and "<t>" not in markup


def test_a_picture_that_is_no_png_is_refused(tmp_path):
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert "damaged" in refusal(DataError, picture, tmp_path / "x.png", alt="", caption="")


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("/data/Jane Doe/ct", "ct"),
        ("C:\\Jane\\ct", "ct"),
        ("--output=/a/b.html", "--output=b.html"),
        ("results/", "results"),
        ("/", "."),
        ("--no-mirror", "--no-mirror"),
        ("0.5", "0.5"),
        ("a name", "'a name'"),
    ],
)
def test_of_a_path_only_the_last_part_is_shown(word, shown):
    assert shown_command([word]) == f"parotidseg-train {shown}"
