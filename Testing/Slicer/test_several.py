"""Several CTs one after the other."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import qt
import slicer
from made_panel import MadeLogic, MadeRun, add_ct, made_segmentation, make_panel, run_event_loop_until

from ParotidSegLib.errors import ImageError
from ParotidSegLib.in_slicer.running.run import BUNDLE
from ParotidSegLib.in_slicer.running.several import contours_of

GOOD = "say('segment', 0.5)\nprint('a note', flush=True)\nsay('result', 1.0, files=[], report={})\n"
SLOW = "say('segment', 0.4)\ntime.sleep(60)\n"


class LogicOfSeveral(MadeLogic):
    """Draws in each CT; what happens to one of a certain name is told by `scripts`."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: dict[str, str] = {}
        self.refused: dict[str, Exception] = {}

    def start(self, volume: Any, segmentation: Any, **options: Any) -> MadeRun:
        self.asked.append({"volume": volume.GetName(), "segmentation": segmentation, **options})
        if volume.GetName() in self.refused:
            raise self.refused[volume.GetName()]
        self.runs.append(MadeRun(self.scripts.get(volume.GetName(), GOOD), lambda: drawn_for(volume)))
        return self.runs[-1]


def drawn_for(volume: Any) -> Any:
    node = made_segmentation()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.SetAttribute(BUNDLE, "parotid-ct")
    return node


@pytest.fixture
def logic() -> LogicOfSeveral:
    return LogicOfSeveral()


@pytest.fixture
def panel(slicer_app: Any, logic: LogicOfSeveral) -> Iterator[Any]:
    """The panel with three CTs in the scene and the list open."""
    for name in ("first", "second", "third"):
        add_ct(name)
    made = make_panel(logic)
    made.root.show()
    made.ui.severalSection.collapsed = False
    yield made
    made.cleanup()
    made.root.deleteLater()


def lines(panel: Any) -> list[str]:
    table = panel.ui.severalTable
    return [": ".join(filter(None, (table.item(row, c).text() for c in (0, 1)))) for row in range(table.rowCount)]


def tick(panel: Any, row: int, on: bool) -> None:
    panel.ui.severalTable.item(row, 0).setCheckState(qt.Qt.Checked if on else qt.Qt.Unchecked)


def wait_for_end(panel: Any) -> None:
    run_event_loop_until(lambda: not panel.run.running)


def asked(logic: LogicOfSeveral) -> list[str]:
    return [entry["volume"] for entry in logic.asked]


def test_all_ticked_cts_are_segmented_one_after_the_other(panel: Any, logic: LogicOfSeveral) -> None:
    tick(panel, 1, False)
    assert panel.ui.severalButton.text == "Segment 2 CTs"
    panel.ui.mirrorCheckBox.checked = False
    panel.ui.severalButton.click()
    seen: list[str] = []

    def over() -> bool:
        seen.append(panel.ui.statusLabel.text)
        return not panel.run.running

    run_event_loop_until(over)
    assert asked(logic) == ["first", "third"]
    assert [entry["mirror"] for entry in logic.asked] == [False, False]
    assert all(run.job.finished for run in logic.runs)
    assert any(text.startswith("CT 2 of 2: ") for text in seen)
    assert lines(panel) == ["first: has contours", "second", "third: has contours"]
    assert panel.ui.statusLabel.text.startswith("All 2 CTs are done")


def test_one_that_fails_stops_no_other_and_says_why(panel: Any, logic: LogicOfSeveral) -> None:
    logic.refused["first"] = ImageError("The voxels of this CT are skewed: resample it.")
    logic.scripts["second"] = "say('error', 1.0, message='Both images look the same: choose a CT.')\n"
    panel.ui.severalButton.click()
    wait_for_end(panel)
    assert asked(logic) == ["first", "second", "third"]
    assert lines(panel) == [
        "first: failed",
        "second: failed",
        "third: has contours",
    ]
    assert panel.ui.severalLabel.text.splitlines() == [
        "first: The voxels of this CT are skewed: resample it.",
        "second: Both images look the same: choose a CT.",
    ]
    assert panel.ui.statusLabel.text.startswith("1 of 3 CTs are done")
    assert panel.parameters.inputVolume.GetName() == "third"
    assert [panel.ui.severalTable.item(row, 0).checkState() == qt.Qt.Checked for row in range(3)] == [True, True, False]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError()])
def test_a_full_disk_is_one_sentence(panel: Any, logic: LogicOfSeveral, error: OSError) -> None:
    logic.refused["first"] = error
    panel.ui.severalButton.click()
    wait_for_end(panel)
    assert "cannot be handed to the worker" in panel.ui.severalLabel.text
    assert asked(logic) == ["first", "second", "third"]


def test_cancel_ends_all_and_what_is_done_stays(panel: Any, logic: LogicOfSeveral) -> None:
    logic.scripts["second"] = SLOW
    panel.ui.severalButton.click()
    run_event_loop_until(lambda: len(logic.runs) == 2 and panel.ui.progressBar.value > 40)
    assert panel.ui.segmentButton.text == "Cancel"
    assert not panel.ui.severalButton.enabled
    panel.ui.segmentButton.click()
    wait_for_end(panel)
    assert asked(logic) == ["first", "second"]
    assert logic.runs[1].job._process.poll() is not None
    assert lines(panel) == ["first: has contours", "second", "third"]
    assert panel.ui.statusLabel.text == "Cancelled. The CTs that are done keep their contours."
    assert panel.ui.segmentButton.text == "Segment parotids"


def test_a_ct_that_is_deleted_before_its_turn_is_passed_over(panel: Any, logic: LogicOfSeveral) -> None:
    logic.scripts["first"] = "time.sleep(0.3)\n" + GOOD
    panel.ui.severalButton.click()
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("second"))
    wait_for_end(panel)
    assert asked(logic) == ["first", "third"]


def test_closing_the_scene_ends_it_quietly(panel: Any, logic: LogicOfSeveral) -> None:
    logic.scripts["first"] = SLOW
    panel.ui.severalButton.click()
    run_event_loop_until(lambda: len(logic.runs) == 1)
    slicer.mrmlScene.Clear(False)
    assert not panel.run.running
    assert logic.runs[0].job.finished
    assert lines(panel) == []


def test_only_the_contours_of_the_reviewed_ct_are_shown(panel: Any) -> None:
    panel.ui.severalButton.click()
    wait_for_end(panel)

    def shown() -> list[bool]:
        volumes = [slicer.util.getNode(name) for name in ("first", "second", "third")]
        return [bool(contours_of(volume).GetDisplayVisibility()) for volume in volumes]

    assert shown() == [True, False, False]
    panel.ui.severalTable.cellDoubleClicked.emit(2, 0)
    assert shown() == [False, False, True]
    assert panel.parameters.inputVolume.GetName() == "third"
    assert panel.parameters.outputSegmentation is contours_of(panel.parameters.inputVolume)


def test_contours_that_are_there_are_not_replaced(panel: Any, logic: LogicOfSeveral) -> None:
    former = drawn_for(slicer.util.getNode("first"))
    panel.several.fill()
    tick(panel, 0, True)
    panel.ui.severalButton.click()
    wait_for_end(panel)
    assert {entry["segmentation"] for entry in logic.asked} == {None}
    assert slicer.mrmlScene.IsNodePresent(former)


def test_the_log_names_no_ct(panel: Any) -> None:
    panel.ui.severalButton.click()
    wait_for_end(panel)
    text = panel.ui.logText.plainText
    assert text.count("a note") == 3
    assert "CT 2 of 3" in text
    assert not any(name in text for name in ("first", "second", "third"))


def test_the_list_follows_the_scene_and_leaves_out_what_is_no_ct(panel: Any, slicer_app: Any) -> None:
    from ParotidSegLib.in_slicer.scene.uncertainty import ROLE

    tick(panel, 0, False)
    add_ct("fourth")
    slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    made_segmentation().SetNodeReferenceID(ROLE, add_ct("unsure").GetID())
    panel.several.fill()
    assert lines(panel) == ["first", "second", "third", "fourth"]
    assert panel.ui.severalButton.text == "Segment 3 CTs"


def test_without_a_tick_the_button_says_so(panel: Any) -> None:
    for row in range(3):
        tick(panel, row, False)
    assert not panel.ui.severalButton.enabled
    assert panel.ui.severalButton.toolTip == "Tick the CTs to segment."


def test_a_missing_engine_is_asked_for_once(panel: Any, logic: LogicOfSeveral, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    questions: list[str] = []
    agree: Callable[..., bool] = lambda text, *_: bool(questions.append(text)) or True  # noqa: E731
    monkeypatch.setattr("slicer.util.confirmOkCancelDisplay", agree)
    logic.plan = SimpleNamespace(what="OpenVINO: 76 MB to fetch, 253 MB on the disk.")
    panel.ui.severalButton.click()
    run_event_loop_until(lambda: len(logic.asked) == 3)
    wait_for_end(panel)
    assert len(questions) == 1


@pytest.mark.parametrize("collapsed", [True, False])
def test_a_closed_scene_lets_its_cts_go(
    panel: Any, logic: LogicOfSeveral, slice_views: list[Any], *, collapsed: bool
) -> None:
    panel.enter()
    panel.ui.severalButton.click()
    wait_for_end(panel)
    panel.measure()
    panel.ui.severalSection.collapsed = collapsed
    gone: set[str] = set()

    def note(name: str) -> Callable[..., None]:
        return lambda _node, _event: gone.add(name)

    for name in ("first", "second", "third"):
        slicer.util.getNode(name).AddObserver("DeleteEvent", note(name))
    logic.runs.clear()  # whose stand-ins for a result know their CT
    panel.exit()
    slicer.mrmlScene.Clear(False)
    gc.collect()
    assert gone == {"first", "second", "third"}
