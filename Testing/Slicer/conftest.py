"""Slicer's modules without the application: the real MRML of slicer-core, and stand-ins for what Qt makes of it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest

#: Without these packages (the extra `slicer-test`) nothing of this folder can run.
MISSING = [name for name in ("slicer", "PySide6") if importlib.util.find_spec(name) is None]

if MISSING:
    collect_ignore_glob = ["*"]
else:
    import widgets

    widgets.install()


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
