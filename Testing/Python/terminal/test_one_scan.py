"""One scan: which files its result gets, never those that it is made from; and what is too much for the computer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from sentences import refusal

from ParotidSegLib.errors import ImageError, OutputError
from ParotidSegLib.model.bundle import load_bundle
from ParotidSegLib.model.preprocessing import Channel, Input, Preprocessing
from ParotidSegLib.segmentation import Model
from ParotidSegLib.terminal import one_scan
from ParotidSegLib.terminal.console import QuietReporter
from ParotidSegLib.terminal.one_scan import Options, plan, segment_scan


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(b"a scan")
    return path


def refused(source, output: Path, **options) -> str:
    return refusal(OutputError, plan, source, output, load_bundle(), Options(**options))


def test_labels_never_replace_the_scan(scan, monkeypatch):
    assert "scan itself" in refused(scan, scan)
    monkeypatch.chdir(scan.parent)
    assert "scan itself" in refused(Path("scan.nii.gz"), scan)
    assert "scan itself" in refused(scan, Path("../") / scan.parent.name / "scan.nii.gz")
    (scan.parent / "link").symlink_to(scan.parent, target_is_directory=True)
    assert "scan itself" in refused(scan.parent / "link" / "scan.nii.gz", scan)


def test_neither_the_picture_nor_the_report_replaces_a_scan(scan):
    picture = scan.with_name("slice.png")
    picture.write_bytes(b"one slice")
    assert "scan itself" in refused(picture, scan.with_name("slice.nrrd"))
    assert "scan itself" in refused(scan, scan.with_name("other.nrrd"), report=scan)


def test_nor_a_file_of_a_series_nor_another_image_of_the_patient(scan):
    assert "scan itself" in refused((scan.with_name("1.dcm"), scan), scan)
    assert "scan itself" in refused(scan.with_name("ct.nii.gz"), scan, others={"pet": str(scan)})


def test_a_result_beside_the_scan_is_planned(scan):
    planned = plan(scan, scan.parent, load_bundle(), Options())
    assert [path.name for path in planned.paths] == ["parotids.seg.nrrd", "parotids.png", "report.json"]
    assert plan(scan, scan.with_name("labels.nii.gz"), load_bundle(), Options()).labels.name == "labels.nii.gz"


def test_too_little_memory_for_a_scan_is_one_sentence(tmp_path, monkeypatch):
    def read(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(one_scan, "read_image", read)
    model = Model(load_bundle(), None, None, 0.0)
    options = tmp_path / "scan.nii.gz", tmp_path / "out", model, Options(), QuietReporter()
    assert "memory" in refusal(ImageError, segment_scan, *options)


@pytest.mark.parametrize("others", [{}, {"pet": ""}, {"mr": "pet.nii.gz"}])
def test_a_second_image_without_a_path_is_refused_and_the_current_folder_not_read(others, tmp_path, monkeypatch):
    monkeypatch.setattr(one_scan, "read_image", lambda path, **how: path)
    monkeypatch.setattr(one_scan, "segment", lambda images, model, **how: pytest.fail(f"{images} were segmented"))
    bundle = load_bundle()
    two = Preprocessing((3.0,) * 3, (Channel(), Channel(input=1)), (Input(), Input("pet", "PT")))
    bundle = dataclasses.replace(bundle, segmenter=dataclasses.replace(bundle.segmenter, preprocessing=two))
    model = Model(bundle, None, None, 0.0)
    options = tmp_path / "scan.nii.gz", tmp_path / "out", model, Options(others=others), QuietReporter()
    assert "--with pet=PATH" in refusal(ImageError, segment_scan, *options)
