"""Packages that have no place to go: one sentence, and the installation ends; nothing waits for ever."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_wheels import keep_packages_in, write_wheel

from ParotidSegLib.in_slicer.installing import install_checks, installer, preparation
from ParotidSegLib.in_slicer.installing.engine_packages import OPENVINO
from ParotidSegLib.in_slicer.installing.installer import Installation, make_plan
from ParotidSegLib.in_slicer.installing.preparation import Preparation
from ParotidSegLib.in_slicer.worker import job
from ParotidSegLib.in_slicer.worker.events import Event, Failure


@pytest.fixture(autouse=True)
def own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return keep_packages_in(tmp_path / "packages", monkeypatch)


def last_event(job: Preparation | Installation, seconds: float = 60.0) -> Event:
    job.start()
    deadline = time.monotonic() + seconds
    events: list[Event] = []
    while not events or not isinstance(events[-1], Failure):
        assert time.monotonic() < deadline, "it did not end"
        events += job.poll()
        time.sleep(0.02)
    assert job.poll() == []
    job.close()
    return events[-1]


def test_a_drive_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, own_root: Path) -> None:
    monkeypatch.setattr(Path, "exists", lambda *_, **__: False)  # as of E:\ without the stick
    monkeypatch.setattr(os.path, "exists", lambda *_: False)
    (problem,) = install_checks.disk_problems(OPENVINO, own_root)
    assert "PAROTIDSEG_PACKAGES" in problem


def test_a_folder_above_that_may_not_be_read_is_told(monkeypatch: pytest.MonkeyPatch, own_root: Path) -> None:
    def refuse(*_: object, **__: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)  # as Python up to 3.13 does
    monkeypatch.setattr(install_checks.os, "access", lambda *_: False)
    (problem,) = install_checks.disk_problems(OPENVINO, own_root)
    assert "PAROTIDSEG_PACKAGES" in problem


@pytest.mark.parametrize("where", ["in the checks", "after them"])
def test_a_disk_that_goes_away_ends_the_preparation(
    monkeypatch: pytest.MonkeyPatch, own_root: Path, where: str
) -> None:
    def check(*_: object) -> list[str]:
        if where == "in the checks":
            raise OSError(5, "Input/output error")
        return []

    monkeypatch.setattr(preparation, "check", check)
    own_root.write_text("a file where the folder should be")
    event = last_event(Preparation(make_plan("openvino"), Path(sys.executable)))
    assert isinstance(event, Failure)
    assert "PAROTIDSEG_PACKAGES" in event.message


def test_a_disk_that_is_full_before_the_trial_ends_the_installation(
    monkeypatch: pytest.MonkeyPatch, own_root: Path, tmp_path: Path
) -> None:
    wheels = tmp_path / "wheels"
    write_wheel(wheels, "openvino", "2026.3.0", code="")
    write_wheel(wheels, "numpy", "2.4.0")
    write_wheel(wheels, "matplotlib", "3.11.0")
    installation = Installation(make_plan("openvino", wheels=wheels), sys.executable)

    def full(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(job, "lasting_folder", full)
    assert "cannot be written" in last_event(installation).message
    assert not installer.folder_of("openvino").exists()
    assert [path.name for path in own_root.rglob("parotidseg-*")] == []


def test_the_checks_open_no_console_window(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []
    answer = SimpleNamespace(returncode=0, stdout="")
    monkeypatch.setattr(install_checks, "start_options", lambda: {"creationflags": 0x8000000}, raising=False)
    monkeypatch.setattr(install_checks.subprocess, "run", lambda *_, **options: asked.append(options) or answer)
    install_checks.pip_problems(sys.executable)
    install_checks.connection_problems(sys.executable, open_url=lambda *_, **__: None)
    assert [options.get("creationflags") for options in asked] == [0x8000000, 0x8000000]
