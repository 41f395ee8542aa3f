"""The worker process of the Slicer module with the real worker: the sample CT and the model that ships."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from fake_workers import poll_to_end, processes_of, run_to_end

from ParotidSegLib.in_slicer.worker.events import Cancelled, Failure, Progress
from ParotidSegLib.in_slicer.worker.job import WorkerJob, segment_command
from ParotidSegLib.in_slicer.worker.time_left import TimeLeft
from ParotidSegLib.model.engines import installed_engines
from ParotidSegLib.structures import LEFT_PAROTID, RIGHT_PAROTID

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not installed_engines(), reason="no engine is installed"),
]


def real_job(scan: Path, parent: Path, **options) -> WorkerJob:
    """A job that segments a scan into its own folder."""
    return WorkerJob(
        lambda folder: segment_command(sys.executable, scan, folder / "result", **options),
        workdir_parent=parent,
    )


def test_the_real_worker_segments_the_sample_from_a_path_with_spaces_and_umlauts(
    tmp_path, sample_ct, sample_labels, monkeypatch
):
    # A machine may be done before an estimate of the time left would be shown: here each one is.
    monkeypatch.setattr(TimeLeft, "LEAST_SECONDS", 0.0)
    scan = tmp_path / "Müller Ω" / "ein langer Name .nii.gz"
    scan.parent.mkdir()
    shutil.copy(sample_ct, scan)
    with real_job(scan, scan.parent) as job:
        events = run_to_end(job, 240.0)
        assert job.failure is None, job.log
        progress = [event for event in events if isinstance(event, Progress)]
        assert {"load", "read", "locate", "segment", "restore", "quality", "write"} <= {e.stage for e in progress}
        fractions = [event.fraction for event in progress]
        assert fractions == sorted(fractions)
        assert any(event.seconds_left is not None for event in progress)
        labels = next(file for file in job.result.files if file.name == "parotids.seg.nrrd")
        found = sitk.GetArrayFromImage(sitk.ReadImage(str(labels)))
        wanted = sitk.GetArrayFromImage(sitk.ReadImage(str(sample_labels)))
        for structure in (RIGHT_PAROTID, LEFT_PAROTID):
            ours, theirs = found == structure.label, wanted == structure.label
            assert 2.0 * np.sum(ours & theirs) / (ours.sum() + theirs.sum()) > 0.7
            assert job.result.report["structures"][structure.key]["volume_ml"] > 5.0
    assert not job.workdir.exists()


@pytest.mark.parametrize("stage", ["load", "read", "locate", "segment"])
def test_cancelling_the_real_worker_leaves_neither_process_nor_file(tmp_path, sample_ct, stage):
    with real_job(sample_ct, tmp_path, mirror=False) as job:
        job.start()
        deadline = time.monotonic() + 240.0
        while not any(isinstance(event, Progress) and event.stage == stage for event in job.poll()):
            assert not job.finished, job.log
            assert time.monotonic() < deadline, job.log
        job.cancel()
        assert isinstance(poll_to_end(job)[-1], Cancelled)
        assert processes_of(job) == []
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [({}, "does not exist"), ({"bundle": "no-such-model"}, "There is no bundle")],
)
def test_what_the_real_worker_refuses_arrives_as_its_own_sentence(tmp_path, options, words):
    with real_job(tmp_path / "missing.nii.gz", tmp_path, **options) as job:
        events = run_to_end(job, 120.0)
        assert isinstance(events[-1], Failure)
        assert words.lower() in job.failure.lower()
        assert "\n" not in job.failure


def test_with_openvino_the_worker_needs_nothing_else_but_what_slicer_brings(tmp_path, sample_ct):
    """With a picture left out, and nothing but numpy and SimpleITK beside the engine."""
    if "openvino" not in installed_engines():
        pytest.skip("OpenVINO is not installed")
    absent = ["keras", "tensorflow", "h5py", "matplotlib", "scipy", "pydicom", "highdicom", "contourpy"]
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "alone.py").write_text(
        f"import sys\nsys.modules.update(dict.fromkeys({absent}))\n"
        "from ParotidSegLib.terminal.cli import main\nsys.exit(main())"
    )
    command = segment_command(sys.executable, sample_ct, tmp_path / "result", engine="openvino", mirror=False)
    command[2] = "alone"
    with WorkerJob(command, workdir_parent=tmp_path, python_path=[tmp_path / "without"]) as job:
        run_to_end(job, 240.0)
        assert job.failure is None, job.log
        assert job.result.report["provenance"]["engine"] == "openvino"
