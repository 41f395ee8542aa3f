"""How the panel looks: narrow enough for Slicer's column, and legible on a light and on a dark theme."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import qt
from made_panel import add_ct, made_segmentation, make_panel

from ParotidSegLib.in_slicer.panel import styles

PANEL = Path(styles.__file__).parent
UI = PANEL.parents[2] / "Resources" / "UI" / "ParotidSeg.ui"
#: Pixels that Slicer gives to a module's panel at first; and the contrast that WCAG 2.1 asks of text (level AA).
WIDTH, CONTRAST = 400, 4.5
LONG = "Head and neck 1.0 mm with contrast medium, second series, as a scanner's protocol would call it"


@pytest.fixture
def panel(slicer_app: Any) -> Iterator[Any]:
    """The panel with everything in it that may be long, all sections folded."""
    from ParotidSegLib.in_slicer.logic import ParotidSegLogic

    ct = add_ct(LONG)
    made = make_panel(ParotidSegLogic())
    finding = {"severity": "warning", "message": LONG, "structure": "Parotid_R", "point": None}
    node = made_segmentation([finding])
    node.SetName(LONG)
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    made.parameters.outputSegmentation = node
    for section in sections(made):
        section.collapsed = True
    made.root.show()
    yield made
    made.cleanup()
    made.root.deleteLater()


def sections(panel: Any) -> list[Any]:
    return [widget for name, widget in vars(panel.ui).items() if widget.className() == "ctkCollapsibleButton"]


def needed_width(panel: Any) -> int:
    panel.measure()
    for _ in range(3):  # what was shown or hidden finds its place step by step
        qt.QApplication.processEvents()
    return panel.root.layout().totalMinimumSize().width()


def test_no_section_makes_the_panel_wider_than_slicers_column(panel: Any) -> None:
    assert len(sections(panel)) >= 6
    for section in sections(panel):
        section.collapsed = False
        assert needed_width(panel) <= WIDTH, section.name
    for selector in (panel.ui.modelSelector, panel.ui.exportFormatSelector, panel.ui.engineSelector):
        for index in range(selector.count):
            selector.currentIndex = index
            assert needed_width(panel) <= WIDTH, selector.name
    panel.parameters.bundle = f"/nowhere/{LONG.replace(' ', '-')}.zip"
    assert panel.ui.modelLabel.text
    assert needed_width(panel) <= WIDTH


def test_what_can_be_exported_is_legible_in_slicers_column(panel: Any) -> None:
    panel.ui.exportSection.collapsed = False
    panel.root.resize(WIDTH, 900)
    needed_width(panel)
    selector = panel.ui.exportFormatSelector
    frame_and_arrow = 30
    for index in range(selector.count):
        text = selector.itemText(index)
        assert selector.fontMetrics().horizontalAdvance(text) + frame_and_arrow <= selector.width, text


def luminance(colour: str) -> float:
    """Relative luminance of a colour #rrggbb, as WCAG 2.1 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(style: str) -> float:
    """Contrast ratio of a style sheet's text; it must state its background, for nobody knows the theme's."""
    colours = dict(re.findall(r"(?:^|;)\s*(color|background)\s*:\s*(#[0-9a-f]{6})", style))
    darker, lighter = sorted(luminance(colours[part]) for part in ("color", "background"))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_contrast_is_measured_as_it_is_defined() -> None:
    assert contrast("color: #000000; background: #ffffff") == pytest.approx(21.0)
    assert contrast("color: #777777; background: #ffffff") == pytest.approx(4.48, abs=0.01)


def test_a_refused_model_and_a_failure_are_legible_on_every_theme(panel: Any) -> None:
    panel.parameters.bundle = "/nowhere/model.zip"
    assert panel.ui.modelLabel.text
    for label in (panel.ui.modelLabel, panel.ui.messageLabel):
        assert contrast(label.styleSheet) >= CONTRAST
    panel.parameters.bundle = "parotid-ct"
    assert panel.ui.modelLabel.styleSheet == ""


@pytest.mark.parametrize("path", sorted([UI, *PANEL.rglob("*.py")]), ids=lambda path: path.name)
def test_no_text_has_a_colour_of_its_own_but_with_its_background(path: Path) -> None:
    for style in re.findall(r'["\'>]([^"\'<>]*\bcolor:[^"\'<>]*)["\'<]', path.read_text(encoding="utf-8")):
        assert contrast(style) >= CONTRAST, style
