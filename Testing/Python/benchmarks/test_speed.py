"""The benchmarks measure the version that they say, and what a process takes."""

from __future__ import annotations

import subprocess

import pytest

from Benchmarks.segment_speed import floors
from Benchmarks.speed.limits import files_in, reading
from Benchmarks.speed.probe import StampedOutput, Stamps
from Benchmarks.speed.versions import ROOT, Used, run, versions


def test_a_version_is_laid_out_imported_and_gone_again(tmp_path):
    git = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    if subprocess.run(git, capture_output=True, check=False).returncode:
        pytest.skip("not a clone")
    script = "import json, ParotidSegLib; print(json.dumps(ParotidSegLib.__file__))"
    with versions("HEAD") as roots:
        assert list(roots) == ["before", "now"]
        files = {name: run(["-c", script], root).said for name, root in roots.items()}
        for name, root in roots.items():
            assert files[name].startswith(str(root))
        before = roots["before"]
    assert files["before"] != files["now"]
    assert not before.exists()
    listed = subprocess.run([*git[:3], "worktree", "list"], capture_output=True, text=True, check=True).stdout
    assert str(before) not in listed


#: Measures from a small process: a child counts the memory of its parent until it runs its own program.
_MEASURED = """
import dataclasses, json, sys
sys.path.insert(0, sys.argv[1])
from Benchmarks.speed.versions import run
light = run(["-c", "print('[1, 2]')"])
heavy = run(["-c", "x = bytearray(200 << 20); import time\\nwhile time.process_time() < 0.5: pass"])
print(json.dumps([dataclasses.asdict(used) for used in (light, heavy)]))
"""


def test_what_a_process_takes_is_its_own():
    light, heavy = run(["-c", _MEASURED, str(ROOT / "Testing")]).said
    assert light["said"] == [1, 2]
    assert heavy["peak"] > light["peak"] + 150
    assert heavy["cpu"] > 0.5
    assert heavy["said"] is None
    with pytest.raises(RuntimeError, match="no such thing"):
        run(["-c", "raise SystemExit('no such thing')"])


def test_stages_are_stamped_by_the_lines_of_progress():
    stamps = Stamps()
    out = StampedOutput(stamps)
    for stage in ("read", "read", "locate", "read", "end"):
        print(f'{{"stage": "{stage}", "fraction": 0.5, "message": "x"}}', file=out)
    assert list(stamps.stages) == ["start", "read", "locate"]
    assert all(taken["wall"] > 0.0 for taken in stamps.stages.values())


def test_floors_are_the_work_at_the_measured_rates(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 500)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_bytes(b"x" * 300)
    assert reading(files_in([str(tmp_path)]), runs=1)["bytes"] == 800
    rates = {"cpu": 100.0, "wall": 200.0}
    limits = {"read": {"cpu": 7.0, "wall": 8.0}, "memory": rates, "matrix": rates}
    networks = {role: {"operations": 5000.0, "bytes": 1000.0} for role in ("locator", "segmenter")}
    warm = {"voxels": 1000, "voxel_bytes": 2, "networks": networks}
    least = floors(limits, warm, {"written": 500}, Used(2.0, 1.0, 10.0, None))
    assert least["read"] == {"cpu": 7.0, "wall": 8.0}
    assert least["locate"] == {"cpu": 2000 / 100 + 5000 / 100, "wall": 2000 / 200 + 5000 / 200}
    assert least["segment"]["cpu"] == 1000 / 100 + 5000 / 100
    assert least["write"]["wall"] == 1500 / 200
    assert least["start"] == {"cpu": 1.0, "wall": 2.0}
