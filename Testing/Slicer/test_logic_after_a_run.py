"""What the logic knows after a run: edits, what can be reset, and what is saved with the scene."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Shared"))

from made_logic import GOOD, REPORT, erase_half, run_timers_until

from ParotidSegLib.errors import ImageError, WorkerError
from ParotidSegLib.structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID


def test_edits_are_measured_and_one_gland_can_be_reset(logic, slicer_app, drawn):
    erase_half(slicer_app, drawn, RIGHT_PAROTID.key)
    erase_half(slicer_app, drawn, LEFT_PAROTID.key)
    changes = logic.differences(drawn)
    assert all(change.added == 0 and change.removed_ml > 0.5 for change in changes.values())
    logic.resetGland(drawn, RIGHT_PAROTID.key)
    after = logic.differences(drawn)
    assert after[RIGHT_PAROTID.key].added == after[RIGHT_PAROTID.key].removed == 0
    assert after[LEFT_PAROTID.key] == changes[LEFT_PAROTID.key]


def test_an_error_that_nobody_foresaw_ends_a_run_too(logic, ct, made_worker, monkeypatch):
    def put(*_: object, **__: object) -> None:
        raise KeyError("which no one thought of")

    made_worker(GOOD)
    monkeypatch.setattr("ParotidSegLib.in_slicer.running.run.put_segments", put)
    with pytest.raises(WorkerError, match="could not be put into the scene"):
        logic.segment(ct)
    told: list[tuple[object, ...]] = []
    logic.segment(ct, callback=lambda *news: told.append(news))
    run_timers_until(lambda: told)
    assert told[0][0] is None
    assert "which no one thought of" in told[0][1]


def test_a_model_is_not_checked_anew_after_every_stroke(logic, drawn, monkeypatch):
    structures = logic.structures(drawn)
    monkeypatch.setattr("ParotidSegLib.in_slicer.running.run.load_bundle", lambda *_: pytest.fail("it was"))
    assert logic.structures(drawn) == structures


def test_what_no_model_drew_has_no_differences(logic, slicer_app, ct):
    node = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    assert logic.differences(node) == {}
    with pytest.raises(ImageError, match="load it first"):
        logic.resetGland(node, RIGHT_PAROTID.key)


def test_the_structures_of_a_model_that_has_gone_are_the_glands(logic, drawn):
    from ParotidSegLib.in_slicer.running.run import BUNDLE

    assert drawn.GetAttribute(BUNDLE) == "parotid-ct"
    drawn.SetAttribute(BUNDLE, "/nowhere/bundle.zip")
    assert logic.structures(drawn) == PAROTIDS


def test_report_and_automatic_contours_survive_saving_the_scene(logic, slicer_app, drawn, tmp_path):
    from ParotidSegLib.in_slicer.scene.results import report_of

    erase_half(slicer_app, drawn, RIGHT_PAROTID.key)
    changes = logic.differences(drawn)
    path = tmp_path / "scene.mrb"
    assert slicer_app.util.saveScene(str(path))
    slicer_app.mrmlScene.Clear(True)
    slicer_app.util.loadScene(str(path))
    node = slicer_app.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    assert report_of(node) == REPORT
    assert changes[RIGHT_PAROTID.key].removed_ml > 0.5
    for key, change in logic.differences(node).items():
        assert (change.added, change.removed) == (changes[key].added, changes[key].removed)
