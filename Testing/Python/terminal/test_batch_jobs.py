"""A batch done by several processes, of this machine or of a cluster: the same files, and a death costs one scan."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from fake_workers import gone
from sentences import refusal

from ParotidSegLib.errors import BundleError, EngineError, WorkerError
from ParotidSegLib.in_slicer.worker.process_tree import MARK, descendants, marked
from ParotidSegLib.model.bundle import load_bundle
from ParotidSegLib.terminal.batch import processes, work
from ParotidSegLib.terminal.batch.cluster import Cluster, connected
from ParotidSegLib.terminal.batch.processes import Processes, fitting, part_of
from ParotidSegLib.terminal.batch.running import run_batch
from ParotidSegLib.terminal.batch.scans import find_scans
from ParotidSegLib.terminal.batch.work import Here, Opening, Outcome, Task
from ParotidSegLib.terminal.cli import main
from ParotidSegLib.terminal.console import QuietReporter
from ParotidSegLib.terminal.one_scan import Options

SCANS = 4
OPTIONS = Options(mirror=False)
dask = pytest.mark.skipif(find_spec("distributed") is None, reason="Dask is not installed")
#: Dask closes its sockets when the interpreter gets to it.
quiet_dask = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning", "ignore::DeprecationWarning"
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory, sample_ct) -> Path:
    """Some scans and a file that is none."""
    folder = tmp_path_factory.mktemp("archive")
    for number in range(SCANS):
        shutil.copy(sample_ct, folder / f"scan_{number}.nii.gz")
    (folder / "broken.nii.gz").write_bytes(b"nothing")
    return folder


@pytest.fixture(scope="module")
def alone(archive, tmp_path_factory) -> dict[str, object]:
    """What one process leaves."""
    output = tmp_path_factory.mktemp("alone") / "out"
    assert main(["batch", str(archive), "-o", str(output), "--no-mirror", "--progress", "none"]) == 1
    return left(output)


def left(output: Path) -> dict[str, object]:
    """All files by name: their bytes, of those that state times what does not depend on them."""
    found: dict[str, object] = {}
    for path in sorted(output.rglob("*")):
        name = path.relative_to(output).as_posix()
        if path.name == "report.json":
            found[name] = {k: v for k, v in json.loads(path.read_text("utf-8")).items() if k != "timings_s"}
        elif path.name == "results.csv":
            found[name] = [{k: v for k, v in row.items() if k != "seconds"} for row in rows_of(output)]
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def rows_of(output: Path) -> list[dict[str, str]]:
    with (output / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def opening(**changes) -> Opening:
    return Opening(**{**vars(Opening.of(load_bundle(), "auto")), **changes})


class Killing(QuietReporter):
    """Kills a process when the first scan is told to be done: all others are at work then."""

    def __init__(self, victim) -> None:
        super().__init__()
        self._victim, self.killed = victim, 0

    def heading(self, text: str) -> None:
        if text.startswith("Scan ") and not self.killed:
            self.killed = self._victim()
            os.kill(self.killed, signal.SIGKILL)


# --- processes of this machine ---------------------------------------------------------------------------------------


@pytest.mark.engine
def test_two_processes_leave_what_one_leaves(archive, alone, tmp_path, capsys):
    command = ["batch", str(archive), "-o", str(tmp_path / "out"), "--no-mirror", "--jobs", "2"]
    assert main([*command, "--progress", "json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert left(tmp_path / "out") == alone
    results = [line for line in lines if line["stage"] == "result"]
    assert len(results) == SCANS
    assert all(Path(file).is_file() for line in results for file in line["files"])
    assert set(results[0]["report"]["structures"]) == {"Parotid_R", "Parotid_L"}
    assert multiprocessing.active_children() == []
    assert main(command) == 1
    assert f"0 segmented, {SCANS} done before, 1 failed" in capsys.readouterr().out
    assert left(tmp_path / "out") == alone


def writing(output: Path) -> int:
    """The number of a process that is about to write a result: it is in the name of its hidden folder."""
    deadline = time.monotonic() + 240.0
    while time.monotonic() < deadline:
        for path in output.glob("0*/.parotidseg-*"):
            return int(path.name.split("-")[2])
        time.sleep(0.005)
    raise AssertionError("no process writes")


@pytest.mark.engine
def test_a_process_that_is_killed_costs_its_scan_alone(archive, alone, tmp_path):
    output = tmp_path / "out"
    show = Killing(lambda: writing(output))
    hands = Processes(load_bundle(), opening(), 2)
    assert run_batch(find_scans(archive), output, hands, OPTIONS, show) == 2
    failed = [row for row in rows_of(output) if row["status"] == "failed"]
    (message,) = [row["message"] for row in failed if row["scan"] != "001"]
    assert "ended early (signal 9)" in message
    assert len({row["scan"] for row in rows_of(output) if row["status"] == "done"}) == SCANS - 1
    assert run_batch(find_scans(archive), output, hands, OPTIONS, QuietReporter()) == 1
    assert left(output) == alone


@pytest.mark.engine
def test_a_process_that_is_killed_while_it_loads_costs_nothing(archive, alone, tmp_path, monkeypatch):
    started = []
    start = processes._Worker.__init__

    def killed_at_first(self, *arguments):
        start(self, *arguments)
        started.append(self.process.pid)
        if len(started) in deaths:
            os.kill(self.process.pid, signal.SIGKILL)

    monkeypatch.setattr(processes._Worker, "__init__", killed_at_first)
    deaths, hands = {1}, Processes(load_bundle(), opening(), 2)
    assert run_batch(find_scans(archive), tmp_path / "out", hands, OPTIONS, QuietReporter()) == 1
    assert left(tmp_path / "out") == alone
    started.clear()
    deaths = set(range(1, 20))
    text = refusal(WorkerError, run_batch, find_scans(archive), tmp_path / "no", hands, OPTIONS, QuietReporter())
    assert "3 processes ended early while they loaded the model (signal 9)" in text
    assert multiprocessing.active_children() == []


@pytest.mark.engine
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the environment of a process")
@pytest.mark.parametrize("how", ["Ctrl-C", "termination", "kill"])
def test_all_processes_end_with_the_command(archive, alone, tmp_path, how):
    """Ctrl-C goes to all processes of a terminal, the others to the first alone."""
    output, mark = tmp_path / "out", secrets.token_hex(8)
    command = [sys.executable, "-m", "ParotidSegLib", "batch", str(archive), "-o", str(output)]
    process = subprocess.Popen(
        [*command, "--no-mirror", "--jobs", "2", "--progress", "json"],
        env={**os.environ, MARK: mark, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    told = 0
    while told < 2:  # when the second scan is told to be done, the first one is in the table
        told += b'"result"' in process.stdout.readline()
        assert process.poll() is None
    family = list(descendants(process.pid))
    assert len(family) >= 2
    if how == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGTERM if how == "termination" else signal.SIGKILL)
    err = process.communicate(timeout=60)[1].decode()
    assert process.returncode == {"Ctrl-C": 130, "termination": 143, "kill": -9}[how]
    assert "Traceback" not in err
    for pid in family:
        assert gone(pid, 10.0 if how == "kill" else 0.5)
    assert list(marked(mark)) == []
    if how != "kill":
        assert [path for path in output.rglob(".*")] == []
        assert any(row["status"] == "done" for row in rows_of(output))
        assert len({row["scan"] for row in rows_of(output)}) == SCANS + 1
    assert main(["batch", str(archive), "-o", str(output), "--no-mirror", "--progress", "none", "--jobs", "2"]) == 1
    assert left(output) == alone


@pytest.mark.engine
def test_a_model_that_no_process_can_open_is_one_sentence(archive, tmp_path):
    def refused(kind, **changes):
        hands = Processes(load_bundle(), opening(**changes), 2)
        text = refusal(kind, run_batch, find_scans(archive), tmp_path / "out", hands, OPTIONS, QuietReporter())
        assert multiprocessing.active_children() == []
        assert {row["status"] for row in rows_of(tmp_path / "out")} == {"open"}
        return text

    assert "has another bundle" in refused(BundleError, sha256="0")
    assert "has version" in refused(WorkerError, version="0.0.1")
    assert "is unknown" in refused(EngineError, engine="abacus")


def test_scans_end_in_any_order_and_stand_in_theirs(archive, tmp_path):
    class Backwards:
        bundle = load_bundle()

        def outcomes(self, tasks, options, show):
            for task in reversed(list(tasks)):
                yield Outcome(task, message=f"Not number {task.index}.")

    assert run_batch(find_scans(archive), tmp_path, Backwards(), OPTIONS, QuietReporter()) == SCANS + 1
    rows = rows_of(tmp_path)
    assert [row["scan"] for row in rows] == [f"{number:03d}" for number in range(1, SCANS + 2)]
    assert [row["message"] for row in rows] == [f"Not number {number}." for number in range(SCANS + 1)]


def test_a_fault_of_the_program_costs_one_scan_and_names_nobody(monkeypatch, tmp_path):
    def fail(*arguments):
        raise TypeError("Doe_Jane")

    monkeypatch.setattr(work, "segment_scan", fail)
    told = work.perform(Task(0, "Scan 1", tmp_path / "a.nii.gz", tmp_path), None, OPTIONS)
    assert "TypeError" in told.message
    assert "Doe_Jane" not in told.message


def test_cores_and_memory_are_divided(tmp_path):
    assert [part_of([0, 1, 2, 3, 4], place, 2) for place in range(2)] == [[0, 1], [2, 3, 4]]
    assert [part_of([4, 6], place, 3) for place in range(3)] == [[4], [4], [6]]
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 99999999 kB\nMemAvailable: 5242880 kB\n", encoding="ascii")
    assert [fitting(jobs, meminfo) for jobs in (1, 2, 8)] == [1, 2, 3]
    meminfo.write_text("MemAvailable: 1000 kB\n", encoding="ascii")
    assert fitting(4, meminfo) == 1
    assert fitting(4, tmp_path / "none") == 4


def test_a_bundle_is_opened_by_its_name_or_its_whole_path(tiny_bundle, monkeypatch):
    assert opening().bundle == "parotid-ct"
    monkeypatch.chdir(tiny_bundle.parent)
    assert Opening.of(load_bundle("tiny"), "auto").bundle == str(tiny_bundle)


@pytest.mark.parametrize("number", ["0", "-1", "two"])
def test_a_number_of_processes_that_is_none_is_wrong_use(number, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["batch", str(tmp_path), "-o", str(tmp_path / "out"), "--jobs", number])
    assert stopped.value.code == 2
    assert "--jobs" in capsys.readouterr().err


# --- a cluster -------------------------------------------------------------------------------------------------------


@pytest.mark.engine
@dask
@quiet_dask
def test_two_workers_of_a_cluster_leave_what_one_process_leaves_though_one_is_killed(archive, alone, tmp_path):
    from distributed import Client, LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "protocol": "tcp"}
    with LocalCluster(**options, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        with Client(address, set_as_default=False) as client:
            workers = list(client.run(os.getpid).values())
        show = Killing(lambda: workers[0])
        hands = Cluster(load_bundle(), opening(), address)
        assert run_batch(find_scans(archive), tmp_path / "out", hands, OPTIONS, show) == 1
        assert show.killed in workers
        assert left(tmp_path / "out") == alone
        for changes, kind in (({"sha256": "0"}, BundleError), ({"version": "0.0.1"}, WorkerError)):
            other = Cluster(load_bundle(), opening(**changes), address)
            refusal(kind, run_batch, find_scans(archive), tmp_path / "other", other, OPTIONS, QuietReporter())


def test_without_dask_a_scheduler_is_refused_with_what_to_install(archive, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    command = ["batch", str(archive), "-o", str(tmp_path / "out"), "--progress", "none"]
    assert main([*command, "--scheduler", "tcp://127.0.0.1:1"]) == 1
    assert "pip install 'parotidseg[dask]'" in capsys.readouterr().err


@dask
@quiet_dask
def test_a_scheduler_that_does_not_answer_is_refused(monkeypatch):
    monkeypatch.setattr("ParotidSegLib.terminal.batch.cluster.PATIENCE", 1)
    assert "tcp://127.0.0.1:1" in refusal(WorkerError, connected("tcp://127.0.0.1:1").__enter__)


# --- ten thousand ----------------------------------------------------------------------------------------------------


def test_the_table_of_many_scans_is_written_seldom_and_kept_at_the_end(monkeypatch, tmp_path):
    from ParotidSegLib.files.paced import SHARE, Paced

    clock, written = [0.0], []
    monkeypatch.setattr("ParotidSegLib.files.paced.time", type("Clock", (), {"monotonic": lambda: clock[0]}))

    def write() -> None:
        written.append(clock[0])
        clock[0] += 0.1

    record = Paced(write)
    for _ in range(1000):
        record.changed()
        clock[0] += 0.1
    record.flush()
    record.flush()
    assert len(written) * 0.1 <= 1.1 * SHARE * clock[0] + 0.2
    assert written[0] == 0.0
    assert written[-1] > 99.0


@pytest.mark.engine
def test_one_process_shows_a_scan_before_it_is_done(archive, tmp_path):
    from ParotidSegLib.segmentation import open_model

    class Order(QuietReporter):
        def heading(self, text):
            said.append("heading")

        def progress(self, stage, fraction, message):
            said.append(stage)

    said: list[str] = []
    task = Task(0, "Scan 1", archive / "scan_0.nii.gz", tmp_path / "out")
    (outcome,) = Here(open_model()).outcomes([task], OPTIONS, Order())
    assert outcome.report is not None
    assert said[0] == "heading"
    assert "segment" in said
