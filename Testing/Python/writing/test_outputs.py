"""The files of one result: where they go, and that they appear together or not at all."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import made_head
from sentences import refusal

from ParotidSegLib.errors import OutputError
from ParotidSegLib.glands.quality import Finding, Measurement
from ParotidSegLib.segmentation import Segmentation
from ParotidSegLib.writing import outputs as outputs_module
from ParotidSegLib.writing import preview as preview_module
from ParotidSegLib.writing.outputs import Outputs


@pytest.fixture(scope="module")
def scan() -> sitk.Image:
    return made_head()


@pytest.fixture
def result(scan) -> Segmentation:
    labels = np.zeros(tuple(reversed(scan.GetSize())), np.uint8)
    labels[8:13, 18:24, 5:10] = 1
    labels[8:13, 18:24, 29:34] = 2
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(scan)
    measurement = Measurement(22.5, 12.0, (-60.0, 5.0, 90.0))
    finding = Finding("gland-missing", "error", "The left parotid gland was not found.", "Parotid_L")
    return Segmentation(image, {"Parotid_R": measurement}, [finding], {"locate": 1.0}, {"engine": "none"})


@pytest.fixture
def no_drawing(monkeypatch):
    """A picture that costs nothing."""
    monkeypatch.setattr(
        preview_module, "draw_preview", lambda image, labels, path, **how: Path(path).write_bytes(b"picture")
    )


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def plan(output: Path, **options) -> Outputs:
    return Outputs.plan(output, **{"preview": None, "report": None, **options})


# --- where they go ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("a.seg.nrrd", "a.png"),
        ("a.nii.gz", "a.png"),
        ("a.b.nii", "a.b.png"),
        ("a.nrrd", "a.png"),
        ("a.mha", "a.png"),
    ],
)
def test_the_picture_of_a_file_lies_beside_it_and_a_report_is_not_written_unasked(tmp_path, name, picture):
    planned = plan(tmp_path / name)
    assert (planned.labels, planned.preview, planned.report) == (tmp_path / name, tmp_path / picture, None)
    assert planned.paths == [tmp_path / name, tmp_path / picture]


@pytest.mark.parametrize("name", ["new", "new/deeper", "there", "with.dot"])
def test_a_folder_gets_all_three_files(tmp_path, name):
    (tmp_path / "there").mkdir()
    (tmp_path / "with.dot").mkdir()
    folder = tmp_path / name
    planned = plan(folder)
    assert planned.paths == [folder / "parotids.seg.nrrd", folder / "parotids.png", folder / "report.json"]


def test_paths_that_were_asked_for_are_taken(tmp_path):
    planned = plan(tmp_path / "a.nii", preview=tmp_path / "p" / "x.png", report=tmp_path / "r.json")
    assert planned.paths == [tmp_path / "a.nii", tmp_path / "p" / "x.png", tmp_path / "r.json"]


def test_no_picture_is_planned_when_none_is_wanted(tmp_path):
    assert plan(tmp_path / "a.nii", draw=False).paths == [tmp_path / "a.nii"]
    assert plan(tmp_path / "a.nii", draw=False, preview=tmp_path / "x.png").preview is None


# --- places that cannot be -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.txt", "a.dcm", "a.gz", "a.png"])
def test_an_unknown_format_is_refused_with_one_sentence(tmp_path, name):
    assert ".seg.nrrd" in refusal(OutputError, plan, tmp_path / name)


def test_a_place_below_a_file_is_refused_with_one_sentence(tmp_path):
    (tmp_path / "file").write_text("a file")
    assert "not a folder" in refusal(OutputError, plan, tmp_path / "file" / "a.nii")


def test_a_folder_of_the_name_of_a_file_is_refused_with_one_sentence(tmp_path):
    (tmp_path / "report.json").mkdir()
    refusal(OutputError, plan, tmp_path)


def test_a_folder_without_permission_is_refused_with_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "permission" in refusal(OutputError, plan, tmp_path / "new" / "a.nii")


def test_a_picture_of_another_format_is_refused_before_the_work(tmp_path):
    assert ".png" in refusal(OutputError, plan, tmp_path / "a.nii", preview=tmp_path / "a.jpg")
    assert plan(tmp_path / "a.nii", preview=tmp_path / "a.PNG").preview == tmp_path / "a.PNG"


@pytest.mark.parametrize(
    "options",
    [{"report": Path("a.nii")}, {"report": Path("a.png")}, {"preview": Path("same.png"), "report": Path("same.png")}],
    ids=["report over labels", "report over picture", "report over chosen picture"],
)
def test_two_files_of_one_name_are_refused(tmp_path, options):
    options = {key: tmp_path / path for key, path in options.items()}
    assert "twice" in refusal(OutputError, plan, tmp_path / "a.nii", **options)


def test_two_files_of_one_place_are_refused_however_it_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "twice" in refusal(OutputError, plan, tmp_path / "a.nii", report=Path("a.nii"))
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    assert "twice" in refusal(
        OutputError, plan, tmp_path / "a.nii", preview=tmp_path / "link" / "a.png", report=Path("a.png")
    )


def test_planning_writes_nothing(tmp_path):
    plan(tmp_path / "new" / "deeper")
    assert files_below(tmp_path) == []


# --- written together ------------------------------------------------------------------------------------------------


def test_all_three_files_are_written(tmp_path, scan, result):
    planned = plan(tmp_path / "out")
    planned.write(scan, result)
    assert files_below(tmp_path) == ["out", "out/parotids.png", "out/parotids.seg.nrrd", "out/report.json"]
    labels = sitk.ReadImage(str(planned.labels))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(labels), sitk.GetArrayFromImage(result.labels))
    np.testing.assert_allclose(labels.GetOrigin(), scan.GetOrigin())
    assert planned.preview.read_bytes().startswith(b"\x89PNG")
    report = json.loads(planned.report.read_text(encoding="utf-8"))
    assert report["structures"]["Parotid_R"]["volume_ml"] == 22.5
    assert report["findings"][0]["code"] == "gland-missing"
    assert report["timings_s"].keys() == {"locate", "write"}


@pytest.mark.usefixtures("no_drawing")
def test_an_earlier_result_is_replaced_and_other_files_stay(tmp_path, scan, result):
    (tmp_path / "parotids.png").write_bytes(b"old")
    (tmp_path / "notes.txt").write_text("mine")
    plan(tmp_path).write(scan, result)
    assert files_below(tmp_path) == ["notes.txt", "parotids.png", "parotids.seg.nrrd", "report.json"]
    assert (tmp_path / "parotids.png").read_bytes() == b"picture"
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("no_drawing")
def test_files_in_several_folders_are_written(tmp_path, scan, result):
    plan(tmp_path / "a" / "l.nii.gz", preview=tmp_path / "b" / "p.png", report=tmp_path / "c" / "d" / "r.json").write(
        scan, result
    )
    assert files_below(tmp_path) == ["a", "a/l.nii.gz", "b", "b/p.png", "c", "c/d", "c/d/r.json"]


def failing(error: BaseException):
    def fail(*arguments, **options):
        raise error

    return fail


NO_SPACE = OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("stage", "error"),
    [
        *itertools.product(
            ("write_segmentation", "write_json"),
            (NO_SPACE, OutputError("It did not work."), KeyboardInterrupt(), SystemExit(143)),
        ),
        *itertools.product(("draw_preview",), (KeyboardInterrupt(), SystemExit(143))),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
@pytest.mark.parametrize("there", [False, True], ids=["new folder", "old folder"])
@pytest.mark.usefixtures("no_drawing")
def test_nothing_stays_of_a_result_that_could_not_be_written(*, tmp_path, result, monkeypatch, stage, error, there):
    if there:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "parotids.seg.nrrd").write_bytes(b"old")
    before = files_below(tmp_path)
    planned = plan(tmp_path / "out")
    monkeypatch.setattr(preview_module if stage == "draw_preview" else outputs_module, stage, failing(error))
    if isinstance(error, Exception):
        refusal(OutputError, planned.write, result.labels, result)
    else:
        with pytest.raises(type(error)):
            planned.write(result.labels, result)
    assert files_below(tmp_path) == before
    if there:
        assert (tmp_path / "out" / "parotids.seg.nrrd").read_bytes() == b"old"


@pytest.mark.parametrize(
    "error",
    [NO_SPACE, OutputError("It did not work."), ValueError("a name"), MemoryError(), ModuleNotFoundError(name="x")],
    ids=lambda error: type(error).__name__,
)
def test_a_picture_that_cannot_be_drawn_ends_nothing(tmp_path, scan, result, monkeypatch, error):
    (tmp_path / "parotids.png").write_bytes(b"of an earlier result")
    monkeypatch.setattr(preview_module, "draw_preview", failing(error))
    written = plan(tmp_path).write(scan, result)
    assert files_below(tmp_path) == ["parotids.seg.nrrd", "report.json"]
    assert [path.name for path in written.paths] == ["parotids.seg.nrrd", "report.json"]
    assert written.note.startswith("The picture was left out because ")
    assert "a name" not in written.note


def test_a_result_with_its_picture_has_no_note(tmp_path, scan, result):
    written = plan(tmp_path).write(scan, result)
    assert [path.name for path in written.paths] == ["parotids.seg.nrrd", "parotids.png", "report.json"]
    assert written.note == ""


@pytest.mark.usefixtures("no_drawing")
def test_a_refusal_names_the_file_that_was_asked_for_and_no_temporary_one(tmp_path, scan, result, monkeypatch):
    monkeypatch.setattr(sitk, "WriteImage", failing(RuntimeError("disk full")))
    message = refusal(OutputError, plan(tmp_path / "mine.nii.gz").write, scan, result)
    assert "mine.nii.gz" in message
    assert "tmp" not in message.replace(str(tmp_path), "")


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), KeyboardInterrupt()], ids=["open", "Ctrl-C"]
)
@pytest.mark.parametrize("there", [False, True], ids=["new", "old"])
@pytest.mark.usefixtures("no_drawing")
def test_a_file_that_another_program_holds_leaves_all_as_it_was(*, tmp_path, scan, result, monkeypatch, error, there):
    planned = plan(tmp_path / "out")
    if there:
        planned.labels.parent.mkdir()
        for path in planned.paths:
            path.write_bytes(b"old " + path.name.encode())
    move = os.replace

    def replace(new, path):
        if Path(path) == planned.report and not Path(new).name.startswith("before"):
            raise error
        move(new, path)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OutputError if isinstance(error, OSError) else KeyboardInterrupt):
        planned.write(scan, result)
    if there:
        assert [path.read_bytes() for path in planned.paths] == [b"old " + path.name.encode() for path in planned.paths]
        assert len(files_below(planned.labels.parent)) == len(planned.paths)
    else:
        assert files_below(tmp_path) == []
