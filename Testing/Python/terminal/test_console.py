"""What a person sees on the terminal, and the lines that a parent process reads."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import SimpleITK as sitk

from ParotidSegLib.glands.quality import Finding, Measurement
from ParotidSegLib.segmentation import Segmentation
from ParotidSegLib.terminal.console import HumanReporter, JsonReporter, QuietReporter, reporter, table


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def result() -> Segmentation:
    measurement = Measurement(24.04, -12.4, (-60.0, 5.0, 90.0))
    findings = [
        Finding("gland-missing", "error", "The left parotid gland was not found.", "Parotid_L"),
        Finding("volume-unusual", "warning", "Its volume is unusual.", "Parotid_R", (-60.4, 5.0, 90.0)),
        Finding("density-unusual", "warning", "It is unusually dense.", "Parotid_R", (0.0, 0.0, 0.0)),
    ]
    provenance = {"bundle": {"name": "tiny", "version": "0.0.1", "sha256": "ab"}, "engine": "keras"}
    labels = sitk.Image(4, 4, 4, sitk.sitkUInt8)
    return Segmentation(labels, {"Parotid_R": measurement}, findings, {"locate": 1.25, "segment": 2.0}, provenance)


# --- the table -------------------------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_gland(result):
    lines = table(result).splitlines()
    (right,) = [line for line in lines if line.startswith("Right parotid gland")]
    (left,) = [line for line in lines if line.startswith("Left parotid gland")]
    assert right.split()[3:] == ["24.0", "mL", "-12", "HU"]
    assert left.split()[3:] == ["not", "found"]


def test_the_table_says_where_to_look(result):
    text = table(result)
    assert "  error: The left parotid gland was not found.\n" in text
    assert "  warning: Its volume is unusual. Look at (-60, 5, 90) mm.\n" in text
    assert "  warning: It is unusually dense. Look at (0, 0, 0) mm.\n" in text


def test_the_table_names_model_engine_and_time_and_asks_for_a_review(result):
    lines = table(result).splitlines()
    assert "Model tiny 0.0.1, engine keras, 3.2 s" in lines or "Model tiny 0.0.1, engine keras, 3.3 s" in lines
    assert "clinician" in lines[-1]


def test_a_result_without_remarks_says_so_and_that_nobody_looked_for_disease(result):
    result.findings.clear()
    assert "Remarks on the contours: none (they do not look for disease)" in table(result).splitlines()


def test_the_columns_of_the_table_stand_under_their_headings(result):
    result.measurements["Parotid_L"] = Measurement(7.0, 3.0, (60.0, 0.0, 0.0))
    head, right, left = table(result).splitlines()[:3]
    assert len(head) == len(right) == len(left)
    for heading, unit in (("volume", "mL"), ("mean", "HU")):
        end = head.index(heading) + len(heading)
        assert right[:end].endswith(unit)
        assert left[:end].endswith(unit)


# --- for a person ----------------------------------------------------------------------------------------------------


def test_a_terminal_gets_one_line_that_is_written_over(result):
    out, err = Terminal(), Terminal()
    show = HumanReporter(out, err)
    for fraction in (0.0, 0.5, 1.0):
        show.progress("segment", fraction, "Drawing the contours")
    text = err.getvalue()
    assert "\n" not in text
    assert text.count("\r\033[K") == 3
    bars = [part.split()[0] for part in text.split("\r\033[K")[1:]]
    assert [bar.count("█") for bar in bars] == [0, 12, 24]
    assert {len(bar) for bar in bars} == {24}
    assert " 50%  Drawing the contours" in text
    assert out.getvalue() == ""


def test_the_progress_line_is_gone_before_the_result(result):
    stream = Terminal()
    show = HumanReporter(stream, stream)
    show.progress("segment", 0.5, "Drawing the contours")
    show.result(result, [Path("a.seg.nrrd"), Path("a.png")])
    after = stream.getvalue().split("Drawing the contours", 1)[1]
    assert after.startswith("\r\033[K")
    assert after.endswith("Files:\n  a.seg.nrrd\n  a.png\n")


def test_a_log_file_gets_a_line_for_each_stage_and_no_control_characters(result):
    out, err = io.StringIO(), io.StringIO()
    show = HumanReporter(out, err)
    show.heading("Scan 1 of 2")
    for stage, fraction in (("locate", 0.1), ("locate", 0.2), ("segment", 0.5), ("segment", 0.9), ("done", 1.0)):
        show.progress(stage, fraction, f"Doing {stage}")
    show.result(result, [Path("a.seg.nrrd")])
    assert err.getvalue() == "Doing locate …\nDoing segment …\n"
    assert out.getvalue().startswith("Scan 1 of 2\n")
    assert "\033" not in out.getvalue() + err.getvalue()


def test_the_stages_of_the_next_scan_are_told_again(result):
    err = io.StringIO()
    show = HumanReporter(io.StringIO(), err)
    show.progress("write", 1.0, "Writing")
    show.result(result, [])
    show.progress("write", 1.0, "Writing")
    assert err.getvalue() == "Writing …\nWriting …\n"


def test_a_failure_is_one_line_on_the_standard_error():
    out, err = io.StringIO(), io.StringIO()
    HumanReporter(out, err).failure("The image is a single slice: give the whole CT.")
    assert err.getvalue() == "parotidseg: The image is a single slice: give the whole CT.\n"
    assert out.getvalue() == ""


def test_the_quiet_reporter_tells_failures_alone(result):
    out, err = io.StringIO(), io.StringIO()
    show = QuietReporter(out, err)
    show.heading("Scan 1 of 2")
    show.progress("locate", 0.5, "Looking")
    show.result(result, [Path("a")])
    assert out.getvalue() == err.getvalue() == ""
    show.failure("It failed.")
    assert err.getvalue() == "parotidseg: It failed.\n"


# --- for a parent process --------------------------------------------------------------------------------------------


def test_every_line_for_a_parent_process_is_one_object_with_stage_fraction_and_message(result, capsys):
    show = JsonReporter()
    show.heading("Scan 1 of 1")
    show.progress("segment", 0.123456, 'Drawing\nthe "contours"')
    show.result(result, [Path("a.seg.nrrd")])
    show.failure("It failed.")
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert err == ""
    assert [line["stage"] for line in lines] == ["scan", "segment", "result", "error"]
    assert all({"stage", "fraction", "message"} <= line.keys() for line in lines)
    assert all(0 <= line["fraction"] <= 1 for line in lines)
    assert lines[1] == {"stage": "segment", "fraction": 0.1235, "message": 'Drawing\nthe "contours"'}
    assert lines[2]["files"] == ["a.seg.nrrd"]
    assert lines[2]["report"] == json.loads(json.dumps(result.report()))
    assert out.isascii()


def test_each_line_is_sent_at_once(monkeypatch):
    class Watched(io.StringIO):
        flushed = 0

        def flush(self):
            self.flushed += 1

    stream = Watched()
    monkeypatch.setattr("sys.stdout", stream)
    show = JsonReporter()
    show.progress("locate", 0.1, "Looking")
    show.progress("locate", 0.2, "Looking")
    assert stream.flushed == 2


@pytest.mark.parametrize(
    ("kind", "expected"), [("human", HumanReporter), ("json", JsonReporter), ("none", QuietReporter)]
)
def test_the_kind_of_progress_chooses_the_reporter(kind, expected):
    assert type(reporter(kind)) is expected
