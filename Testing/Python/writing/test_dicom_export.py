"""DICOM results by suffix: from Python, from the command line, beside other results, and refused before the work."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from made_dicom_results import PATIENT, TAGS, expected, filled_contours, frames_of, made_scan, write_ct
from made_images import write_dicom_series
from orientations import reoriented
from sentences import refusal

from ParotidSegLib import segmentation
from ParotidSegLib.errors import OutputError
from ParotidSegLib.reading.images import read_image
from ParotidSegLib.structures import PAROTIDS
from ParotidSegLib.terminal import cli
from ParotidSegLib.terminal.cli import main
from ParotidSegLib.writing.dicom_export import export_dicom
from ParotidSegLib.writing.dicom_reference import DicomReference, Origin
from ParotidSegLib.writing.export import DICOM_SUFFIXES, segmentation_suffix, write_segmentation
from ParotidSegLib.writing.outputs import Outputs


@pytest.fixture(scope="module")
def ct(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "ct"
    write_ct(folder, made_scan("oblique")[0])
    return folder


@pytest.fixture
def labels() -> sitk.Image:
    return made_scan("oblique")[1]


def names_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def assert_holds(path: Path, labels: sitk.Image, ct: Path) -> None:
    """The file holds both glands, each where it is, on its side."""
    dataset = pydicom.dcmread(path)
    for number, structure in enumerate(PAROTIDS, start=1):
        masks = expected(labels, structure.label, ct)
        if dataset.Modality == "SEG":
            found = {uid: frame for uid, frame, _ in frames_of(dataset, number)}
        else:
            found = filled_contours(dataset, structure.key, ct)
        assert any(mask.any() for mask in masks.values())
        assert all(np.array_equal(found[uid], mask) for uid, mask in masks.items() if mask.any())


# --- from Python -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", DICOM_SUFFIXES)
def test_the_suffix_chooses_the_kind(tmp_path, ct, labels, suffix):
    path = tmp_path / "Größe 頭" / f"glands{suffix}"
    stored_otherwise = reoriented(labels, (0, 1, 2), (False, True, True))
    assert export_dicom(stored_otherwise, path, dicom=ct, origin=Origin(edited=True)) == list(PAROTIDS)
    assert_holds(path, labels, ct)
    assert names_below(path.parent) == [path.name]


@pytest.mark.parametrize("name", ["glands.dcm", "glands.nii.gz", "glands.RTSTRUCT.dcm", "glands"])
def test_another_suffix_is_refused(tmp_path, ct, labels, name):
    assert ".rtstruct.dcm" in refusal(OutputError, export_dicom, labels, tmp_path / name, dicom=ct)


@pytest.mark.parametrize("suffix", DICOM_SUFFIXES)
def test_a_label_map_writer_refuses_what_needs_a_ct(tmp_path, labels, suffix):
    assert segmentation_suffix(f"glands{suffix}") == suffix
    assert "export_dicom" in refusal(OutputError, write_segmentation, labels, tmp_path / f"glands{suffix}")


@pytest.mark.parametrize("suffix", DICOM_SUFFIXES)
def test_a_write_that_fails_leaves_the_old_file(tmp_path, ct, labels, monkeypatch, suffix):
    path = tmp_path / f"glands{suffix}"
    path.write_bytes(b"old")

    def fail(self, filename, **options):
        Path(filename).write_bytes(b"half a file")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pydicom.Dataset, "save_as", fail)
    assert "No space left" in refusal(OutputError, export_dicom, labels, path, dicom=ct)
    assert path.read_bytes() == b"old"
    assert names_below(tmp_path) == [path.name]


def test_results_in_the_folder_of_the_ct_do_not_hinder_reading_it(tmp_path, labels):
    scan, _ = made_scan("oblique")
    write_ct(tmp_path, scan)
    for suffix in DICOM_SUFFIXES:
        export_dicom(labels, tmp_path / f"glands{suffix}", dicom=tmp_path)
    image = read_image(tmp_path)
    assert np.array_equal(sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(scan))
    assert len(DicomReference.open(tmp_path).headers) == scan.GetDepth()


# --- paths of a result -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "files"),
    [
        ("out", ["parotids.seg.nrrd", "parotids.rtstruct.dcm", "parotids.seg.dcm", "report.json"]),
        ("glands.nii.gz", ["glands.nii.gz", "glands.rtstruct.dcm", "glands.seg.dcm"]),
        ("glands.seg.dcm", ["glands.seg.dcm", "glands.rtstruct.dcm"]),
    ],
)
def test_dicom_results_lie_beside_the_labels(tmp_path, output, files):
    planned = Outputs.plan(tmp_path / output, preview=None, report=None, draw=False, dicom=DICOM_SUFFIXES)
    assert [path.name for path in planned.paths] == files
    assert planned.needs_dicom


def test_a_plan_without_dicom_needs_none(tmp_path):
    assert not Outputs.plan(tmp_path / "out", preview=None, report=None).needs_dicom
    assert Outputs.plan(tmp_path / "a.rtstruct.dcm", preview=None, report=None).paths[1].name == "a.png"


# --- command line ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", DICOM_SUFFIXES)
@pytest.mark.parametrize("source", ["glands.seg.nrrd", "glands.nii.gz"])
def test_export_turns_a_label_map_into_dicom(*, tmp_path, ct, labels, capsys, source, suffix):
    write_segmentation(labels, tmp_path / source)
    target = tmp_path / f"out{suffix}"
    assert main(["export", str(tmp_path / source), "--dicom", str(ct), "--output", str(target), "--edited"]) == 0
    assert_holds(target, labels, ct)
    printed = capsys.readouterr().out
    assert "Parotid_R, Parotid_L" in printed
    assert PATIENT not in printed
    dataset = pydicom.dcmread(target)
    items = dataset.get("SegmentSequence") or dataset.StructureSetROISequence
    assert [item.get("SegmentAlgorithmType") or item.ROIGenerationAlgorithm for item in items] == ["SEMIAUTOMATIC"] * 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["labels.nrrd", "--dicom", "ct", "-o", "out.nii.gz"], "no ending of a DICOM result"),
        (["labels.nrrd", "--dicom", "labels.nrrd", "-o", "out.seg.dcm"], "must be a DICOM folder"),
        (["labels.nrrd", "--dicom", "ct", "--series", "5", "-o", "out.seg.dcm"], "lacks '5' among"),
        (["labels.nrrd", "--dicom", "ct", "--bundle", "unheard-of", "-o", "out.seg.dcm"], "unheard-of"),
        (["missing.nrrd", "--dicom", "ct", "-o", "out.seg.dcm"], "no file"),
        (["moved.nrrd", "--dicom", "ct", "-o", "out.seg.dcm"], "does not lie on the voxels"),
    ],
)
def test_export_refuses_with_one_sentence(*, tmp_path, ct, labels, capsys, monkeypatch, arguments, text):
    monkeypatch.chdir(tmp_path)
    sitk.WriteImage(labels, "labels.nrrd")
    labels.SetOrigin([value + 0.7 for value in labels.GetOrigin()])
    sitk.WriteImage(labels, "moved.nrrd")
    assert main(["export", *[str(ct) if argument == "ct" else argument for argument in arguments]]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("parotidseg: ") and text in line
    assert names_below(tmp_path) == ["labels.nrrd", "moved.nrrd"]


@pytest.mark.parametrize(
    "options", [["-o", "out.rtstruct.dcm"], ["-o", "out", "--rtstruct"], ["-o", "out", "--dicom-seg"]]
)
def test_a_dicom_result_of_a_file_is_refused_before_the_work(tmp_path, monkeypatch, capsys, options):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(segmentation, "open_model", lambda *arguments, **others: pytest.fail("the work has begun"))
    sitk.WriteImage(made_scan()[0], "scan.nii.gz")
    assert main(["segment", "scan.nii.gz", *options]) == 1
    assert "must be a DICOM folder" in capsys.readouterr().err
    assert names_below(tmp_path) == ["scan.nii.gz"]


def test_a_missing_package_is_named_before_the_work(tmp_path, ct, monkeypatch, capsys):
    monkeypatch.setattr(segmentation, "open_model", lambda *arguments, **others: pytest.fail("the work has begun"))
    monkeypatch.setitem(sys.modules, "highdicom", None)
    assert main(["segment", str(ct), "-o", str(tmp_path / "out"), "--rtstruct"]) == 1
    assert "pip install 'parotidseg[dicom]'" in capsys.readouterr().err


def test_help_names_the_dicom_results():
    text = cli.parser().format_help() + "".join(
        command.format_help() for command in cli.parser()._subparsers._group_actions[0].choices.values()
    )
    assert all(word in text for word in (*DICOM_SUFFIXES, "--rtstruct", "--dicom-seg", "export"))


@pytest.mark.engine
def test_a_dicom_folder_is_segmented_to_dicom(tmp_path, sample_ct, capsys):
    write_dicom_series(tmp_path / "ct", read_image(sample_ct), tags=TAGS)
    arguments = ["--rtstruct", "--dicom-seg", "--no-preview", "--no-mirror", "--progress", "json"]
    assert main(["segment", str(tmp_path / "ct"), "--output", str(tmp_path / "out"), *arguments]) == 0
    labels = sitk.ReadImage(str(tmp_path / "out" / "parotids.seg.nrrd"))
    for suffix in DICOM_SUFFIXES:
        assert_holds(tmp_path / "out" / f"parotids{suffix}", labels, tmp_path / "ct")
    printed = capsys.readouterr().out
    assert len(json.loads(printed.splitlines()[-1])["files"]) == 4
    assert not {"Doe", "Jane", "4711"} & set(printed.replace("^", " ").split())
    (segment, _) = pydicom.dcmread(tmp_path / "out" / "parotids.seg.dcm").SegmentSequence
    assert segment.SegmentAlgorithmName == "parotid-ct"
