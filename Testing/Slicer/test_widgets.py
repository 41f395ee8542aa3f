"""The stand-ins for Slicer's widgets are strict: what the real ones lack fails, and what they have works."""

from __future__ import annotations

import enum
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import ctk
import pytest
import qt
import slicer
import slicer.util
from slicer.parameterNodeWrapper import parameterNodeWrapper

PANEL = Path(__file__).resolve().parents[2] / "ParotidSeg" / "Resources" / "UI" / "ParotidSeg.ui"


def test_qt_leaves_the_encoding_of_other_processes_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.stdout.buffer.write('größer'.encode())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "größer"


def test_a_qt_property_is_an_attribute() -> None:
    button = qt.QPushButton("before")
    button.text, button.enabled = "after", False
    assert (button.text, button.enabled) == ("after", False)


def test_an_attribute_that_a_widget_lacks_cannot_be_set() -> None:
    with pytest.raises(AttributeError, match="no attribute 'txt'"):
        qt.QPushButton().txt = "a slip of the pen"


def test_a_signal_is_connected_by_its_signature() -> None:
    button, clicks = qt.QPushButton(), []
    button.connect("clicked()", lambda: clicks.append("clicked"))
    button.click()
    assert clicks == ["clicked"]


@pytest.mark.parametrize("signature", ["clickd()", "clicked(int)", "cellClicked(int,int)"])
def test_a_signal_that_a_widget_lacks_cannot_be_connected(signature: str) -> None:
    with pytest.raises(AttributeError, match="no signal"):
        qt.QPushButton().connect(signature, print)


@pytest.mark.parametrize(("module", "name"), [(qt, "QButtonPush"), (ctk, "ctkCollapsableButton")])
def test_a_class_that_is_unknown_fails(module: object, name: str) -> None:
    with pytest.raises(AttributeError):
        getattr(module, name)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ('class="QProgressBar"', 'class="QProgresBar"', "QProgresBar"),
        ('name="readOnly"', 'name="readonly"', "readonly"),
        ("mrmlSceneChanged(vtkMRMLScene*)", "mrmlSceneChange(vtkMRMLScene*)", "mrmlSceneChange"),
        ("<receiver>inputSelector", "<receiver>inputChooser", "inputChooser"),
    ],
)
def test_a_ui_file_with_a_slip_is_refused(before: str, after: str, complaint: str, tmp_path: Path) -> None:
    text = PANEL.read_text(encoding="utf-8")
    assert before in text
    slipped = tmp_path / "Slipped.ui"
    slipped.write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(AttributeError, match=complaint):
        slicer.util.loadUI(str(slipped))


def test_every_widget_of_the_panel_that_a_person_uses_has_a_tool_tip() -> None:
    tree = ElementTree.parse(PANEL)
    for element in tree.iter("widget"):
        kind, name = element.attrib["class"], element.attrib["name"]
        # These two say in their tool tip what is missing; the panel sets it.
        if kind in ("qMRMLWidget", "QWidget") or name in ("segmentButton", "exportButton"):
            continue
        tips = [entry for entry in element.findall("property") if entry.attrib["name"] == "toolTip"]
        assert tips, f"{kind} '{name}' has no tool tip"


class Speed(enum.Enum):
    SLOW = "slow"
    FAST = "fast"


@parameterNodeWrapper
class Choices:
    volume: slicer.vtkMRMLScalarVolumeNode
    name: str = "nothing"
    mirror: bool = True
    speed: Speed = Speed.FAST


def test_parameters_live_in_a_node_of_the_scene() -> None:
    scene = slicer.vtkMRMLScene()
    node = scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    choices = Choices(node)
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    choices.volume, choices.mirror, choices.speed = volume, False, Speed.SLOW
    again = Choices(node)
    assert (again.volume, again.name, again.mirror, again.speed) == (volume, "nothing", False, Speed.SLOW)
    with pytest.raises(TypeError):
        choices.name = 3


def test_a_node_selector_follows_the_scene() -> None:
    scene = slicer.vtkMRMLScene()
    selector, chosen = slicer.qMRMLNodeComboBox(), []
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.connect("currentNodeChanged(vtkMRMLNode*)", chosen.append)
    selector.setMRMLScene(scene)
    first, second = (scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode") for _ in range(2))
    assert selector.currentNode() is first
    selector.setCurrentNode(second)
    scene.RemoveNode(second)
    assert chosen == [first, second, first]
    selector.setMRMLScene(None)
