"""The worker process of the Slicer module, with workers that misbehave in every way."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from fake_workers import (
    GOOD,
    SLEEP,
    child,
    gone,
    poll_to_end,
    report_line,
    run_to_end,
    sentence,
    wait_for,
    worker,
)

from ParotidSegLib.in_slicer.worker.events import LogLine, Progress, Result
from ParotidSegLib.in_slicer.worker.job import (
    MODULE_FOLDER,
    WorkerJob,
    child_environment,
    segment_command,
)
from ParotidSegLib.in_slicer.worker.start import FOLDERS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these workers use signals")


def test_progress_arrives_in_order_and_then_the_result(make_job):
    job = make_job(GOOD)
    events = run_to_end(job)
    progress = [(event.stage, event.fraction, event.message) for event in events if isinstance(event, Progress)]
    assert progress == [("load", 0.0, "Load"), ("segment", 0.5, "Segment")]
    assert isinstance(events[-1], Result)
    assert events[-1] is job.result
    assert job.result.report == {"a": 1}
    assert job.failure is None
    assert job.poll() == []


def test_the_files_of_a_result_stay_until_the_job_is_closed(make_job):
    job = make_job("f = pathlib.Path('labels.txt'); f.write_text('x')\nsay('result', files=[str(f.absolute())])\n")
    run_to_end(job)
    (file,) = job.result.files
    assert file.read_text() == "x"
    assert file.is_relative_to(job.workdir.resolve())
    job.close()
    assert not file.exists()


def test_starting_and_polling_never_wait_for_the_worker(make_job):
    job = make_job(SLEEP)
    started = time.monotonic()
    job.start()
    assert job.poll() == []
    job.cancel()
    assert time.monotonic() - started < 2.0


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("say('error', message='The scan is no CT.')\nsys.exit(1)", "The scan is no CT."),
        ("sys.exit(3)", "exit code 3"),
        ("raise RuntimeError('inside')", "exit code 1"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "memory"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed"),
        ("os.abort()", "crashed"),
        ("sys.exit(139)", "crashed"),
        ("os.kill(os.getpid(), signal.SIGTERM)", "from outside"),
        ("raise MemoryError", "ran out of memory"),
        ("import no_such_package", "install the engine again"),
        ("pass", "without a result"),
        ("print('{\"stage\": ')\nprint('[1, 2]')\nprint('{}')\nprint('{\"stage\": 1}')", "without a result"),
        ("os.write(1, bytes(range(256)) * 50)", "without a result"),
        ("say('result', files=['/nowhere/at/all.seg.nrrd'])", "missing from the disk"),
    ],
)
def test_every_bad_end_is_one_sentence(make_job, script, words):
    job = make_job(script)
    events = run_to_end(job)
    assert words in sentence(job, events)
    assert not job.workdir.exists()
    assert "exit code" in job.log


def test_a_crash_after_progress_keeps_the_trace_in_the_log(make_job):
    job = make_job("say('segment', 0.5)\ndef inner(): os.kill(os.getpid(), signal.SIGSEGV)\ninner()\n")
    events = run_to_end(job)
    assert "crashed" in sentence(job, events)
    assert "Segmentation fault" in job.log
    assert "inner" in job.log


def test_a_worker_that_hangs_is_killed(make_job):
    job = make_job("say('load', 0.1)\n" + child() + SLEEP, stall_seconds=0.6)
    events = run_to_end(job)
    assert "no sign of life" in sentence(job, events)
    (pid,) = [event.data["pid"] for event in events if isinstance(event, Progress) and event.stage == "child"]
    assert gone(pid)


def test_a_slow_worker_that_tells_so_is_not_taken_to_hang(make_job):
    job = make_job("for i in range(12):\n    say('segment', i / 12); time.sleep(0.1)\n" + GOOD, stall_seconds=0.6)
    run_to_end(job)
    assert job.failure is None


def test_a_worker_that_does_not_end_after_its_result_is_ended(make_job, monkeypatch):
    monkeypatch.setattr("ParotidSegLib.in_slicer.worker.job.EXIT_SECONDS", 0.3)
    job = make_job(GOOD + SLEEP)
    run_to_end(job, 10.0)
    assert job.result is not None


def test_a_child_that_holds_the_pipe_open_does_not_hold_up_the_end(make_job):
    job = make_job(child() + "os.kill(os.getpid(), signal.SIGKILL)")
    started = time.monotonic()
    events = run_to_end(job)
    assert "killed" in sentence(job, events)
    assert time.monotonic() - started < 8.0


def test_garbage_between_the_reports_goes_to_the_log(make_job):
    job = make_job(
        "os.write(1, b'caf\\xe9 \\xff\\n')\nprint('{\"stage\":', flush=True)\nprint('oops', file=sys.stderr)\n" + GOOD
    )
    events = run_to_end(job)
    assert job.result is not None
    assert "caf\N{REPLACEMENT CHARACTER}" in job.log
    assert {"oops", '{"stage":'} <= {event.text for event in events if isinstance(event, LogLine)}


def test_strange_numbers_in_a_report_do_no_harm(make_job):
    lines = ["NaN", "1e999", "-5", "true", '"x"', "null", "[1]", "1" + "0" * 400]
    script = "".join(f'print(\'{{"stage": "s", "fraction": {line}}}\', flush=True)\n' for line in lines)
    job = make_job(script + GOOD)
    events = run_to_end(job)
    assert job.result is not None
    assert all(0.0 <= event.fraction <= 1.0 for event in events if isinstance(event, Progress))


def test_huge_output_neither_fills_the_memory_nor_loses_the_result(make_job):
    script = "line = 'x' * 99\nfor i in range(200_000):\n    print(i, line)\nos.write(1, b'y' * 5_000_000)\nprint()\n"
    job = make_job("print('the beginning')\n" + script + GOOD)
    job.start()
    assert job.wait(60)
    events = job.poll()
    assert isinstance(events[-1], Result)
    assert len(events) < 6000
    assert len(job.log) < 300_000
    assert job.log.startswith("the beginning")
    assert "lines left out" in job.log


@pytest.mark.parametrize("exists", [False, True])
def test_a_python_that_is_missing_or_forbidden_is_a_sentence(tmp_path, exists):
    python = tmp_path / "PythonSlicer"
    if exists:
        python.write_text("no program")
    job = WorkerJob([str(python), "-m", "ParotidSegLib"], workdir_parent=tmp_path)
    events = run_to_end(job)
    assert ("does not allow" if exists else "missing") in sentence(job, events)
    assert not job.workdir.exists()


def test_a_job_that_nobody_closes_leaves_nothing(tmp_path):
    job = WorkerJob(worker(GOOD), workdir_parent=tmp_path)
    run_to_end(job)
    folder = job.workdir
    assert folder.exists()
    del job
    gc.collect()
    assert not folder.exists()


def test_a_program_that_ends_takes_its_worker_along(tmp_path):
    script = (
        f"from ParotidSegLib.in_slicer.worker.job import WorkerJob\nimport sys, time\n"
        f"job = WorkerJob({worker('say(str(os.getpid()))' + chr(10) + SLEEP)!r}, workdir_parent={str(tmp_path)!r})\n"
        "job.start()\n"
        "while not (events := job.poll()): pass\n"
        "print(events[0].stage)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(MODULE_FOLDER)}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert gone(int(ended.stdout))
    assert list(tmp_path.iterdir()) == []


def test_paths_that_are_long_spaced_or_not_ascii_work(tmp_path):
    parent = tmp_path / "Ohrspeicheldrüse 耳下腺 é" / ("long " * 30).strip()
    parent.mkdir(parents=True)
    script = "f = pathlib.Path('Ergebnis ü.txt'); f.write_text('x')\nprint('é耳')\n"
    script += "say('result', files=[str(f.absolute())])\n"
    with WorkerJob(worker(script), workdir_parent=parent) as job:
        run_to_end(job)
        assert job.result.files[0].read_text() == "x"
        assert job.result.files[0].parent == job.workdir
        assert "é耳" in job.log
    assert list(parent.iterdir()) == []


def test_temporary_files_of_the_worker_go_into_the_jobs_folder(make_job):
    job = make_job("import tempfile\nsay('result', report={'folder': tempfile.mkdtemp()})")
    run_to_end(job)
    assert Path(job.result.report["folder"]).parent == job.workdir


def test_the_home_folder_does_not_show_in_the_log(make_job):
    job = make_job("print(pathlib.Path.home() / 'study')\n" + GOOD)
    run_to_end(job)
    assert str(Path.home()) not in job.log
    assert f"~{os.sep}study" in job.log


def test_the_command_may_be_made_from_the_temporary_folder(tmp_path):
    job = WorkerJob(
        lambda folder: worker(f"say('result', report={{'folder': {str(folder)!r}}})"), workdir_parent=tmp_path
    )
    with job:
        run_to_end(job)
        assert job.result.report["folder"] == str(job.workdir)


def test_a_command_that_cannot_be_made_leaves_no_folder(tmp_path):
    def command(folder: Path) -> list[str]:
        (folder / "half").touch()
        raise ValueError("no scan")

    with pytest.raises(ValueError, match="no scan"):
        WorkerJob(command, workdir_parent=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_process_without_reports_can_do_without_a_result(make_job):
    job = make_job("print('installed')", needs_result=False)
    events = run_to_end(job)
    assert isinstance(events[-1], Result)
    assert LogLine("installed") in events


def test_the_commands_are_those_of_the_command_line(tmp_path):
    from ParotidSegLib.terminal.cli import parser

    command = segment_command(
        "python", tmp_path / "a b.nrrd", "out", bundle="x", engine="keras", mirror=False, extra=["--series", "2"]
    )
    assert command[:3] == ["python", str(MODULE_FOLDER / "ParotidSegLib/in_slicer/worker/start.py"), "ParotidSegLib"]
    parsed = parser().parse_args(command[3:])
    assert parsed.inputs == [tmp_path / "a b.nrrd"]
    assert parsed.output == Path.cwd() / "out"
    assert (parsed.bundle, parsed.engine, parsed.no_mirror, parsed.progress) == ("x", "keras", True, "json")
    assert parsed.no_preview
    assert parsed.series == "2"
    assert "--no-mirror" not in segment_command("python", "a", "b")


def test_the_worker_finds_this_library_and_then_the_engines_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", "before")
    environment = child_environment(tmp_path, python_path=[tmp_path / "engine"])
    assert environment[FOLDERS].split(os.pathsep) == [str(MODULE_FOLDER), str(tmp_path / "engine")]
    assert environment["PYTHONPATH"] == "before"
    assert (MODULE_FOLDER / "ParotidSegLib" / "__main__.py").is_file()
    assert environment["TMPDIR"] == str(tmp_path)


def test_a_termination_of_the_worker_from_outside_is_told(make_job):
    job = make_job("say('load')\n" + SLEEP)
    job.start()
    wait_for(job, "load")
    os.kill(job._process.pid, signal.SIGKILL)
    events = poll_to_end(job)
    assert "killed" in sentence(job, events)


def test_the_folder_lies_among_the_temporary_ones_by_default():
    with WorkerJob(worker(f"print({report_line()})")) as job:
        assert job.workdir.parent == Path(tempfile.gettempdir())
        run_to_end(job)
        assert job.result is not None
