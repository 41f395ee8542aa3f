"""Installing an engine: the real pip, on tiny packages in a folder; checks before, sentences after."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import urllib.error
from collections import namedtuple
from pathlib import Path

import pytest
from made_wheels import keep_packages_in, write_wheel

from ParotidSegLib.in_slicer.installing import engine_packages, install_checks, install_failures
from ParotidSegLib.in_slicer.installing.engine_packages import (
    DICOM,
    OPENVINO,
    TENSORFLOW,
    folder_of,
    missing,
    python_path,
)
from ParotidSegLib.in_slicer.installing.installer import Installation, Plan, check, make_plan, remove
from ParotidSegLib.in_slicer.worker.events import Cancelled, Failure, LogLine, Progress, Result
from ParotidSegLib.in_slicer.worker.job import WorkerJob, module_command

FREE = namedtuple("FREE", "total used free")


@pytest.fixture(autouse=True)
def own_root(tmp_path, monkeypatch) -> Path:
    return keep_packages_in(tmp_path / "Pakete für Slicer", monkeypatch)


@pytest.fixture
def wheels(tmp_path) -> Path:
    """A folder with an OpenVINO that can be imported and the numpy that it needs."""
    folder = tmp_path / "wheels of the hospital"
    write_wheel(folder, "openvino", "2026.3.0", code="NAME = 'tiny'\n", needs=["numpy<3"])
    write_wheel(folder, "numpy", "2.4.0")
    write_wheel(folder, "matplotlib", "3.11.0")
    return folder


def nothing_left(root: Path) -> bool:
    """Whether no staging folder and no discarded one stayed."""
    return not [path for path in root.rglob("*") if path.name.startswith((".old-", "parotidseg-"))]


def installed(plan: Plan) -> tuple[Installation, list]:
    installation = Installation(plan, sys.executable)
    events = []
    installation.start()
    installation.wait(events.append)
    return installation, events


def is_sentence(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z][^\n]+\.", text)) and not re.search(r"[.!?]\s+[A-Z]|Traceback", text)


# --- installing ------------------------------------------------------------------------------------------------------


def test_an_engine_is_installed_from_a_folder_and_only_the_worker_sees_it(own_root, wheels):
    plan = make_plan("openvino", wheels=wheels)
    assert check(plan, sys.executable) == []
    installation, events = installed(plan)
    assert installation.failure is None, installation.log
    assert isinstance(events[-1], Result)
    stages = [event.stage for event in events if isinstance(event, Progress)]
    assert stages == ["unpack", "try"]
    assert any("openvino" in event.text for event in events if isinstance(event, LogLine))
    assert missing("openvino") == []
    assert python_path("openvino") == [folder_of("openvino")] == python_path("auto")
    assert folder_of("openvino").is_relative_to(own_root)
    assert nothing_left(own_root)
    tells = own_root.parent / "tells"
    tells.mkdir()
    (tells / "tells.py").write_text("import openvino, numpy\nprint(openvino.NAME, openvino.__file__)")
    command = module_command(sys.executable, "tells")
    with WorkerJob(command, python_path=[*python_path("openvino"), tells], needs_result=False) as job:
        job.start()
        assert job.wait(30)
        assert f"tiny {folder_of('openvino')}" in str(job._log)
    import numpy

    assert hasattr(numpy, "ndarray"), "this process has its own numpy as before"


def test_what_was_installed_before_stays_if_the_new_one_fails_and_goes_if_it_does_not(own_root, wheels):
    assert installed(make_plan("openvino", wheels=wheels))[0].failure is None
    empty = wheels.parent / "other"
    write_wheel(empty, "numpy", "2.4.0")
    write_wheel(empty, "matplotlib", "3.11.0")
    installation, events = installed(make_plan("openvino", wheels=empty))
    assert "no package 'openvino'" in installation.failure
    assert isinstance(events[-1], Failure)
    assert missing("openvino") == []
    write_wheel(wheels, "openvino", "2026.4.0", code="NAME = 'newer'\n", needs=["numpy<3"])
    assert installed(make_plan("openvino", wheels=wheels))[0].failure is None
    assert "newer" in (folder_of("openvino") / "openvino" / "__init__.py").read_text()
    assert nothing_left(own_root)
    remove("openvino")
    assert not folder_of("openvino").exists()
    remove("openvino")


def test_packages_that_do_not_start_are_not_put_in_place(own_root, wheels):
    write_wheel(wheels, "openvino", "2026.4.0", code="raise ImportError('DLL load failed')\n")
    installation, _ = installed(make_plan("openvino", wheels=wheels))
    assert "Visual C++" in installation.failure
    assert "DLL load failed" in installation.log
    assert not folder_of("openvino").exists()
    assert nothing_left(own_root)


def test_a_version_outside_the_bounds_is_not_taken(wheels):
    for path in wheels.glob("openvino*"):
        path.unlink()
    write_wheel(wheels, "openvino", "2031.0.0")
    assert "no package 'openvino'" in installed(make_plan("openvino", wheels=wheels))[0].failure


def test_a_damaged_package_is_a_sentence(own_root, wheels):
    damaged = next(wheels.glob("openvino*"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    installation, _ = installed(make_plan("openvino", wheels=wheels))
    assert is_sentence(installation.failure)
    assert "damaged" in installation.failure, installation.log
    assert nothing_left(own_root)


def test_packages_that_do_not_fit_together_are_a_sentence(wheels):
    write_wheel(wheels, "openvino", "2026.4.0", needs=["numpy<2"])
    write_wheel(wheels, "openvino", "2026.3.0", needs=["numpy<2"])
    assert "do not fit together" in installed(make_plan("openvino", wheels=wheels))[0].failure


def test_cancelling_leaves_nothing(own_root, wheels):
    installation = Installation(make_plan("openvino", wheels=wheels), sys.executable)
    installation.start()
    installation.cancel()
    events = []
    assert not installation.wait(events.append)
    assert isinstance(events[-1], Cancelled)
    assert installation.cancelled
    assert installation.failure == "The installation was cancelled."
    assert not folder_of("openvino").exists()
    assert nothing_left(own_root)


def test_a_python_that_is_missing_is_a_sentence(own_root, tmp_path, wheels):
    plan = make_plan("openvino", wheels=wheels)
    nowhere = tmp_path / "PythonSlicer"
    assert [is_sentence(problem) for problem in check(plan, nowhere)] == [True]
    installation = Installation(plan, nowhere)
    installation.start()
    assert not installation.wait()
    assert "missing" in installation.failure
    assert nothing_left(own_root)


# --- plans -----------------------------------------------------------------------------------------------------------


def test_a_plan_says_what_and_how_large_and_that_slicer_stays_as_it_is(tmp_path):
    text = make_plan("openvino").what
    assert is_sentence(text)
    for words in ("OpenVINO", "101 MB", "357 MB", "Slicer's own packages stay as they are"):
        assert words in text
    assert str(tmp_path) in make_plan("keras", wheels=tmp_path).what
    assert make_plan("keras").megabytes == TENSORFLOW.installed_mb


def test_the_requirements_are_those_of_the_file_that_apply_here():
    assert make_plan("openvino").requirements == ("numpy<3,>=1.26", "openvino<2027,>=2025.4", "matplotlib<4,>=3.10")
    names = {re.split("[<>=]", line)[0] for line in make_plan("keras").requirements}
    assert {"numpy", "keras", "h5py", "matplotlib"} < names
    assert names & {"tensorflow", "tensorflow-cpu"}
    assert not [line for name in ("openvino", "keras", "dicom") for line in make_plan(name).requirements if ";" in line]


def test_the_download_command_fetches_the_same_for_another_computer():
    command = make_plan("openvino").download_command("3.12", "win_amd64")
    assert "--platform win_amd64 " in command
    assert '"openvino<2027,>=2025.4"' in command
    assert command.startswith("python -m pip download --dest wheels --only-binary=:all: --python-version 3.12")


def test_every_module_of_a_set_has_a_line_in_the_requirements_file():
    text = engine_packages.REQUIREMENTS_FILE.read_text(encoding="utf-8")
    for kind in engine_packages.PACKAGE_SETS.values():
        for name in kind.distributions:
            assert re.search(rf"^{name}>=", text, re.MULTILINE), name


# --- checks before --------------------------------------------------------------------------------------------------


def test_an_intel_mac_is_refused_tensorflow_and_offered_openvino(monkeypatch):
    markers = {"sys_platform": "darwin", "platform_machine": "x86_64"}
    original = engine_packages._requirement_class()

    class OnIntelMac(original):
        def __init__(self, text: str) -> None:
            super().__init__(text)
            if self.marker is not None and not self.marker.evaluate(markers):
                self.marker = type("Never", (), {"evaluate": lambda self: False})()

    monkeypatch.setattr(engine_packages, "_requirement_class", lambda: OnIntelMac)
    (problem,) = install_checks.platform_problems(TENSORFLOW)
    assert is_sentence(problem)
    assert "choose OpenVINO" in problem
    assert install_checks.platform_problems(OPENVINO) == []
    assert install_checks.platform_problems(DICOM) == []


@pytest.mark.parametrize("version", [(3, 9), (3, 14)])
def test_a_python_without_packages_is_refused(monkeypatch, version):
    monkeypatch.setattr(install_checks.sys, "version_info", (*version, 0))
    (problem,) = install_checks.platform_problems(OPENVINO)
    assert is_sentence(problem)
    assert f"{version[0]}.{version[1]}" in problem


def test_a_full_disk_is_told_in_megabytes(monkeypatch, own_root):
    monkeypatch.setattr(install_checks.shutil, "disk_usage", lambda place: FREE(10**12, 10**12, 300 * 10**6))
    (problem,) = install_checks.disk_problems(OPENVINO, own_root)
    assert is_sentence(problem)
    assert "658 MB" in problem
    assert "300 MB are free" in problem


@pytest.mark.skipif(os.name == "nt" or not os.getuid(), reason="needs a user whom the system can refuse")
def test_a_folder_that_cannot_be_written_is_told(own_root):
    own_root.mkdir()
    own_root.chmod(0o500)
    (problem,) = install_checks.disk_problems(OPENVINO, own_root)
    assert is_sentence(problem)


def test_a_file_in_the_place_of_the_folder_is_told(own_root):
    own_root.write_text("a file")
    (problem,) = install_checks.disk_problems(OPENVINO, own_root)
    assert "PAROTIDSEG_PACKAGES" in problem


def test_a_folder_without_packages_is_told(tmp_path):
    for folder in (tmp_path / "nowhere", tmp_path):
        (problem,) = install_checks.wheels_problems(folder)
        assert is_sentence(problem)
        assert str(folder) in problem


def test_a_python_without_pip_is_told(tmp_path, monkeypatch):
    answer = subprocess.CompletedProcess([], 1)
    monkeypatch.setattr(install_checks.subprocess, "run", lambda *_, **__: answer)
    assert "no pip" in install_checks.pip_problems(sys.executable)[0]


def unreachable(*_, **__):
    raise urllib.error.URLError(OSError(errno.ENETUNREACH, "Network is unreachable"))


def refused(request, **__):
    raise urllib.error.HTTPError(request.full_url, 405, "Method Not Allowed", None, None)


@pytest.mark.parametrize(
    ("configuration", "open_url", "host"),
    [
        ("", unreachable, "pypi.org"),
        ("", refused, None),
        (
            "global.index-url='https://user:secret@mirror.hospital.example/simple/'",
            unreachable,
            "mirror.hospital.example",
        ),
        ("global.proxy='http://proxy:8080'", unreachable, None),
        ("install.no-index='1'", unreachable, None),
        (":env:.index-url='file:///packages'", unreachable, None),
    ],
)
def test_the_connection_is_tried_where_pip_would_fetch_from(configuration, open_url, host):
    problems = install_checks.connection_problems(sys.executable, open_url=open_url, configuration=configuration)
    assert [problem.split(" ")[0] for problem in problems] == ([host] if host else [])
    assert all(is_sentence(problem.replace(host, "It")) for problem in problems)


def test_a_plan_with_a_folder_of_packages_needs_no_connection(monkeypatch, wheels):
    monkeypatch.setattr(
        "ParotidSegLib.in_slicer.installing.installer.connection_problems", lambda python: ["No connection."]
    )
    assert check(make_plan("openvino", wheels=wheels), sys.executable) == []
    assert check(make_plan("openvino"), sys.executable) == ["No connection."]
    assert check(make_plan("openvino"), sys.executable, connection=False) == []


# --- sentences after ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("/opt/PythonSlicer: No module named pip", "no pip"),
        ("WARNING: Retrying after connection broken by 'NewConnectionError(': Failed to establish a new connection'\n"
         "ERROR: No matching distribution found for openvino", "connection"),
        ("WARNING: Retrying ... 'ProxyError('Cannot connect to proxy.', OSError('407'))'", "proxy"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]'))", "certificate"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: Could not install packages: [WinError 206] The filename or extension is too long", "too long"),
        ("ERROR: Could not install packages due to an OSError: [WinError 5] Access is denied: 'C:\\\\x'", "allow"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "damaged"),
        ("ERROR: ResolutionImpossible: for help visit", "fit together"),
        ("ERROR: No matching distribution found for tensorflow-cpu<2.22,>=2.20", "no package 'tensorflow-cpu'"),
        ("ERROR: something that nobody foresaw", "the log says why"),
    ],
)  # fmt: skip
def test_a_failed_pip_is_one_plain_sentence(log, words):
    text = install_failures.reason(log, title="OpenVINO", offline=False)
    assert is_sentence(text)
    assert words in text


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("ImportError: /lib64/libc.so.6: version `GLIBC_2.28' not found", "Linux is too old"),
        ("Fatal Python error: Illegal instruction", "processor"),
        ("ImportError: DLL load failed while importing _pywrap", "Visual C++"),
        ("ImportError: cannot import name x", "the log says why"),
    ],
)
def test_an_engine_that_does_not_start_is_one_plain_sentence(log, words):
    text = install_failures.does_not_start(log, title="TensorFlow")
    assert is_sentence(text)
    assert words in text


def test_pip_without_a_connection_is_told_so(monkeypatch, own_root):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    installation, _ = installed(make_plan("openvino"))
    assert "connection" in installation.failure
    assert nothing_left(own_root)
    shutil.rmtree(own_root)
