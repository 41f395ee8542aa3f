"""The upper part of the panel: when the button can be pressed; what shows while a worker works, fails, is cancelled."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import qt
import vtk
from made_panel import MadeLogic, add_ct, make_panel, run_event_loop_until

from ParotidSegLib.errors import ImageError
from ParotidSegLib.in_slicer.parameters import DeviceChoice, EngineChoice
from ParotidSegLib.model.bundle import bundles_folder, load_bundle

SLOW = "say('segment', 0.4)\ntime.sleep(60)\n"


@pytest.fixture
def logic() -> MadeLogic:
    return MadeLogic()


@pytest.fixture
def panel(slicer_app: Any, logic: MadeLogic) -> Iterator[Any]:
    made = make_panel(logic)
    made.root.show()
    yield made
    made.cleanup()
    made.root.deleteLater()


@pytest.fixture
def with_ct(panel: Any) -> Any:
    """The panel with a CT chosen; returns the CT's node."""
    node = add_ct()
    panel.parameters.inputVolume = node
    return node


def wait_for_end(panel: Any) -> None:
    run_event_loop_until(lambda: not panel.run.running)


# --- what is missing ---------------------------------------------------------------------------------------------


def test_without_a_ct_the_button_says_so(panel: Any) -> None:
    assert not panel.ui.segmentButton.enabled
    assert "Choose a CT first" in panel.ui.segmentButton.toolTip


def test_with_a_ct_and_the_shipped_model_it_can_be_pressed(panel: Any, with_ct: Any) -> None:
    assert panel.ui.segmentButton.enabled
    assert panel.ui.segmentButton.toolTip == "Contour the right and the left parotid gland in this CT."


def test_the_only_ct_is_chosen_without_asking(slicer_app: Any, logic: MadeLogic) -> None:
    node = add_ct()
    panel = make_panel(logic)
    assert panel.ui.inputSelector.currentNode() is node
    panel.cleanup()


def test_a_ct_without_an_image_is_refused(panel: Any, slicer_app: Any) -> None:
    panel.parameters.inputVolume = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert not panel.ui.segmentButton.enabled
    assert "holds no image" in panel.ui.segmentButton.toolTip


def test_a_ct_under_a_linear_transform_is_taken_and_under_a_bent_one_refused(
    panel: Any, with_ct: Any, add_transform: Callable[..., Any], slicer_app: Any
) -> None:
    with_ct.SetAndObserveTransformNodeID(add_transform(np.diag([-1.0, -1.0, 1.0, 1.0])).GetID())
    assert panel.ui.segmentButton.enabled
    bent = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    with_ct.SetAndObserveTransformNodeID(bent.GetID())
    assert not panel.ui.segmentButton.enabled
    assert "harden" in panel.ui.segmentButton.toolTip


def test_a_segmentation_of_surfaces_is_refused_before_a_run(panel: Any, with_ct: Any, slicer_app: Any) -> None:
    node = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "From a structure set")
    node.SetSourceRepresentationToClosedSurface()
    sphere = vtk.vtkSphereSource()
    sphere.Update()
    node.AddSegmentFromClosedSurfaceRepresentation(sphere.GetOutput(), "Mandible", [1.0, 0.0, 0.0], "Mandible")
    panel.parameters.outputSegmentation = node
    assert not panel.ui.segmentButton.enabled
    assert "choose a new segmentation" in panel.ui.segmentButton.toolTip
    panel.parameters.outputSegmentation = None
    assert panel.ui.segmentButton.enabled


def test_ones_own_model_must_be_chosen(panel: Any, with_ct: Any) -> None:
    assert panel.ui.bundlePathEdit.isHidden()
    panel.ui.modelSelector.currentIndex = panel.ui.modelSelector.count - 1
    assert not panel.ui.bundlePathEdit.isHidden()
    assert not panel.ui.segmentButton.enabled
    assert (
        panel.ui.segmentButton.toolTip
        == panel.ui.modelLabel.text
        == ("Choose your model's zip, or the bundle.json in its folder, under Advanced.")
    )


@pytest.mark.parametrize("form", ["bundle.json", "folder", "zip"])
def test_a_sound_model_of_ones_own_is_taken(
    form: str, panel: Any, with_ct: Any, logic: MadeLogic, tmp_path: Path
) -> None:
    folder = tmp_path / "mein Modell ä"
    shutil.copytree(bundles_folder() / "parotid-ct", folder)
    packed = Path(shutil.make_archive(str(tmp_path / "model"), "zip", folder))
    chosen = {"bundle.json": folder / "bundle.json", "folder": folder, "zip": packed}[form]
    panel.ui.modelSelector.currentIndex = panel.ui.modelSelector.count - 1
    if form == "folder":  # from a script, or from a scene: the line takes files
        panel.parameters.bundle = str(chosen)
    else:
        panel.ui.bundlePathEdit.currentPath = str(chosen)
    assert panel.ui.segmentButton.enabled
    assert panel.ui.modelLabel.text.startswith(f"parotid-ct {load_bundle().version}: ")
    panel.ui.segmentButton.click()
    wait_for_end(panel)
    assert logic.asked[0]["bundle"] == str(packed if form == "zip" else folder)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: (folder / "bundle.json").unlink(), "bundle.json"),
        (lambda folder: (folder / "network.weights.h5").write_bytes(b"other weights"), "network.weights.h5"),
        (lambda folder: (folder / "bundle.json").write_text("{"), "not valid JSON"),
    ],
)
def test_a_damaged_model_is_refused_with_its_reason(
    spoil: Callable[[Path], object], reason: str, panel: Any, with_ct: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(bundles_folder() / "parotid-ct", folder)
    spoil(folder)
    panel.parameters.bundle = str(folder)
    assert not panel.ui.segmentButton.enabled
    assert reason in panel.ui.segmentButton.toolTip
    assert panel.ui.modelLabel.text == panel.ui.segmentButton.toolTip


def test_a_model_with_code_in_it_is_refused(panel: Any, with_ct: Any, tmp_path: Path) -> None:
    packed = tmp_path / "model.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("bundle.json", "[]")
        archive.writestr("run.py", "print('never')")
    panel.parameters.bundle = str(packed)
    assert not panel.ui.segmentButton.enabled
    assert panel.ui.modelLabel.text


# --- a run -------------------------------------------------------------------------------------------------------


def test_the_choices_reach_the_worker(panel: Any, with_ct: Any, logic: MadeLogic) -> None:
    panel.ui.engineSelector.currentIndex = list(EngineChoice).index(EngineChoice.KERAS)
    panel.ui.deviceSelector.currentIndex = list(DeviceChoice).index(DeviceChoice.CPU)
    panel.ui.mirrorCheckBox.checked = False
    panel.ui.uncertaintyCheckBox.checked = True
    panel.ui.segmentButton.click()
    assert logic.asked == [
        {
            "volume": with_ct,
            "segmentation": None,
            "bundle": "parotid-ct",
            "engine": "keras",
            "device": "cpu",
            "mirror": False,
            "uncertainty": True,
        }
    ]


def test_progress_arrives_while_the_window_answers(panel: Any, with_ct: Any, logic: MadeLogic) -> None:
    logic.script = "time.sleep(0.5)\nprint('a note', flush=True)\n" + SLOW
    ticks: list[int] = []
    timer = qt.QTimer()
    timer.connect("timeout()", lambda: ticks.append(1))
    timer.start(10)
    panel.ui.segmentButton.click()
    run_event_loop_until(lambda: panel.ui.progressBar.value == 40)
    timer.stop()
    assert len(ticks) >= 10
    assert panel.ui.statusLabel.text.startswith("Segment")
    assert panel.ui.logText.plainText == "a note"
    assert not panel.ui.inputSelector.enabled
    assert not panel.ui.progressBar.isHidden()


def test_the_button_becomes_cancel_and_leaves_no_process(panel: Any, with_ct: Any, logic: MadeLogic) -> None:
    logic.script = SLOW
    panel.ui.segmentButton.click()
    assert panel.ui.segmentButton.text == "Cancel"
    run_event_loop_until(lambda: panel.ui.progressBar.value == 40)
    panel.ui.segmentButton.click()
    wait_for_end(panel)
    assert panel.ui.segmentButton.text == "Segment parotids"
    assert panel.ui.statusLabel.text == "Cancelled. The scene is as it was."
    assert panel.ui.messageLabel.isHidden()
    assert panel.parameters.outputSegmentation is None
    job = logic.runs[0].job
    assert job._process.poll() is not None
    assert not job.workdir.exists()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("say('error', 1.0, message='Both images look the same: choose a CT.')\n", "Both images look the same"),
        ("os.kill(os.getpid(), signal.SIGSEGV)\n", "The engine crashed"),
        ("os.kill(os.getpid(), signal.SIGKILL)\n", "killed"),
        ("print('\\x00 {garbage'); sys.exit(3)\n", "exit code 3"),
        ("raise ImportError('No module named tensorflow')\n", "package"),
    ],
)
def test_a_worker_that_fails_gives_one_sentence(
    script: str, words: str, panel: Any, with_ct: Any, logic: MadeLogic
) -> None:
    logic.script = script
    panel.ui.segmentButton.click()
    wait_for_end(panel)
    text = panel.ui.messageLabel.text
    assert words in text
    assert not panel.ui.messageLabel.isHidden()
    assert text.endswith(".")
    assert "\n" not in text
    assert panel.ui.segmentButton.enabled


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ImageError("The voxels of this CT are skewed: resample it."),
            "The voxels of this CT are skewed: resample it.",
        ),
        (OSError(28, "No space left on device"), "No space left on device"),
    ],
)
def test_a_ct_that_cannot_be_handed_over_is_one_sentence(
    error: Exception, words: str, panel: Any, *, with_ct: Any, logic: MadeLogic, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(logic, "start", start)
    panel.ui.segmentButton.click()
    assert words in panel.ui.messageLabel.text
    assert not panel.run.running
    assert panel.ui.segmentButton.enabled


def test_an_error_that_nobody_foresaw_ends_the_run(panel: Any, with_ct: Any, logic: MadeLogic) -> None:
    logic.script = SLOW
    panel.ui.segmentButton.click()

    def poll() -> list[Any]:
        raise KeyError("which no one thought of")

    logic.runs[0].poll = poll
    wait_for_end(panel)
    assert "nobody foresaw (KeyError)" in panel.ui.messageLabel.text
    assert panel.ui.segmentButton.text == "Segment parotids"
    assert panel.ui.segmentButton.enabled
    assert logic.runs[0].job._process.poll() is not None


def test_the_log_can_be_copied(panel: Any, with_ct: Any, logic: MadeLogic) -> None:
    logic.script = "print('what a helper needs'); sys.exit(1)\n"
    panel.ui.segmentButton.click()
    wait_for_end(panel)
    panel.ui.copyLogButton.click()
    assert "what a helper needs" in qt.QApplication.clipboard().text()


def test_the_next_run_clears_the_last_message(panel: Any, with_ct: Any, logic: MadeLogic) -> None:
    logic.script = "sys.exit(1)\n"
    panel.ui.segmentButton.click()
    wait_for_end(panel)
    logic.script = SLOW
    panel.ui.segmentButton.click()
    assert panel.ui.messageLabel.isHidden()
    assert "exit code" not in panel.ui.logText.plainText


def test_closing_the_scene_during_a_run_ends_it_quietly(
    panel: Any, with_ct: Any, logic: MadeLogic, slicer_app: Any
) -> None:
    logic.script = SLOW
    panel.ui.segmentButton.click()
    run_event_loop_until(lambda: panel.ui.progressBar.value == 40)
    slicer_app.mrmlScene.Clear(False)
    assert not panel.run.running
    assert logic.runs[0].job.finished
    assert panel.ui.messageLabel.isHidden()
    assert "Choose a CT first" in panel.ui.segmentButton.toolTip


def test_unloading_the_module_during_a_run_leaves_no_process(slicer_app: Any, logic: MadeLogic) -> None:
    logic.script = SLOW
    add_ct()
    panel = make_panel(logic)
    panel.ui.segmentButton.click()
    panel.cleanup()
    assert logic.runs[0].job.finished


# --- the engine is not installed -----------------------------------------------------------------------------------


@pytest.fixture
def without_engine(logic: MadeLogic) -> MadeLogic:
    """The logic of a computer without an engine."""
    logic.plan = SimpleNamespace(what="OpenVINO: 76 MB to fetch, 253 MB on the disk.")
    return logic


def answer(monkeypatch: pytest.MonkeyPatch, agree: bool) -> list[str]:
    """Answer the question with OK or Cancel; returns the questions asked."""
    questions: list[str] = []
    monkeypatch.setattr("slicer.util.confirmOkCancelDisplay", lambda text, *_: questions.append(text) or agree)
    return questions


def test_a_missing_engine_is_installed_after_a_question_that_says_how_large_it_is(
    panel: Any, with_ct: Any, without_engine: MadeLogic, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = answer(monkeypatch, True)
    panel.ui.segmentButton.click()
    assert "76 MB to fetch, 253 MB on the disk" in questions[0]
    run_event_loop_until(lambda: len(without_engine.runs) == 2)
    wait_for_end(panel)
    assert len(without_engine.asked) == 1
    assert panel.parameters.outputSegmentation is not None


def test_who_declines_the_installation_gets_no_run(
    panel: Any, with_ct: Any, without_engine: MadeLogic, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, False)
    panel.ui.segmentButton.click()
    assert without_engine.runs == []
    assert panel.ui.segmentButton.enabled
    assert panel.ui.messageLabel.isHidden()


def test_an_installation_that_fails_says_why_and_starts_nothing(
    panel: Any, with_ct: Any, without_engine: MadeLogic, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, True)
    without_engine.installation = "say('error', 1.0, message='The disk is full: make room.')\n"
    panel.ui.segmentButton.click()
    wait_for_end(panel)
    assert panel.ui.messageLabel.text == "The disk is full: make room."
    assert without_engine.asked == []


def test_an_installation_can_be_cancelled(
    panel: Any, with_ct: Any, without_engine: MadeLogic, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, True)
    without_engine.installation = SLOW
    panel.ui.segmentButton.click()
    panel.ui.segmentButton.click()
    wait_for_end(panel)
    assert without_engine.asked == []


# --- what is remembered -------------------------------------------------------------------------------------------


def test_typing_a_folder_measures_no_gland_again(panel: Any, with_ct: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    panel.measure()
    measured: list[object] = []
    monkeypatch.setattr("ParotidSegLib.in_slicer.panel.panel._measured", lambda *nodes: measured.append(nodes) or [])
    panel.ui.exportFolderEdit.currentPath = "/somewhere"
    assert panel.parameters.exportFolder == "/somewhere"
    assert not panel._later.active
    assert measured == []
