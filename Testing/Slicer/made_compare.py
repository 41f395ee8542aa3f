"""The panel with Compare open, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import slicer.util
from made_panel import make_panel, run_event_loop_until

from ParotidSegLib.in_slicer.logic import ParotidSegLogic


@pytest.fixture
def opened(slicer_app: Any, node: Any) -> Iterator[Any]:
    """The panel of a segmentation with Compare open and nothing to compare with yet."""
    made = make_panel(ParotidSegLogic())
    made.parameters.outputSegmentation = node
    made.ui.compareSection.collapsed = False
    settle(made)
    yield made
    made.cleanup()
    made.root.deleteLater()


@pytest.fixture
def compared(opened: Any, reference: Any) -> Any:
    """The panel with a reference chosen, and all measured."""
    opened.ui.referenceSelector.setCurrentNode(reference)
    settle(opened)
    return opened


def settle(panel: Any) -> None:
    """Let the panel follow what has happened."""
    run_event_loop_until(lambda: not panel._later.active and not panel.compare.is_busy)


def cells(panel: Any) -> dict[str, list[str]]:
    """What the table shows: the cells of each row."""
    table = panel.ui.compareTable
    rows = [[table.item(row, column).text() for column in range(table.columnCount)] for row in range(table.rowCount)]
    return {} if table.isHidden() else {name: values for name, *values in rows}


def segmentations() -> list[str]:
    """Names of all segmentations of the scene."""
    return [one.GetName() for one in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")]
