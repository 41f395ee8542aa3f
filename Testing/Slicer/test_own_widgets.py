"""The panel takes its own widgets by name, whatever lies inside Slicer's."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import qt
import slicer.util
from made_panel import UI, MadeLogic, add_ct, run_event_loop_until

from ParotidSegLib.in_slicer.panel.own_widgets import own_widgets, parameter_widgets
from ParotidSegLib.in_slicer.panel.panel import ParotidSegPanel
from ParotidSegLib.in_slicer.parameters import ParotidSegParameters


def root_with_foreign_options() -> Any:
    """The panel's widgets, and an effect in the Segment Editor whose options have the names of ours."""
    root = slicer.util.loadUI(str(UI))
    ours = own_widgets(root)
    for name in vars(ours):
        foreign = qt.QCheckBox(ours.segmentEditor._options)
        foreign.setObjectName(name)
        foreign.setProperty("SlicerParameterName", "mirror")
    return root


def test_every_named_widget_of_the_ui_file_is_found() -> None:
    names = {element.attrib["name"] for element in ElementTree.parse(UI).iter("widget")}
    assert names <= set(vars(own_widgets(slicer.util.loadUI(str(UI)))))


def test_every_parameter_that_the_ui_file_names_has_its_widget(slicer_app: Any) -> None:
    bound = parameter_widgets(own_widgets(root_with_foreign_options()))
    assert len(bound) == UI.read_text(encoding="utf-8").count('"SlicerParameterName"')
    assert set(bound) <= set(ParotidSegParameters._stored)
    assert bound["mirror"].text == "Also look at the mirror image"


def test_options_of_foreign_effects_do_not_take_the_place_of_our_buttons(slicer_app: Any) -> None:
    logic = MadeLogic()
    add_ct()
    panel = ParotidSegPanel(root_with_foreign_options(), logic)
    panel.enter()
    assert panel.ui.exportButton.text == "Export"
    panel.ui.mirrorCheckBox.click()
    panel.ui.segmentButton.click()
    run_event_loop_until(lambda: not panel.run.running)
    assert [asked["mirror"] for asked in logic.asked] == [False]
    panel.cleanup()
