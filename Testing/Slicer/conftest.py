"""Slicer's modules without the application: the real MRML of slicer-core, and stand-ins for what Qt makes of it."""

from __future__ import annotations

import importlib.util
import locale
import os
from collections.abc import Iterator

import pytest

#: Without these packages (the extra `slicer-test`) nothing of this folder can run.
MISSING = [name for name in ("slicer", "PySide6") if importlib.util.find_spec(name) is None]

if MISSING and os.environ.get("PAROTIDSEG_REQUIRE_SLICER"):
    raise ImportError(f"Testing/Slicer must run here, but {' and '.join(MISSING)} cannot be imported")
if MISSING:
    collect_ignore_glob = ["*"]
else:
    import widgets
    from application.fixtures import (
        add_transform,
        add_volume,
        dicom_database,
        place_in_study,
        slice_views,
        slicer_app,
        started_slicer,
    )
    from application.start import start

    # Before the test files are read: they import what only a started application has.
    start()
    widgets.install()

    from made_compare import compared, opened
    from made_logic import ct, drawn, logic, made_worker, temporary, turned
    from made_reference import reference
    from made_scene import scene
    from made_strokes import node

    __all__ = [
        "add_transform",
        "add_volume",
        "compared",
        "ct",
        "dicom_database",
        "drawn",
        "logic",
        "made_worker",
        "node",
        "opened",
        "place_in_study",
        "reference",
        "scene",
        "slice_views",
        "slicer_app",
        "started_slicer",
        "temporary",
        "turned",
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say that the folder was left out, and why."""
    if MISSING:
        terminalreporter.write_line(f"Testing/Slicer was left out: no {' and no '.join(MISSING)} (extra slicer-test)")


@pytest.fixture(autouse=True)
def no_error_in_a_slot() -> Iterator[None]:
    """An exception in a slot or a timer, which Qt would only print, fails the test."""
    from widgets.pythonqt import collect_slot_errors

    errors: list[BaseException] = []
    end = collect_slot_errors(errors)
    yield
    end()
    if errors:
        raise errors[0]


@pytest.fixture(autouse=True)
def encoding_stays() -> Iterator[None]:
    """Slicer's reader of DICOM sets the C locale, under which Python takes what other processes print for ASCII."""
    before = locale.setlocale(locale.LC_ALL)
    yield
    locale.setlocale(locale.LC_ALL, before)


@pytest.fixture(autouse=True)
def no_former_paths() -> Iterator[None]:
    """What the lines for paths have remembered goes with the test."""
    from widgets.ctk_widgets import ctkPathLineEdit

    yield
    ctkPathLineEdit.histories.clear()
