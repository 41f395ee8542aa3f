"""Small inputs that once came out wrong without a word, through the whole command."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import pytest
import SimpleITK as sitk
from made_dicom_faults import nest_without_end, write_frames
from made_images import write_dicom_series

from ParotidSegLib.terminal.cli import main

pytestmark = [pytest.mark.engine, pytest.mark.data]

REFUSED = {
    "01_body_ct_gets_a_gland/abdomen_a.nii.gz": "No parotid gland was found in the scan",
    "05_sform_and_qform_disagree/stale_qform_sform2.nii.gz": "qform (LPS) and sform (RPS)",
    "06_multiframe_ct_with_two_phases/one_after_the_other": "as of 2 phases",
    "10_formats_without_orientation/ct.tif": "no image in a format that states orientation and spacing",
    "12_slice_distance_changes/ct": "the distance between slices changes",
}
READ = (
    "03_summary_pages_count_as_series/study",
    "11_same_object_twice/ct",
    "15_multiframe_rescale_by_frame/ct.dcm",
)


def segment(source: Path, output: Path) -> int:
    return main(["segment", str(source), "-o", str(output), "--no-mirror", "--no-preview"])


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_trusted_is_refused_with_its_reason(data_root, tmp_path, capsys, case):
    assert segment(data_root / "cases" / case, tmp_path / "out") == 1
    sentences = [line for line in capsys.readouterr().err.splitlines() if line.startswith("parotidseg: ")]
    assert len(sentences) == 1
    assert REFUSED[case].lower() in sentences[0].lower()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("case", READ)
def test_what_can_be_read_gives_both_glands(data_root, tmp_path, capsys, case):
    assert segment(data_root / "cases" / case, tmp_path / "out") == 0
    captured = capsys.readouterr()
    assert "error:" not in captured.out
    assert ("Passed over" in captured.err) == (case not in READ[2:])


def test_a_batch_with_hostile_files_and_links_does_the_rest(data_root, tmp_path, sample_ct, capsys):
    """Two scans, one of them behind a link, among a crash, a swap, two phases and a file of another kind."""
    scan = sitk.ReadImage(str(sample_ct))
    scans = tmp_path / "scans"
    write_dicom_series(tmp_path / "store" / "ct", scan, uid="2.25.31")
    hostile = write_dicom_series(scans / "hostile", scan[:, :, :12], uid="2.25.32")
    nest_without_end(hostile[3])
    (scans / "frames").mkdir()
    write_frames(scans / "frames" / "two.dcm", scan, order=[*range(40, 80)] * 2)
    shutil.copy(sample_ct, scans / "scan.nii.gz")
    shutil.copy(data_root / "cases" / "05_sform_and_qform_disagree" / "stale_qform_sform2.nii.gz", scans)
    (scans / "random.nrrd").write_bytes(b"NRRD0004\n" + bytes(range(256)) * 40)
    (scans / "random.mha").write_bytes(b"ObjectType = Image\nNDims = -3\nDimSize = 1e9 -4\n" + bytes(2000))
    os.symlink(tmp_path / "store", scans / "linked")
    os.symlink(scans, scans / "store_again")
    output = tmp_path / "out"
    assert main(["batch", str(scans), "-o", str(output), "--no-mirror", "--no-preview"]) == 1
    with (output / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    done = {row["scan"] for row in rows if row["status"] == "done"}
    failed = [row["message"] for row in rows if row["status"] == "failed"]
    assert len(done) == 2
    assert len(failed) == 5
    assert sum("damaged" in message for message in failed) == 2
    assert sum("no TransformMatrix" in message for message in failed) == 1
    assert sum("qform" in message for message in failed) == 1
    assert sum("as of 2 phases" in message for message in failed) == 1
    assert "Traceback" not in capsys.readouterr().err
