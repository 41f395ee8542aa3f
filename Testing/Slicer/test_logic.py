"""Segmenting through the logic, on the real scene: the real worker, and workers that misbehave."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Shared"))
from fake_workers import SLEEP, worker
from made_dicom_results import made_scan
from made_logic import GOOD, run_timers_until

from ParotidSegLib.errors import BundleError, ImageError, WorkerError
from ParotidSegLib.in_slicer.installing import engine_packages
from ParotidSegLib.model.engines import installed_engines
from ParotidSegLib.structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID
from ParotidSegLib.writing.export import write_segmentation


@pytest.mark.engine
@pytest.mark.skipif(not installed_engines(), reason="no engine is installed")
def test_the_real_worker_draws_the_sample_into_the_scene(logic, slicer_app, add_volume, sample_ct):
    from ParotidSegLib.in_slicer.scene.results import report_of

    volume = add_volume(sitk.ReadImage(str(sample_ct)), "Sample")
    node = logic.segment(volume)
    assert slicer_app.mrmlScene.IsNodePresent(node)
    right, left = (np.array(node.GetSegmentCenterRAS(structure.key)) for structure in PAROTIDS)
    assert 80.0 < right[0] - left[0] < 160.0, "the patient's right lies at larger R"
    report = report_of(node)
    assert report["structures"][RIGHT_PAROTID.key]["volume_ml"] > 5.0
    assert report["provenance"]["bundle"]["name"] == "parotid-ct"
    assert [(change.added, change.removed) for change in logic.differences(node).values()] == [(0, 0)] * len(PAROTIDS)


def test_a_chosen_segmentation_keeps_its_other_segments_and_can_be_undone(logic, slicer_app, ct, made_worker):
    node = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    node.GetSegmentation().AddEmptySegment("tumour", "Tumour")
    made_worker(GOOD)
    assert not logic.canUndo(node)
    assert logic.segment(ct, node) is node
    ids = list(node.GetSegmentation().GetSegmentIDs())
    assert ids == ["tumour", RIGHT_PAROTID.key, LEFT_PAROTID.key]
    assert logic.canUndo(node)
    assert logic.undo(node)
    assert list(node.GetSegmentation().GetSegmentIDs()) == ["tumour"]


def test_with_a_callback_the_call_returns_at_once(logic, slicer_app, ct, made_worker):
    made_worker("time.sleep(0.3)\n" + GOOD)
    told: list[tuple[Any, Any]] = []
    started = time.monotonic()
    run = logic.segment(ct, callback=lambda node, why: told.append((node, why)))
    assert time.monotonic() - started < 2.0
    assert not run.finished
    run_timers_until(lambda: told)
    ((node, why),) = told
    assert why is None
    assert slicer_app.mrmlScene.IsNodePresent(node)


def test_a_callback_gets_the_sentence_of_a_failure_and_of_a_cancel(logic, ct, made_worker):
    told: list[tuple[Any, Any]] = []
    made_worker("say('error', message='The scan is no CT.')\nsys.exit(1)")
    logic.segment(ct, callback=lambda *news: told.append(news))
    run_timers_until(lambda: told)
    made_worker(SLEEP)
    logic.segment(ct, callback=lambda *news: told.append(news)).cancel()
    run_timers_until(lambda: len(told) == 2)
    assert told == [(None, "The scan is no CT."), (None, "The work was cancelled.")]


@pytest.mark.parametrize(
    "case",
    [
        ("say('error', message='The scan is no CT.')\nsys.exit(1)", "The scan is no CT."),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed"),
        ("print('garbage')", "without a result"),
        ("say('result', files=['/nowhere.seg.nrrd'])", "missing from the disk"),
        ("say('result', files=[])", "could not be put into the scene"),
    ],
)
def test_a_worker_that_fails_is_one_sentence_and_the_scene_stays_as_it_was(logic, slicer_app, ct, made_worker, case):
    script, words = case
    made_worker(script)
    before = slicer_app.mrmlScene.GetNumberOfNodes()
    with pytest.raises(WorkerError, match=words):
        logic.segment(ct)
    assert slicer_app.mrmlScene.GetNumberOfNodes() == before


def test_a_volume_that_was_moved_meanwhile_is_told(logic, ct, made_worker, tmp_path):
    elsewhere = made_scan("axial")[1]
    elsewhere.SetOrigin((5.0, 5.0, 5.0))
    made_worker(GOOD, write_segmentation(elsewhere, tmp_path / "elsewhere.seg.nrrd"))
    with pytest.raises(WorkerError, match="moved or changed"):
        logic.segment(ct)


def test_contours_that_do_not_fit_leave_no_empty_segmentation(logic, slicer_app, ct, made_worker, tmp_path):
    elsewhere = made_scan("axial")[1]
    elsewhere.SetOrigin((5.0, 5.0, 5.0))
    made_worker(GOOD, write_segmentation(elsewhere, tmp_path / "elsewhere.seg.nrrd"))
    mine = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    for chosen in (None, mine):
        with pytest.raises(WorkerError):
            logic.segment(ct, chosen)
    assert slicer_app.util.getNodesByClass("vtkMRMLSegmentationNode") == [mine]


@pytest.mark.parametrize("what", ["the scene", "the volume"])
def test_a_result_for_a_volume_that_is_gone_is_dropped_quietly(logic, slicer_app, ct, made_worker, what):
    made_worker(GOOD)
    told: list[tuple[Any, Any]] = []
    run = logic.segment(ct, callback=lambda *news: told.append(news))
    assert run.job.wait(20)
    if what == "the scene":
        slicer_app.mrmlScene.Clear(True)
    else:
        slicer_app.mrmlScene.RemoveNode(ct)
    run_timers_until(lambda: told)
    assert told == [(None, None)]
    assert slicer_app.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode") is None


def test_a_segmentation_that_is_gone_is_replaced_by_a_new_one(logic, slicer_app, ct, made_worker):
    node = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    made_worker(GOOD)
    told: list[tuple[Any, Any]] = []
    logic.segment(ct, node, callback=lambda *news: told.append(news))
    slicer_app.mrmlScene.RemoveNode(node)
    run_timers_until(lambda: told)
    assert told[0][0].GetName() == "CT parotids"


def test_the_worker_gets_the_choices_and_the_folders_of_the_engines(logic, ct, monkeypatch, tmp_path, tiny_bundle):
    from ParotidSegLib.in_slicer.worker.job import segment_command
    from ParotidSegLib.in_slicer.worker.start import FOLDERS

    commands: list[list[str]] = []

    def command(*arguments: Any, **options: Any) -> list[str]:
        commands.append(segment_command(*arguments, **options))
        return worker(f"print(os.environ[{FOLDERS!r}])")

    monkeypatch.setenv(engine_packages.ROOT_VARIABLE, str(tmp_path / "packages"))
    (engine_packages.folder_of("keras") / "keras").mkdir(parents=True)
    monkeypatch.setattr("ParotidSegLib.in_slicer.running.run.segment_command", command)
    run = logic.start(ct, bundle=tiny_bundle, engine="keras", device="cpu", mirror=False)
    try:
        assert run.job.wait(20)
        (given,) = commands
        assert Path(given[0]).name == "PythonSlicer"
        assert given[given.index("--bundle") + 1] == str(tiny_bundle)
        assert given[given.index("--engine") + 1] == "keras"
        assert given[given.index("--device") + 1] == "cpu"
        assert "--no-mirror" in given
        assert str(engine_packages.folder_of("keras")) in str(run.job._log)
    finally:
        run.close()


def test_what_cannot_be_segmented_is_refused_before_anything_starts(logic, slicer_app, ct, tmp_path, tiny_bundle):
    with pytest.raises(ImageError, match="holds no image"):
        logic.start(slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty"))
    with pytest.raises(BundleError, match="There is no bundle"):
        logic.start(ct, bundle="nowhere")
    changed = tmp_path / "changed"
    shutil.copytree(tiny_bundle, changed)
    (changed / "MODEL_CARD.md").write_text("# Tinx\n", encoding="utf-8")
    with pytest.raises(BundleError, match="SHA-256 differs"):
        logic.segment(ct, bundle=changed)


def test_without_an_engine_segment_says_how_to_install_one(logic, ct, monkeypatch):
    monkeypatch.setattr("ParotidSegLib.in_slicer.installing.preparation.missing", lambda name: ["openvino"])
    with pytest.raises(WorkerError, match=r"install\(\"openvino\"\)"):
        logic.segment(ct)
    assert logic.lackingPlan("auto").packages.name == "openvino"
    assert logic.lackingPlan("keras", wheels="/wheels").wheels == Path("/wheels").absolute()
