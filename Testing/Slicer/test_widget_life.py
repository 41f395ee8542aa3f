"""The module's widget from its first minute to its last: a setup that fails, and the end that comes twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import slicer
from application.scripted import load_scripted_module

MODULE = Path(__file__).resolve().parents[2] / "ParotidSeg" / "ParotidSeg.py"


@pytest.fixture
def module(slicer_app: Any) -> Any:
    """The Python module, as the application loads it."""
    return load_scripted_module(slicer_app, MODULE)


def test_the_self_test_leaves_nobody_who_waits_for_the_end_of_the_module(module: Any) -> None:
    manager = slicer.app.moduleManager()
    before = list(manager.connected)
    module.ParotidSegTest().runTest()
    assert manager.connected == before
    manager.unload("ParotidSeg")  # what would reach its widget, which is long gone


def test_an_end_that_comes_twice_is_one(module: Any) -> None:
    widget = module.ParotidSegWidget()
    widget.enter()
    slicer.app.moduleManager().unload("ParotidSeg")
    widget.exit()
    widget.cleanup()
    slicer.app.moduleManager().unload("ParotidSeg")
    widget.parent.deleteLater()


def test_a_setup_that_fails_is_one_error_and_no_further_ones(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the .ui file is damaged")

    monkeypatch.setattr("slicer.util.loadUI", fail)
    widget = module.ParotidSegWidget(slicer.qMRMLWidget())  # the application sets it up itself, and tells of the error
    with pytest.raises(RuntimeError, match="damaged"):
        widget.setup()
    widget.enter()
    widget.exit()
    slicer.app.moduleManager().unload("ParotidSeg")
