"""A batch: every scan found once, a table without names, and a second run that does only what is left."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import cut_short, made_head, write_dicom_series
from sentences import refusal

from ParotidSegLib.errors import ImageError, OutputError
from ParotidSegLib.model.bundle import load_bundle
from ParotidSegLib.reading.dicom_series import list_series
from ParotidSegLib.terminal.batch.manifest import Manifest
from ParotidSegLib.terminal.batch.running import run_batch
from ParotidSegLib.terminal.batch.scans import Scan, find_scans, listed_scans
from ParotidSegLib.terminal.batch.table import COLUMNS
from ParotidSegLib.terminal.batch.work import Here
from ParotidSegLib.terminal.cli import main
from ParotidSegLib.terminal.console import QuietReporter
from ParotidSegLib.terminal.one_scan import Options

NAME = "Doe_Jane"


def rows_of(output: Path) -> list[dict[str, str]]:
    with (output / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def batch(folder: Path, output: Path, *options: str) -> int:
    return main(["batch", str(folder), "-o", str(output), "--no-mirror", "--progress", "none", *options])


@pytest.fixture(scope="module")
def archive(tmp_path_factory, sample_ct) -> Path:
    """A folder with a scan as a file, one as DICOM among other objects, and a damaged one; named after a patient."""
    folder = tmp_path_factory.mktemp("archive") / "scans"
    (folder / NAME / "first").mkdir(parents=True)
    shutil.copy(sample_ct, folder / NAME / "first" / f"{NAME}.nii.gz")
    scan = sitk.ReadImage(str(sample_ct))
    write_dicom_series(folder / NAME / "second" / "ct", scan, uid="2.25.11")
    write_dicom_series(folder / NAME / "second" / "scout", scan[:, :, :2], uid="2.25.12")
    (folder / NAME / "second" / "notes.txt").write_text("nothing", encoding="utf-8")
    sitk.WriteImage(made_head(), str(folder / f"{NAME}_broken.nii.gz"))
    cut_short(folder / f"{NAME}_broken.nii.gz")
    return folder


@pytest.fixture(scope="module")
def results(archive) -> Path:
    """The results of a batch over the archive, in a folder below it."""
    output = archive / "results"
    assert batch(archive, output) == 1
    return output


@pytest.mark.engine
def test_each_scan_gets_a_numbered_folder_and_rows_in_the_table(results):
    rows = rows_of(results)
    assert [(row["scan"], row["status"], row["structure"]) for row in rows] == [
        ("001", "done", "Parotid_R"),
        ("001", "done", "Parotid_L"),
        ("002", "failed", ""),
        ("003", "done", "Parotid_R"),
        ("003", "done", "Parotid_L"),
    ]
    report = json.loads((results / "001" / "report.json").read_text(encoding="utf-8"))
    assert float(rows[0]["volume_ml"]) == pytest.approx(report["structures"]["Parotid_R"]["volume_ml"], abs=1e-3)
    assert float(rows[1]["x_mm"]) > float(rows[0]["x_mm"])  # LPS: the patient's left
    # The same scan as a file and as DICOM: the same glands.
    assert float(rows[3]["volume_ml"]) == pytest.approx(float(rows[0]["volume_ml"]), rel=0.02)
    assert sorted(path.name for path in (results / "003").iterdir()) == [
        "parotids.png",
        "parotids.seg.nrrd",
        "report.json",
    ]


@pytest.mark.engine
def test_only_the_list_of_scans_names_them(results):
    assert NAME in (results / "scans.json").read_text(encoding="utf-8")
    assert rows_of(results)[2]["message"].startswith("the scan")
    for path in results.rglob("*"):
        assert NAME not in path.relative_to(results).as_posix()
        if path.is_file() and path.name != "scans.json":
            assert NAME.encode() not in path.read_bytes()
            assert b"2.25.11" not in path.read_bytes()


@pytest.mark.engine
def test_a_second_run_does_only_what_is_left_and_what_is_new(results, archive, tmp_path, capsys):
    output = tmp_path / "results"
    shutil.copytree(results, output)
    scans = tmp_path / "scans"
    shutil.copytree(archive, scans, ignore=shutil.ignore_patterns("results"))
    (scans / f"{NAME}_broken.nii.gz").unlink()
    (output / "003" / "parotids.png").unlink()
    (scans / "A_new").mkdir()
    shutil.copy(archive / NAME / "first" / f"{NAME}.nii.gz", scans / "A_new" / "scan.nii.gz")
    times = {path: path.stat().st_mtime_ns for path in (output / "001").iterdir()}
    command = ["batch", str(scans), "-o", str(output), "--no-mirror", "--progress", "human"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "(folder 001): done before" in out
    assert "2 segmented, 1 done before, 0 failed" in out
    assert {path: path.stat().st_mtime_ns for path in (output / "001").iterdir()} == times
    assert [row["scan"] for row in rows_of(output)] == ["004", "004", "001", "001", "003", "003"]
    assert {row["status"] for row in rows_of(output)} == {"done"}
    assert (output / "003" / "parotids.png").is_file()


@pytest.mark.engine
def test_a_batch_without_matplotlib_leaves_out_the_pictures_and_goes_on(tmp_path, sample_ct, monkeypatch, capsys):
    """As in Slicer, which has none."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    shutil.copy(sample_ct, tmp_path / "scan.nii.gz")
    command = ["batch", str(tmp_path), "-o", str(tmp_path / "out"), "--no-mirror", "--progress", "human"]
    assert main(command) == 0
    assert "The picture was left out because the package matplotlib is not installed" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out" / "001").iterdir()) == ["parotids.seg.nrrd", "report.json"]
    assert [row["status"] for row in rows_of(tmp_path / "out")] == ["done", "done"]
    assert main(command) == 0
    assert "0 segmented, 1 done before, 0 failed" in capsys.readouterr().out


@pytest.mark.engine
def test_a_scan_or_an_option_that_changed_is_segmented_again(results, archive, tmp_path, monkeypatch):
    import ParotidSegLib.terminal.batch.work as module

    done: list[Path] = []

    def note(source, output, model, options, show):
        done.append(output)
        raise ImageError("Not now.")

    monkeypatch.setattr(module, "segment_scan", note)
    output = tmp_path / "results"
    shutil.copytree(results, output)
    batch(archive, output)
    assert [path.name for path in done] == ["002"]
    done.clear()
    batch(archive, output, "--again")
    assert [path.name for path in done] == ["001", "002", "003"]
    done.clear()
    shutil.rmtree(output)
    shutil.copytree(results, output)
    main(["batch", str(archive), "-o", str(output), "--progress", "none"])  # with the mirrored pass
    assert [path.name for path in done] == ["001", "002", "003"]
    done.clear()
    shutil.rmtree(output)
    shutil.copytree(results, output)
    manifest = json.loads((output / "scans.json").read_text(encoding="utf-8"))
    manifest["scans"]["001"]["stamp"] = "1 files, 5 bytes, 7"
    (output / "scans.json").write_text(json.dumps(manifest), encoding="utf-8")
    batch(archive, output)
    assert [path.name for path in done] == ["001", "002"]


@pytest.mark.engine
def test_wrong_use_has_exit_codes_and_sentences(archive, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert batch(tmp_path / "empty", tmp_path / "out") == 1
    assert "holds neither a CT series nor an image file" in capsys.readouterr().err
    assert batch(tmp_path / "missing", tmp_path / "out") == 1
    assert "is no folder" in capsys.readouterr().err
    assert batch(archive, archive) == 1
    assert "choose another --output" in capsys.readouterr().err
    assert batch(archive, tmp_path / "out.csv") == 2
    with pytest.raises(SystemExit) as stopped:
        main(["batch", str(archive)])
    assert stopped.value.code == 2
    assert not (tmp_path / "out").exists()


def test_a_scan_found_twice_in_another_order_keeps_its_number(tmp_path):
    first, second = (Scan(key, tmp_path / key, "stamp") for key in ("a", "b"))
    manifest = Manifest(tmp_path)
    manifest.number_all([second])
    manifest.number_all([first, second])
    again = Manifest(tmp_path)
    assert (again.number(first), again.number(second)) == ("002", "001")
    assert not again.is_unchanged(first)
    again.mark(first, done=True)
    again.write()
    assert Manifest(tmp_path).is_unchanged(first)
    (tmp_path / "scans.json").write_text("{", encoding="utf-8")
    with pytest.raises(OutputError, match="damaged"):
        Manifest(tmp_path)


@pytest.mark.parametrize("number", ["abc", "../../elsewhere", "-1", ""])
def test_a_list_of_scans_with_something_else_for_a_number_is_damaged(tmp_path, number):
    (tmp_path / "scans.json").write_text(json.dumps({"scans": {number: {"scan": "a", "stamp": ""}}}), encoding="utf-8")
    assert "is damaged" in refusal(OutputError, Manifest, tmp_path)


def failed_message(source: Path, output: Path) -> str:
    """What the table says of a scan that cannot be segmented."""
    model = SimpleNamespace(bundle=load_bundle())
    assert run_batch([Scan("key", source, "stamp")], output, Here(model), Options(), QuietReporter()) == 1
    return rows_of(output)[0]["message"]


def test_the_name_of_the_folder_of_results_is_not_in_the_table(tmp_path, monkeypatch):
    (tmp_path / NAME / "001" / "parotids.png").mkdir(parents=True)
    shutil.copytree(tmp_path / NAME, tmp_path / "relative")
    monkeypatch.chdir(tmp_path)
    sentence = "001/parotids.png cannot be written: there is a folder of that name."
    assert failed_message(tmp_path / "scan.nii.gz", tmp_path / NAME) == sentence
    assert failed_message(tmp_path / "scan.nii.gz", Path("relative")) == sentence


@pytest.mark.parametrize("folder", [".", "a", "/"])
def test_a_folder_of_a_short_name_leaves_the_sentence_as_it_is(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = Path(folder) / "no-such-scan.nii.gz"
    assert failed_message(source, tmp_path / "out") == "the scan does not exist: check the path."


def test_segmentations_hidden_files_and_results_are_no_scans(tmp_path):
    for name in (
        "a.nii.gz",
        "b.seg.nrrd",
        "a.uncertainty.nrrd",
        ".hidden/c.nii.gz",
        "results/001/d.nii.gz",
        "e/f.mha",
        "g.csv",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [scan.key for scan in find_scans(tmp_path, leave_out=tmp_path / "results")] == ["a.nii.gz", "e/f.mha"]


def test_scans_that_lie_elsewhere_are_taken_from_a_list(tmp_path):
    for name in ("a.nii.gz", "1.dcm", "2.dcm"):
        (tmp_path / name).touch()
    listing = tmp_path / "list.json"
    files = [str(tmp_path / "1.dcm"), str(tmp_path / "2.dcm")]
    listing.write_text(json.dumps({"one": str(tmp_path / "a.nii.gz"), "two": files}), encoding="utf-8")
    one, two = listed_scans(listing)
    assert (one.key, one.source) == ("one", tmp_path / "a.nii.gz")
    assert (two.key, two.source) == ("two", (tmp_path / "1.dcm", tmp_path / "2.dcm"))
    listing.write_text('{"one": "a.nii.gz", "one": "b.nii.gz"}', encoding="utf-8")
    assert "two scans of one name" in refusal(ImageError, listed_scans, listing)
    listing.write_text(json.dumps({"two": files}), encoding="utf-8")
    (tmp_path / "2.dcm").unlink()
    with pytest.raises(ImageError, match="a file that is missing"):
        listed_scans(listing)
    for text, complaint in (("{}", "names no scan"), ("[1]", "is no list"), ("{", "is no list"), ('{"a": 3}', "is no")):
        listing.write_text(text, encoding="utf-8")
        with pytest.raises(ImageError, match=complaint):
            listed_scans(listing)


def test_a_damaged_slice_is_listed_with_the_series_of_its_folder(tmp_path):
    head = made_head()
    files = write_dicom_series(tmp_path / "a", head, uid="2.25.21")
    others = write_dicom_series(tmp_path / "b", head, uid="2.25.22")
    cut_short(files[0], 0.1)
    listed = list_series(sorted(tmp_path.rglob("*")))
    assert listed == {"2.25.21": sorted(files), "2.25.22": sorted(others)}
    from ParotidSegLib.reading.images import read_series

    with pytest.raises(ImageError, match="1 DICOM CT file"):
        read_series(listed["2.25.21"], whole_head=False)


def test_the_columns_of_the_table_are_those_of_the_documentation():
    text = (Path(__file__).resolve().parents[3] / "Documentation" / "Slicer.md").read_text(encoding="utf-8")
    assert all(f"`{column}`" in text for column in COLUMNS)
    assert np.unique(COLUMNS).size == len(COLUMNS)
